"""Sends one delivery at a time: at least once, over days, and never twice as something else.

    look ──▶ pack ──▶ outbound (guarded, bounded, nothing followed) ──▶ write what came of it

A crash between sending and writing sends it again, with the same id: receivers ignore what they
have seen. The network never sits inside a transaction.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from safeconduct.core.errors import ApiError, ProviderError, not_found
from safeconduct.core.events import event
from safeconduct.core.jobs import Outcome, Reschedule, open_job, soon
from safeconduct.core.model import Delivery, Event, Job, TenantId, WebhookEndpoint
from safeconduct.core.secret import Secret
from safeconduct.core.unit import Done, Facts, Find, Insert, Ref, Update, Write
from safeconduct.core.upstream.answers import retry_after
from safeconduct.core.upstream.http import OutboundRequest
from safeconduct.core.webhooks import (
    DEAD_AFTER,
    MAX_ENDPOINTS,
    Pack,
    Packed,
    delivery_ref,
    endpoint_ref,
    message_of,
    next_try,
    secrets_of,
)
from safeconduct.ports.clock import Clock, Mint
from safeconduct.ports.outbound import Outbound
from safeconduct.ports.store import Store
from safeconduct.services.realms import Realms
from safeconduct.services.vault import Vault

DELIVER_JOB = "webhooks.deliver"
SECRET_TABLE, SECRET_PURPOSE = "webhook_secrets", "signing"
TIMEOUT_S = 10.0
MAX_ANSWER = 16_384
FRESH_MS = 60_000
GONE = 410

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a receiver made of a try. `error` is None for a 2xx and nothing else."""

    status: int | None
    error: str | None
    retry_after_ms: int | None = None


class Deliveries:
    def __init__(
        self,
        *,
        store: Store,
        vault: Vault,
        outbound: Outbound,
        clock: Clock,
        mint: Mint,
        realms: Realms,
        packs: Mapping[str, Pack],
    ) -> None:
        self.store, self.vault, self.outbound = store, vault, outbound
        self.clock, self.mint, self.realms, self.packs = clock, mint, realms, packs

    # The job

    async def run(self, job: Job) -> Outcome:
        """One try of the delivery that the job is about; says when the next is due."""
        tenant_id = job.tenant_id
        row = await self.store.get(delivery_ref(tenant_id, job.subject))
        if row is None or row.status != "pending":
            return None
        now = self.clock.now()
        if row.next_at is not None and row.next_at > now:
            return Reschedule(row.next_at)
        return await self._try(row)

    async def _try(self, row: Delivery) -> Outcome:
        endpoint = await self.store.get(endpoint_ref(row.tenant_id, row.endpoint_id))
        about = await self.store.get(Ref(Event, tenant_id=row.tenant_id, id=row.event_id))
        if endpoint is None or endpoint.status != "active" or about is None:
            await self._cancel(row)
            return None
        packed = await self._packed(about, endpoint)
        if packed is None:
            await self._cancel(row)
            return None
        answer = await self._send(endpoint, packed)
        return await self._settle(row, answer)

    async def _packed(self, about: Event, endpoint: WebhookEndpoint) -> Packed | None:
        write = self.packs.get(endpoint.dialect)
        if write is None:
            return None
        secrets = await self._secrets(endpoint)
        issuer = self.realms.issuer(about.tenant_id)
        return write(message_of(about, issuer), endpoint, secrets, self.clock.now())

    async def _secrets(self, endpoint: WebhookEndpoint) -> Sequence[Secret]:
        """The live secrets, the newest first."""
        now = self.clock.now()
        rows = await self.store.find(secrets_of(endpoint.tenant_id, endpoint.id))
        live = [row for row in rows if row.expires_at is None or now < row.expires_at]
        found = []
        for row in sorted(live, key=lambda row: row.id, reverse=True):
            opened = await self.vault.fetch(
                row.tenant_id, row.id, row.sealed, table=SECRET_TABLE, purpose=SECRET_PURPOSE
            )
            found.append(Secret(opened.decode()))
        return found

    async def _send(self, endpoint: WebhookEndpoint, packed: Packed) -> Answer:
        request = OutboundRequest(
            "POST",
            endpoint.url,
            packed.headers,
            body=packed.body,
            timeout_s=TIMEOUT_S,
            max_bytes=MAX_ANSWER,
        )
        try:
            said = await self.outbound.send(request)
        except ProviderError as error:
            taken = error.status is not None and 200 <= error.status < 300
            return Answer(error.status, None if taken else error.code)
        if 200 <= said.status < 300:
            return Answer(said.status, None)
        pause = retry_after(said.headers, self.clock.now())
        kind = "redirect" if 300 <= said.status < 400 else f"status_{said.status}"
        return Answer(said.status, kind, None if pause is None else int(pause * 1000))

    async def _cancel(self, row: Delivery) -> None:
        ref, now = delivery_ref(row.tenant_id, row.id), self.clock.now()
        change = {"status": "cancelled", "next_at": None, "settled_at": now}
        await self.store.run(
            (ref,),
            lambda facts: Done(None, (Update(ref, change),) if facts.get(ref) else ()),
        )

    async def _settle(self, row: Delivery, answer: Answer) -> Outcome:
        mine, theirs = (
            delivery_ref(row.tenant_id, row.id),
            endpoint_ref(row.tenant_id, row.endpoint_id),
        )
        now, chance = self.clock.now(), int(self.mint.digits(4)) / 10_000
        ids = (self.mint.id("evt"), self.mint.id("evt"))

        def decide(facts: Facts) -> Done[int | None]:
            found, endpoint = facts.get(mine), facts.get(theirs)
            if found is None or found.status != "pending":
                return Done(None)
            tries = found.attempts + 1
            columns: dict[str, Any] = {
                "attempts": tries,
                "response_status": answer.status,
                "error": answer.error,
                "next_at": None,
            }
            health = _health(endpoint, answer, now, ids[0]) if endpoint else ()
            if answer.error is None:
                columns |= {"status": "delivered", "settled_at": now}
                return Done(None, (Update(mine, columns), *health))
            again = next_try(tries, now, chance, answer.retry_after_ms)
            if again is None or answer.status == GONE:
                columns |= {"status": "dead", "settled_at": now}
                told = _dead(found, answer, tries, ids[1], now)
                return Done(None, (Update(mine, columns), *health, Insert(told)))
            columns |= {"next_at": again}
            return Done(again, (Update(mine, columns), *health))

        again = (await self.store.run((mine, theirs), decide)).answer
        _log.info(
            "webhook.tried",
            delivery=row.id,
            endpoint=row.endpoint_id,
            status=answer.status,
            error=answer.error,
        )
        if again is None:
            return None
        return Reschedule(again, held=answer.retry_after_ms is not None)

    # For people

    async def page(
        self,
        tenant_id: TenantId,
        *,
        endpoint_id: str | None = None,
        status: str | None = None,
        after: str | None = None,
        limit: int = 30,
    ) -> tuple[Delivery, ...]:
        """Deliveries, the latest first."""
        where: dict[str, Any] = {"tenant_id": tenant_id}
        if endpoint_id is not None:
            where["endpoint_id"] = endpoint_id
        if status is not None:
            where["status"] = status
        behind = None if after is None else (after,)
        return await self.store.find(
            Find(Delivery, where, order=("-id",), after=behind, limit=limit)
        )

    async def get(self, tenant_id: TenantId, delivery_id: str) -> Delivery:
        row = await self.store.get(delivery_ref(tenant_id, delivery_id))
        if row is None:
            raise not_found("delivery")
        return row

    async def replay(self, tenant_id: TenantId, delivery_id: str, *, actor: str) -> Delivery:
        """Send it again from the beginning of the schedule, delivered or not: the same id."""
        ref, now = delivery_ref(tenant_id, delivery_id), self.clock.now()
        waiting = open_job(tenant_id, DELIVER_JOB, delivery_id)
        ids = (self.mint.id("job"), self.mint.id("evt"))
        known = await self.get(tenant_id, delivery_id)
        theirs = endpoint_ref(tenant_id, known.endpoint_id)

        def decide(facts: Facts) -> Done[Delivery | ApiError]:
            row, endpoint = facts.get(ref), facts.get(theirs)
            if row is None:
                return Done(not_found("delivery"))
            if endpoint is None or endpoint.status != "active":
                return Done(ApiError(409, "webhook_inactive", "The webhook is not active."))
            columns: dict[str, Any] = {
                "status": "pending",
                "attempts": 0,
                "next_at": now,
                "settled_at": None,
                "error": None,
            }
            told = event(
                ids[1], now, tenant_id, "webhook.replayed", actor=actor, subject=endpoint.id,
                detail={"delivery": row.id},
            )  # fmt: skip
            again = soon(
                facts.all(waiting), ids[0], tenant_id, DELIVER_JOB, row.id, now,
                {"provider_id": endpoint.id},
            )  # fmt: skip
            return Done(row, (Update(ref, columns), *again, Insert(told)))

        found = (await self.store.run((ref, theirs, waiting), decide)).answer
        if isinstance(found, ApiError):
            raise found
        return await self.get(tenant_id, delivery_id)

    async def replay_dead(self, tenant_id: TenantId, endpoint_id: str, *, actor: str) -> int:
        """Every dead letter of a receiver once more; returns how many, a hundred at most."""
        dead = await self.page(
            tenant_id, endpoint_id=endpoint_id, status="dead", limit=MAX_ENDPOINTS
        )
        for row in dead:
            await self.replay(tenant_id, row.id, actor=actor)
        return len(dead)


def _health(
    endpoint: WebhookEndpoint, answer: Answer, now: int, event_id: str
) -> tuple[Write, ...]:
    """How the receiver is. A good answer is noted once a minute, a bad one every time."""
    ref = endpoint_ref(endpoint.tenant_id, endpoint.id)
    if answer.error is None:
        known = endpoint.failures == 0 and (endpoint.succeeded_at or 0) + FRESH_MS > now
        good = {"failures": 0, "failing_since": None, "succeeded_at": now}
        return () if known else (Update(ref, good),)
    since = endpoint.failing_since or now
    columns: dict[str, Any] = {
        "failures": endpoint.failures + 1,
        "failing_since": since,
        "failed_at": now,
    }
    reason = "gone" if answer.status == GONE else "failing" if now - since > DEAD_AFTER else None
    if reason is None or endpoint.status != "active":
        return (Update(ref, columns),)
    told = event(
        event_id,
        now,
        endpoint.tenant_id,
        "webhook.disabled",
        actor="system",
        client_id=endpoint.client_id,
        subject=endpoint.id,
        detail={"reason": reason},
    )
    off = {"status": "disabled", "reason": reason, "updated_at": now}
    return (Update(ref, columns | off), Insert(told))


def _dead(row: Delivery, answer: Answer, tries: int, event_id: str, now: int) -> Event:
    return event(
        event_id,
        now,
        row.tenant_id,
        "webhook.dead",
        actor="system",
        subject=row.endpoint_id,
        detail={"delivery": row.id, "error": answer.error, "attempts": tries},
    )
