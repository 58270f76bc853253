"""ID tokens, userinfo and introspection: signed and encrypted as clients register; pairwise."""

import json
from typing import Any

import pytest
from joserfc import jwe, jwt
from joserfc.jwk import ECKey, KeySet, RSAKey
from tests.back import ISSUER, TENANT, Back, back_of
from tests.conftest import SettableClock
from tests.web.oauth2.answers import verified

from safeconduct.adapters.clock import SystemMint
from safeconduct.core.errors import ApiError
from safeconduct.core.id_token import ALGORITHMS
from safeconduct.ports.store import Store

EC = ECKey.generate_key("P-256", {"use": "enc", "kid": "enc-1"}, auto_kid=False)
RSA = RSAKey.generate_key(2048, {"use": "enc", "kid": "enc-2"}, auto_kid=False)
BOTH = {"keys": [EC.as_dict(private=False), RSA.as_dict(private=False)]}
JWT_ANSWER = {"accept": "application/token-introspection+jwt"}


@pytest.fixture
async def back(sqlite_store: Store, clock: SettableClock, mint: SystemMint) -> Back:
    return await back_of(sqlite_store, clock, mint)


def opened(text: str, key: Any) -> dict[str, Any]:
    """What a client does with a JWE of ours: open it, then verify the JWS inside."""
    algorithms = ["RSA-OAEP", "RSA-OAEP-256", "ECDH-ES", "ECDH-ES+A256KW", "A256GCM"]
    registry = jwe.JWERegistry(algorithms=[*algorithms, "A128CBC-HS256"])
    box = jwe.decrypt_compact(text, key, registry=registry)
    assert box.protected["cty"] == "JWT"
    assert box.plaintext is not None
    return {"header": dict(box.protected), "jws": box.plaintext.decode()}


@pytest.mark.rfc("OIDC#2")
@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_id_tokens_are_signed_as_the_client_registered(back: Back, algorithm: str) -> None:
    app = await back.client(id_token_signed_response_alg=algorithm)
    published = (await back.send("GET", "/oauth2/jwks")).json["keys"]
    assert algorithm in {key["alg"] for key in published}, "published before it signs"
    tokens = await back.signed_in(app)
    claims = await verified(back, tokens["id_token"], algorithm)
    assert (claims["sub"], claims["aud"]) == (back.user.id, app.client.id)
    assert ("at_hash" in claims) is (algorithm != "EdDSA")
    await verified(back, tokens["access_token"], "ES256")
    refreshed = (await back.refresh(app, tokens["refresh_token"])).json
    await verified(back, refreshed["id_token"], algorithm)


@pytest.mark.attack("D14")
async def test_keys_of_every_algorithm_go_through_next_current_previous(back: Back) -> None:
    app = await back.client(id_token_signed_response_alg="PS256")
    old = (await back.signed_in(app))["id_token"]
    first = back.keys.of(TENANT).signers["PS256"].kid
    await back.keys.rotate(TENANT, "sign", actor="operator")
    assert back.keys.of(TENANT).signers["PS256"].kid == first, "publish, then use"
    usual = back.keys.of(TENANT).signer.kid
    assert await back.keys.rotate(TENANT, "sign", actor="operator") != usual
    assert back.keys.of(TENANT).signers["PS256"].kid != first
    await verified(back, old, "PS256")
    await verified(back, (await back.signed_in(app))["id_token"], "PS256")
    for jwk in (await back.send("GET", "/oauth2/jwks")).json["keys"]:
        assert not jwk.keys() & {"d", "p", "q", "dp", "dq", "qi", "k"}


@pytest.mark.rfc("OIDC#10.2")
@pytest.mark.parametrize(
    ("alg", "enc", "key"),
    [
        ("RSA-OAEP-256", "A256GCM", RSA),
        ("RSA-OAEP", None, RSA),
        ("ECDH-ES", "A256GCM", EC),
        ("ECDH-ES+A256KW", None, EC),
    ],
)
async def test_id_tokens_are_encrypted_to_the_clients_key(
    back: Back, alg: str, enc: str | None, key: Any
) -> None:
    more = {} if enc is None else {"id_token_encrypted_response_enc": enc}
    app = await back.client(id_token_encrypted_response_alg=alg, jwks=BOTH, **more)
    text = (await back.signed_in(app))["id_token"]
    box = opened(text, key)
    assert (box["header"]["alg"], box["header"]["enc"]) == (alg, enc or "A128CBC-HS256")
    assert box["header"]["kid"] == key.kid
    assert (await verified(back, box["jws"]))["sub"] == back.user.id


@pytest.mark.parametrize(
    "data",
    [
        {"id_token_encrypted_response_alg": "RSA1_5", "jwks": BOTH},
        {"id_token_encrypted_response_alg": "dir", "jwks": BOTH},
        {"id_token_encrypted_response_alg": "RSA-OAEP-256"},
        {"id_token_encrypted_response_enc": "A256GCM", "jwks": BOTH},
        {"id_token_signed_response_alg": "none"},
        {"id_token_signed_response_alg": "HS256"},
        {"userinfo_signed_response_alg": "RS1"},
        {"subject_type": "secret"},
        {"subject_type": "pairwise", "redirect_uris": ["https://a.example/", "https://b.example/"]},
    ],
)
async def test_what_cannot_be_registered(back: Back, data: dict[str, Any]) -> None:
    with pytest.raises(ApiError) as error:
        await back.client(**data)
    assert (error.value.status, error.value.code) == (400, "invalid_client_metadata")


@pytest.mark.rfc("OIDC#5.3.2")
async def test_userinfo_is_signed_and_encrypted_as_the_client_registered(back: Back) -> None:
    signed = await back.client(userinfo_signed_response_alg="ES256")
    reply = await back.userinfo((await back.signed_in(signed))["access_token"])
    assert reply.header("content-type") == "application/jwt"
    claims = await verified(back, reply.body.decode())
    assert (claims["iss"], claims["aud"]) == (ISSUER, signed.client.id)
    assert claims["sub"] == back.user.id
    boxed = await back.client(userinfo_encrypted_response_alg="ECDH-ES", jwks=BOTH)
    reply = await back.userinfo((await back.signed_in(boxed))["access_token"])
    assert (await verified(back, opened(reply.body.decode(), EC)["jws"]))["sub"] == back.user.id
    plain = await back.client()
    reply = await back.userinfo((await back.signed_in(plain))["access_token"])
    assert reply.json["sub"] == back.user.id


@pytest.mark.rfc("9701#5")
async def test_introspection_answers_with_a_jwt_where_it_is_asked_for(back: Back) -> None:
    app = await back.client(introspection_signed_response_alg="ES256")
    token = (await back.signed_in(app))["access_token"]
    plain = await back.introspect(app, token)
    reply = await back.post("/oauth2/introspect", {"token": token}, app, JWT_ANSWER)
    assert reply.header("content-type") == "application/token-introspection+jwt"
    keys = KeySet.import_key_set((await back.send("GET", "/oauth2/jwks")).json)
    read = jwt.decode(reply.body.decode(), keys, algorithms=["ES256"])
    assert read.header["typ"] == "token-introspection+jwt"
    assert read.claims["token_introspection"] == plain
    assert (read.claims["iss"], read.claims["aud"]) == (ISSUER, app.client.id)
    assert not read.claims.keys() & {"sub", "exp"}, "§5: nobody takes it for an access token"
    dead = await back.post("/oauth2/introspect", {"token": "x"}, app, JWT_ANSWER)
    inside = jwt.decode(dead.body.decode(), keys, algorithms=["ES256"]).claims
    assert inside["token_introspection"] == {"active": False}
    refused = await back.post("/oauth2/introspect", {"token": token}, None, JWT_ANSWER)
    assert (refused.status, refused.header("content-type")) == (401, "application/json")
    boxed = await back.client(introspection_encrypted_response_alg="RSA-OAEP-256", jwks=BOTH)
    token = (await back.signed_in(boxed))["access_token"]
    reply = await back.post("/oauth2/introspect", {"token": token}, boxed, JWT_ANSWER)
    inside = await verified(back, opened(reply.body.decode(), RSA)["jws"])
    assert inside["token_introspection"]["active"] is True


@pytest.mark.attack("D15")
async def test_a_signed_answer_is_no_token(back: Back) -> None:
    app = await back.client(userinfo_signed_response_alg="ES256")
    tokens = await back.signed_in(app)
    reply = await back.userinfo(tokens["access_token"])
    answer = await back.post(
        "/oauth2/introspect", {"token": tokens["access_token"]}, app, JWT_ANSWER
    )
    for text in (reply.body.decode(), answer.body.decode(), tokens["id_token"]):
        assert (await back.userinfo(text)).status == 401
    assert (await back.userinfo(tokens["access_token"])).status == 200


@pytest.mark.rfc("OIDC#8.1")
async def test_pairwise_subjects(back: Back) -> None:
    first = await back.client(subject_type="pairwise")
    same = await back.client(subject_type="pairwise")
    other = await back.client(
        subject_type="pairwise", redirect_uris=["https://app.example/cb", "https://app.example/2"]
    )
    elsewhere = await back.client(
        subject_type="pairwise", redirect_uris=["https://elsewhere.example/cb"]
    )
    subs = {}
    for app in (first, same, other, elsewhere):
        uri = app.client.redirect_uris[0]
        code = await back.code(app, redirect_uri=uri)
        tokens = (await back.redeem(app, code, redirect_uri=uri)).json
        claims = await verified(back, tokens["id_token"])
        access = await verified(back, tokens["access_token"])
        told = await back.introspect(app, tokens["access_token"])
        named = (await back.userinfo(tokens["access_token"])).json["sub"]
        assert claims["sub"] == access["sub"] == told["sub"] == named
        bearer = await back.access.bearer(tokens["access_token"])
        assert bearer.user_id == back.user.id, "we know whom it is about"
        refreshed = (await back.refresh(app, tokens["refresh_token"])).json
        assert (await verified(back, refreshed["id_token"]))["sub"] == claims["sub"]
        subs[app.client.id] = claims["sub"]
    assert subs[first.client.id] == subs[same.client.id] == subs[other.client.id]
    assert len(set(subs.values())) == 2
    assert back.user.id not in json.dumps(subs)
