"""The registry of clients: who they are, and whether they are who they say."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from safeconduct.core.client_auth import Presented
from safeconduct.core.errors import ApiError, OAuthError, invalid_client, not_found
from safeconduct.core.events import EventType, event
from safeconduct.core.model import Client, ClientSecret, Directory, TenantId
from safeconduct.core.registration import choose, document, new_client
from safeconduct.core.revocation import not_before
from safeconduct.core.secret import Opaque, Secret, digest, same
from safeconduct.core.throttle import Limit
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
from safeconduct.ports.clock import Clock, Mint
from safeconduct.ports.store import Store
from safeconduct.services.keys import Keys
from safeconduct.services.known_clients import Known, KnownClients, client_ref, client_secrets
from safeconduct.services.replays import Kept, Once

MAX_SECRETS = 2
OVERLAP_MS = 24 * 3_600_000
MAX_BLOCKED = 10_000
GUESSES = Limit("client_secret", tries=100, window=5 * 60_000)


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
    ) -> None:
        self.store, self.keys, self.clock, self.mint = store, keys, clock, mint
        self.grant_types = tuple(grant_types)
        self.known = KnownClients(store=store, keys=keys, clock=clock)
        self._blocked: dict[int, int] = {}  # bucket of wrong secrets → until when

    # Looking up and authenticating

    def forget(self) -> None:
        """Drop everything held: somebody else has written."""
        self.known.clear()

    async def find(self, client_id: str) -> Client | None:
        """A client of any tenant, disabled ones too."""
        known = await self.known.find(client_id)
        return known.client if known else None

    async def authenticate(self, presented: Presented) -> Client:
        """The client that the caller has proved to be; it may be disabled.

        RFC 6749 §5.2: `invalid_client` for every failure, in the same words. A wrong secret is
        counted, and after many the answer is 429; the right one is let in nevertheless, because
        otherwise guessing would be a way to lock a client out.

        A secret may come in the header or in the body, however the client is registered: libraries
        differ in their default, and refusing one place protects nothing that the other gives away.
        """
        known = await self.known.find(presented.client_id)
        if known is None:
            raise invalid_client(rule="client.unknown", rfc="6749#5.2")
        client = known.client
        if presented.secret is None:
            if client.confidential:
                raise invalid_client(rule="client.secret_missing", rfc="6749#5.2")
            return client
        if not self._right(known, presented.secret):
            raise await self._wrong(client)
        return client

    def _right(self, known: Known, secret: str) -> bool:
        """Whether it is one of the live secrets; each is compared, in constant time."""
        shown = digest(self.keys.of(known.client.tenant_id).digest_key, secret)
        now, right = self.clock.now(), False
        for row in known.secrets:
            live = row.expires_at is None or now < row.expires_at
            right |= same(row.digest, shown) and live
        return right

    async def _wrong(self, client: Client) -> OAuthError:
        """Count a wrong secret; the error to answer with."""
        key = self.keys.of(client.tenant_id).digest_key
        ref = GUESSES.ref(key, client.tenant_id, client.id)
        now, bucket = self.clock.now(), ref.key[2]
        until = self._blocked.get(bucket, 0)
        if now < until:
            return _too_many(until - now)

        def decide(facts: Facts) -> Done[int]:
            counter = facts.get(ref)
            wait = GUESSES.wait(counter, now)
            return Done(wait, () if wait else (GUESSES.count(ref, counter, now),))

        wait = (await self.store.run((ref,), decide)).answer
        if not wait:
            return invalid_client(rule="client.secret", rfc="6749#5.2")
        if len(self._blocked) >= MAX_BLOCKED:
            self._blocked.clear()
        self._blocked[bucket] = now + wait
        return _too_many(wait)

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
        chosen = choose(data, None, self.grant_types)
        now = self.clock.now()
        client = new_client(tenant_id, self._new_id(chosen["profile"]), now, chosen)
        made = Created(client, None)
        rows: list[Write] = [
            Insert(client),
            Insert(Directory(kind="client", value=client.id, tenant_id=tenant_id)),
        ]
        if client.confidential:
            secret, row = self._new_secret(client, now)
            made = Created(client, secret, row.id)
            rows.append(Insert(row))
        rows.append(self._event(client, "client.created", actor, {"profile": client.profile}))

        def decide(facts: Facts) -> Done[Created | Kept]:
            if once is None:
                return Done(made, rows)
            kept = once.found(facts)
            if kept is not None:
                return Done(kept)
            return Done(made, (*rows, once.keep(facts, 201, made.document())))

        verdict = await self.store.run((once.ref,) if once else (), decide)
        self.known.forget(client.id)
        return verdict.answer

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
        def change(client: Client) -> dict[str, Any]:
            chosen = choose(data, client, self.grant_types)
            return {name: new for name, new in chosen.items() if new != getattr(client, name)}

        return await self._change(tenant_id, client_id, "client.updated", actor, change)

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
        self.known.forget(client_id)
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
        ref, mine, now = (
            client_ref(tenant_id, client_id),
            client_secrets(tenant_id, client_id),
            self.clock.now(),
        )

        def decide(facts: Facts) -> Done[Created | Kept]:
            kept = once.found(facts) if once else None
            if kept is not None:
                return Done(kept)
            client = _found(facts, ref)
            if not client.confidential:
                raise ApiError(409, "client_is_public", "A public client has no secret.")
            secret, row = self._new_secret(client, now)
            made = Created(client, secret, row.id)
            writes: list[Write] = [Insert(row), *_retire(facts.all(mine), now, overlap_ms)]
            writes.append(self._event(client, "client.secret_created", actor, {"secret": row.id}))
            if once:
                writes.append(once.keep(facts, 201, made.document()))
            return Done(made, writes)

        reads = (ref, mine) if once is None else (ref, mine, once.ref)
        verdict = await self.store.run(reads, decide)
        self.known.forget(client_id)
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
        self.known.forget(client_id)

    async def delete(self, tenant_id: TenantId, client_id: str, *, actor: str) -> None:
        """Remove the client. Its id is not given again, so what it held is dead with it."""
        ref = client_ref(tenant_id, client_id)

        def decide(facts: Facts) -> Done[None]:
            client = _found(facts, ref)
            where = {"tenant_id": tenant_id, "client_id": client_id}
            record = self._event(client, "client.deleted", actor, {"name": client.client_name})
            return Done(None, (Delete(ref), DeleteAll(ClientSecret, where), record))

        await self.store.run((ref,), decide)
        self.known.forget(client_id)

    def _new_id(self, profile: str) -> str:
        """Client ids look as the profile's apps expect them: Alpaca's are 32 hex digits."""
        if profile == "alpaca":
            return sha256(self.mint.secret().encode()).hexdigest()[:32]
        return self.mint.id("cli")

    def _new_secret(self, client: Client, now: int) -> tuple[Secret, ClientSecret]:
        id = self.mint.id("sec")
        text = Opaque("cs", client.tenant_id, id, self.mint.secret()).encode()
        row = ClientSecret(
            tenant_id=client.tenant_id,
            client_id=client.id,
            id=id,
            digest=digest(self.keys.of(client.tenant_id).digest_key, text),
            suffix=text[-4:],
            created_at=now,
            expires_at=None,
        )
        return Secret(text), row

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


def _retire(rows: tuple[ClientSecret, ...], now: int, overlap_ms: int) -> list[Write]:
    """What becomes of the secrets that were there before: one lives on for a while, no more."""
    writes: list[Write] = []
    newest_first = sorted(rows, key=lambda row: row.id, reverse=True)
    for position, row in enumerate(newest_first):
        end = now + overlap_ms
        if position >= MAX_SECRETS - 1:
            writes.append(Delete(_secret_ref(row)))
        elif row.expires_at is None or row.expires_at > end:
            writes.append(Update(_secret_ref(row), {"expires_at": end}))
    return writes


def _too_many(wait_ms: int) -> OAuthError:
    return OAuthError(
        "invalid_client",
        "too many attempts with a wrong secret",
        status=429,
        rule="client.guessing",
        retry_after=wait_ms // 1000 + 1,
    )


def _found(facts: Facts, ref: Ref[Client]) -> Client:
    client = facts.get(ref)
    if client is None:
        raise not_found("client")
    return client


def _secret_ref(row: ClientSecret) -> Ref[ClientSecret]:
    return Ref(ClientSecret, tenant_id=row.tenant_id, client_id=row.client_id, id=row.id)
