"""The registry of clients. Whether a caller is one of them: `services.authentication`."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from safeconduct.core.client_auth import METHODS
from safeconduct.core.errors import ApiError, bad_request, not_found
from safeconduct.core.events import EventType, event
from safeconduct.core.jobs import job
from safeconduct.core.model import (
    Client,
    ClientSecret,
    Directory,
    PlatformClient,
    Registration,
    TenantId,
    WebhookEndpoint,
    WebhookSecret,
)
from safeconduct.core.policy import policy_of
from safeconduct.core.registration import choose, document, new_client
from safeconduct.core.revocation import not_before
from safeconduct.core.secret import Secret
from safeconduct.core.security_profile import unfit
from safeconduct.core.signed_response import FIELDS as RESPONSES
from safeconduct.core.signed_response import signing_algs
from safeconduct.core.tenant_policy import tenant_policy
from safeconduct.core.unit import (
    Delete,
    DeleteAll,
    Done,
    Facts,
    Find,
    Insert,
    Ref,
    Update,
    Write,
)
from safeconduct.core.users import user_ref
from safeconduct.core.webhooks import MAX_ENDPOINTS, endpoint_ref
from safeconduct.ports.clock import Clock, Mint
from safeconduct.ports.store import Store
from safeconduct.services.client_documents import ClientDocuments
from safeconduct.services.client_secrets import ClientSecrets
from safeconduct.services.keys import Keys
from safeconduct.services.known_clients import KnownClients, client_ref, client_secrets
from safeconduct.services.replays import Kept, Once
from safeconduct.services.sectors import Sectors

OVERLAP_MS = 24 * 3_600_000
PREPARED = RESPONSES.keys() | {"sector_identifier_uri", "redirect_uris"}
"""Fields whose change needs more than a row."""


ORPHANS_JOB = "client.leave"
"""Ends the users whom a client managed, when it is gone."""


@dataclass(frozen=True, slots=True)
class Created:
    """A new client, or a new secret of one. The secret is shown now and never again."""

    client: Client
    secret: Secret | None
    secret_id: str | None = None

    def document(self) -> dict[str, Any]:
        shown = document(self.client)
        if self.secret is not None:
            shown["client_secret"] = self.secret.reveal()
            shown["client_secret_id"] = self.secret_id
        return shown


class Clients:
    def __init__(
        self,
        *,
        store: Store,
        keys: Keys,
        clock: Clock,
        mint: Mint,
        grant_types: Collection[str],
        methods: Collection[str] = METHODS,
        sectors: Sectors | None = None,
        documents: ClientDocuments | None = None,
    ) -> None:
        self.store, self.keys, self.clock, self.mint = store, keys, clock, mint
        self.grant_types, self.methods = tuple(grant_types), tuple(methods)
        self.sectors = sectors
        self.known = KnownClients(store=store, keys=keys, clock=clock, documents=documents)
        self.client_secrets = ClientSecrets(keys=keys, clock=clock, mint=mint)

    # Looking up

    def forget(self) -> None:
        """Drop everything held: somebody else has written."""
        self.known.clear()

    async def find(self, client_id: str, at: TenantId) -> Client | None:
        """A client of any tenant, disabled ones too; of `at` where its id is the address of its
        document, which says nothing of a tenant.
        """
        known = await self.known.find(client_id, at)
        return known.client if known else None

    # Registering and changing

    async def create(
        self,
        tenant_id: TenantId,
        data: Mapping[str, Any],
        *,
        actor: str,
        once: Once | None = None,
    ) -> Created | Kept:
        """Register a client; `ApiError` names the field that is wrong."""
        profile = tenant_policy(self.keys.tenants[tenant_id].policy).profile
        chosen = choose({"profile": profile, **data}, None, self.grant_types)
        self.refuse_what_is_off(tenant_id, chosen)
        await self._refuse_strangers(tenant_id, chosen)
        await self.make_ready(tenant_id, chosen)
        made, rows = self.prepare(tenant_id, chosen, actor=actor)

        def decide(facts: Facts) -> Done[Created | Kept]:
            if once is None:
                return Done(made, rows)
            kept = once.found(facts)
            if kept is not None:
                return Done(kept)
            return Done(made, (*rows, once.keep(facts, 201, made.document())))

        verdict = await self.store.run((once.ref,) if once else (), decide)
        self.known.forget(made.client.id, tenant_id)
        return verdict.answer

    def prepare(
        self,
        tenant_id: TenantId,
        chosen: Mapping[str, Any],
        *,
        actor: str,
        expires_at: int | None = None,
        detail: Mapping[str, Any] | None = None,
    ) -> tuple[Created, tuple[Write, ...]]:
        """A new client from columns that were checked, for a unit of work to write."""
        now = self.clock.now()
        client = new_client(tenant_id, self._new_id(chosen["profile"]), now, chosen, expires_at)
        told = {"profile": client.profile, **(detail or {})}
        rows: tuple[Write, ...] = (
            Insert(client),
            Insert(Directory(kind="client", value=client.id, tenant_id=tenant_id)),
            self._event(client, "client.created", actor, told),
        )
        if not client.has_secret:
            return Created(client, None), rows
        secret, row = self.client_secrets.new(client)
        return Created(client, secret, row.id), (*rows, Insert(row))

    async def list(
        self, tenant_id: TenantId, *, after: str | None = None, limit: int = 100
    ) -> tuple[Client, ...]:
        """Clients in the order of their ids, behind the id `after`."""
        where = {"tenant_id": tenant_id}
        behind = None if after is None else (after,)
        return await self.store.find(Find(Client, where, order=("id",), after=behind, limit=limit))

    async def show(self, tenant_id: TenantId, client_id: str) -> Client:
        client = await self.store.get(client_ref(tenant_id, client_id))
        if client is None:
            raise not_found("client")
        return client

    async def secrets(self, tenant_id: TenantId, client_id: str) -> tuple[ClientSecret, ...]:
        """The live secrets; only digests and last characters are known of them."""
        await self.show(tenant_id, client_id)
        now = self.clock.now()
        rows = await self.store.find(client_secrets(tenant_id, client_id))
        return tuple(row for row in rows if row.expires_at is None or now < row.expires_at)

    async def update(
        self, tenant_id: TenantId, client_id: str, data: Mapping[str, Any], *, actor: str
    ) -> Client:
        if PREPARED & data.keys():
            seen = await self.show(tenant_id, client_id)
            await self.make_ready(tenant_id, choose(data, seen, self.grant_types))
        await self._refuse_strangers(tenant_id, data)

        def change(client: Client) -> dict[str, Any]:
            chosen = choose(data, client, self.grant_types)
            self.refuse_what_is_off(tenant_id, chosen)
            return {name: new for name, new in chosen.items() if new != getattr(client, name)}

        return await self._change(tenant_id, client_id, "client.updated", actor, change)

    async def replace(self, client: Client, new: Mapping[str, Any], *, actor: str) -> Client:
        """Set columns that were checked elsewhere."""
        return await self._change(
            client.tenant_id, client.id, "client.updated", actor, lambda _: dict(new)
        )

    async def _refuse_strangers(self, tenant_id: TenantId, data: Mapping[str, Any]) -> None:
        """Who owns an app may use it without anybody's approval, so it is one of the tenant."""
        owner = data.get("owner_id")
        if isinstance(owner, str) and await self.store.get(user_ref(tenant_id, owner)) is None:
            title = "owner_id is not the id of a user."
            raise bad_request("invalid_client_metadata", title, field="owner_id")

    async def make_ready(self, tenant_id: TenantId, chosen: Mapping[str, Any]) -> None:
        """What takes time, before the unit: keys that its answers need, the list of its sector."""
        for alg in signing_algs(chosen["metadata"]) | {chosen["authorization_signed_response_alg"]}:
            if alg is None:
                continue
            await self.keys.provide(tenant_id, alg)
        uri = chosen["metadata"].get("sector_identifier_uri")
        if uri is not None and self.sectors is not None:
            await self.sectors.check(uri, chosen["redirect_uris"])

    async def disable(self, tenant_id: TenantId, client_id: str, *, actor: str) -> Client:
        """Refuse the client, and end all that it holds: enabling it again revives nothing."""

        def change(client: Client) -> dict[str, Any]:
            if client.status == "disabled":
                return {}
            moment = not_before(self.clock.now(), client.not_before)
            return {"status": "disabled", "not_before": moment}

        return await self._change(tenant_id, client_id, "client.disabled", actor, change)

    async def enable(self, tenant_id: TenantId, client_id: str, *, actor: str) -> Client:
        def change(client: Client) -> dict[str, Any]:
            return {} if client.status == "active" else {"status": "active"}

        return await self._change(tenant_id, client_id, "client.enabled", actor, change)

    async def _change(
        self,
        tenant_id: TenantId,
        client_id: str,
        type: EventType,
        actor: str,
        change: Any,
    ) -> Client:
        ref, now = client_ref(tenant_id, client_id), self.clock.now()

        def decide(facts: Facts) -> Done[Client]:
            client = _found(facts, ref)
            changed = change(client)
            if not changed:
                return Done(client)
            new = replace(client, **changed, updated_at=now)
            record = self._event(client, type, actor, {"changed": sorted(changed)})
            return Done(new, (Update(ref, {**changed, "updated_at": now}), record))

        verdict = await self.store.run((ref,), decide)
        self.known.forget(client_id, tenant_id)
        return verdict.answer

    async def rotate_secret(
        self,
        tenant_id: TenantId,
        client_id: str,
        *,
        actor: str,
        overlap_ms: int = OVERLAP_MS,
        once: Once | None = None,
    ) -> Created | Kept:
        """Give a new secret. The newest old one works on for `overlap_ms`; older ones end now."""
        ref, mine = client_ref(tenant_id, client_id), client_secrets(tenant_id, client_id)

        def decide(facts: Facts) -> Done[Created | Kept]:
            kept = once.found(facts) if once else None
            if kept is not None:
                return Done(kept)
            client = _found(facts, ref)
            if not client.has_secret:
                raise ApiError(409, "client_is_public", "This client has no secret.")
            secret, row = self.client_secrets.new(client)
            made = Created(client, secret, row.id)
            old = self.client_secrets.retire(facts.all(mine), overlap_ms)
            writes: list[Write] = [Insert(row), *old]
            writes.append(self._event(client, "client.secret_created", actor, {"secret": row.id}))
            if once:
                writes.append(once.keep(facts, 201, made.document()))
            return Done(made, writes)

        reads = (ref, mine) if once is None else (ref, mine, once.ref)
        verdict = await self.store.run(reads, decide)
        self.known.forget(client_id, tenant_id)
        return verdict.answer

    async def remove_secret(
        self, tenant_id: TenantId, client_id: str, secret_id: str, *, actor: str
    ) -> None:
        """End one secret at once."""
        ref = client_ref(tenant_id, client_id)
        row = Ref(ClientSecret, tenant_id=tenant_id, client_id=client_id, id=secret_id)

        def decide(facts: Facts) -> Done[None]:
            client = _found(facts, ref)
            if facts.get(row) is None:
                raise not_found("client_secret")
            record = self._event(client, "client.secret_removed", actor, {"secret": secret_id})
            return Done(None, (Delete(row), record))

        await self.store.run((ref, row), decide)
        self.known.forget(client_id, tenant_id)

    async def delete(self, tenant_id: TenantId, client_id: str, *, actor: str) -> None:
        """Remove the client. Its id is not given again, so what it held is dead with it."""
        ref, heard = client_ref(tenant_id, client_id), receivers_of(tenant_id, client_id)

        def decide(facts: Facts) -> Done[None]:
            client = _found(facts, ref)
            return Done(None, self.removal(client, facts.all(heard), actor=actor))

        await self.store.run((ref, heard), decide)
        self.known.forget(client_id, tenant_id)

    def refuse_what_is_off(self, tenant_id: TenantId, chosen: Mapping[str, Any]) -> None:
        """What the deployment has not switched on, or the tenant's profile would never let in."""
        method = chosen["token_endpoint_auth_method"]
        if method not in self.methods:
            raise _unfit("token_endpoint_auth_method", f"{method} is switched off here")
        policy = tenant_policy(self.keys.tenants[tenant_id].policy)
        name = chosen["security_profile"] or policy.security
        found = None if name == "none" else unfit({**chosen, "security_profile": name})
        if found is not None:
            raise _unfit(*found)

    def removal(
        self, client: Client, receivers: Iterable[WebhookEndpoint], *, actor: str
    ) -> tuple[Write, ...]:
        """The writes by which a client is gone with all that is its own, whichever door it was
        made by. `receivers`: its webhooks, as `receivers_of` finds them.
        """
        where = {"tenant_id": client.tenant_id, "client_id": client.id}
        leave = job(self.mint.id("job"), client.tenant_id, ORPHANS_JOB, client.id, self.clock.now())
        return (
            *((Insert(leave),) if policy_of(client.profile).manages_users else ()),
            Delete(client_ref(client.tenant_id, client.id)),
            Delete(Ref(Directory, kind="client", value=client.id)),
            DeleteAll(ClientSecret, where),
            Delete(Ref(Registration, **where)),
            Delete(Ref(PlatformClient, **where)),
            *(write for one in receivers for write in _unheard(one)),
            self._event(client, "client.deleted", actor, {"name": client.client_name}),
        )

    def _new_id(self, profile: str) -> str:
        """Client ids look as the profile's apps expect them: Alpaca's are 32 hex digits, Cal.com's
        25 characters from `c` on, short enough for an address to carry them.
        """
        if profile == "alpaca":
            return sha256(self.mint.secret().encode()).hexdigest()[:32]
        if profile == "calcom":
            return "c" + self.mint.id("c").partition("_")[2][:24]
        return self.mint.id("cli")

    def _event(
        self, client: Client, type: EventType, actor: str, detail: Mapping[str, Any]
    ) -> Write:
        return Insert(
            event(
                self.mint.id("evt"),
                self.clock.now(),
                client.tenant_id,
                type,
                actor=actor,
                client_id=client.id,
                subject=client.id,
                detail=detail,
            )
        )


def receivers_of(tenant_id: TenantId, client_id: str) -> Find[WebhookEndpoint]:
    """The webhooks of one client."""
    where = {"tenant_id": tenant_id, "client_id": client_id}
    return Find(WebhookEndpoint, where, order=("number",), limit=MAX_ENDPOINTS)


def _unheard(receiver: WebhookEndpoint) -> tuple[Write, ...]:
    secrets = {"tenant_id": receiver.tenant_id, "endpoint_id": receiver.id}
    return Delete(endpoint_ref(receiver.tenant_id, receiver.id)), DeleteAll(WebhookSecret, secrets)


def _unfit(field: str, why: str) -> ApiError:
    return bad_request("invalid_client_metadata", f"{field} {why}.", field=field)


def _found(facts: Facts, ref: Ref[Client]) -> Client:
    client = facts.get(ref)
    if client is None:
        raise not_found("client")
    return client
