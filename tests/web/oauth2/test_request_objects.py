"""Signed authorization requests over HTTP: RFC 9101, FAPI 2.0 Message Signing §5.3."""

import json
from collections.abc import AsyncIterator
from secrets import token_urlsafe
from typing import Any

import httpx
import pytest
from joserfc.jwk import OKPKey, RSAKey
from tests.conftest import SettableClock
from tests.key_server import key, key_server, public, signed
from tests.web.harness import ISSUER, Front, Person, answer_of, front, request_of, snapshot
from tests.web.oauth2.test_authorize_page import is_page, is_red

from safeconduct.adapters.outbound import GuardedOutbound
from safeconduct.adapters.store import PostgresStore, SqliteStore
from safeconduct.app import Switches
from safeconduct.core.jwk import b64url
from safeconduct.core.model import Client

KEY, OTHER = key("k1"), key("k1")
TYP = "oauth-authz-req+jwt"


async def signer(site: Front, **more: Any) -> Client:
    return await site.client(jwks=public(KEY), **more)


def claims_of(site: Front, client: Client, **changed: Any) -> dict[str, Any]:
    now = site.clock.now() // 1000
    about = {"iss": client.id, "aud": ISSUER, "iat": now, "nbf": now, "exp": now + 300}
    claims = {**request_of(client), **about, "jti": token_urlsafe(), **changed}
    return {name: value for name, value in claims.items() if value is not None}


def request_object(
    site: Front,
    client: Client,
    *,
    with_key: Any = KEY,
    alg: str = "ES256",
    typ: str = TYP,
    **changed: Any,
) -> str:
    return signed(json.dumps(claims_of(site, client, **changed)), with_key, alg, typ=typ)


async def arrive(person: Person, client: Client, text: str, **beside: str) -> httpx.Response:
    query = {"client_id": client.id, "request": text, **beside}
    return await person.get("/oauth2/authorize", params=query)


async def signed_in(site: Front) -> Person:
    await site.user()
    person = site.person()
    await person.sign_in()
    return person


@pytest.mark.rfc("9101#4")
@pytest.mark.parametrize("typ", [TYP, "JWT"])
async def test_a_signed_request_becomes_a_code(site: Front, typ: str) -> None:
    client, person = await signer(site), await signed_in(site)
    text = request_object(site, client, typ=typ, max_age=3600, claims={"userinfo": {"email": None}})
    await arrive(person, client, text)
    await person.follow()
    got = answer_of(await person.press("consent-allow"))
    assert (got["state"], got["iss"]) == ("st~1", ISSUER)
    assert (await site.redeem(client, got)).status_code == 200


@pytest.mark.rfc("9126#3")
async def test_a_signed_request_can_be_pushed(site: Front) -> None:
    client, person = await signer(site), await signed_in(site)
    pushed = await site.push(client, request=request_object(site, client))
    assert pushed.status_code == 201, pushed.text
    uri = pushed.json()["request_uri"]
    await person.get("/oauth2/authorize", params={"client_id": client.id, "request_uri": uri})
    await person.follow()
    assert "code" in answer_of(await person.press("consent-allow"))


@pytest.mark.attack("F5")
@pytest.mark.rfc("9101#6.3")
async def test_what_stands_beside_is_not_heard(site: Front) -> None:
    client, person = await signer(site), await signed_in(site)
    evil = {"scope": "openid assets:read", "state": "evil", "nonce": "evil", "prompt": "none"}
    await arrive(person, client, request_object(site, client, state=None), **evil)
    page = await person.follow()
    assert page.url.path == "/oauth2/consent"
    assert 'data-scope="assets:read"' not in page.text
    assert "state" not in answer_of(await person.press("consent-allow"))


@pytest.mark.rfc("OIDC#6.1")
async def test_for_some_clients_what_stands_beside_counts_where_the_inside_is_silent(
    site: Front,
) -> None:
    client, person = await signer(site, merge_request_object=True), await signed_in(site)
    text = request_object(site, client, state=None, scope="openid")
    await arrive(person, client, text, state="outside", scope="openid assets:read")
    page = await person.follow()
    assert 'data-scope="assets:read"' not in page.text
    assert answer_of(await person.press("consent-allow"))["state"] == "outside"


WRONG: tuple[tuple[dict[str, Any], str], ...] = (
    ({"aud": "https://other.example"}, "aud"),
    ({"aud": None}, "aud"),
    ({"aud": [ISSUER + "/"]}, "aud"),
    ({"exp": None}, "exp"),
    ({"exp": 1_000}, "exp past"),
    ({"exp": 1_800_000_000 + 3_700}, "exp late"),
    ({"exp": "soon"}, "exp text"),
    ({"nbf": 1_800_000_000 - 3_601, "exp": 1_800_000_000 - 10}, "nbf old"),
    ({"nbf": 1_800_000_000 - 3_601}, "nbf older than an hour"),
    ({"nbf": 1_800_000_000 + 120}, "nbf to come"),
    ({"client_id": "cli_other"}, "client_id"),
    ({"iss": "cli_other"}, "iss"),
    ({"iss": None, "client_id": None}, "nobody's"),
    ({"request": "e30.e30."}, "nested"),
    ({"request_uri": "https://app.example/r"}, "nested"),
    ({"scope": ["openid"]}, "list"),
    ({"state": 5}, "number"),
    ({"with_key": OTHER}, "another key"),
    ({"typ": "at+jwt"}, "typ"),
    ({"typ": "client-authentication+jwt"}, "typ"),
)


@pytest.mark.attack("F6")
@pytest.mark.rfc("9101#6")
async def test_request_objects_that_are_refused(site: Front) -> None:
    client, person = await signer(site), await signed_in(site)
    before = await snapshot(site.store)
    beside = {"redirect_uri": client.redirect_uris[0], "state": "st~1", "scope": "openid"}
    for changed, why in WRONG:
        text = request_object(site, client, **changed)
        response = await arrive(person, client, text, **beside)
        assert is_red(response, "invalid_request_object"), why
        pushed = await site.push(client, request=text)
        assert pushed.status_code == 400, why
        assert pushed.json()["error"] == "invalid_request_object", why
    subject = request_object(site, client, sub=client.id)
    assert is_red(await arrive(person, client, subject, **beside), "invalid_request_object")
    assert await snapshot(site.store) == before
    assert (await arrive(person, client, request_object(site, client))).status_code == 303


@pytest.mark.attack("F6")
async def test_without_a_known_address_the_person_is_told(site: Front) -> None:
    client, person = await signer(site), site.person()
    await person.get("/")
    wrong = request_object(site, client, aud="https://other.example")
    two = await signer(site, redirect_uris=["https://app.example/a", "https://app.example/b"])
    text = request_object(site, two, aud="https://other.example")
    assert is_page(await arrive(person, two, text), "invalid_request_object")
    evil = await arrive(person, two, text, redirect_uri="https://evil.test/")
    assert is_page(evil, "redirect_uri_mismatch")
    inside = request_object(site, client, redirect_uri="https://evil.test/")
    assert is_page(await arrive(person, client, inside), "redirect_uri_mismatch")
    assert (await arrive(person, client, wrong)).status_code in (303, 400)


@pytest.mark.attack("F6")
@pytest.mark.attack("D9")
async def test_what_is_no_signed_jwt(site: Front) -> None:
    client, person = await signer(site), site.person()
    sound = request_object(site, client)
    head, body, signature = sound.split(".")
    none = signed_none(claims_of(site, client))
    beside = {"redirect_uri": client.redirect_uris[0], "state": "st~1", "scope": "openid"}
    for text in (
        none,
        f"{head}.{body}.",
        f"{head}.{body}",
        f"{head}.{body}.{signature}=",
        f"{head}.{body}x.{signature}",
        "e30.e30.e30",
        "...",
        "....",
        "x",
        signature,
        "[" * 3_000,
    ):
        response = await arrive(person, client, text, **beside)
        assert is_red(response, "invalid_request_object"), text[:20]


def signed_none(claims: dict[str, Any]) -> str:
    head = b64url(json.dumps({"alg": "none"}).encode())
    return f"{head}.{b64url(json.dumps(claims).encode())}."


@pytest.mark.rfc("9101#10.5")
async def test_the_algorithm_that_was_registered(site: Front) -> None:
    rsa, okp = RSAKey.generate_key(2048, {"kid": "r"}), OKPKey.generate_key("Ed25519", {"kid": "o"})
    keys = public(KEY, rsa, okp)
    free = await site.client(jwks=keys)
    bound = await site.client(jwks=keys, request_object_signing_alg="PS256")
    person = site.person()
    for with_key, alg in ((KEY, "ES256"), (rsa, "PS256"), (rsa, "RS256"), (okp, "Ed25519")):
        text = request_object(site, free, with_key=with_key, alg=alg)
        assert (await arrive(person, free, text)).status_code == 303, alg
        text = request_object(site, bound, with_key=with_key, alg=alg)
        beside = {"redirect_uri": bound.redirect_uris[0], "state": "st~1", "scope": "openid"}
        response = await arrive(person, bound, text, **beside)
        if alg == "PS256":
            assert response.headers["location"].startswith("/login")
        else:
            assert is_red(response, "invalid_request_object"), alg


@pytest.mark.rfc("9101#10.5")
async def test_a_client_that_has_to_sign(site: Front) -> None:
    client, person = await signer(site, require_signed_request_object=True), await signed_in(site)
    assert is_red(await person.authorize(client), "invalid_request")
    pushed = await site.push(client, **request_of(client))
    assert (pushed.status_code, pushed.json()["error"]) == (400, "invalid_request")
    for missing in ("nbf", "exp"):
        pushed = await site.push(client, request=request_object(site, client, **{missing: None}))
        assert pushed.json()["error"] == "invalid_request_object"
    pushed = await site.push(client, request=request_object(site, client))
    assert pushed.status_code == 201
    query = {"client_id": client.id, "request_uri": pushed.json()["request_uri"]}
    await person.get("/oauth2/authorize", params=query)
    assert (await person.follow()).url.path == "/oauth2/consent"


async def test_both_forms_at_once(site: Front) -> None:
    client, person = await signer(site), site.person()
    beside = {"redirect_uri": client.redirect_uris[0], "state": "st~1", "scope": "openid"}
    text = request_object(site, client)
    response = await arrive(person, client, text, request_uri="https://app.example/r", **beside)
    assert is_red(response, "invalid_request")


# By reference


@pytest.fixture
async def fetching(
    store: SqliteStore | PostgresStore, clock: SettableClock
) -> AsyncIterator[Front]:
    """A deployment that fetches request objects, and whose egress guard knows this machine."""
    outbound = GuardedOutbound(("127.0.0.1",))
    switches = Switches(fetch_request_uris=True)
    yield await front(store, clock, outbound=outbound, switches=switches)
    await outbound.close()


async def point(person: Person, client: Client, uri: str) -> httpx.Response:
    beside = {"redirect_uri": client.redirect_uris[0], "state": "st~1", "scope": "openid"}
    query = {"client_id": client.id, "request_uri": uri, **beside}
    return await person.get("/oauth2/authorize", params=query)


@pytest.mark.rfc("9101#5.2")
async def test_a_request_object_at_a_registered_address(fetching: Front) -> None:
    async with key_server() as server:
        client = await signer(fetching, request_uris=[server.url + "#hash"])
        person = await signed_in(fetching)
        server.body = request_object(fetching, client, exp=None, nbf=None).encode()
        await point(person, client, server.url)
        assert (await person.follow()).url.path == "/oauth2/consent"
        assert "code" in answer_of(await person.press("consent-allow"))
        for status, body in ((404, server.body), (200, b"\xff"), (200, b"x" * 20_000)):
            server.status, server.body = status, body
            response = await point(person, client, server.url + "#2")
            assert answer_of(response)["error"].startswith("invalid_request_"), status
        server.status, server.body = 200, request_object(fetching, client, aud="x").encode()
        assert is_red(await point(person, client, server.url), "invalid_request_object")


@pytest.mark.attack("F3")
@pytest.mark.rfc("9101#10.4.1")
async def test_no_other_address_is_asked(fetching: Front) -> None:
    async with key_server() as server:
        client, person = await signer(fetching, request_uris=[server.url]), fetching.person()
        for uri in (
            server.url + "/x",
            server.url + "?x",
            server.url.upper(),
            server.url.replace("127.0.0.1", "localhost"),
            "http://169.254.169.254/latest/meta-data/",
            "https://evil.test/r",
            "file:///etc/passwd",
        ):
            assert is_red(await point(person, client, uri), "invalid_request_uri"), uri
        assert server.requests == 0
        await point(person, client, server.url)
        assert server.requests == 1  # the control


@pytest.mark.attack("F3")
async def test_by_default_none_is_asked(site: Front) -> None:
    async with key_server() as server:
        client, person = await signer(site, request_uris=[server.url]), site.person()
        assert is_red(await point(person, client, server.url), "request_uri_not_supported")
        assert server.requests == 0


@pytest.mark.attack("F6")
@pytest.mark.rfc("9101#10.2")
async def test_a_request_object_is_answered_once(site: Front) -> None:
    client, person = await signer(site), await signed_in(site)
    text = request_object(site, client, jti="j-1")
    for _ in range(2):  # looked at, and begun again
        await arrive(person, client, text, scope="openid")
        assert (await person.follow()).url.path == "/oauth2/consent"
    assert "code" in answer_of(await person.press("consent-allow"))
    replayed = await arrive(person, client, text)
    assert is_page(replayed, "flow_expired")
    fresh = await arrive(person, client, request_object(site, client, jti="j-2"))
    assert "code" in answer_of(fresh)


@pytest.mark.attack("F6")
async def test_a_request_object_is_pushed_once(site: Front) -> None:
    client = await signer(site)
    other = await signer(site, client_name="Lighthouse")
    text = request_object(site, client, jti="j-1")
    assert (await site.push(client, request=text)).status_code == 201
    again = await site.push(client, request=text)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_request_object")
    for app, sound in (
        (client, request_object(site, client, jti="j-2")),
        (client, request_object(site, client, jti=None)),
        (client, request_object(site, client, jti=None)),
        (other, request_object(site, other, jti="j-1")),
    ):
        assert (await site.push(app, request=sound)).status_code == 201
    for wrong in ("", "x" * 300, 7):
        refused = await site.push(client, request=request_object(site, client, jti=wrong))
        assert refused.status_code == 400
