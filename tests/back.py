"""The back channel on a real store: every service behind it, and a client's way of calling it."""

import json
from base64 import b64encode
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote_plus, urlencode

from tests.conftest import SettableClock

from safeconduct.adapters.clock import SystemMint
from safeconduct.adapters.keyring import RootKeyring
from safeconduct.adapters.outbound import GuardedOutbound
from safeconduct.core.authorize import Rules
from safeconduct.core.client_auth import METHODS
from safeconduct.core.codes import mint_code
from safeconduct.core.errors import ProviderError
from safeconduct.core.grants import discover
from safeconduct.core.identifiers import Address
from safeconduct.core.model import RECORDS, Client, Event, Grant, Tenant, TenantId, User, Words
from safeconduct.core.pkce import challenge_of
from safeconduct.core.unit import Done, Find, Insert, Ref, Write
from safeconduct.core.users import new_user
from safeconduct.ports.store import Store
from safeconduct.services.access import Access
from safeconduct.services.answers import Answers
from safeconduct.services.api_keys import ApiKeys
from safeconduct.services.authentication import Authentication
from safeconduct.services.ciba import Ciba
from safeconduct.services.client_keys import ClientKeys
from safeconduct.services.clients import Clients, Created
from safeconduct.services.connections.refresh import LiveCredential
from safeconduct.services.denials import Denials
from safeconduct.services.devices import Devices
from safeconduct.services.evidence import Judging
from safeconduct.services.grants import Grants
from safeconduct.services.introspection import Introspection
from safeconduct.services.keys import Keys
from safeconduct.services.proofs import Proofs
from safeconduct.services.pushed_requests import PushedRequests
from safeconduct.services.realms import Realms
from safeconduct.services.request_objects import RequestObjects
from safeconduct.services.requests import Requests
from safeconduct.services.resources import Resources
from safeconduct.services.revocation import Revocation
from safeconduct.services.tokens import Tokens
from safeconduct.services.trusted_issuers import TrustedIssuers
from safeconduct.services.userinfo import Userinfo
from safeconduct.web.kit.http import Handler, Request
from safeconduct.web.oauth2.routes import hot

TENANT = TenantId("t1")
OTHER = TenantId("t2")
ISSUER = "https://id.example"
REDIRECT = "https://app.example/cb"
VERIFIER = "v" * 43
FORM = "application/x-www-form-urlencoded"
ROOT = bytes(range(64, 96))
PAGES = ("/oauth2/authorize", "/oauth2/logout")


@dataclass
class Reply:
    status: int
    body: bytes = field(repr=False)
    headers: list[tuple[str, str]]

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def header(self, name: str) -> str | None:
        found = [value for key, value in self.headers if key == name]
        assert len(found) <= 1, f"{name} came {len(found)} times"
        return found[0] if found else None


class NoProvider:
    """There is nobody here to ask for a credential."""

    async def credential(self, tenant_id: TenantId, connection_id: str) -> LiveCredential:
        raise ProviderError("unreachable", remedy="retry", sent=False)


@dataclass
class Back:
    store: Store
    clock: SettableClock
    mint: SystemMint
    keys: Keys
    clients: Clients
    tokens: Tokens
    access: Access
    api_keys: ApiKeys
    grants: Grants
    denials: Denials
    resources: Resources
    trusted_issuers: TrustedIssuers
    authentication: Authentication
    handlers: dict[str, Handler]
    user: User

    async def client(self, tenant_id: TenantId = TENANT, **data: Any) -> Created:
        """A confidential client with a redirect URI, unless `data` says otherwise."""
        data = {"client_name": "App", "redirect_uris": [REDIRECT], **data}
        made = await self.clients.create(tenant_id, data, actor="operator")
        assert isinstance(made, Created)
        return made

    async def public(self, **data: Any) -> Created:
        return await self.client(token_endpoint_auth_method="none", **data)

    async def machine(self, scope: str = "users:read", **data: Any) -> Created:
        return await self.client(
            redirect_uris=[], grant_types=["client_credentials"], scope=scope, **data
        )

    async def grant(self, client: Client, scope: Words, user: User) -> Grant:
        """Consent of the user to the client: the live one, or a new one."""
        where = {
            "tenant_id": client.tenant_id,
            "user_id": user.id,
            "client_id": client.id,
            "revoked_at": None,
        }
        found = await self.store.find(Find(Grant, where))
        if found:
            return found[0]
        now = self.clock.now()
        row = Grant(
            tenant_id=client.tenant_id,
            id=self.mint.id("gra"),
            user_id=user.id,
            client_id=client.id,
            scope=scope | client.scope,
            resources=(self.tokens.realms.issuer(client.tenant_id),),
            created_at=now,
            updated_at=now,
            revoked_at=None,
        )
        await self.write(Insert(row))
        return row

    async def code(self, made: Created, user: User | None = None, **more: Any) -> str:
        """An authorization code, as the pages would have given it."""
        client, user = made.client, user or self.user
        scope = frozenset(str(more.pop("scope", "openid offline_access")).split())
        grant = await self.grant(client, scope, user)
        text, row = mint_code(
            **{
                "tenant_id": client.tenant_id,
                "id": self.mint.id("cod"),
                "secret": self.mint.secret(),
                "digest_key": self.keys.of(client.tenant_id).digest_key,
                "client": client,
                "user_id": user.id,
                "grant_id": grant.id,
                "session_id": "ses_1",
                "redirect_uri": REDIRECT,
                "redirect_uri_given": True,
                "scope": scope,
                "resources": (self.tokens.realms.issuer(client.tenant_id),),
                "nonce": "n-1",
                "code_challenge": challenge_of(VERIFIER),
                "auth_time": self.clock.now() - 5_000,
                "acr": None,
                "amr": ("otp",),
                "now": self.clock.now(),
                **more,
            }
        )
        await self.write(Insert(row))
        return text

    async def redeem(self, made: Created, code: str, **more: str | None) -> Reply:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": REDIRECT,
            "code_verifier": VERIFIER,
            **more,
        }
        return await self.post("/oauth2/token", form, made)

    async def signed_in(self, made: Created, **more: Any) -> dict[str, Any]:
        """The tokens of a user who has just let the client in."""
        reply = await self.redeem(made, await self.code(made, **more))
        assert reply.status == 200, reply.body
        tokens: dict[str, Any] = reply.json
        return tokens

    async def refresh(self, made: Created, token: str, **more: str | None) -> Reply:
        form = {"grant_type": "refresh_token", "refresh_token": token, **more}
        return await self.post("/oauth2/token", form, made)

    async def introspect(self, made: Created, token: str) -> dict[str, Any]:
        reply = await self.post("/oauth2/introspect", {"token": token}, made)
        assert reply.status == 200, reply.body
        answer: dict[str, Any] = reply.json
        return answer

    async def userinfo(self, token: str) -> Reply:
        return await self.send("GET", "/oauth2/userinfo", {"authorization": f"Bearer {token}"})

    async def post(
        self,
        path: str,
        form: Mapping[str, str | None],
        made: Created | None = None,
        headers: Mapping[str, str] = {},
    ) -> Reply:
        """Post a form, authenticated as the client is registered; None leaves a field out."""
        headers = {"content-type": FORM, **headers}
        fields = {name: value for name, value in form.items() if value is not None}
        if made is not None and made.secret is None:
            fields.setdefault("client_id", made.client.id)
        elif made is not None and made.client.token_endpoint_auth_method == "client_secret_basic":
            headers["authorization"] = basic_of(made)
        elif made is not None:
            fields |= {"client_id": made.client.id, "client_secret": secret_of(made)}
        return await self.send("POST", path, headers, urlencode(fields).encode())

    async def send(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | list[tuple[bytes, bytes]] = {},  # noqa: B006
        body: bytes = b"",
        query: bytes = b"",
    ) -> Reply:
        if isinstance(headers, Mapping):
            headers = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
        request = Request(
            method=method,
            path=path,
            query=query,
            headers=headers,
            body=body,
            peer="127.0.0.1",
        )
        answer = await self.handlers[path](request)
        shown = [(name.decode(), value.decode("latin-1")) for name, value in answer.headers]
        return Reply(answer.status, answer.body, shown)

    async def write(self, *writes: Write) -> None:
        await self.store.run((), lambda facts: Done(None, writes))

    async def new_user(self, address: str, tenant_id: TenantId = TENANT) -> User:
        known = await self.store.find(Find(User, {"tenant_id": tenant_id}))
        user, writes = new_user(
            tenant_id,
            (self.mint.id("usr"), self.mint.id("evt")),
            Address("email", address),
            len(known) + 1,
            self.clock.now(),
            type="user.created",
            actor="operator",
            name="Ada",
        )
        await self.write(*writes)
        return user

    async def events(self, *types: str) -> list[Event]:
        rows = await self.store.find(Find(Event, {"tenant_id": TENANT}, limit=10_000))
        return [row for row in rows if not types or row.type in types]

    async def snapshot(self) -> dict[str, Any]:
        """All rows but those that may grow without harm: events and counters."""
        rows = {
            record.__name__: await self.store.find(Find(record, {}, limit=10_000))
            for record in RECORDS
        }
        return {name: found for name, found in rows.items() if name not in ("Event", "Counter")}


def basic(client_id: str, secret: str) -> str:
    """RFC 6749 §2.3.1."""
    pair = f"{quote_plus(client_id)}:{quote_plus(secret)}"
    return "Basic " + b64encode(pair.encode()).decode()


def secret_of(made: Created) -> str:
    assert made.secret is not None
    return made.secret.reveal()


def basic_of(made: Created) -> str:
    return basic(made.client.id, secret_of(made))


async def back_of(
    store: Store,
    clock: SettableClock,
    mint: SystemMint,
    methods: Collection[str] = METHODS,
    nonces: bool = False,
) -> Back:
    """A node of it: the first on this store makes what the others find."""
    first = await store.get(Ref(Tenant, tenant_id=TENANT)) is None
    for number, tenant_id in enumerate((TENANT, OTHER) if first else (), 1):
        tenant = Tenant(
            tenant_id=tenant_id,
            number=number,
            slug=tenant_id,
            host=None,
            name=tenant_id,
            status="active",
            policy={},
            branding={},
            created_at=clock.now(),
            updated_at=clock.now(),
        )
        await store.run((), lambda facts, tenant=tenant: Done(None, (Insert(tenant),)))  # type: ignore[misc]
    keys = Keys(store=store, keyring=RootKeyring([ROOT]), clock=clock, mint=mint)
    await keys.load()
    realms = Realms(keys, ISSUER)
    grants = discover()
    clients = Clients(
        store=store, keys=keys, clock=clock, mint=mint, grant_types=grants, methods=methods
    )
    api_keys = ApiKeys(store=store, keys=keys, clock=clock, mint=mint, realms=realms)
    proofs = Proofs(store=store, keys=keys, clock=clock, origins=(ISSUER,), nonces=nonces)
    access = Access(
        store=store,
        keys=keys,
        clock=clock,
        clients=clients,
        proofs=proofs,
        realms=realms,
        api_keys=api_keys,
    )
    outbound = GuardedOutbound()
    client_keys = ClientKeys(keyring=keys.keyring, outbound=outbound, clock=clock)
    resources = Resources(store=store, clock=clock, mint=mint)
    answers = Answers(keys=keys, client_keys=client_keys, keyring=keys.keyring)
    trusted_issuers = TrustedIssuers(store=store, clock=clock, mint=mint)
    judging = Judging(
        store=store,
        keys=keys,
        clock=clock,
        clients=clients,
        access=access,
        client_keys=client_keys,
        issuers=trusted_issuers,
        realms=realms,
    )
    tokens = Tokens(
        store=store,
        keys=keys,
        clock=clock,
        mint=mint,
        grants=grants,
        proofs=proofs,
        resources=resources,
        answers=answers,
        judging=judging,
        credentials=NoProvider(),
        realms=realms,
    )
    denials = Denials(clock=clock, mint=mint)
    introspection = Introspection(
        store=store,
        keys=keys,
        clock=clock,
        clients=clients,
        access=access,
        resources=resources,
        answers=answers,
        realms=realms,
    )
    revocation = Revocation(store=store, keys=keys, clock=clock, mint=mint, access=access)
    authentication = Authentication(
        store=store,
        keys=keys,
        clock=clock,
        clients=clients,
        client_keys=client_keys,
        realms=realms,
    )
    objects = RequestObjects(
        store=store,
        keys=keys,
        client_keys=client_keys,
        outbound=outbound,
        clock=clock,
        realms=realms,
    )
    ciba = Ciba(
        store=store,
        keys=keys,
        clock=clock,
        mint=mint,
        clients=clients,
        objects=objects,
        outbound=outbound,
        realms=realms,
    )
    handlers = hot(
        keys=keys,
        realms=realms,
        authentication=authentication,
        tokens=tokens,
        devices=Devices(store=store, keys=keys, clock=clock, mint=mint, realms=realms),
        ciba=ciba,
        access=access,
        introspection=introspection,
        revocation=revocation,
        userinfo=Userinfo(store=store, keys=keys, clients=clients, answers=answers, realms=realms),
        denials=denials,
        requests=Requests(
            pushed=PushedRequests(store=store, keys=keys, clock=clock, mint=mint),
            objects=objects,
            rules=Rules(issuer=ISSUER),
            realms=realms,
            resources=resources,
        ),
        pages=PAGES,
    )
    back = Back(
        store=store,
        clock=clock,
        mint=mint,
        keys=keys,
        clients=clients,
        tokens=tokens,
        access=access,
        api_keys=api_keys,
        grants=Grants(store=store, clock=clock, mint=mint),
        denials=denials,
        resources=resources,
        trusted_issuers=trusted_issuers,
        authentication=authentication,
        handlers=handlers,
        user=None,  # type: ignore[arg-type]
    )
    if first:
        back.user = await back.new_user("ada@example.org")
    else:
        back.user, *_ = await store.find(Find(User, {"tenant_id": TENANT}))
    return back
