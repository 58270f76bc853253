"""FAPI 2.0 at the endpoints: a client held to it, and the same client without the switch."""

from typing import Any
from urllib.parse import urlencode

import pytest
from joserfc.jwk import RSAKey
from tests.back import ISSUER, TENANT, Back, Reply, back_of
from tests.conftest import SettableClock
from tests.dpop import Holder
from tests.key_server import public
from tests.web.oauth2.answers import refused
from tests.web.oauth2.test_client_assertions import KEY, App

from safeconduct.adapters.clock import SystemMint
from safeconduct.core.client_assertion import TYPE
from safeconduct.core.errors import ApiError
from safeconduct.core.model import Tenant, TokenFamily
from safeconduct.core.unit import Find, Ref, Update
from safeconduct.ports.store import Store

TOKEN, PAR = "/oauth2/token", "/oauth2/par"
RSA = RSAKey.generate_key(2048, {"kid": "k2"})
CALLBACK = "https://app.example/cb"


@pytest.fixture
async def back(store: Store, clock: SettableClock, mint: SystemMint) -> Back:
    return await back_of(store, clock, mint)


class Bank(App):
    """A client that signs its assertions and, if told to, proves a key."""

    async def send(
        self, path: str, holder: Holder | None, key: Any = KEY, alg: str = "ES256", **form: str
    ) -> Reply:
        fields = {
            "client_assertion_type": TYPE,
            "client_assertion": self.assertion(key, alg=alg),
            **form,
        }
        headers = [(b"content-type", b"application/x-www-form-urlencoded")]
        if holder is not None:
            headers.append((b"dpop", holder.proof("POST", ISSUER + path).encode()))
        return await self.back.send("POST", path, headers, urlencode(fields).encode())


async def bank(back: Back, **data: Any) -> Bank:
    made = await back.client(
        redirect_uris=[CALLBACK],
        grant_types=["authorization_code", "refresh_token", "client_credentials"],
        scope="openid offline_access users:read",
        token_endpoint_auth_method="private_key_jwt",
        jwks=public(KEY, RSA),
        **data,
    )
    return Bank(back, made)


@pytest.fixture
def holder(clock: SettableClock) -> Holder:
    return Holder(clock.now() // 1000)


MACHINE = {"grant_type": "client_credentials", "scope": "users:read"}


@pytest.mark.rfc("FAPI2-SP#5.3.2.1")
async def test_only_bound_tokens(back: Back, holder: Holder) -> None:
    strict, loose = await bank(back, security_profile="fapi2"), await bank(back)
    refused(await strict.send(TOKEN, None, **MACHINE), "invalid_dpop_proof")
    assert (await loose.send(TOKEN, None, **MACHINE)).status == 200
    reply = await strict.send(TOKEN, holder, **MACHINE)
    assert reply.json["token_type"] == "DPoP"


@pytest.mark.rfc("FAPI2-SP#5.4.1")
async def test_only_strong_algorithms(back: Back, holder: Holder) -> None:
    strict, loose = await bank(back, security_profile="fapi2"), await bank(back)
    refused(await strict.send(TOKEN, holder, RSA, "RS256", **MACHINE), "invalid_client", 401)
    assert (await loose.send(TOKEN, holder, RSA, "RS256", **MACHINE)).status == 200
    assert (await strict.send(TOKEN, holder, RSA, "PS256", **MACHINE)).status == 200
    weak = Holder(holder.now, RSA, "RS256")
    refused(await strict.send(TOKEN, weak, **MACHINE), "invalid_dpop_proof")
    strong = Holder(holder.now, RSA, "PS256")
    assert (await strict.send(TOKEN, strong, **MACHINE)).status == 200


@pytest.mark.rfc("FAPI2-SP#5.3.2.1")
async def test_refresh_tokens_stay_what_they_are(back: Back, holder: Holder) -> None:
    strict, loose = await bank(back, security_profile="fapi2"), await bank(back)
    for app, rotates in ((strict, False), (loose, True)):
        code = await back.code(app.made)
        redeem = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK}
        tokens = (await app.send(TOKEN, holder, code_verifier="v" * 43, **redeem)).json
        token = tokens["refresh_token"]
        again = {"grant_type": "refresh_token", "refresh_token": token}
        first = await app.send(TOKEN, holder, **again)
        assert (first.json["refresh_token"] != token) is rotates
        refused(await app.send(TOKEN, None, **again), "invalid_grant" if rotates
                else "invalid_dpop_proof")  # fmt: skip
    third = {"grant_type": "refresh_token", "refresh_token": (await _leaf(back, strict, holder))}
    for _ in range(3):
        assert (await strict.send(TOKEN, holder, **third)).status == 200
    families = await back.store.find(Find(TokenFamily, {"client_id": strict.client.id}))
    assert [family.generation for family in families] == [0, 0]


async def _leaf(back: Back, app: Bank, holder: Holder) -> str:
    code = await back.code(app.made)
    redeem = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK}
    reply = await app.send(TOKEN, holder, code_verifier="v" * 43, **redeem)
    return str(reply.json["refresh_token"])


PUSHED = {
    "response_type": "code",
    "redirect_uri": CALLBACK,
    "scope": "openid",
    "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
    "code_challenge_method": "S256",
}


@pytest.mark.rfc("FAPI2-SP#5.3.2.2")
async def test_what_is_pushed(back: Back, holder: Holder) -> None:
    strict = await bank(back, security_profile="fapi2")
    assert (await strict.send(PAR, None, **PUSHED)).status == 201
    for name in ("redirect_uri", "code_challenge"):
        without = {key: value for key, value in PUSHED.items() if key != name}
        refused(await strict.send(PAR, None, **without), "invalid_request")
    plain = await strict.send(PAR, None, **{**PUSHED, "code_challenge_method": "plain"})
    refused(plain, "invalid_request")


@pytest.mark.attack("E8")
@pytest.mark.rfc("9449#10.1")
async def test_a_proof_with_a_pushed_request_is_its_dpop_jkt(back: Back, holder: Holder) -> None:
    app, other = await bank(back), Holder(holder.now)
    assert (await app.send(PAR, holder, **PUSHED)).status == 201
    assert (await app.send(PAR, holder, **PUSHED, dpop_jkt=holder.jkt)).status == 201
    refused(await app.send(PAR, holder, **PUSHED, dpop_jkt=other.jkt), "invalid_dpop_proof")
    refused(await app.send(PAR, None, **PUSHED, dpop_jkt="x"), "invalid_request")
    assert (await app.send(PAR, None, **PUSHED, dpop_jkt=other.jkt)).status == 201


@pytest.mark.rfc("FAPI2-SP#5.3.2.1")
async def test_a_whole_tenant_by_one_switch(back: Back, holder: Holder) -> None:
    app, secret = await bank(back, assertion_audience="endpoint"), await back.machine()
    assert (await app.send(TOKEN, None, **MACHINE)).status == 200
    assert (await back.post(TOKEN, {"grant_type": "client_credentials"}, secret)).status == 200
    change = Update(Ref(Tenant, tenant_id=TENANT), {"policy": {"security": "fapi2"}})
    await back.write(change)
    await back.keys.load()  # as another node does when it hears of it
    back.clients.forget()
    refused(await app.send(TOKEN, None, **MACHINE), "invalid_dpop_proof")
    form = {"grant_type": "client_credentials"}
    refused(await back.post(TOKEN, form, secret), "invalid_client", 401)
    with pytest.raises(ApiError, match="invalid_client_metadata"):
        await back.machine(token_endpoint_auth_method="client_secret_basic")
    old = {"client_assertion": app.assertion(aud=ISSUER + TOKEN)}
    refused(await app.send(TOKEN, holder, **{**MACHINE, **old}), "invalid_client", 401)
    assert (await app.send(TOKEN, holder, **MACHINE)).status == 200


@pytest.mark.rfc("9701#4")
@pytest.mark.rfc("FAPI2-MS#5.5.1")
async def test_introspection_is_signed_for_message_signing(back: Back, holder: Holder) -> None:
    app = await bank(back, security_profile="fapi2_message_signing")
    token = (await app.send(TOKEN, holder, **MACHINE)).json["access_token"]
    refused(await app.send("/oauth2/introspect", None, token=token), "invalid_request")
    fields = {
        "client_assertion_type": TYPE,
        "client_assertion": app.assertion(),
        "token": token,
    }
    headers = {
        "content-type": "application/x-www-form-urlencoded",
        "accept": "application/token-introspection+jwt",
    }
    reply = await back.send("POST", "/oauth2/introspect", headers, urlencode(fields).encode())
    assert (reply.status, reply.header("content-type")) == (200, headers["accept"])


@pytest.mark.rfc("FAPI2-MS#5.3.1")
async def test_requests_are_signed_for_message_signing(back: Back) -> None:
    signing = await bank(back, security_profile="fapi2_message_signing")
    refused(await signing.send(PAR, None, **PUSHED, response_mode="jwt"), "invalid_request")
    plain = await bank(back, security_profile="fapi2")
    assert (await plain.send(PAR, None, **PUSHED, response_mode="jwt")).status == 201
