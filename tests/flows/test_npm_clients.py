"""Clients from npm, told nothing but the issuer and their own credentials."""

import pytest
from tests.flows.conftest import EMAIL, Live
from tests.flows.driven import driven
from tests.web.harness import TENANT

REDIRECT = "http://127.0.0.1:9/callback"
USUAL = "openid profile email offline_access"


@pytest.mark.rfc("OIDC#3.1")
async def test_auth_core_signs_somebody_in(one: Live) -> None:
    redirect = "http://127.0.0.1:9/auth/callback/safeconduct"
    made = await one.client(redirect)
    assert made.secret is not None
    secret = made.secret.reveal()
    _, got = await driven(
        one, "node", "auth_core.mjs", one.issuer, made.client.id, secret, redirect
    )
    user = await one.platform.users.find(TENANT, EMAIL)
    assert user is not None
    assert got["sub"] == user.id
    assert "error" not in got["onward"]


@pytest.mark.rfc("6749#4.1")
async def test_passport_oauth2_signs_somebody_in(one: Live) -> None:
    made = await one.client(REDIRECT)
    assert made.secret is not None
    secret = made.secret.reveal()
    _, got = await driven(one, "node", "passport.mjs", one.issuer, made.client.id, secret, REDIRECT)
    assert got == {"email": EMAIL, "refreshes": True, "expires_in": 900}


@pytest.mark.rfc("8252#6")
async def test_appauth_is_a_native_app(one: Live) -> None:
    made = await one.client(REDIRECT, token_endpoint_auth_method="none")
    _, got = await driven(one, "node", "appauth.mjs", one.issuer, made.client.id, "", REDIRECT)
    assert got == {"expires_in": 900, "identified": True, "rotated": True}
