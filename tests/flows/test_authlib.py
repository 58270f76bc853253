"""Authlib, told nothing but the issuer and its own credentials, walks the whole of a grant."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from authlib.integrations.httpx_client import AsyncOAuth2Client
from joserfc import jwt
from joserfc.jwk import KeySet
from tests.flows.conftest import Live

REDIRECT = "http://127.0.0.1:9/callback"
SCOPE = "openid profile email offline_access"


async def discovered(live: Live) -> dict[str, Any]:
    async with httpx2.AsyncClient() as http:
        answer = await http.get(f"{live.issuer}/.well-known/openid-configuration")
    metadata: dict[str, Any] = answer.json()
    assert metadata["issuer"] == live.issuer
    return metadata


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post", "none"])
@pytest.mark.rfc("6749#4.1")
@pytest.mark.rfc("7636#4")
async def test_authlib_walks_a_grant_from_the_issuer_alone(live: Live, method: str) -> None:
    made = await live.client(REDIRECT, token_endpoint_auth_method=method)
    metadata = await discovered(live)
    async with AsyncOAuth2Client(
        made.client.id,
        made.secret.reveal() if made.secret else None,
        token_endpoint_auth_method=method,
        revocation_endpoint_auth_method=method,
        redirect_uri=REDIRECT,
        scope=SCOPE,
        code_challenge_method="S256",
    ) as client:
        verifier = "a-verifier-that-is-long-enough-to-be-one-123456"
        url, state = client.create_authorization_url(
            metadata["authorization_endpoint"], code_verifier=verifier, nonce="n-1"
        )
        landed = await live.consent(url)
        answer = parse_qs(urlsplit(landed).query)
        assert answer["state"] == [state]
        assert answer["iss"] == [live.issuer]

        token = await client.fetch_token(
            metadata["token_endpoint"],
            authorization_response=landed,
            code_verifier=verifier,
            state=state,
        )
        assert token["token_type"] == "Bearer"
        assert token["expires_in"] == 900
        claims = await id_token(client, metadata, token["id_token"])
        assert claims["aud"] == made.client.id
        assert claims["nonce"] == "n-1"

        about = (await client.get(metadata["userinfo_endpoint"])).json()
        assert about["sub"] == claims["sub"]
        assert about["email"] == "ann@example.org"

        renewed = await client.refresh_token(
            metadata["token_endpoint"], refresh_token=token["refresh_token"]
        )
        assert renewed["refresh_token"] != token["refresh_token"]

        if method != "none":
            alive = await client.introspect_token(
                metadata["introspection_endpoint"], token=renewed["access_token"]
            )
            assert alive.json()["active"] is True
        gone = await client.revoke_token(
            metadata["revocation_endpoint"], token=renewed["refresh_token"]
        )
        assert gone.status_code == 200
        refused = await client.get(metadata["userinfo_endpoint"])
        assert refused.status_code == 401


async def id_token(client: AsyncOAuth2Client, metadata: dict[str, Any], text: str) -> Any:
    keys = KeySet.import_key_set((await client.get(metadata["jwks_uri"])).json())
    token = jwt.decode(text, keys, algorithms=metadata["id_token_signing_alg_values_supported"])
    registry = jwt.JWTClaimsRegistry(iss={"essential": True, "value": metadata["issuer"]})
    registry.validate(token.claims)
    return token.claims


@pytest.mark.rfc("6749#4.1.2.1")
async def test_a_person_who_declines_sends_the_app_an_error_and_no_code(live: Live) -> None:
    made = await live.client(REDIRECT)
    metadata = await discovered(live)
    async with AsyncOAuth2Client(
        made.client.id, redirect_uri=REDIRECT, scope=SCOPE, code_challenge_method="S256"
    ) as client:
        url, state = client.create_authorization_url(
            metadata["authorization_endpoint"], code_verifier="b" * 43
        )
    answer = parse_qs(urlsplit(await live.consent(url, allow=False)).query)
    assert answer["error"] == ["access_denied"]
    assert answer["state"] == [state]
    assert answer["iss"] == [live.issuer]
    assert "code" not in answer


@pytest.mark.rfc("6749#4.4")
async def test_a_machine_gets_a_token_for_itself(live: Live) -> None:
    made = await live.client(
        REDIRECT, redirect_uris=[], grant_types=["client_credentials"], scope="clients:read"
    )
    metadata = await discovered(live)
    assert made.secret is not None
    async with AsyncOAuth2Client(made.client.id, made.secret.reveal()) as client:
        token = await client.fetch_token(
            metadata["token_endpoint"], grant_type="client_credentials"
        )
        assert "refresh_token" not in token
        answer = await client.introspect_token(
            metadata["introspection_endpoint"], token=token["access_token"]
        )
        assert answer.json()["client_id"] == made.client.id
