"""Webhooks in: a provider says that there is something new, and it is read soon.

The body is never taken as data. Who signed it decides whose connections it may concern, a delivery
that comes again has no second effect, and one that names nobody here has none at all.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from json import loads

import structlog

from safeconduct.core.connections import connection_ref, is_live
from safeconduct.core.errors import ApiError
from safeconduct.core.events import event
from safeconduct.core.jobs import open_job, soon
from safeconduct.core.model import Connection, Spent, TenantId
from safeconduct.core.secret import Secret
from safeconduct.core.unit import Done, Facts, Find, Insert, Read, Ref, Write
from safeconduct.core.upstream.inbound import UNKNOWN, Delivery, Received, read_event, verify
from safeconduct.core.upstream.pages import capability_of
from safeconduct.core.upstream.provider import Provider
from safeconduct.ports.clock import Clock, Mint
from safeconduct.ports.store import Store
from safeconduct.services.connections.providers import Providers
from safeconduct.services.failpoints import failpoint
from safeconduct.services.ledger import sync_job

SPENT = "webhook.in"
REMEMBERED_MS = 7 * 86_400_000  # longer than any sender tries again
MOST = 64  # connections of one user at one provider

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Sender:
    """A provider that is set up here to send webhooks."""

    provider: Provider
    secret: Secret


class Inbound:
    def __init__(self, *, store: Store, clock: Clock, mint: Mint, providers: Providers) -> None:
        self.store, self.clock, self.mint, self.providers = store, clock, mint, providers

    async def receive(
        self,
        tenant_id: TenantId,
        headers: Mapping[str, str],
        body: bytes,
        provider_id: str | None = None,
    ) -> Received:
        """What it says, once it is acted upon; 412 where nobody may send, 401 for a forgery.

        Without `provider_id` the signature says whose it is.
        """
        senders = await self._senders(tenant_id, provider_id)
        if not senders:
            raise ApiError(412, "no_webhook_secret", "No webhook secret is configured.")
        for sender in senders:
            how = sender.provider.webhooks
            assert how is not None
            delivery = verify(how.signature, sender.secret, headers, body, self.clock.now())
            if delivery is not None:
                said = _said(sender.provider, body)
                await failpoint("webhook.verified")
                await self._act(tenant_id, sender, delivery, said)
                return said
        raise ApiError(401, "invalid_signature", "The webhook's signature is not valid.")

    async def _senders(self, tenant_id: TenantId, provider_id: str | None) -> Sequence[_Sender]:
        found: list[_Sender] = []
        for setting in await self.providers.settings(tenant_id):
            entry = await self.providers.entries.get(tenant_id, setting.provider_id)
            if entry is None or entry.webhooks is None or setting.status == "disabled":
                continue
            if provider_id in (None, entry.id):
                secret = await self.providers.signed_with(tenant_id, entry.id)
                if secret is not None:
                    found.append(_Sender(entry, secret))
        return found

    async def _act(
        self, tenant_id: TenantId, sender: _Sender, delivery: Delivery, said: Received
    ) -> None:
        """One unit: the delivery is remembered, and what it concerns is due."""
        provider = sender.provider
        spent = _spent(tenant_id, provider.id, delivery)
        targets = await self._concerned(tenant_id, provider, said)
        wanted = [name for name in said.capabilities if capability_of(provider, name)]
        jobs = {
            (row.id, name): open_job(tenant_id, sync_job(name), row.id)
            for row in targets
            for name in wanted
        }
        owners = {row.id: connection_ref(tenant_id, row.id) for row in targets}
        ids = {key: self.mint.id("job") for key in jobs}
        event_id, now = self.mint.id("evt"), self.clock.now()

        def decide(facts: Facts) -> Done[bool]:
            if facts.get(spent) is not None:
                return Done(False)
            writes: list[Write] = [Insert(_remembered(spent, now))]
            for key, open_rows in jobs.items():
                if is_live(facts.get(owners[key[0]])):
                    kind, payload = sync_job(key[1]), {"provider_id": provider.id}
                    writes += soon(
                        facts.all(open_rows), ids[key], tenant_id, kind, key[0], now, payload
                    )
            record = event(
                event_id,
                now,
                tenant_id,
                "webhook.received",
                actor=f"provider:{provider.id}",
                subject=targets[0].id if targets else provider.id,
                user_id=targets[0].user_id if targets else None,
                detail={"type": said.type, "connections": len(targets)},
            )
            return Done(True, (*writes, Insert(record)))

        reads: list[Read] = [spent, *owners.values(), *jobs.values()]
        if not (await self.store.run(reads, decide)).answer:
            _log.info("webhook.repeated", provider=provider.id)

    async def _concerned(
        self, tenant_id: TenantId, provider: Provider, said: Received
    ) -> Sequence[Connection]:
        """The live connections to this provider of the user that is named, and of this account."""
        where = {"tenant_id": tenant_id, "provider_id": provider.id, "ended_at": None}
        if said.user is not None:
            where["user_id"] = said.user
        if said.account is not None:
            where["account_key"] = said.account
        if said.user is None and said.account is None:
            return ()
        return await self.store.find(Find(Connection, where, limit=MOST))


def _said(provider: Provider, body: bytes) -> Received:
    """An authentic body that cannot be read says nothing: the provider has changed its ways."""
    assert provider.webhooks is not None
    try:
        document = loads(body)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        return Received(UNKNOWN, None, None, ())
    return read_event(provider.webhooks, document)


def _spent(tenant_id: TenantId, provider_id: str, delivery: Delivery) -> Ref[Spent]:
    name = sha256(f"{provider_id}\0{delivery.id}".encode()).hexdigest()
    return Ref(Spent, tenant_id=tenant_id, kind=SPENT, id=name)


def _remembered(ref: Ref[Spent], now: int) -> Spent:
    tenant_id, kind, id = ref.key
    return Spent(tenant_id=tenant_id, kind=kind, id=id, expires_at=now + REMEMBERED_MS)
