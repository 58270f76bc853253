"""httpx-oauth and idpyoidc, told nothing but the issuer and their own credentials."""

import asyncio
from urllib.parse import parse_qs, urlsplit

import pytest
from httpx_oauth.clients.openid import OpenID
from idpyoidc.client.rp_handler import RPHandler
from tests.flows.conftest import EMAIL, Live

REDIRECT = "http://127.0.0.1:9/callback"
VERIFIER = "a-verifier-that-is-long-enough-to-be-one-123456"
CHALLENGE = "N2VXoBgjAk_FynR7YCoaZts-FMXMcTJ8tbCcfNLwD4E"


@pytest.mark.rfc("6749#4.1")
async def test_httpx_oauth_walks_a_grant(one: Live) -> None:
    made = await one.client(REDIRECT)
    assert made.secret is not None
    discovery = f"{one.issuer}/.well-known/openid-configuration"
    client = await asyncio.to_thread(OpenID, made.client.id, made.secret.reveal(), discovery)
    url = await client.get_authorization_url(
        REDIRECT,
        state="s-1",
        scope=["openid", "email", "offline_access"],
        code_challenge=CHALLENGE,
        code_challenge_method="S256",
    )
    answer = parse_qs(urlsplit(await one.consent(url)).query)
    assert answer["state"] == ["s-1"]
    tokens = await client.get_access_token(answer["code"][0], REDIRECT, VERIFIER)
    user = await one.platform.users.find(made.client.tenant_id, EMAIL)
    assert user is not None
    assert await client.get_id_email(tokens["access_token"]) == (user.id, EMAIL)
    renewed = await client.refresh_token(tokens["refresh_token"])
    assert renewed["refresh_token"] != tokens["refresh_token"]
    await client.revoke_token(renewed["refresh_token"], "refresh_token")


@pytest.mark.rfc("OIDC#3.1")
@pytest.mark.rfc("OIDC-DISC#4")
async def test_idpyoidc_discovers_and_signs_in(one: Live) -> None:
    made = await one.client(REDIRECT)
    assert made.secret is not None
    config = {
        "client_type": "oidc",
        "issuer": one.issuer,
        "client_id": made.client.id,
        "client_secret": made.secret.reveal(),
        "redirect_uris": [REDIRECT],
        "scope": ["openid", "email"],
        "add_ons": {
            "pkce": {
                "function": "idpyoidc.client.oauth2.add_on.pkce.add_support",
                "kwargs": {"code_challenge_length": 64, "code_challenge_method": "S256"},
            }
        },
    }
    handler = RPHandler(
        "https://app.example",
        client_configs={"safeconduct": config},
        httpc_params={"verify": False, "timeout": 10},
        key_conf={"key_defs": [{"type": "EC", "crv": "P-256", "use": ["sig"]}]},  # kept in memory
    )
    url = await asyncio.to_thread(handler.begin, "safeconduct")
    landed = await one.consent(url)
    answer = {name: values[0] for name, values in parse_qs(urlsplit(landed).query).items()}
    done = await asyncio.to_thread(handler.finalize, one.issuer, answer)
    user = await one.platform.users.find(made.client.tenant_id, EMAIL)
    assert user is not None
    assert done["userinfo"]["sub"] == user.id
    assert done["id_token"]["iss"] == one.issuer
