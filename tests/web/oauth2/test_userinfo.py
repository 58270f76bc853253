"""Userinfo (OpenID Connect Core §5.3) and the bearer token (RFC 6750)."""

from uuid import UUID

import pytest
from tests.back import FORM, ISSUER, TENANT, Back, back_of
from tests.conftest import SettableClock
from tests.web.oauth2.answers import refused

from safeconduct.adapters.clock import SystemMint
from safeconduct.core.scopes import OPERATOR_SCOPES, SCOPES
from safeconduct.core.unit import Done, Update
from safeconduct.core.users import user_ref
from safeconduct.ports.store import Store

PATH = "/oauth2/userinfo"


@pytest.fixture
async def back(store: Store, clock: SettableClock, mint: SystemMint) -> Back:
    return await back_of(store, clock, mint)


@pytest.mark.rfc("OIDC#5.3.2")
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_what_the_scopes_open(back: Back, method: str) -> None:
    token = (await back.signed_in(await back.client(), scope="openid email profile"))[
        "access_token"
    ]
    reply = await back.send(method, PATH, {"authorization": f"Bearer {token}"})
    assert reply.status == 200
    assert reply.header("cache-control") == "no-store"
    assert reply.json == {
        "sub": back.user.id,
        "name": "Ada",
        "updated_at": back.clock.now() // 1000,
        "email": "ada@example.org",
        "email_verified": True,
    }


@pytest.mark.rfc("OIDC#5.1")
@pytest.mark.rfc("OIDC#5.1.1")
async def test_the_profile_that_an_operator_wrote(back: Back) -> None:
    known = {"birthdate": "1815-12-10", "zoneinfo": "Europe/London"}
    home = {"locality": "London", "country": "UK"}
    written = Update(user_ref(TENANT, back.user.id), {"profile": {**known, "address": home}})
    await back.store.run((), lambda _: Done(None, (written,)))
    client = await back.client(scope="openid profile address")
    token = (await back.signed_in(client, scope="openid profile"))["access_token"]
    assert (await back.userinfo(token)).json == {
        "sub": back.user.id,
        "name": "Ada",
        "updated_at": back.clock.now() // 1000,
        **known,
    }
    token = (await back.signed_in(client, scope="openid address"))["access_token"]
    assert (await back.userinfo(token)).json == {"sub": back.user.id, "address": home}


@pytest.mark.rfc("6750#3.1")
async def test_a_token_without_openid(back: Back) -> None:
    token = (await back.signed_in(await back.client(), scope="email"))["access_token"]
    refused(await back.userinfo(token), "insufficient_scope", 403)


async def test_a_token_without_a_user(back: Back) -> None:
    machine = await back.machine()
    form = {"grant_type": "client_credentials"}
    token = (await back.post("/oauth2/token", form, machine)).json["access_token"]
    refused(await back.userinfo(token), "insufficient_scope", 403)


@pytest.mark.attack("H6")
@pytest.mark.rfc("6750#2")
async def test_a_token_in_the_address_or_in_two_places(back: Back) -> None:
    token = (await back.signed_in(await back.client()))["access_token"]
    query, header = f"access_token={token}".encode(), {"authorization": f"Bearer {token}"}
    form = {"content-type": FORM}
    refused(await back.send("GET", PATH, {}, b"", query), "invalid_request")
    refused(await back.send("GET", PATH, header, b"", query), "invalid_request")
    refused(
        await back.send("GET", PATH, header, b"", b"access%5Ftoken=x&access_token=y"),
        "invalid_request",
    )
    refused(await back.send("POST", PATH, {**header, **form}, query), "invalid_request")
    refused(await back.send("POST", PATH, form, query, query), "invalid_request")
    assert (await back.send("POST", PATH, header)).status == 200


@pytest.mark.rfc("FAPI1#6.2.1")
async def test_the_exchange_is_known_by_the_id_that_the_app_gave_it(back: Back) -> None:
    token = (await back.signed_in(await back.client()))["access_token"]
    name, id = "x-fapi-interaction-id", "93bac548-d2de-4546-b106-880a5018460d"
    for sent, status in ((token, 200), ("nonsense", 401)):
        header = {"authorization": f"Bearer {sent}", name: id}
        reply = await back.send("GET", PATH, header)
        assert (reply.status, reply.header(name)) == (status, id)
    for other in ("", "x", id + "0", f"{id}\t"):
        reply = await back.send("GET", PATH, {"authorization": f"Bearer {token}", name: other})
        made = str(reply.header(name))
        assert reply.status == 200
        assert made != other
        assert str(UUID(made)) == made


@pytest.mark.rfc("6750#2.2")
@pytest.mark.rfc("OIDC#5.3.1")
async def test_a_token_in_a_form(back: Back) -> None:
    token = (await back.signed_in(await back.client()))["access_token"]
    sent, form = f"access_token={token}".encode(), {"content-type": FORM}
    reply = await back.send("POST", PATH, form, sent)
    assert (reply.status, reply.json["sub"]) == (200, back.user.id)
    refused(await back.send("GET", PATH, form, sent), "invalid_token", 401)
    refused(await back.send("POST", PATH, {"content-type": "text/plain"}, sent), "invalid_request")
    refused(await back.send("POST", PATH, form, sent + b"&" + sent), "invalid_request")
    refused(await back.send("POST", PATH, form, b"access_token="), "invalid_token", 401)
    refused(await back.send("POST", PATH, form, b"access_token=%00"), "invalid_request")


@pytest.mark.rfc("6750#3")
@pytest.mark.parametrize(
    ("values", "status"),
    [
        ([], 401),
        ([b"Basic YTpi"], 401),
        ([b"Bearer"], 401),
        ([b"Bearer "], 401),
        ([b"Bearer \xff"], 401),
        ([b"Bearer " + b"x" * 9_000], 401),
        ([b"Bearer a.b.c"], 401),
        ([b"Bearer ..."], 401),
        ([b"Bearer a", b"Bearer a"], 400),
    ],
)
async def test_other_headers(back: Back, values: list[bytes], status: int) -> None:
    reply = await back.send("GET", PATH, [(b"authorization", value) for value in values])
    assert reply.status == status
    if status == 401:
        assert (reply.header("www-authenticate") or "").startswith("Bearer")
    if not values:
        assert reply.header("www-authenticate") == "Bearer", "no error code without a token"


@pytest.mark.attack("H7")
async def test_a_token_for_another_api(back: Back) -> None:
    api = "https://api.example"
    app = await back.client(resources=[ISSUER, api])
    token = (await back.signed_in(app, resources=(api,)))["access_token"]
    refused(await back.userinfo(token), "invalid_token", 401)
    assert (await back.userinfo((await back.signed_in(app))["access_token"])).status == 200


@pytest.mark.attack("H7")
async def test_a_users_token_never_has_an_operators_scope(back: Back) -> None:
    everything = " ".join([*SCOPES, *OPERATOR_SCOPES])
    app = await back.client(scope=everything)
    tokens = await back.signed_in(app, scope=everything)
    assert set(tokens["scope"].split()) == set(SCOPES)


@pytest.mark.attack("D15")
async def test_an_expired_token_says_so(back: Back) -> None:
    app = await back.client()
    token = (await back.signed_in(app))["access_token"]
    back.clock.advance(899_999)
    assert (await back.userinfo(token)).status == 200
    back.clock.advance(1)
    reply = await back.userinfo(token)
    refused(reply, "invalid_token", 401)
    assert "expired" in (reply.header("www-authenticate") or "")


@pytest.mark.attack("H8")
async def test_any_page_may_ask_with_a_token_and_without_cookies(back: Back) -> None:
    preflight = await back.send("OPTIONS", PATH, {"origin": "https://spa.example"})
    assert preflight.status == 204
    assert "authorization" in (preflight.header("access-control-allow-headers") or "")
    for reply in (preflight, await back.userinfo("x")):
        assert reply.header("access-control-allow-origin") == "*"
        assert reply.header("access-control-allow-credentials") is None


async def test_a_deleted_grant_closes_userinfo(back: Back) -> None:
    app = await back.client()
    token = (await back.signed_in(app))["access_token"]
    (grant,) = await back.grants.of_user(TENANT, back.user.id)
    await back.grants.revoke(TENANT, grant.id, actor="operator")
    refused(await back.userinfo(token), "invalid_token", 401)
