"""requests-oauthlib, which knows no discovery: it is told the endpoints that the metadata names."""

import asyncio
import os
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from requests_oauthlib import OAuth2Session
from tests.flows.conftest import Live

REDIRECT = "http://127.0.0.1:9/callback"
SCOPE = ["openid", "email", "offline_access"]


@pytest.mark.rfc("6749#4.1")
@pytest.mark.rfc("6749#6")
async def test_requests_oauthlib_walks_a_grant(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "OAUTHLIB_INSECURE_TRANSPORT", "1")  # the issuer is loopback
    made = await live.client(REDIRECT)
    assert made.secret is not None
    secret = made.secret.reveal()
    get = asyncio.to_thread
    metadata = (await get(requests.get, f"{live.issuer}/.well-known/openid-configuration")).json()

    with OAuth2Session(made.client.id, redirect_uri=REDIRECT, scope=SCOPE, pkce="S256") as session:
        url, state = session.authorization_url(metadata["authorization_endpoint"])
        landed = await live.consent(url)
        assert parse_qs(urlsplit(landed).query)["state"] == [state]
        token = await get(
            session.fetch_token,
            metadata["token_endpoint"],
            authorization_response=landed,
            client_secret=secret,
            include_client_id=True,
        )
        about = (await get(session.get, metadata["userinfo_endpoint"])).json()
        assert about["email"] == "ann@example.org"
        renewed = await get(
            session.refresh_token,
            metadata["token_endpoint"],
            client_id=made.client.id,
            client_secret=secret,
        )
        assert renewed["refresh_token"] != token["refresh_token"]
        third = await get(
            session.refresh_token,
            metadata["token_endpoint"],
            refresh_token=renewed["refresh_token"],
            client_id=made.client.id,
            client_secret=secret,
        )
        assert third["refresh_token"] not in (token["refresh_token"], renewed["refresh_token"])
