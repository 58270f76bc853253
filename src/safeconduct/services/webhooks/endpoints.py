"""Receivers of webhooks: made, changed, given new secrets, tried out, removed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from safeconduct.core.errors import ApiError, bad_request, not_found
from safeconduct.core.events import EventType, event
from safeconduct.core.jobs import job
from safeconduct.core.model import Event, TenantId, WebhookEndpoint, WebhookSecret
from safeconduct.core.secret import Secret
from safeconduct.core.unit import Delete, DeleteAll, Done, Facts, Find, Insert, Ref, Update, Write
from safeconduct.core.users import Numbering
from safeconduct.core.webhooks import (
    MAX_ENDPOINTS,
    MAX_SECRETS,
    OVERLAP,
    STANDARD,
    endpoint_ref,
    new_delivery,
    new_secret,
    read_event_types,
    read_secret,
    read_url,
    secrets_of,
)
from safeconduct.ports.clock import Clock, Mint
from safeconduct.ports.store import Store
from safeconduct.services.vault import Vault
from safeconduct.services.webhooks.deliver import DELIVER_JOB, SECRET_PURPOSE, SECRET_TABLE
from safeconduct.services.webhooks.fan_out import Deaf

MAX_DESCRIPTION = 200
_STATUSES = ("active", "paused")


@dataclass(frozen=True, slots=True)
class Made:
    """A new receiver, or a new secret of one. The secret is shown now and never again."""

    endpoint: WebhookEndpoint
    secret: Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How a surface's own webhooks differ: what they carry, and the secret as it was given."""

    name: str
    options: Mapping[str, Any]
    secret: Secret | None


class Webhooks:
    def __init__(self, *, store: Store, vault: Vault, clock: Clock, mint: Mint, deaf: Deaf) -> None:
        self.store, self.vault = store, vault
        self.clock, self.mint, self.deaf = clock, mint, deaf

    # Looking

    async def list(
        self,
        tenant_id: TenantId,
        *,
        client_id: str | None = None,
        after: int | None = None,
        limit: int = MAX_ENDPOINTS,
    ) -> tuple[WebhookEndpoint, ...]:
        """By number; of one client, or of all."""
        where: dict[str, Any] = {"tenant_id": tenant_id}
        if client_id is not None:
            where["client_id"] = client_id
        behind = None if after is None else (after,)
        return await self.store.find(
            Find(WebhookEndpoint, where, order=("number",), after=behind, limit=limit)
        )

    async def get(
        self, tenant_id: TenantId, endpoint_id: str, *, client_id: str | None = None
    ) -> WebhookEndpoint:
        row = await self.store.get(endpoint_ref(tenant_id, endpoint_id))
        if row is None or client_id not in (None, row.client_id):
            raise not_found("webhook")
        return row

    async def numbered(self, tenant_id: TenantId, number: int) -> WebhookEndpoint | None:
        where = {"tenant_id": tenant_id, "number": number}
        return next(iter(await self.store.find(Find(WebhookEndpoint, where, limit=1))), None)

    async def secrets(self, tenant_id: TenantId, endpoint_id: str) -> tuple[WebhookSecret, ...]:
        """The live ones; only their last characters can be shown."""
        now = self.clock.now()
        rows = await self.store.find(secrets_of(tenant_id, endpoint_id))
        return tuple(row for row in rows if row.expires_at is None or now < row.expires_at)

    # Changing

    async def create(
        self,
        tenant_id: TenantId,
        data: Mapping[str, Any],
        *,
        actor: str,
        client_id: str | None = None,
        dialect: Dialect | None = None,
    ) -> Made:
        """409 when its owner has one for this address already, or too many."""
        asked = _fields(data)
        for name in ("url", "event_types"):
            if name not in asked:
                raise bad_request("missing_field", f"{name} is needed.", field=name)
        given = dialect.secret if dialect else None
        secret = given or read_given(data) or new_secret(self.mint.secret())
        now, numbering = self.clock.now(), Numbering(tenant_id, WebhookEndpoint)
        row = WebhookEndpoint(
            tenant_id=tenant_id,
            id=self.mint.id("whk"),
            number=0,
            client_id=client_id,
            dialect=dialect.name if dialect else STANDARD,
            url=asked["url"],
            description=asked.get("description"),
            event_types=asked["event_types"],
            options=dict(dialect.options) if dialect else {},
            status=asked.get("status", "active"),
            reason=None,
            failures=0,
            failing_since=None,
            succeeded_at=None,
            failed_at=None,
            created_at=now,
            updated_at=now,
        )
        kept = self._secret(row, secret, now)
        told = self._event(row, "webhook.created", actor)
        siblings = self._siblings(tenant_id, client_id)

        def decide(facts: Facts) -> Done[WebhookEndpoint | ApiError]:
            others = facts.all(siblings)
            if any(other.url == row.url for other in others):
                return Done(ApiError(409, "webhook_exists", "There is a webhook for this address."))
            if len(others) >= MAX_ENDPOINTS:
                return Done(ApiError(409, "too_many", f"At most {MAX_ENDPOINTS} webhooks."))
            made = replace(row, number=numbering.after(facts.all(numbering.last)))
            return Done(made, (Insert(made), Insert(kept), Insert(told)))

        reads = (numbering.anchor, numbering.last, siblings)
        made = (await self.store.run(reads, decide)).answer
        if isinstance(made, ApiError):
            raise made
        self.deaf.forget()
        return Made(made, secret)

    async def update(
        self,
        tenant_id: TenantId,
        endpoint_id: str,
        data: Mapping[str, Any],
        *,
        actor: str,
        options: Mapping[str, Any] | None = None,
    ) -> WebhookEndpoint:
        """`status: active` starts one again that was paused or disabled."""
        asked = _fields(data)

        def change(row: WebhookEndpoint) -> dict[str, Any]:
            columns = {name: new for name, new in asked.items() if new != getattr(row, name)}
            if options is not None and options != row.options:
                columns["options"] = dict(options)
            if columns.get("status") == "active":
                columns |= {"reason": None, "failures": 0, "failing_since": None}
            return columns

        changed = await self._change(tenant_id, endpoint_id, "webhook.updated", actor, change)
        self.deaf.forget()
        return changed

    async def rotate_secret(
        self,
        tenant_id: TenantId,
        endpoint_id: str,
        *,
        actor: str,
        secret: Secret | None = None,
        overlap_ms: int = OVERLAP,
    ) -> Made:
        """A new secret; messages are signed with the newest old one too, for `overlap_ms`."""
        endpoint = await self.get(tenant_id, endpoint_id)
        fresh, now = secret or new_secret(self.mint.secret()), self.clock.now()
        kept = self._secret(endpoint, fresh, now)
        told = self._event(endpoint, "webhook.secret_created", actor)
        ref, mine = endpoint_ref(tenant_id, endpoint_id), secrets_of(tenant_id, endpoint_id)

        def decide(facts: Facts) -> Done[bool]:
            if facts.get(ref) is None:
                return Done(False)
            old = _retired(facts.all(mine), now, overlap_ms)
            return Done(True, (Insert(kept), *old, Insert(told)))

        if not (await self.store.run((ref, mine), decide)).answer:
            raise not_found("webhook")
        return Made(endpoint, fresh)

    async def delete(
        self, tenant_id: TenantId, endpoint_id: str, *, actor: str, client_id: str | None = None
    ) -> WebhookEndpoint:
        """What was on its way to it is cancelled at its next try."""
        ref = endpoint_ref(tenant_id, endpoint_id)

        def decide(facts: Facts) -> Done[WebhookEndpoint | None]:
            row = facts.get(ref)
            if row is None or client_id not in (None, row.client_id):
                return Done(None)
            where = {"tenant_id": tenant_id, "endpoint_id": endpoint_id}
            told = self._event(row, "webhook.deleted", actor)
            return Done(row, (Delete(ref), DeleteAll(WebhookSecret, where), Insert(told)))

        gone = (await self.store.run((ref,), decide)).answer
        if gone is None:
            raise not_found("webhook")
        return gone

    async def ping(self, tenant_id: TenantId, endpoint_id: str, *, actor: str) -> str:
        """Send `webhook.ping` to this one receiver; the id of the delivery."""
        ref, now = endpoint_ref(tenant_id, endpoint_id), self.clock.now()
        endpoint = await self.get(tenant_id, endpoint_id)
        told = self._event(endpoint, "webhook.ping", actor)
        sent = new_delivery(told, endpoint, now)
        payload = {"provider_id": endpoint.id}
        later = job(self.mint.id("job"), tenant_id, DELIVER_JOB, sent.id, now, payload)

        def decide(facts: Facts) -> Done[ApiError | None]:
            row = facts.get(ref)
            if row is None:
                return Done(not_found("webhook"))
            if row.status != "active":
                return Done(ApiError(409, "webhook_inactive", "The webhook is not active."))
            return Done(None, (Insert(told), Insert(sent), Insert(later)))

        refusal = (await self.store.run((ref,), decide)).answer
        if refusal is not None:
            raise refusal
        return sent.id

    async def _change(
        self,
        tenant_id: TenantId,
        endpoint_id: str,
        type: EventType,
        actor: str,
        change: Callable[[WebhookEndpoint], dict[str, Any]],
    ) -> WebhookEndpoint:
        ref, now = endpoint_ref(tenant_id, endpoint_id), self.clock.now()
        known = await self.get(tenant_id, endpoint_id)
        siblings = self._siblings(tenant_id, known.client_id)

        def decide(facts: Facts) -> Done[WebhookEndpoint | ApiError]:
            row = facts.get(ref)
            if row is None:
                return Done(not_found("webhook"))
            columns = change(row)
            if not columns:
                return Done(row)
            taken = {other.url for other in facts.all(siblings) if other.id != row.id}
            if columns.get("url") in taken:
                return Done(ApiError(409, "webhook_exists", "There is a webhook for this address."))
            columns["updated_at"] = now
            told = self._event(row, type, actor)
            return Done(replace(row, **columns), (Update(ref, columns), Insert(told)))

        found = (await self.store.run((ref, siblings), decide)).answer
        if isinstance(found, ApiError):
            raise found
        return found

    def _siblings(self, tenant_id: TenantId, client_id: str | None) -> Find[WebhookEndpoint]:
        where = {"tenant_id": tenant_id, "client_id": client_id}
        return Find(WebhookEndpoint, where, order=("number",), limit=MAX_ENDPOINTS)

    def _secret(self, row: WebhookEndpoint, secret: Secret, now: int) -> WebhookSecret:
        id, text = self.mint.id("wsk"), secret.reveal()
        sealed = self.vault.seal(
            row.tenant_id, id, text.encode(), table=SECRET_TABLE, purpose=SECRET_PURPOSE
        )
        return WebhookSecret(
            tenant_id=row.tenant_id,
            id=id,
            endpoint_id=row.id,
            sealed=sealed,
            suffix=text[-4:],
            created_at=now,
            expires_at=None,
        )

    def _event(self, row: WebhookEndpoint, type: EventType, actor: str) -> Event:
        return event(
            self.mint.id("evt"),
            self.clock.now(),
            row.tenant_id,
            type,
            actor=actor,
            client_id=row.client_id,
            subject=row.id,
        )


def read_given(data: Mapping[str, Any]) -> Secret | None:
    """The secret that a receiver brings along, if it does."""
    return None if data.get("secret") is None else read_secret(data["secret"])


def _fields(data: Mapping[str, Any]) -> dict[str, Any]:
    """What may be set, each checked; what is not known is refused by name."""
    readers: dict[str, Callable[[Any], Any]] = {
        "url": read_url,
        "event_types": read_event_types,
        "description": _description,
        "status": _status,
    }
    unknown = sorted(set(data) - set(readers) - {"secret"})
    if unknown:
        raise bad_request("unknown_field", f"{unknown[0]} cannot be set.", field=unknown[0])
    return {name: readers[name](value) for name, value in data.items() if name != "secret"}


def _description(value: Any) -> str | None:
    if value is not None and (
        not isinstance(value, str) or len(value) > MAX_DESCRIPTION or not value.isprintable()
    ):
        raise bad_request(
            "invalid_description", f"At most {MAX_DESCRIPTION} characters.", field="description"
        )
    return value or None


def _status(value: Any) -> str:
    if value not in _STATUSES:
        raise bad_request("invalid_status", "status is active or paused.", field="status")
    return str(value)


def _retired(rows: tuple[WebhookSecret, ...], now: int, overlap_ms: int) -> list[Write]:
    """What becomes of the secrets that were there: the newest lives on for a while."""
    writes: list[Write] = []
    newest_first = sorted(rows, key=lambda row: row.id, reverse=True)
    for position, row in enumerate(newest_first):
        ref = Ref(WebhookSecret, tenant_id=row.tenant_id, id=row.id)
        end = now + overlap_ms
        if position >= MAX_SECRETS - 1 or overlap_ms <= 0:
            writes.append(Delete(ref))
        elif row.expires_at is None or row.expires_at > end:
            writes.append(Update(ref, {"expires_at": end}))
    return writes
