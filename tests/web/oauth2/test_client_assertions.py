"""RFC 7523 as updated by RFC 10070: clients that sign who they are, at every endpoint of theirs."""

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc import jws
from joserfc.jwk import ECKey, OctKey, RSAKey
from tests.back import ISSUER, TENANT, Back, back_of, secret_of
from tests.conftest import SettableClock
from tests.key_server import public
from tests.web.oauth2.answers import refused

from safeconduct.adapters.clock import SystemMint
from safeconduct.core.client_assertion import LONGEST, TYPE
from safeconduct.core.client_auth import METHODS, SWITCHED
from safeconduct.core.errors import ApiError
from safeconduct.core.jwk import b64url
from safeconduct.core.metadata import Features, server_metadata
from safeconduct.core.model import ClientSecret, Spent
from safeconduct.core.unit import Find
from safeconduct.ports.store import Store
from safeconduct.services.clients import Created

TOKEN = "/oauth2/token"
OPEN = ("/oauth2/jwks", "/oauth2/userinfo")  # whoever calls these is no client
KEY = ECKey.generate_key("P-256", {"kid": "k1"})
OTHER = ECKey.generate_key("P-256", {"kid": "k1"})
RSA = RSAKey.generate_key(2048, {"kid": "k2"})


@pytest.fixture
async def back(store: Store, clock: SettableClock, mint: SystemMint) -> Back:
    return await back_of(store, clock, mint, (*METHODS, *SWITCHED))


class App:
    """A client with private_key_jwt, and its way of signing."""

    def __init__(self, back: Back, made: Created) -> None:
        self.back, self.made, self.client = back, made, made.client
        self.count = 0

    def assertion(
        self,
        key: Any = KEY,
        header: dict[str, Any] | None = None,
        alg: str = "ES256",
        **changed: Any,
    ) -> str:
        """A sound one, but for what is said; None leaves a claim out."""
        self.count += 1
        now = self.back.clock.now() // 1000
        claims = {
            "iss": self.client.id,
            "sub": self.client.id,
            "aud": ISSUER,
            "jti": f"jti-{self.count}",
            "iat": now,
            "exp": now + 60,
            **changed,
        }
        claims = {name: value for name, value in claims.items() if value is not None}
        kid = {"kid": key.kid} if key.kid else {}
        head = {"alg": alg, **kid, **(header or {})}
        return jws.serialize_compact(head, json.dumps(claims), key, [alg])

    async def ask(self, assertion: str, path: str = TOKEN, **form: str | None) -> Any:
        fields = {
            "grant_type": "client_credentials" if path == TOKEN else None,
            "client_assertion_type": TYPE,
            "client_assertion": assertion,
            **form,
        }
        return await self.back.post(path, fields)


async def app_of(back: Back, **data: Any) -> App:
    keys = {"token_endpoint_auth_method": "private_key_jwt", "jwks": public(KEY, RSA)}
    return App(back, await back.machine(**{**keys, **data}))


@pytest.fixture
async def app(back: Back) -> App:
    return await app_of(back)


@pytest.mark.rfc("7523#2.2")
async def test_an_assertion_lets_a_client_in_and_no_secret_was_made(back: Back, app: App) -> None:
    assert (await app.ask(app.assertion())).status == 200
    assert (await app.ask(app.assertion(), client_id=app.client.id)).status == 200
    refused(await app.ask(app.assertion(), client_id="cli_other"), "invalid_client", 401)
    assert not await back.store.find(Find(ClientSecret, {"client_id": app.client.id}))
    with pytest.raises(ApiError, match="client_is_public"):
        await back.clients.rotate_secret(TENANT, app.client.id, actor="operator")


@pytest.mark.rfc("7523#2.2")
async def test_the_same_at_every_endpoint_that_clients_call(app: App) -> None:
    paths = [path for path in app.back.handlers if path not in OPEN and "/.well-known/" not in path]
    assert {TOKEN, "/oauth2/introspect", "/oauth2/revoke", "/oauth2/par"} <= set(paths)
    for path in paths:
        passed = await app.ask(app.assertion(), path, token="x")
        assert passed.status != 401, (path, passed.body)
        wrong = app.assertion(OTHER)
        refused(await app.ask(wrong, path, token="x"), "invalid_client", 401)


@pytest.mark.rfc("7523#3")
@pytest.mark.attack("D10")
@pytest.mark.parametrize(
    "changed",
    [
        {"exp": None},
        {"exp": lambda now: now - 11},
        {"exp": lambda now: now + 365 * 86_400},
        {"exp": lambda now: now + LONGEST // 1000 + 61},
        {"exp": "soon"},
        {"exp": True},
        {"exp": 1e300},
        {"exp": -1},
        {"iat": lambda now: now + 3_600},
        {"nbf": lambda now: now + 3_600},
        {"iat": "x"},
        {"jti": None},
        {"jti": ""},
        {"jti": 5},
        {"jti": "x" * 257},
        {"iss": "cli_other"},
        {"iss": None},
        {"iss": ISSUER},
        {"sub": ["x"]},
        {"aud": None},
        {"aud": "https://id.example.evil.test"},
        {"aud": "https://id.exampl"},
        {"aud": ISSUER + "/"},
        {"aud": ISSUER + TOKEN},
        {"aud": [ISSUER, "https://other.example"]},
        {"aud": {ISSUER: 1}},
    ],
)
async def test_claims_that_are_wrong(app: App, changed: dict[str, Any]) -> None:
    now = app.back.clock.now() // 1000
    made = {name: value(now) if callable(value) else value for name, value in changed.items()}
    before = await app.back.snapshot()
    refused(await app.ask(app.assertion(**made)), "invalid_client", 401)
    assert await app.back.snapshot() == before
    assert (await app.ask(app.assertion())).status == 200


@pytest.mark.attack("D10")
@pytest.mark.parametrize(
    "changed",
    [
        {"exp": lambda now: now - 9},
        {"exp": lambda now: now + LONGEST // 1000},
        {"iat": lambda now: now + 10},
        {"iat": None},
        {"nbf": lambda now: now},
    ],
)
async def test_claims_at_the_edge_of_what_is_right(app: App, changed: dict[str, Any]) -> None:
    now = app.back.clock.now() // 1000
    made = {name: value(now) if value else None for name, value in changed.items()}
    assert (await app.ask(app.assertion(**made))).status == 200


@pytest.mark.rfc("10070#4")
async def test_older_audiences_by_a_switch_for_each_client(back: Back, app: App) -> None:
    old = await app_of(back, assertion_audience="endpoint")
    for aud in (ISSUER, ISSUER + TOKEN, [ISSUER], ["https://x.example", ISSUER + TOKEN]):
        assert (await old.ask(old.assertion(aud=aud))).status == 200
    revoke = old.assertion(aud=ISSUER + "/oauth2/revoke")
    assert (await old.ask(revoke, "/oauth2/revoke", token="x")).status == 200
    for aud in ("https://x.example", [], [5], ISSUER + "/oauth2/revoke"):
        refused(await old.ask(old.assertion(aud=aud)), "invalid_client", 401)
    refused(await app.ask(app.assertion(aud=ISSUER + TOKEN)), "invalid_client", 401)


@pytest.mark.rfc("7523#3")
@pytest.mark.invariant("F34")
async def test_each_assertion_once_on_every_node_and_after_a_restart(
    back: Back, app: App, store: Store, clock: SettableClock
) -> None:
    assertion = app.assertion()
    assert (await app.ask(assertion)).status == 200
    refused(await app.ask(assertion), "invalid_client", 401)
    same_jti = app.assertion(jti="jti-1", exp=clock.now() // 1000 + 120)
    refused(await app.ask(same_jti), "invalid_client", 401)
    node = await back_of(store, clock, back.mint, (*METHODS, *SWITCHED))  # or after a restart
    there = App(node, app.made)
    refused(await there.ask(assertion), "invalid_client", 401)
    (row,) = await store.find(Find(Spent, {"tenant_id": TENANT, "kind": "assertion"}))
    assert row.expires_at == clock.now() + 70_000
    assert "jti" not in row.id
    assert (await there.ask(there.assertion(jti="of-there"))).status == 200
    another = await app_of(back)
    assert (await another.ask(another.assertion(jti="jti-1"))).status == 200


async def test_an_identifier_may_come_again_when_the_first_has_ended(app: App) -> None:
    assert (await app.ask(app.assertion(jti="x"))).status == 200
    app.back.clock.advance(70_000)
    assert (await app.ask(app.assertion(jti="x"))).status == 200
    refused(await app.ask(app.assertion(jti="x")), "invalid_client", 401)


@pytest.mark.attack("D7")
@pytest.mark.attack("D8")
@pytest.mark.attack("D15")
@pytest.mark.parametrize(
    "header",
    [
        {"crit": ["b64"], "b64": True},
        {"b64": False},
        {"typ": "at+jwt"},
        {"typ": "logout+jwt"},
        {"typ": 5},
        {"kid": "../../etc/passwd"},
        {"kid": "' OR 1=1 --"},
        {"kid": "k9"},
        {"kid": "x" * 10_000},
        {"kid": 5},
    ],
)
async def test_headers_that_are_wrong(app: App, header: dict[str, Any]) -> None:
    sound = app.assertion()
    _, claims, _ = sound.split(".")
    head = json.dumps({"alg": "ES256", "kid": "k1", **header}).encode()
    message = b64url(head) + "." + claims
    refused(await app.ask(f"{message}.{_signature(message)}"), "invalid_client", 401)
    for typ in ("JWT", "client-authentication+jwt"):
        assert (await app.ask(app.assertion(header={"typ": typ}))).status == 200


def _signature(message: str) -> str:
    r, s = decode_dss_signature(KEY.private_key.sign(message.encode(), ec.ECDSA(SHA256())))
    return b64url(r.to_bytes(32) + s.to_bytes(32))


@pytest.mark.attack("D13")
async def test_signatures_that_are_wrong(app: App) -> None:
    head, claims, signature = app.assertion().split(".")
    zeros, unsigned = "A" * len(signature), b64url(b'{"alg":"none"}')
    by_public_key = OctKey.import_key(json.dumps(KEY.as_dict(private=False)))
    for wrong in (
        f"{head}.{claims}.{zeros}",
        f"{head}.{claims}.",
        f"{unsigned}.{claims}.",
        f"{head}.{claims}.{signature[:-4]}",
        app.assertion(OTHER),
        app.assertion(RSA, alg="RS256", header={"kid": "k1"}),
        app.assertion(by_public_key, alg="HS256", header={"kid": "k1"}),
        "e.y.J",
        "",
    ):
        assert (await app.ask(wrong)).json["error"] == "invalid_client"
    for alg in ("RS256", "PS256", "PS512"):
        assert (await app.ask(app.assertion(RSA, alg=alg))).status == 200


@pytest.mark.attack("D9")
async def test_assertions_that_are_too_much(app: App) -> None:
    deep = b64url(b'{"alg":"ES256","x":' + b"[" * 6_000 + b"]" * 6_000 + b"}")
    huge = b64url(b'{"alg":"ES256","x":"' + b"x" * 40_000 + b'"}')
    _, claims, signature = app.assertion().split(".")
    for wrong in (f"{deep}.{claims}.{signature}", f"{huge}.{claims}.{signature}"):
        refused(await app.ask(wrong), "invalid_client", 401)


@pytest.mark.attack("D11")
async def test_methods_are_not_confused(back: Back, app: App) -> None:
    secret = await back.machine()
    bare = {"grant_type": "client_credentials", "client_id": app.client.id}
    refused(await back.post(TOKEN, bare), "invalid_client", 401)
    refused(await back.post(TOKEN, {**bare, "client_secret": "x"}), "invalid_client", 401)
    two = await app.ask(app.assertion(), client_secret="x")
    refused(two, "invalid_request")
    as_secret = App(back, secret)
    refused(await as_secret.ask(as_secret.assertion()), "invalid_client", 401)
    no_type = await app.ask(app.assertion(), client_assertion_type=None)
    refused(no_type, "invalid_client", 401)
    other = await app.ask(app.assertion(), client_assertion_type="urn:other")
    refused(other, "invalid_client", 401)


@pytest.mark.rfc("7591#2")
async def test_only_the_registered_algorithm(back: Back) -> None:
    app = await app_of(back, token_endpoint_auth_signing_alg="PS256")
    refused(await app.ask(app.assertion()), "invalid_client", 401)
    refused(await app.ask(app.assertion(RSA, alg="RS256")), "invalid_client", 401)
    assert (await app.ask(app.assertion(RSA, alg="PS256"))).status == 200


# client_secret_jwt


async def test_a_secret_that_signs_is_sealed_in_the_vault(back: Back) -> None:
    made = await back.machine(token_endpoint_auth_method="client_secret_jwt")
    app, key = App(back, made), OctKey.import_key(secret_of(made))
    (row,) = await back.store.find(Find(ClientSecret, {"client_id": made.client.id}))
    assert row.sealed is not None
    assert secret_of(made).encode() not in row.sealed
    for alg in ("HS256", "HS384", "HS512"):
        assert (await app.ask(app.assertion(key, alg=alg))).status == 200
    wrong = OctKey.import_key("x" * 64)
    refused(await app.ask(app.assertion(wrong, alg="HS256")), "invalid_client", 401)
    refused(await app.ask(app.assertion()), "invalid_client", 401)
    sent = {"grant_type": "client_credentials", "client_id": made.client.id}
    reply = await back.post(TOKEN, {**sent, "client_secret": secret_of(made)})
    refused(reply, "invalid_client", 401)
    again = await back.clients.rotate_secret(TENANT, made.client.id, actor="operator")
    assert isinstance(again, Created)
    fresh = OctKey.import_key(secret_of(again))
    assert (await app.ask(app.assertion(fresh, alg="HS256"))).status == 200
    assert (await app.ask(app.assertion(key, alg="HS256"))).status == 200


async def test_it_is_off_unless_it_is_switched_on(
    store: Store, clock: SettableClock, mint: SystemMint
) -> None:
    back = await back_of(store, clock, mint)
    with pytest.raises(ApiError) as caught:
        await back.machine(token_endpoint_auth_method="client_secret_jwt")
    assert caught.value.field == "token_endpoint_auth_method"
    at = "/.well-known/oauth-authorization-server"
    metadata = (await back.send("GET", at)).json
    assert "client_secret_jwt" not in metadata["token_endpoint_auth_methods_supported"]
    assert "HS256" not in metadata["token_endpoint_auth_signing_alg_values_supported"]
    on = server_metadata(
        Features(
            issuer=ISSUER,
            grant_types=(),
            paths=(),
            auth_methods=(*METHODS, *SWITCHED),
        )
    )
    assert "client_secret_jwt" in on["token_endpoint_auth_methods_supported"]
    assert "HS256" in on["token_endpoint_auth_signing_alg_values_supported"]


@pytest.mark.rfc("7591#2")
@pytest.mark.parametrize(
    ("field", "data"),
    [
        ("jwks", {"token_endpoint_auth_method": "private_key_jwt"}),
        ("token_endpoint_auth_signing_alg", {"token_endpoint_auth_signing_alg": "ES256"}),
        (
            "token_endpoint_auth_signing_alg",
            {
                "token_endpoint_auth_method": "private_key_jwt",
                "jwks": public(KEY),
                "token_endpoint_auth_signing_alg": "HS256",
            },
        ),
        ("token_endpoint_auth_signing_alg", {"token_endpoint_auth_signing_alg": "none"}),
        ("assertion_audience", {"assertion_audience": "any"}),
    ],
)
async def test_what_cannot_be_registered(back: Back, field: str, data: dict[str, Any]) -> None:
    with pytest.raises(ApiError) as caught:
        await back.machine(**data)
    assert (caught.value.status, caught.value.field) == (400, field)


async def test_the_way_of_a_client_can_change(back: Back) -> None:
    made = await back.machine()
    keys = {"token_endpoint_auth_method": "private_key_jwt", "jwks": public(KEY)}
    client = await back.clients.update(TENANT, made.client.id, keys, actor="operator")
    assert client.jwks == public(KEY)
    reply = await back.post(TOKEN, {"grant_type": "client_credentials"}, made)
    refused(reply, "invalid_client", 401)
    app = App(back, made)
    assert (await app.ask(app.assertion())).status == 200
    to = {"token_endpoint_auth_method": "client_secret_jwt", "jwks": None}
    with pytest.raises(ApiError):
        await back.clients.update(TENANT, made.client.id, to, actor="operator")
