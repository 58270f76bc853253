"""Our registrations at authorization servers end when nobody needs them any more (RFC 7592 §2.3).

    every ten minutes ─▶ an hour idle, nobody linked, nothing left to give back
                      ─▶ forgotten here, a job in its place ─▶ DELETE ─▶ gone, or given up

A server that gave no management token keeps its registration, and we keep ours: to register anew
for the next user would leave one more behind each time.
"""

from base64 import b64decode, b64encode
from collections.abc import Collection, Mapping
from typing import Any

import structlog

from safeconduct.core.errors import ProviderError
from safeconduct.core.events import EventType, event
from safeconduct.core.jobs import Failed, Outcome, Reschedule, job, job_ref
from safeconduct.core.model import (
    Connection,
    Event,
    IssuerRegistration,
    Job,
    ProviderEntry,
    TenantId,
)
from safeconduct.core.unit import Delete, Done, Facts, Find, Insert, Update
from safeconduct.core.upstream.client_registration import ended, ending_request
from safeconduct.core.upstream.provider import Provider
from safeconduct.ports.clock import Clock, Mint
from safeconduct.ports.keyring import Unsealable
from safeconduct.ports.outbound import Outbound
from safeconduct.ports.store import Store
from safeconduct.services.connections.entries import Entries
from safeconduct.services.connections.giving_back import PATIENCE_MS, REVOKE_JOB
from safeconduct.services.connections.issuer_clients import (
    MANAGED,
    REGISTRATIONS,
    client_ref,
    registration_ref,
)
from safeconduct.services.failpoints import failpoint
from safeconduct.services.vault import Vault

UNREGISTER_JOB = "provider.unregister"
JOBS, PURPOSE = "jobs", "tokens"
IDLE_MS = 3_600_000
"""Longer than anybody can be on the way there: an attempt lives ten minutes, and each that begins
marks our client as known, once in ten minutes.
"""

MOST, BUSY = 500, 200
PAUSE_MS = 10_000

_log = structlog.get_logger(__name__)


class Unregistering:
    def __init__(
        self,
        *,
        store: Store,
        vault: Vault,
        entries: Entries,
        outbound: Outbound,
        clock: Clock,
        mint: Mint,
    ) -> None:
        self.store, self.vault, self.entries = store, vault, entries
        self.outbound, self.clock, self.mint = outbound, clock, mint

    async def turn(self, tenant_id: TenantId) -> int:
        """Let go of what this tenant needs no more; how many that were."""
        rows = await self.store.find(Find(IssuerRegistration, {"tenant_id": tenant_id}, limit=MOST))
        if not rows:
            return 0
        at = await self._providers(tenant_id)
        gone = [await self._let_go(row, at.get(row.issuer, ())) for row in rows]
        return sum(gone)

    async def _providers(self, tenant_id: TenantId) -> Mapping[str, list[str]]:
        """The ids of all that speak with one server, by its issuer; those that were removed too."""
        own = await self.store.find(Find(ProviderEntry, {"tenant_id": tenant_id}, limit=MOST))
        found: dict[str, list[str]] = {}
        for entry in (*self.entries.catalog.all(), *map(self.entries.read, own)):
            if issuer := _issuer(entry):
                found.setdefault(issuer, []).append(entry.id)
        return found

    async def _let_go(self, row: IssuerRegistration, ids: Collection[str]) -> bool:
        tenant_id, now, id = row.tenant_id, self.clock.now(), self.mint.id("job")
        ref, managed = client_ref(tenant_id, row.issuer), registration_ref(tenant_id, row.issuer)
        linked: dict[str, Any] = {"tenant_id": tenant_id, "ended_at": None}
        owing = {"tenant_id": tenant_id, "kind": REVOKE_JOB, "settled_at": None}
        live = [Find(Connection, {**linked, "provider_id": one}, limit=1) for one in ids]
        back = Find(Job, owing, limit=BUSY)
        try:
            end = await self._job(row, id, now)
        except Unsealable:
            return False
        record = self._event(row, "provider.unregistering", now)

        def decide(facts: Facts) -> Done[bool]:
            client, found = facts.get(ref), facts.get(managed)
            if client is None or found != row or now - client.updated_at < IDLE_MS:
                return Done(False)
            waiting = facts.all(back)
            owed = len(waiting) == BUSY or any(
                one.payload.get("provider_id") in ids for one in waiting
            )
            if owed or any(facts.all(one) for one in live):
                return Done(False)
            return Done(True, (Delete(ref), Delete(managed), Insert(end), Insert(record)))

        return (await self.store.run((ref, managed, back, *live), decide)).answer

    async def _job(self, row: IssuerRegistration, id: str, now: int) -> Job:
        """The token goes with the job, sealed for it; its row is gone by then."""
        token = await self.vault.fetch(
            row.tenant_id, row.issuer, row.sealed, table=REGISTRATIONS, purpose=MANAGED
        )
        sealed = self.vault.seal(row.tenant_id, id, token, table=JOBS, purpose=PURPOSE)
        payload = {
            "issuer": row.issuer,
            "client_id": row.client_id,
            "uri": row.uri,
            "sealed": b64encode(sealed).decode(),
        }
        return job(id, row.tenant_id, UNREGISTER_JOB, id, now, payload)

    async def run(self, job: Job) -> Outcome:
        """One try. A server may be away for a day; after three it is left with what it has."""
        sealed = job.payload.get("sealed")
        if not isinstance(sealed, str):
            return None
        await failpoint("unregister.claimed")
        try:
            token = await self.vault.fetch(
                job.tenant_id, job.id, b64decode(sealed), table=JOBS, purpose=PURPOSE
            )
            said = await self.outbound.send(ending_request(str(job.payload["uri"]), token.decode()))
            how = ended(said)
        except Unsealable:
            return await self._given_up(job, "unreadable")
        except ProviderError as error:
            return await self._later(job, error)
        await self._tell(job, "provider.unregistered", {"how": how})
        return None

    async def _later(self, job: Job, error: ProviderError) -> Outcome:
        age = self.clock.now() - job.created_at
        _log.warning("provider.not_yet_unregistered", job=job.id, error=error.code)
        if age > PATIENCE_MS:
            return await self._given_up(job, error.code)
        wait = max(int((error.retry_after or 0) * 1000), min(max(age, PAUSE_MS), IDLE_MS))
        return Reschedule(self.clock.now() + wait, held=error.retry_after is not None)

    async def _given_up(self, job: Job, error: str) -> Outcome:
        await self._tell(job, "provider.unregistration_failed", {"error": error})
        return Failed(error, final=True)

    async def _tell(self, job: Job, type: EventType, detail: Mapping[str, str]) -> None:
        """Say how it ended, and wipe the token."""
        ref, now, id = job_ref(job), self.clock.now(), self.mint.id("evt")

        def decide(facts: Facts) -> Done[None]:
            row = facts.get(ref)
            if row is None or "sealed" not in row.payload:
                return Done(None)
            payload = {name: value for name, value in row.payload.items() if name != "sealed"}
            record = event(
                id,
                now,
                job.tenant_id,
                type,
                actor="system",
                subject=str(payload["issuer"])[:256],
                detail={"client_id": payload["client_id"], **detail},
            )
            return Done(None, (Update(ref, {"payload": payload}), Insert(record)))

        await self.store.run((ref,), decide)

    def _event(self, row: IssuerRegistration, type: EventType, now: int) -> Event:
        return event(
            self.mint.id("evt"),
            now,
            row.tenant_id,
            type,
            actor="system",
            subject=row.issuer[:256],
            detail={"client_id": row.client_id},
        )


def _issuer(entry: Provider) -> str | None:
    code = entry.auth.oauth2_code
    return code.issuer if code is not None and code.registering is not None else None
