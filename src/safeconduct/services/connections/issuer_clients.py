"""Our clients at authorization servers that nobody registered us with by hand.

    document   the address of a document of ours is our id: nothing is kept there, or here
    dynamic    RFC 7591, once for each issuer and tenant; again when the server forgot us

A server that forgets says `invalid_client`. Because everything that it gave hangs on the old id,
that is believed only when it says so twice: the second time to a question that costs nothing.
"""

from collections import OrderedDict
from typing import Literal

import structlog

from safeconduct.core.errors import ProviderError
from safeconduct.core.events import event
from safeconduct.core.model import IssuerClient, IssuerRegistration, TenantId
from safeconduct.core.secret import Secret
from safeconduct.core.unit import Delete, Done, Facts, Insert, Ref, Update, Write
from safeconduct.core.upstream.api import Registration, filled
from safeconduct.core.upstream.client_registration import (
    Registered,
    authenticating,
    client_metadata,
    forgotten,
    probe,
    read_registration,
    registration_request,
)
from safeconduct.core.upstream.provider import Provider
from safeconduct.ports.clock import Clock, Mint
from safeconduct.ports.outbound import Outbound
from safeconduct.ports.store import Store
from safeconduct.services.realms import Realms
from safeconduct.services.vault import Vault

DOCUMENT = "/connect/client.json"
LANDING = "/oauth-success/cb"
"""Where providers send browsers back to, below the issuer."""

TABLE, PURPOSE = "issuer_clients", "client_secret"
REGISTRATIONS, MANAGED = "issuer_registrations", "registration_access_token"
SURE_MS = 10 * 60_000
"""So long after a server knew us we send people there without asking again."""

ASK_AGAIN_MS = 60_000
ASKED = 1_000

Use = Literal["look", "link", "renew"]
"""What our client is needed for: to be shown, to send somebody there, to renew what was given."""

_log = structlog.get_logger(__name__)


class IssuerClients:
    def __init__(
        self,
        *,
        store: Store,
        vault: Vault,
        outbound: Outbound,
        realms: Realms,
        clock: Clock,
        mint: Mint,
    ) -> None:
        self.store, self.vault, self.outbound, self.realms = store, vault, outbound, realms
        self.clock, self.mint = clock, mint
        self._asked: OrderedDict[tuple[TenantId, str], int] = OrderedDict()

    def document(self, tenant_id: TenantId) -> dict[str, object]:
        """draft-ietf-oauth-client-id-metadata-document §4: who we are, at the address of our id."""
        return {"client_id": self._address(tenant_id), **self._metadata(tenant_id, "none")}

    async def registered(
        self, tenant_id: TenantId, entry: Provider, use: Use, *, doubted: bool
    ) -> tuple[Provider, Registration]:
        """The entry as our client speaks it, and the client; made when it is needed first.

        `doubted`: the server has said that it does not know us.
        """
        how = entry.oauth2.registering
        assert how is not None, "asked only for entries where we register ourselves"
        if how.by == "document":
            return entry, Registration(self._address(tenant_id))
        row = await self.store.get(client_ref(tenant_id, entry.oauth2.issuer or ""))
        if use != "look":
            row = await self._usable(tenant_id, entry, row, use, doubted)
        return (entry, Registration("")) if row is None else await self._speaking(entry, row)

    async def _usable(
        self,
        tenant_id: TenantId,
        entry: Provider,
        row: IssuerClient | None,
        use: Use,
        doubted: bool,
    ) -> IssuerClient:
        """A person is better not sent to an error page: before that, the server must know us."""
        if row is None or self._ended(row):
            return await self._register(tenant_id, entry, row)
        unsure = use == "link" and self.clock.now() - row.updated_at >= SURE_MS
        return await self._asked_again(tenant_id, entry, row) if doubted or unsure else row

    def _ended(self, row: IssuerClient) -> bool:
        return row.secret_expires_at is not None and self.clock.now() >= row.secret_expires_at

    async def _asked_again(
        self, tenant_id: TenantId, entry: Provider, row: IssuerClient
    ) -> IssuerClient:
        key, boot = (tenant_id, row.issuer), self.clock.boot()
        if boot - self._asked.get(key, boot - ASK_AGAIN_MS) < ASK_AGAIN_MS:
            return row
        self._asked[key] = boot
        self._asked.move_to_end(key)
        if len(self._asked) > ASKED:
            self._asked.popitem(last=False)
        speaking, registration = await self._speaking(entry, row)
        try:
            said = await self.outbound.send(probe(speaking, registration, self.mint.secret()))
        except ProviderError:
            return row  # an outage says nothing about us
        if not forgotten(said):
            await self._sure(row)
            return row
        _log.warning("issuer_client.forgotten", issuer=row.issuer)
        return await self._register(tenant_id, entry, row)

    async def _register(
        self, tenant_id: TenantId, entry: Provider, old: IssuerClient | None
    ) -> IssuerClient:
        how = entry.oauth2.registering
        assert how is not None
        assert how.url is not None
        method, scope = entry.oauth2.token_auth, entry.oauth2.scopes
        metadata = {**self._metadata(tenant_id, method), **_scope(scope)}
        at = filled(entry, how.url, {})
        said = await self.outbound.send(registration_request(at, metadata))
        made = read_registration(said, method, at)
        return await self._keep(tenant_id, entry.oauth2.issuer or "", made, old)

    async def _keep(
        self, tenant_id: TenantId, issuer: str, made: Registered, old: IssuerClient | None
    ) -> IssuerClient:
        """Whoever was first has the client of this issuer; another's is not used."""
        now, ref, sealed = self.clock.now(), client_ref(tenant_id, issuer), None
        if made.client_secret is not None:
            text = made.client_secret.reveal().encode()
            sealed = self.vault.seal(tenant_id, issuer, text, table=TABLE, purpose=PURPOSE)
        row = IssuerClient(
            tenant_id=tenant_id,
            issuer=issuer,
            client_id=made.client_id,
            sealed=sealed,
            method=made.method,
            version=1 if old is None else old.version + 1,
            secret_expires_at=made.expires_at,
            created_at=now,
            updated_at=now,
        )
        record = event(
            self.mint.id("evt"),
            now,
            tenant_id,
            "provider.registered",
            actor="system",
            subject=issuer[:256],
            version=row.version,
            detail={"client_id": made.client_id, "again": old is not None},
        )

        managed = self._managed(tenant_id, issuer, made, now)
        managing = registration_ref(tenant_id, issuer)

        def decide(facts: Facts) -> Done[IssuerClient]:
            there = facts.get(ref)
            if there is not None and (old is None or there.version != old.version):
                return Done(there)
            columns = {name: getattr(row, name) for name in _CHANGED}
            write: Write = Insert(row) if there is None else Update(ref, columns)
            more: list[Write] = [] if facts.get(managing) is None else [Delete(managing)]
            if managed is not None:
                more.append(Insert(managed))
            return Done(row, (write, *more, Insert(record)))

        return (await self.store.run((ref, managing), decide)).answer

    def _managed(
        self, tenant_id: TenantId, issuer: str, made: Registered, now: int
    ) -> IssuerRegistration | None:
        if made.management is None:
            return None
        text = made.management.token.reveal().encode()
        return IssuerRegistration(
            tenant_id=tenant_id,
            issuer=issuer,
            client_id=made.client_id,
            uri=made.management.uri,
            sealed=self.vault.seal(tenant_id, issuer, text, table=REGISTRATIONS, purpose=MANAGED),
            created_at=now,
        )

    async def _sure(self, row: IssuerClient) -> None:
        ref, now = client_ref(row.tenant_id, row.issuer), self.clock.now()
        await self.store.run((), lambda _: Done(None, (Update(ref, {"updated_at": now}),)))

    async def _speaking(self, entry: Provider, row: IssuerClient) -> tuple[Provider, Registration]:
        """The server decides how we authenticate, and says so when it registers us."""
        secret = None
        if row.sealed is not None:
            opened = await self.vault.fetch(
                row.tenant_id, row.issuer, row.sealed, table=TABLE, purpose=PURPOSE
            )
            secret = Secret(opened.decode())
        if row.method != entry.oauth2.token_auth:
            entry = authenticating(entry, row.method)
        return entry, Registration(row.client_id, secret)

    def _metadata(self, tenant_id: TenantId, method: str) -> dict[str, object]:
        realm = self.realms.of(tenant_id)
        landing = realm.issuer + LANDING
        return client_metadata(realm.name, realm.issuer, [landing], method=method)

    def _address(self, tenant_id: TenantId) -> str:
        return self.realms.issuer(tenant_id) + DOCUMENT


_CHANGED = (
    "client_id",
    "sealed",
    "method",
    "version",
    "secret_expires_at",
    "created_at",
    "updated_at",
)


def client_ref(tenant_id: TenantId, issuer: str) -> Ref[IssuerClient]:
    return Ref(IssuerClient, tenant_id=tenant_id, issuer=issuer)


def registration_ref(tenant_id: TenantId, issuer: str) -> Ref[IssuerRegistration]:
    return Ref(IssuerRegistration, tenant_id=tenant_id, issuer=issuer)


def _scope(scopes: tuple[str, ...]) -> dict[str, object]:
    return {"scope": " ".join(scopes)} if scopes else {}
