"""Clients that register themselves: RFC 7591 §3; what they may do to that later: RFC 7592.

off         there is no endpoint
token       an operator's initial access token is asked for
statement   a software statement of a trusted issuer, or an initial access token
open        anybody, a bounded number of times, for a registration that expires unless used
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from safeconduct.core.errors import ApiError, OAuthError, invalid_token
from safeconduct.core.model import Client, InitialAccessToken, Registration, StatementIssuer
from safeconduct.core.model.record import TenantId
from safeconduct.core.policy import DAY, HOUR, MINUTE
from safeconduct.core.protected_resource import scopes_of
from safeconduct.core.scopes import SCOPES
from safeconduct.core.secret import Opaque, digest, parse_opaque, same
from safeconduct.core.self_registration import (
    FOR_ANYBODY,
    UNSAID,
    USUAL,
    Allowance,
    changed,
    public_document,
    self_described,
)
from safeconduct.core.software_statement import invalid, read_statement, said_by, unapproved
from safeconduct.core.throttle import Limit
from safeconduct.core.unit import Done, Facts, Find, Insert, Ref, Update, Write
from safeconduct.ports.clock import Clock, Mint
from safeconduct.ports.store import Store
from safeconduct.services.authentication import Authentication
from safeconduct.services.client_keys import ClientKeys
from safeconduct.services.clients import Clients, Created, receivers_of
from safeconduct.services.keys import Keys
from safeconduct.services.known_clients import client_ref, unused
from safeconduct.services.realms import Realms
from safeconduct.services.resources import Resources

Mode = Literal["off", "token", "statement", "open"]

PER_PEER = Limit("registration.peer", tries=100, window=10 * MINUTE)
PER_TENANT = Limit("registration", tries=1_000, window=HOUR)
UNUSED_TTL = {"open": DAY, "statement": 30 * DAY, "token": 30 * DAY}
BATCH = 100
HELD_BY_SERVER = (
    "registration_access_token",
    "registration_client_uri",
    "client_secret_expires_at",
    "client_id_issued_at",
)


@dataclass(frozen=True, slots=True)
class _Leave:
    """By whose leave a client registers, and how far it goes."""

    origin: str
    allowance: Allowance
    voucher: str | None = None
    token: Ref[InitialAccessToken] | None = None


class SelfRegistration:
    def __init__(
        self,
        *,
        store: Store,
        keys: Keys,
        clock: Clock,
        mint: Mint,
        clients: Clients,
        client_keys: ClientKeys,
        authentication: Authentication,
        realms: Realms,
        resources: Resources,
        usual: Allowance = USUAL,
    ) -> None:
        self.store, self.keys, self.clock, self.mint = store, keys, clock, mint
        self.clients, self.client_keys, self.realms = clients, client_keys, realms
        self.authentication, self.resources = authentication, resources
        self.usual = usual

    async def publish_ahead(self) -> None:
        """Relying parties read our keys before they register; not all of them read them again."""
        for realm in list(self.realms.all()):
            if realm.policy.registration != "off":
                await self.keys.provide(realm.tenant_id, UNSAID)

    def mode(self, tenant_id: TenantId) -> str:
        """How apps of this tenant may register themselves."""
        return self.realms.of(tenant_id).policy.registration

    # RFC 7591

    async def register(
        self, tenant_id: TenantId, data: Mapping[str, Any], token: str | None, peer: str
    ) -> dict[str, Any]:
        """The client information response (§3.2.1); raises `OAuthError`."""
        await self._pace(tenant_id, peer)
        said, issuer = await self._stated(tenant_id, data)
        leave = await self._leave(tenant_id, token, issuer)
        chosen = self._chosen(tenant_id, said, leave.allowance)
        await self._make_ready(tenant_id, chosen)
        now = self.clock.now()
        made, rows = self.clients.prepare(
            tenant_id,
            chosen,
            actor=f"registration:{leave.voucher or leave.origin}",
            expires_at=_expiry(chosen, leave, now),
            detail={"origin": leave.origin},
        )
        text = Opaque("rat", tenant_id, made.client.id, self.mint.secret()).encode()
        row = Registration(
            tenant_id=tenant_id,
            client_id=made.client.id,
            digest=digest(self.keys.of(tenant_id).digest_key, text),
            origin=leave.origin,
            voucher=leave.voucher,
            created_at=now,
        )

        def decide(facts: Facts) -> Done[OAuthError | None]:
            used = _use(facts, leave, now)
            if isinstance(used, OAuthError):
                return Done(used)
            return Done(None, (*rows, Insert(row), *used))

        reads = () if leave.token is None else (leave.token,)
        refused = (await self.store.run(reads, decide)).answer
        if refused is not None:
            raise refused
        self.clients.known.forget(made.client.id, made.client.tenant_id)
        return {**self._document(made.client, text), **_secret(made)}

    def _chosen(
        self, tenant_id: TenantId, said: Mapping[str, Any], allowance: Allowance
    ) -> dict[str, Any]:
        chosen = self_described(said, allowance, self.clients.grant_types)
        try:
            self.clients.refuse_what_is_off(tenant_id, chosen)
        except ApiError as error:
            raise OAuthError(error.code, error.title, rule="registration.method") from None
        return chosen

    async def _make_ready(self, tenant_id: TenantId, chosen: Mapping[str, Any]) -> None:
        try:
            await self.clients.make_ready(tenant_id, chosen)
        except ApiError as error:
            raise OAuthError(error.code, error.title, rule="registration.sector") from None

    async def _pace(self, tenant_id: TenantId, peer: str) -> None:
        """Count the try before it is judged."""
        key, now = self.keys.of(tenant_id).digest_key, self.clock.now()
        limits = [(PER_PEER, PER_PEER.ref(key, tenant_id, peer))]
        limits.append((PER_TENANT, PER_TENANT.ref(key, tenant_id, "")))

        def decide(facts: Facts) -> Done[int]:
            wait = max(limit.wait(facts.get(ref), now) for limit, ref in limits)
            if wait:
                return Done(wait)
            return Done(0, [limit.count(ref, facts.get(ref), now) for limit, ref in limits])

        wait = (await self.store.run([ref for _, ref in limits], decide)).answer
        if wait:
            raise OAuthError(
                "temporarily_unavailable",
                "there were too many registrations; try again later",
                status=429,
                rule="registration.pace",
                retry_after=wait // 1000 + 1,
            )

    async def _stated(
        self, tenant_id: TenantId, data: Mapping[str, Any]
    ) -> tuple[Mapping[str, Any], str | None]:
        """What is said, and by which trusted issuer. §2.3: what a statement says takes precedence
        over what stands beside it.
        """
        text = data.get("software_statement")
        if text is None:
            return data, None
        issuer, jws = read_statement(text)
        trusted = await self.store.get(Ref(StatementIssuer, tenant_id=tenant_id, issuer=issuer))
        if trusted is None:
            raise unapproved()
        if not await self.client_keys.verified(trusted, jws):
            raise invalid("its signature is wrong")
        return {**data, **said_by(jws, self.clock.now(), self.realms.issuer(tenant_id))}, issuer

    async def _leave(self, tenant_id: TenantId, token: str | None, issuer: str | None) -> _Leave:
        if token is not None:
            return await self._by_token(tenant_id, token)
        anybody, mode = self._for_anybody(tenant_id, self.usual), self.mode(tenant_id)
        if issuer is not None and mode in ("statement", "open"):
            return _Leave("statement", anybody, issuer)
        if mode == "open":
            return _Leave("open", anybody)
        raise invalid_token("registration needs an initial access token", rule="bearer.missing")

    async def _by_token(self, tenant_id: TenantId, token: str) -> _Leave:
        parts = parse_opaque("iat", token)
        if parts is None or parts.tenant_id != tenant_id:
            raise _no_leave()
        ref = Ref(InitialAccessToken, tenant_id=tenant_id, id=parts.id)
        row = await self.store.get(ref)
        if row is None or not same(row.digest, digest(self._key(tenant_id), token)):
            raise _no_leave()
        allowance = replace(self.usual, grant_types=row.grant_types, scope=row.scope)
        return _Leave("token", allowance, row.id, ref)

    # RFC 7592

    async def read(self, token: str, client_id: str) -> dict[str, Any]:
        """§2.1. Of a secret nobody knows more than a digest, so it is not told again."""
        return self._document(await self._own(token, client_id), token)

    async def update(self, token: str, client_id: str, data: Mapping[str, Any]) -> dict[str, Any]:
        """§2.2: the whole of the metadata is replaced."""
        client = await self._own(token, client_id)
        await self._check_identity(client, data)
        row = await self.store.get(_registration_ref(client))
        allowance = await self._allowance(client, row)
        said, _ = await self._stated(client.tenant_id, data)
        chosen = self._chosen(client.tenant_id, said, allowance)
        await self._make_ready(client.tenant_id, chosen)
        new = changed(client, chosen)
        actor = f"client:{client.id}"
        return self._document(await self.clients.replace(client, new, actor=actor), token)

    async def delete(self, token: str, client_id: str) -> None:
        """§2.3."""
        client = await self._own(token, client_id)
        await self.clients.delete(client.tenant_id, client.id, actor=f"client:{client.id}")

    async def _own(self, token: str, client_id: str) -> Client:
        """The client whose registration access token this is; §2: 401 for all else."""
        parts = parse_opaque("rat", token)
        if parts is None or not self.keys.knows(parts.tenant_id) or parts.id != client_id:
            raise _no_leave()
        ref = client_ref(parts.tenant_id, parts.id)
        mine = Ref(Registration, tenant_id=parts.tenant_id, client_id=parts.id)
        facts = await self.store.facts((ref, mine))
        client, row = facts.get(ref), facts.get(mine)
        shown = digest(self._key(parts.tenant_id), token)
        if client is None or row is None or not same(row.digest, shown):
            raise _no_leave()
        if client.status != "active" or unused(client, self.clock.now()):
            raise _no_leave()
        return client

    async def _check_identity(self, client: Client, data: Mapping[str, Any]) -> None:
        """§2.2: the id must be said, and what only the server gives must not be."""
        given = [name for name in HELD_BY_SERVER if name in data]
        if given:
            raise _malformed(f"{given[0]} must not be sent")
        if data.get("client_id") != client.id:
            raise _malformed("client_id must be that of the client")
        secret = data.get("client_secret")
        # "the client MUST NOT be allowed to overwrite its existing client secret"
        if secret is not None and not await self.authentication.has_secret(client, str(secret)):
            raise _malformed("client_secret is not the secret of this client")

    async def _allowance(self, client: Client, row: Registration | None) -> Allowance:
        """What the client may have: what its leave allowed, also when that has ended since."""
        known = Allowance(
            grant_types=client.grant_types,
            scope=client.scope,
            require_pkce=client.require_pkce,
            assertion_audience=client.assertion_audience,
        )
        if row is not None and row.origin == "token":
            ref = Ref(InitialAccessToken, tenant_id=client.tenant_id, id=row.voucher)
            token = await self.store.get(ref)
            if token is not None:
                return replace(known, grant_types=token.grant_types, scope=token.scope)
            return known
        return self._for_anybody(client.tenant_id, replace(known, grant_types=FOR_ANYBODY))

    def _for_anybody(self, tenant_id: TenantId, usual: Allowance) -> Allowance:
        """What users can give of ours, and of the APIs that are registered here."""
        scope = frozenset(SCOPES) | scopes_of(self.resources.of(tenant_id))
        return replace(usual, scope=scope)

    def _document(self, client: Client, token: str) -> dict[str, Any]:
        issuer = self.realms.issuer(client.tenant_id)
        return {
            **public_document(client),
            "registration_access_token": token,
            "registration_client_uri": f"{issuer}/oauth2/register/{client.id}",
        }

    def _key(self, tenant_id: TenantId) -> bytes:
        return self.keys.of(tenant_id).digest_key

    # Clearing up

    async def expire(self, tenant_id: TenantId) -> int:
        """Remove registrations that nobody used in time; returns how many."""
        now = self.clock.now()
        old = Find(
            Client,
            {"tenant_id": tenant_id},
            span={"expires_at": (None, now)},
            order=("expires_at", "id"),
            limit=BATCH,
        )
        found = await self.store.find(old)
        heard = {row.id: receivers_of(tenant_id, row.id) for row in found}

        def decide(facts: Facts) -> Done[int]:
            # One that came since has receivers nobody read: it goes with the next batch.
            rows = [row for row in facts.all(old) if row.id in heard and unused(row, now)]
            gone = [
                self.clients.removal(row, facts.all(heard[row.id]), actor="system") for row in rows
            ]
            return Done(len(rows), [write for writes in gone for write in writes])

        return (await self.store.run((old, *heard.values()), decide)).answer


def _use(facts: Facts, leave: _Leave, now: int) -> OAuthError | tuple[Write, ...]:
    """Take one use of the initial access token, if there is one and it is still good."""
    if leave.token is None:
        return ()
    row = facts.get(leave.token)
    if row is None or row.revoked_at is not None or now >= row.expires_at or row.uses_left == 0:
        return _no_leave()
    if row.uses_left is None:
        return ()
    return (Update(leave.token, {"uses_left": row.uses_left - 1}),)


def _expiry(chosen: Mapping[str, Any], leave: _Leave, now: int) -> int | None:
    """Unused is what no user has allowed; a client that acts for itself needs no user."""
    if not set(chosen["grant_types"]) <= {"authorization_code", "refresh_token"}:
        return None
    return now + UNUSED_TTL[leave.origin]


def _secret(made: Created) -> dict[str, Any]:
    """§3.2.1: `client_secret_expires_at` is "REQUIRED if "client_secret" is issued"."""
    if made.secret is None:
        return {}
    return {"client_secret": made.secret.reveal(), "client_secret_expires_at": 0}


def _registration_ref(client: Client) -> Ref[Registration]:
    return Ref(Registration, tenant_id=client.tenant_id, client_id=client.id)


def _no_leave() -> OAuthError:
    return invalid_token("the access token is not valid here", rule="registration.token")


def _malformed(description: str) -> OAuthError:
    return OAuthError(
        "invalid_client_metadata", description, rule="registration.update", rfc="7592#2.2"
    )
