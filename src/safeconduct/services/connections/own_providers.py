"""Providers that a tenant adds while the server runs: added, changed, removed.

asked ──▶ discovery (openid, mcp) ──▶ entry ──lint──▶ provider_entries, provider_settings

The entry and our registration there come and go together. A change keeps what the entry said before
for as long as somebody may be on the way to the provider; a removal ends the connections there, one
by one, in a job.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from safeconduct.core.attempts import TTL_MS
from safeconduct.core.errors import ApiError, bad_request, not_found
from safeconduct.core.events import EventType, event
from safeconduct.core.jobs import job
from safeconduct.core.model import (
    Connection,
    Event,
    ProviderEntry,
    ProviderSetting,
    SupersededEntry,
    Tenant,
    TenantId,
)
from safeconduct.core.secret import Secret
from safeconduct.core.throttle import MINUTE, Limit
from safeconduct.core.unit import Delete, Done, Facts, Find, Insert, Ref, Update, Write
from safeconduct.core.upstream.mcp import asked_scopes
from safeconduct.core.upstream.own_entries import (
    Asked,
    Document,
    McpServer,
    OAuth2,
    OpenId,
    Whole,
    mcp_document,
    mcp_id,
    oauth2_document,
    openid_document,
    read_asked,
    read_own,
    refuse_unjudged,
)
from safeconduct.core.upstream.provider import Provider
from safeconduct.core.upstream.server_metadata import checked_address
from safeconduct.ports.clock import Clock, Mint
from safeconduct.ports.store import Store
from safeconduct.services.connections.discovery import Discovery
from safeconduct.services.connections.entries import MOST, Entries, entry_ref, superseded_ref
from safeconduct.services.connections.providers import (
    PURPOSE,
    TABLE,
    Providers,
    check_registration,
    setting_ref,
    signing_ref,
)
from safeconduct.services.vault import Vault

LEAVING_JOB = "provider.leave"
SUPERSEDED_MS = TTL_MS + 60_000
MOST_SUPERSEDED = 16
MOST_NAMED = 300
UNUSED_MS = 86_400_000
ROOM = 50
NAMED = Limit("provider.named", 20, 60 * MINUTE)
KEPT_MS = 4 * 86_400_000
"""So long a removed entry's id stays taken: a day more than its secrets are being given back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """Our registration there, where an operator has one."""

    id: str | None = None
    secret: Secret | None = None


@dataclass(frozen=True, slots=True)
class Own:
    """An entry, as it stands."""

    row: ProviderEntry
    provider: Provider


class OwnProviders:
    def __init__(
        self,
        *,
        store: Store,
        vault: Vault,
        providers: Providers,
        discovery: Discovery,
        clock: Clock,
        mint: Mint,
    ) -> None:
        self.store, self.vault, self.providers, self.discovery = store, vault, providers, discovery
        self.clock, self.mint = clock, mint

    @property
    def entries(self) -> Entries:
        return self.providers.entries

    async def show(self, tenant_id: TenantId, provider_id: str) -> Own:
        row = await self.entries.row(tenant_id, provider_id)
        if row is None or row.expires_at is not None:
            raise not_found("provider")
        return Own(row, self.entries.read(row))

    async def add(
        self,
        tenant_id: TenantId,
        body: Mapping[str, Any],
        client: Client,
        *,
        actor: str,
        listed: bool = True,
    ) -> Own:
        """`ApiError`: 400 names what is wrong, 409 an id that is taken, 424 who did not answer."""
        asked = read_asked(body)
        document = await self._made(asked, client)
        provider = read_own(document)
        self._check(provider, client)
        now = self.clock.now()
        row = ProviderEntry(
            tenant_id=tenant_id,
            id=provider.id,
            kind=asked.kind,
            version=1,
            document=document,
            asked=_kept(asked, body),
            listed=listed,
            created_at=now,
            updated_at=now,
            expires_at=None,
        )
        await self._insert(row, self._setting(row, client), actor)
        return Own(row, provider)

    async def named(self, tenant_id: TenantId, user_id: str, url: str) -> Own:
        """`by_address` for a person, who may name a few in an hour: each can be a request of ours
        to where they like.
        """
        key, now = self.vault.keys.of(tenant_id).digest_key, self.clock.now()
        ref = NAMED.ref(key, tenant_id, user_id)

        def decide(facts: Facts) -> Done[int]:
            counter = facts.get(ref)
            wait = NAMED.wait(counter, now)
            return Done(wait, () if wait else (NAMED.count(ref, counter, now),))

        wait = (await self.store.run((ref,), decide)).answer
        if wait:
            title = "Too many addresses were named in the last hour."
            raise ApiError(429, "too_many_requests", title, retry_after=wait // 1000 + 1)
        return await self.by_address(tenant_id, url, actor=f"user:{user_id}")

    async def by_address(self, tenant_id: TenantId, url: str, *, actor: str) -> Own:
        """The MCP server at this address; made, for whoever asks, where nobody has yet."""
        url = checked_address(url.strip(), "url")
        found = await self.entries.row(tenant_id, mcp_id(url))
        if found is not None and found.expires_at is None:
            return Own(found, self.entries.read(found))
        await self._make_room(tenant_id)
        body = {"kind": "mcp", "url": url}
        try:
            return await self.add(tenant_id, body, Client(), actor=actor, listed=False)
        except ApiError as error:
            if error.code != "provider_exists":
                raise
            return await self.show(tenant_id, mcp_id(url))  # another was quicker

    async def _make_room(self, tenant_id: TenantId) -> None:
        """What people named and nobody has linked an account at goes, before there is too much."""
        named = [row for row in await self.entries.own(tenant_id) if not row.listed]
        if len(named) < MOST_NAMED:
            return
        old = self.clock.now() - UNUSED_MS
        for row in [row for row in named if row.created_at < old][:ROOM]:
            where = {"tenant_id": tenant_id, "provider_id": row.id, "ended_at": None}
            if not await self.store.find(Find(Connection, where, limit=1)):
                await self.remove(tenant_id, row.id, actor="system")
                return
        title = f"At most {MOST_NAMED} servers are kept that people named."
        raise bad_request("too_many_providers", title)

    async def change(
        self,
        tenant_id: TenantId,
        provider_id: str,
        body: Mapping[str, Any],
        client: Client | None,
        *,
        actor: str,
    ) -> Own:
        """What is asked for anew replaces what was; the rest stays, and is discovered again.

        `client` None: our registration stays too.
        """
        seen = await self.show(tenant_id, provider_id)
        merged = {**seen.row.asked, **body, "kind": seen.row.kind}
        if body.get("kind", seen.row.kind) != seen.row.kind:
            raise bad_request("invalid_provider", "kind: cannot change.", field="kind")
        asked, known = read_asked(merged), await self._ours(tenant_id, provider_id)
        ours = known if client is None else _updated(known, client)
        document = await self._made(asked, ours)
        provider = read_own({**document, "id": document.get("id") or provider_id})
        if provider.id != provider_id:
            raise bad_request("invalid_provider", "id: cannot change.", field="id")
        self._check(provider, ours)
        row = replace(
            seen.row,
            version=seen.row.version + 1,
            document=document,
            asked=_kept(asked, merged),
            listed=True,
            updated_at=self.clock.now(),
        )
        await self._replace(seen.row, row, None if client is None else ours, actor)
        return Own(row, provider)

    async def remove(self, tenant_id: TenantId, provider_id: str, *, actor: str) -> None:
        """Nobody links an account there from now on; who has is unlinked, and the provider told."""
        ref, setting = entry_ref(tenant_id, provider_id), setting_ref(tenant_id, provider_id)
        now, event_id, job_id = self.clock.now(), self.mint.id("evt"), self.mint.id("job")

        def decide(facts: Facts) -> Done[bool]:
            row, known = facts.get(ref), facts.get(setting)
            if row is None or row.expires_at is not None:
                return Done(False)
            record = self._event(row, "provider.removed", event_id, now, actor)
            leave = job(job_id, tenant_id, LEAVING_JOB, provider_id, now)
            gone = {"expires_at": now + KEPT_MS, "updated_at": now}
            writes: list[Write] = [Update(ref, gone), Insert(record), Insert(leave)]
            if known is not None:
                off = {"status": "disabled", "version": known.version + 1, "updated_at": now}
                writes.append(Update(setting, off))
            return Done(True, (*writes, Delete(signing_ref(tenant_id, provider_id))))

        if not (await self.store.run((ref, setting), decide)).answer:
            raise not_found("provider")

    # What is asked for becomes an entry

    async def _made(self, asked: Asked, client: Client) -> Document:
        day = datetime.fromtimestamp(self.clock.now() / 1000, UTC).date().isoformat()
        secret = client.secret is not None
        match asked:
            case OpenId():
                server = await self.discovery.server(
                    asked.issuer, asked.endpoint_origins, openid=True
                )
                return openid_document(asked, server, secret=secret, day=day)
            case OAuth2():
                return oauth2_document(asked, secret=secret)
            case McpServer():
                found = await self.discovery.mcp(asked.url, asked.endpoint_origins)
                return mcp_document(
                    asked,
                    found.server,
                    resource=found.resource.resource,
                    scopes=asked_scopes(found.challenge, found.resource, found.server),
                    client=client.id is not None,
                    secret=secret,
                    day=day,
                )
            case Whole():
                return dict(asked.entry)

    def _check(self, provider: Provider, client: Client) -> None:
        taken = self.providers.catalog.get(provider.id) or self.providers.catalog.twin(provider.id)
        if taken is not None:
            raise _exists("The catalogue has a provider of this id.")
        refuse_unjudged(provider)
        check_registration(provider, client.id or "", client.secret, None)

    def _setting(self, row: ProviderEntry, client: Client) -> ProviderSetting:
        return ProviderSetting(
            tenant_id=row.tenant_id,
            provider_id=row.id,
            client_id=client.id or "",
            client_secret=self._sealed(row, client),
            base_url=None,
            status="active",
            version=1,
            created_at=row.created_at,
            updated_at=row.created_at,
            own=True,
        )

    def _sealed(self, row: ProviderEntry, client: Client) -> bytes | None:
        if client.secret is None:
            return None
        text = client.secret.reveal().encode()
        return self.vault.seal(row.tenant_id, row.id, text, table=TABLE, purpose=PURPOSE)

    async def _ours(self, tenant_id: TenantId, provider_id: str) -> Client:
        """Our registration as it is kept."""
        row = await self.store.get(setting_ref(tenant_id, provider_id))
        if row is None or not row.own:
            return Client()
        if row.client_secret is None:
            return Client(id=row.client_id or None)
        opened = await self.vault.fetch(
            tenant_id, provider_id, row.client_secret, table=TABLE, purpose=PURPOSE
        )
        return Client(id=row.client_id or None, secret=Secret(opened.decode()))

    # The rows

    async def _insert(self, row: ProviderEntry, setting: ProviderSetting, actor: str) -> None:
        anchor = Ref(Tenant, tenant_id=row.tenant_id)
        ref, ours = entry_ref(row.tenant_id, row.id), setting_ref(row.tenant_id, row.id)
        everything = Find(ProviderEntry, {"tenant_id": row.tenant_id}, limit=MOST)
        record = self._event(row, "provider.added", self.mint.id("evt"), row.created_at, actor)

        def decide(facts: Facts) -> Done[ApiError | None]:
            others = facts.all(everything)
            if any(other.id.lower() == row.id.lower() for other in others):
                return Done(_exists("There is, or was a moment ago, a provider of this id."))
            if len(others) >= MOST:
                title = f"A tenant has at most {MOST} providers of its own."
                return Done(bad_request("too_many_providers", title))
            writes: list[Write] = [Insert(row), Insert(record)]
            if facts.get(ours) is not None:
                writes.append(Delete(setting_ref(row.tenant_id, row.id)))
            return Done(None, (*writes, Insert(setting)))

        refusal = (await self.store.run((anchor, ref, ours, everything), decide)).answer
        if refusal is not None:
            raise refusal

    async def _replace(
        self, seen: ProviderEntry, row: ProviderEntry, client: Client | None, actor: str
    ) -> None:
        ref, ours = entry_ref(row.tenant_id, row.id), setting_ref(row.tenant_id, row.id)
        where = {"tenant_id": row.tenant_id, "provider_id": row.id}
        earlier = Find(SupersededEntry, where, limit=MOST_SUPERSEDED + 1)
        now, event_id = row.updated_at, self.mint.id("evt")
        old = SupersededEntry(
            tenant_id=row.tenant_id,
            provider_id=row.id,
            version=seen.version,
            document=seen.document,
            expires_at=now + SUPERSEDED_MS,
        )
        columns = {
            name: getattr(row, name)
            for name in ("version", "document", "asked", "listed", "updated_at")
        }

        def decide(facts: Facts) -> Done[ApiError | None]:
            there, known = facts.get(ref), facts.get(ours)
            if there is None or there.expires_at is not None:
                return Done(not_found("provider"))
            if there.version != seen.version:
                title = "The provider was changed by somebody else at the same moment."
                return Done(ApiError(409, "provider_changed", title))
            record = self._event(row, "provider.changed", event_id, now, actor)
            writes: list[Write] = [Update(ref, columns), Insert(old), Insert(record)]
            writes += _let_go(facts.all(earlier), now)
            if client is not None and known is not None:
                changed = {
                    "client_id": client.id or "",
                    "client_secret": self._sealed(row, client),
                    "status": "active" if known.status == "misconfigured" else known.status,
                    "version": known.version + 1,
                    "updated_at": now,
                }
                writes.append(Update(ours, changed))
            return Done(None, writes)

        refusal = (await self.store.run((ref, ours, earlier), decide)).answer
        if refusal is not None:
            raise refusal

    def _event(
        self, row: ProviderEntry, type: EventType, event_id: str, now: int, actor: str
    ) -> Event:
        return event(
            event_id,
            now,
            row.tenant_id,
            type,
            actor=actor,
            subject=row.id,
            version=row.version,
            detail={"kind": row.kind},
        )


def _updated(known: Client, given: Client) -> Client:
    """A new secret for the client that is known, or another client altogether."""
    if given.id in (None, known.id):
        return Client(id=known.id, secret=given.secret or known.secret)
    return given


def _let_go(earlier: tuple[SupersededEntry, ...], now: int) -> list[Write]:
    """What nobody can need any more, and the oldest of too many."""
    by_age = sorted(earlier, key=lambda row: row.version)
    surplus = max(0, len(by_age) - MOST_SUPERSEDED + 1)
    return [
        Delete(superseded_ref(row.tenant_id, row.provider_id, row.version))
        for index, row in enumerate(by_age)
        if index < surplus or row.expires_at <= now
    ]


def _kept(asked: Asked, body: Mapping[str, Any]) -> dict[str, Any]:
    """What an entry can be made of again; a whole one stands in `document` already."""
    if isinstance(asked, Whole):
        return {}
    return {name: value for name, value in body.items() if value is not None}


def _exists(title: str) -> ApiError:
    return ApiError(409, "provider_exists", title, field="id")
