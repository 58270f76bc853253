"""How authorization responses travel: plain, signed (JARM), and with an ID token (hybrid)."""

import json
from base64 import urlsafe_b64encode
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from joserfc import jwe, jwt
from joserfc.jwk import ECKey, KeySet
from tests.conftest import SettableClock
from tests.key_server import key, key_server, public, signed
from tests.web.harness import ISSUER, Front, Person, front
from tests.web.markup import Markup
from tests.web.oauth2.test_authorize_page import is_red
from tests.web.oauth2.test_request_objects import claims_of

from safeconduct.adapters.outbound import GuardedOutbound
from safeconduct.adapters.store import PostgresStore, SqliteStore
from safeconduct.app import Switches
from safeconduct.core.errors import ApiError
from safeconduct.core.model import Client

OURS = ["ES256", "PS256"]
SIGNED = "authorization_signed_response_alg"
ENCRYPTED = "authorization_encrypted_response_alg"
CONTENT = "authorization_encrypted_response_enc"


async def signed_in(site: Front) -> Person:
    await site.user()
    person = site.person()
    await person.sign_in()
    return person


async def allowed(person: Person, client: Client, **asked: Any) -> httpx.Response:
    await person.authorize(client, **asked)
    await person.follow()
    return await person.press("consent-allow")


def sent(response: httpx.Response) -> tuple[str, dict[str, str]]:
    """By which part of the redirect, or by which form, and what."""
    if response.status_code == 200:
        form, _ = Markup(response.text).form_with("form-post-submit")
        assert form.action == "https://app.example/cb"
        return "form_post", form.fields
    parts = urlsplit(response.headers["location"])
    assert not (parts.query and parts.fragment)
    part = "fragment" if parts.fragment else "query"
    return part, dict(parse_qsl(parts.fragment or parts.query))


async def verified(site: Front, text: str, algs: list[str] = OURS) -> dict[str, Any]:
    keys = KeySet.import_key_set((await site.person().http.get("/oauth2/jwks")).json())
    return dict(jwt.decode(text, keys, algorithms=algs).claims)


@pytest.mark.parametrize("mode", ["query", "fragment", "form_post"])
async def test_the_plain_modes(site: Front, mode: str) -> None:
    client, person = await site.client(), await signed_in(site)
    part, got = sent(await allowed(person, client, response_mode=mode))
    assert part == mode
    assert got.keys() == {"code", "state", "iss"}
    refused = await person.authorize(client, response_mode=mode, scope="nope")
    part, got = sent(refused)
    assert (part, got["error"], got["state"], got["iss"]) == (mode, "invalid_scope", "st~1", ISSUER)


@pytest.mark.rfc("JARM#2.1")
@pytest.mark.rfc("JARM#2.3")
@pytest.mark.parametrize(
    ("mode", "part"),
    [
        ("jwt", "query"),
        ("query.jwt", "query"),
        ("fragment.jwt", "fragment"),
        ("form_post.jwt", "form_post"),
    ],
)
async def test_a_signed_response(site: Front, mode: str, part: str) -> None:
    client, person = await site.client(), await signed_in(site)
    where, got = sent(await allowed(person, client, response_mode=mode))
    assert (where, list(got)) == (part, ["response"])
    claims = await verified(site, got["response"])
    assert claims.pop("code")
    assert claims == {
        "iss": ISSUER,
        "aud": client.id,
        "exp": site.clock.now() // 1000 + 600,
        "state": "st~1",
    }
    where, got = sent(await person.authorize(client, response_mode=mode, scope="nope"))
    assert (where, list(got)) == (part, ["response"])
    claims = await verified(site, got["response"])
    assert (claims["error"], claims["aud"], claims["iss"]) == ("invalid_scope", client.id, ISSUER)
    assert "code" not in claims


@pytest.mark.rfc("JARM#3")
async def test_the_algorithm_and_the_encryption_that_a_client_registered(site: Front) -> None:
    to = ECKey.generate_key("P-256", {"kid": "enc", "use": "enc"})
    client = await site.client(
        jwks=public(to),
        authorization_signed_response_alg="PS256",
        authorization_encrypted_response_alg="ECDH-ES+A256KW",
        authorization_encrypted_response_enc="A256GCM",
    )
    person = await signed_in(site)
    _, got = sent(await allowed(person, client, response_mode="jwt"))
    opened = jwe.decrypt_compact(got["response"], to, algorithms=["ECDH-ES+A256KW", "A256GCM"])
    assert opened.headers()["cty"] == "JWT"
    inner = (opened.plaintext or b"").decode()
    assert (await verified(site, inner))["aud"] == client.id
    assert await verified(site, inner, ["PS256"])


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"authorization_signed_response_alg": "none"}, "authorization_signed_response_alg"),
        ({"authorization_signed_response_alg": "HS256"}, "authorization_signed_response_alg"),
        (
            {"authorization_encrypted_response_alg": "RSA1_5"},
            "authorization_encrypted_response_alg",
        ),
        (
            {"authorization_encrypted_response_alg": "ECDH-ES"},
            "authorization_encrypted_response_alg",
        ),
        (
            {"authorization_encrypted_response_enc": "A256GCM"},
            "authorization_encrypted_response_enc",
        ),
        ({"require_signed_request_object": True}, "require_signed_request_object"),
        ({"request_object_signing_alg": "none"}, "request_object_signing_alg"),
        ({"request_uris": ["http://app.example/r"]}, "request_uris"),
        ({"default_acr_values": ["urn:x"]}, "default_acr_values"),
        ({"default_max_age": -1}, "default_max_age"),
        ({"authorization_details_types": ["", 1]}, "authorization_details_types"),
    ],
)
async def test_what_cannot_be_registered(site: Front, fields: dict[str, Any], wrong: str) -> None:
    with pytest.raises(ApiError) as caught:
        await site.client(**fields)
    assert (caught.value.status, caught.value.field) == (400, wrong)


# Request objects that are encrypted to us


@pytest.mark.rfc("9101#6.1")
@pytest.mark.parametrize("alg", ["ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A256KW"])
async def test_an_encrypted_request_object(site: Front, alg: str) -> None:
    mine = key("k1")
    client, person = await site.client(jwks=public(mine)), await signed_in(site)
    jwks = (await person.http.get("/oauth2/jwks")).json()
    (ours,) = [one for one in jwks["keys"] if one["use"] == "enc"]
    assert "d" not in ours
    inner = signed(json.dumps(claims_of(site, client)), mine, typ="oauth-authz-req+jwt")
    text = encrypted(inner, ours, alg)
    await person.get("/oauth2/authorize", params={"client_id": client.id, "request": text})
    await person.follow()
    assert "code" in sent(await person.press("consent-allow"))[1]
    again = signed(json.dumps(claims_of(site, client)), mine, typ="oauth-authz-req+jwt")
    pushed = await site.push(client, request=encrypted(again, ours, alg))
    assert pushed.status_code == 201, pushed.text
    uri = pushed.json()["request_uri"]
    await person.get("/oauth2/authorize", params={"client_id": client.id, "request_uri": uri})
    assert "code" in sent(await person.follow())[1]
    beside = {"redirect_uri": client.redirect_uris[0], "state": "st~1", "scope": "openid"}
    flipped = text[:-2] + ("AA" if text[-2:] != "AA" else "BB")
    foreign = encrypted(inner, ECKey.generate_key("P-256").as_dict(private=False), alg)
    bomb = encrypted(inner, ours, alg, zip="DEF")
    plain = encrypted("no JWT", ours, alg)
    for wrong in (flipped, foreign, bomb, plain):
        query = {"client_id": client.id, "request": wrong, **beside}
        response = await person.get("/oauth2/authorize", params=query)
        assert is_red(response, "invalid_request_object")


@pytest.mark.rfc("9101#6.1")
async def test_an_encrypted_request_object_at_an_address(
    sqlite_store: SqliteStore, clock: SettableClock
) -> None:
    outbound, mine = GuardedOutbound(("127.0.0.1",)), key("k1")
    switches = Switches(fetch_request_uris=True)
    site = await front(sqlite_store, clock, outbound=outbound, switches=switches)
    async with key_server() as server:
        client = await site.client(jwks=public(mine), request_uris=[server.url])
        person = await signed_in(site)
        jwks = (await person.http.get("/oauth2/jwks")).json()
        (ours,) = [one for one in jwks["keys"] if one["use"] == "enc"]
        inner = signed(json.dumps(claims_of(site, client)), mine, typ="oauth-authz-req+jwt")
        server.body = encrypted(inner, ours, "ECDH-ES").encode()
        query = {"client_id": client.id, "request_uri": server.url}
        await person.get("/oauth2/authorize", params=query)
        await person.follow()
        assert "code" in sent(await person.press("consent-allow"))[1]
    await outbound.close()


def encrypted(text: str, to: dict[str, Any], alg: str, **header: str) -> str:
    members = {"alg": alg, "enc": "A128CBC-HS256", "kid": to.get("kid", "x"), **header}
    recipient = ECKey.import_key({name: to[name] for name in ("kty", "crv", "x", "y")})
    return jwe.encrypt_compact(members, text, recipient, algorithms=[alg, "A128CBC-HS256", "DEF"])


# Hybrid


@pytest.fixture
async def hybrid(store: SqliteStore | PostgresStore, clock: SettableClock) -> Front:
    return await front(store, clock, switches=Switches(hybrid_flow=True))


BOTH = {"response_types": ["code", "code id_token"]}


@pytest.mark.rfc("OIDC#3.3.2.11")
@pytest.mark.parametrize(
    ("asked", "mode"), [("code id_token", None), ("id_token code", "form_post")]
)
async def test_a_code_and_an_id_token_that_binds_it(
    hybrid: Front, asked: str, mode: str | None
) -> None:
    client, person = await hybrid.client(**BOTH), await signed_in(hybrid)
    response = await allowed(person, client, response_type=asked, response_mode=mode, nonce="n-1")
    part, got = sent(response)
    assert part == (mode or "fragment")
    assert got.keys() == {"code", "id_token", "state", "iss"}
    claims = await verified(hybrid, got["id_token"])
    assert claims["c_hash"] == half(got["code"])
    assert claims["s_hash"] == half("st~1")
    assert (claims["nonce"], claims["aud"]) == ("n-1", client.id)
    assert not claims.keys() & {"email", "name", "at_hash"}
    redeemed = await hybrid.redeem(client, {**got, "": client.redirect_uris[0]})
    again = await verified(hybrid, redeemed.json()["id_token"])
    assert (again["sub"], again["nonce"]) == (claims["sub"], "n-1")


def half(text: str) -> str:
    return urlsafe_b64encode(sha256(text.encode()).digest()[:16]).rstrip(b"=").decode()


@pytest.mark.attack("A14")
async def test_no_id_token_where_it_does_not_belong(hybrid: Front) -> None:
    client, plain = await hybrid.client(**BOTH), await hybrid.client()
    person = await signed_in(hybrid)
    sound = {"response_type": "code id_token", "nonce": "n"}
    for changed, error in (
        ({"response_mode": "query"}, "invalid_request"),
        ({"response_mode": "query.jwt"}, None),
        ({"nonce": None}, "invalid_request"),
        ({"scope": "email"}, "invalid_request"),
        ({"response_type": "id_token"}, "unsupported_response_type"),
        ({"response_type": "code id_token token"}, "unsupported_response_type"),
    ):
        response = await person.authorize(client, **{**sound, **changed})
        _, got = sent(response)
        assert got.get("error") == error, changed
        assert not got.keys() & {"id_token", "access_token", "code"}
    response = await person.authorize(plain, **sound)
    assert sent(response)[1]["error"] == "unauthorized_client"
    metadata = (await person.get("/.well-known/openid-configuration")).json()
    assert metadata["response_types_supported"] == ["code", "code id_token"]


@pytest.mark.attack("A14")
async def test_the_hybrid_flow_is_off(site: Front) -> None:
    client, person = await site.client(**BOTH), await signed_in(site)
    response = await person.authorize(client, response_type="code id_token", nonce="n")
    assert sent(response)[1]["error"] == "unsupported_response_type"
    metadata = (await person.get("/.well-known/openid-configuration")).json()
    assert metadata["response_types_supported"] == ["code"]
