"""JWTs of issuers whom an operator trusts: as grants (RFC 7523), and as subjects (RFC 8693)."""

from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey
from tests.back import ISSUER, TENANT, Back, Reply, back_of
from tests.conftest import SettableClock
from tests.web.oauth2.answers import refused, verified

from safeconduct.adapters.clock import SystemMint
from safeconduct.core.errors import ApiError
from safeconduct.core.evidence import JWT
from safeconduct.core.grants.jwt_bearer import NAME
from safeconduct.core.grants.token_exchange import NAME as EXCHANGE
from safeconduct.ports.store import Store
from safeconduct.services.clients import Created

TOKEN, IDP = "/oauth2/token", "https://idp.example"
KEY = ECKey.generate_key("P-256", {"kid": "k1"}, auto_kid=False)
SCOPE = "openid email assets:read"


@pytest.fixture
async def back(sqlite_store: Store, clock: SettableClock, mint: SystemMint) -> Back:
    return await back_of(sqlite_store, clock, mint)


async def app_and_issuer(back: Back, **data: Any) -> Created:
    app = await back.client(redirect_uris=[], grant_types=[NAME, EXCHANGE], scope=SCOPE)
    chosen = {
        "issuer": IDP,
        "jwks": {"keys": [KEY.as_dict(private=False)]},
        "client_ids": [app.client.id],
        "consents": True,
        **data,
    }
    await back.trusted_issuers.create(TENANT, chosen, actor="operator")
    return app


def assertion(back: Back, header: dict[str, Any] | None = None, **changed: Any) -> str:
    now = back.clock.now() // 1000
    claims = {
        "iss": IDP,
        "sub": back.user.id,
        "aud": ISSUER,
        "iat": now,
        "exp": now + 300,
        **changed,
    }
    claims = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode({"alg": "ES256", "kid": "k1", **(header or {})}, claims, KEY)


async def bear(back: Back, app: Created, text: str, **more: str) -> Reply:
    return await back.post(TOKEN, {"grant_type": NAME, "assertion": text, **more}, app)


@pytest.mark.rfc("7523#2.1")
async def test_a_trusted_issuers_jwt_is_a_grant(back: Back) -> None:
    app = await app_and_issuer(back)
    reply = await bear(back, app, assertion(back), scope="openid assets:read")
    assert reply.status == 200, reply.body
    assert reply.json["scope"] == "openid assets:read"
    assert not reply.json.keys() & {"refresh_token", "id_token"}
    claims = await verified(back, reply.json["access_token"])
    assert (claims["sub"], claims["client_id"]) == (back.user.id, app.client.id)
    (grant,) = await back.grants.of_user(TENANT, back.user.id)
    (event,) = await back.events("grant.created")
    assert event.actor.startswith("issuer:iss_")
    # The user sees the grant, and may end it for good
    await back.grants.revoke(TENANT, grant.id, actor=f"user:{back.user.id}")
    assert await back.introspect(app, reply.json["access_token"]) == {"active": False}
    refused(await bear(back, app, assertion(back)), "invalid_grant")


async def test_without_a_consenting_issuer_the_user_must_have_let_the_app_in(back: Back) -> None:
    app = await app_and_issuer(back, consents=False)
    refused(await bear(back, app, assertion(back)), "invalid_grant")
    await back.grant(app.client, frozenset({"openid"}), back.user)
    assert (await bear(back, app, assertion(back))).status == 200


@pytest.mark.attack("H9")
@pytest.mark.rfc("7523#3")
@pytest.mark.parametrize(
    ("changed", "header"),
    [
        ({"iss": "https://evil.example"}, {}),
        ({"iss": IDP + "/"}, {}),
        ({"aud": "https://other.example"}, {}),
        ({"aud": None}, {}),
        ({"aud": [5]}, {}),
        ({"sub": None}, {}),
        ({"sub": "usr_nobody"}, {}),
        ({"exp": None}, {}),
        ({"exp": 1_700_000_000}, {}),
        ({"exp": 1_900_000_000}, {}),
        ({"exp": "soon"}, {}),
        ({"nbf": 1_800_000_500}, {}),
        ({"iat": 1_800_000_500, "exp": 1_800_000_600}, {}),
        ({}, {"typ": "logout+jwt"}),
        ({}, {"typ": "dpop+jwt"}),
        ({}, {"kid": "unknown"}),
        ({}, {"crit": ["exp"]}),
    ],
)
async def test_what_no_grant_is(back: Back, changed: Any, header: Any) -> None:
    app = await app_and_issuer(back)
    if "crit" in header:
        text = assertion(back)
        text = "eyJhbGciOiJFUzI1NiIsImNyaXQiOlsiZXhwIl19." + text.partition(".")[2]
    else:
        text = assertion(back, header, **changed)
    refused(await bear(back, app, text), "invalid_grant")
    assert (await bear(back, app, assertion(back))).status == 200


@pytest.mark.attack("H9")
async def test_signature_client_and_use_are_checked(back: Back) -> None:
    app = await app_and_issuer(back)
    text = assertion(back, jti="once")
    for wrong in (text[:-2] + "AA", "x", "a.b.c", text + "."):
        refused(await bear(back, app, wrong), "invalid_grant")
    other = await back.client(redirect_uris=[], grant_types=[NAME], scope=SCOPE)
    refused(await bear(back, other, text), "invalid_grant")
    assert (await bear(back, app, text)).status == 200
    refused(await bear(back, app, text), "invalid_grant")
    refused(await bear(back, app, assertion(back), scope="openid users:read"), "invalid_scope")
    await back.trusted_issuers.delete(TENANT, IDP, actor="operator")
    refused(await bear(back, app, assertion(back)), "invalid_grant")


@pytest.mark.rfc("8693#2.1")
async def test_it_is_a_subject_of_token_exchange_too(back: Back) -> None:
    app = await app_and_issuer(back)

    async def exchange(text: str, **more: str) -> Reply:
        form = {"grant_type": EXCHANGE, "subject_token": text, "subject_token_type": JWT}
        return await back.post(TOKEN, form | more, app)

    refused(await exchange(assertion(back)), "invalid_request")  # nobody said: impersonate
    await back.clients.update(
        TENANT, app.client.id, {"token_exchange": {"impersonation": True}}, actor="operator"
    )
    reply = await exchange(assertion(back, act={"sub": "robot"}), scope="assets:read")
    assert reply.status == 200, reply.body
    claims = await verified(back, reply.json["access_token"])
    assert (claims["sub"], claims["act"]) == (back.user.id, {"sub": "robot"})
    refused(await exchange(assertion(back, iss="https://evil.example")), "invalid_request")


async def test_people_can_be_named_by_a_verified_address(back: Back) -> None:
    app = await app_and_issuer(back, subject="email")
    named = {"sub": "42", "email": "Ada@example.org", "email_verified": True}
    assert (await bear(back, app, assertion(back, **named))).status == 200
    for changed in ({"email_verified": False}, {"email_verified": "true"}, {"email": "x@y.test"}):
        refused(await bear(back, app, assertion(back, **(named | changed))), "invalid_grant")


@pytest.mark.parametrize(
    "data",
    [
        {"jwks": None},
        {"jwks_uri": "https://idp.example/jwks"},
        {"jwks": None, "jwks_uri": "http://idp.example/jwks"},
        {"jwks": {"keys": [KEY.as_dict(private=True)]}},
        {"subject": "name"},
        {"scope": "users:write"},
        {"consents": "yes"},
        {"max_lifetime": 0},
        {"tenant_id": "t2"},
        {"issuer": ""},
    ],
)
async def test_what_cannot_be_trusted(back: Back, data: dict[str, Any]) -> None:
    with pytest.raises(ApiError) as error:
        await app_and_issuer(back, **data)
    assert error.value.status == 400
