"""mod_auth_openidc as a relying party, and mod_oauth2 as an API whose tokens are bound to a key."""

import secrets
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey
from tests.flows.conftest import EMAIL, Live
from tests.judges.apache import apache
from tests.web.harness import PASSWORD, TENANT

from safeconduct.app import runner_of
from safeconduct.cli.staging import free_row
from safeconduct.demo.browser import Browser, Hop


@pytest.mark.rfc("OIDC#3.1")
@pytest.mark.rfc("OIDC-BACK#2.5")
async def test_mod_auth_openidc_signs_in_and_is_told_to_sign_out(one: Live, tmp_path: Path) -> None:
    (port,) = free_row(1)
    origin = f"http://127.0.0.1:{port}"
    made = await one.client(
        f"{origin}/cb",
        backchannel_logout_uri=f"{origin}/cb?logout=backchannel",
        post_logout_redirect_uris=[f"{origin}/bye"],
    )
    assert made.secret is not None
    site = f"""
OIDCProviderMetadataURL {one.issuer}/.well-known/openid-configuration
OIDCClientID {made.client.id}
OIDCClientSecret {made.secret.reveal()}
OIDCRedirectURI {origin}/cb
OIDCCryptoPassphrase {secrets.token_hex(16)}
OIDCPKCEMethod S256
OIDCScope "openid email"
OIDCRemoteUserClaim email
<Location />
  AuthType openid-connect
  Require valid-user
  Header set X-User "expr=%{{REMOTE_USER}}"
</Location>
"""
    hops: list[Hop] = []
    async with apache(tmp_path, port, "auth_openidc", site), Browser(watch=hops.append) as browser:
        page = await browser.open(f"{origin}/app/")
        page = await browser.press(page, "login-submit", username=EMAIL, password=PASSWORD)
        await browser.press(page, "consent-allow")
        assert (hops[-1].url, hops[-1].status) == (f"{origin}/app/", 200)
        hops.clear()
        await browser.open(f"{origin}/app/")
        assert [hop.status for hop in hops] == [200]  # a session of its own

        page = await browser.open(f"{one.issuer}/oauth2/logout")
        await browser.press(page, "logout-confirm")
        await runner_of(one.platform).drain()
        hops.clear()
        await browser.open(f"{origin}/app/")
        assert hops[0].status == 302  # the logout token ended it
        assert hops[-1].url.startswith(one.issuer)


@pytest.mark.rfc("9449#7.1")
async def test_mod_oauth2_takes_tokens_with_their_key_only(one: Live, tmp_path: Path) -> None:
    (port,) = free_row(1)
    api = f"http://127.0.0.1:{port}/api/"
    await one.platform.resources.create(
        TENANT, {"resource": api, "scopes": {"api:use": ""}}, actor="operator"
    )
    made = await one.platform.clients.create(
        TENANT,
        {
            "client_name": "Machine",
            "grant_types": ["client_credentials"],
            "scope": "api:use",
            "resources": [api],
        },
        actor="operator",
    )
    site = f"""
<Location /api>
  AuthType oauth2
  OAuth2AcceptTokenIn header name=Authorization&type=DPoP
  OAuth2TokenVerify jwks_uri {one.issuer}/oauth2/jwks jwks_uri.ssl_verify=false&type=dpop
  Require oauth2_claim aud:{api}
</Location>
"""
    key, other = ECKey.generate_key("P-256"), ECKey.generate_key("P-256")
    async with (
        apache(tmp_path, port, "oauth2", site),
        httpx.AsyncClient() as http,
    ):
        endpoint = f"{one.issuer}/oauth2/token"
        answer = await http.post(
            endpoint,
            data={"grant_type": "client_credentials", "resource": api},
            auth=(made.client.id, made.secret.reveal()),  # type: ignore[union-attr]
            headers={"dpop": proof(key, "POST", endpoint)},
        )
        assert answer.json()["token_type"] == "DPoP", answer.text
        token = answer.json()["access_token"]

        async def use(**headers: str) -> int:
            return (await http.get(api, headers=headers)).status_code

        bound = {"authorization": f"DPoP {token}"}
        assert await use() == 401
        assert await use(**bound) == 401
        assert await use(**bound, dpop=proof(other, "GET", api, token)) == 401
        assert await use(**bound, dpop=proof(key, "GET", api, token)) == 200


def proof(key: Any, method: str, url: str, token: str | None = None) -> str:
    """RFC 9449 §4.2."""
    from base64 import urlsafe_b64encode
    from hashlib import sha256

    claims = {"jti": secrets.token_hex(12), "htm": method, "htu": url, "iat": int(time.time())}
    if token is not None:
        digest = sha256(token.encode()).digest()
        claims["ath"] = urlsafe_b64encode(digest).rstrip(b"=").decode()
    header = {"typ": "dpop+jwt", "alg": "ES256", "jwk": key.as_dict(private=False)}
    return jwt.encode(header, claims, key)
