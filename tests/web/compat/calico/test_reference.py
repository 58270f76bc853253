"""The two reference texts, sample by sample, on the whole server.

`calico-v2-authorization-callback.txt`: the request and answer of Add providers, the request of the
callback with its 201 and the printed placeholder sample. `calico-v1-authentication.txt`: the link
to Connect, what a token request takes, how long tokens live.
"""

import asyncio
import json
import re
import subprocess
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from tests.contracts.contract import Contract
from tests.contracts.server import Server
from tests.web.compat.calico.caller import SCOPE, Caller
from tests.web.connect.stage import LANDING, STATE, widget
from tests.web.harness import VERIFIER, answer_of

V2 = Contract("calico-v2")

ASKED = {"provider_id": "exchangeExample", "connection": {"type": "oauth2"}}
BEGUN = """{
    "data": {
        "redirect_url": "https://login.exchangeExample.com/oauth2/auth?response_type=code&redirect_uri=https%3A%2F%2Fwidget.getcalico.com%2Foauth-success%2Fcb&client_id=<CLIENT_ID>&scope=wallet%3Aaccounts%3Aread%2Cwallet%3Atransactions%3Aread%2Coffline_access&state=<STATE>",
        "added": false
    },
    "errors": []
}"""
PRINTED = """{
    "data": {
        "added": true,
        "redirect_url": "string"
    },
    "errors": [
        {
            "provider_id": "string",
            "cause": "bad_request"
        }
    ]
}"""


@pytest.fixture
async def app(server: Server) -> Caller:
    return Caller(server, await server.token("calico", SCOPE), V2)


def shape(value: Any) -> Any:
    """Members in their order, and of which type each is."""
    if isinstance(value, dict):
        return {name: shape(part) for name, part in value.items()}
    if isinstance(value, list):
        return [shape(part) for part in value]
    return type(value).__name__


async def test_add_providers_answers_as_the_sample_does(server: Server, app: Caller) -> None:
    answer = await app.call("addProviders", json=ASKED)
    sample = json.loads(BEGUN)
    assert (answer.status_code, shape(answer.json())) == (200, shape(sample))
    assert answer.json()["data"]["added"] is False
    given = dict(parse_qsl(urlsplit(answer.json()["data"]["redirect_url"]).query))
    printed = dict(parse_qsl(urlsplit(sample["data"]["redirect_url"]).query))
    ours = [name for name in given if not name.startswith("code_challenge")]  # RFC 7636
    assert ours == list(printed)
    for name in ("response_type", "scope"):
        assert given[name] == printed[name]
    assert urlsplit(given["redirect_uri"]).path == urlsplit(printed["redirect_uri"]).path == LANDING


async def test_the_callback_by_the_curl_of_the_sample(server: Server, app: Caller) -> None:
    """A 201 and what the contract says is in it; the request is the sample's, by curl itself."""
    back = await app.add()
    url = f"{server.url}/accounts/v2/oauth/callback/exchangeExample"
    url += f"?state={back['state']}&code={back['code']}"
    authorization = f"Authorization: {app.headers['Authorization']}"
    command = ["curl", "--silent", "--location", "--request", "POST", url]
    command += ["--header", authorization, "--write-out", "\\n%{http_code}"]
    done = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, check=True, timeout=30
    )
    body, _, status = done.stdout.rpartition("\n")
    assert status == "201"
    answer = json.loads(body)
    V2.check("POST", "/accounts/v2/oauth/callback/{provider_id}", 201, answer)
    sample = json.loads(PRINTED)
    assert list(answer) == list(sample)
    assert answer["data"]["added"] is sample["data"]["added"] is True
    # The printed sample has a word and an error in it all the same: both stay what they are
    V2.check("POST", "/accounts/v2/oauth/callback/{provider_id}", 201, sample)


async def test_errors_have_the_members_of_the_sample(app: Caller) -> None:
    refused = await app.call("authorizationCallback", params={"state": "x", "code": "y"})
    (item,) = json.loads(PRINTED)["errors"]
    (error,) = refused.json()["errors"]
    assert (refused.status_code, error["cause"]) == (400, item["cause"])
    assert set(item) <= set(error)
    assert error["provider_id"] == "exchangeExample"


async def test_the_curl_without_a_provider_is_told_so(server: Server, app: Caller) -> None:
    """`/accounts/v2/oauth/callback/?state&code`, as it is printed."""
    answer = await server.http.post("/accounts/v2/oauth/callback/?state&code", headers=app.headers)
    assert answer.status_code == 404
    V2.is_a("CalicoErrorResponse", answer.json())


async def test_the_connect_link_and_the_tokens_of_version_1(server: Server) -> None:
    """`?client_id=…&code_challenge=…&code_challenge_method=…&state=…`, and nothing else."""
    stage = server.stage
    client = await server.app("calico", SCOPE)
    link = widget(client)
    assert list(link) == ["client_id", "code_challenge", "code_challenge_method", "state"]
    person = await stage.ann()
    await stage.to_picker(person, client)
    back = answer_of(await person.press("connect-done"))
    assert (back["state"], back[""]) == (STATE, client.redirect_uris[0])
    # "Your app must have a redirect URI, client ID, and client secret."
    form = {
        "grant_type": "authorization_code",
        "code": back["code"],
        "client_id": client.id,
        "client_secret": stage.site.secrets[client.id],
        "redirect_uri": client.redirect_uris[0],
        "code_verifier": VERIFIER,
    }
    given: httpx.Response = await server.http.post("/oauth/token", data=form)
    tokens = given.json()
    # "Access Token … 15 Minutes", "Refresh Token … 1 Year"
    assert tokens["expires_in"] == 15 * 60
    assert {"access_token", "refresh_token", "token_type"} <= set(tokens)
    year = 365 * 86_400_000
    renew = {
        "grant_type": "refresh_token",
        "client_id": client.id,
        "client_secret": form["client_secret"],
        "refresh_token": tokens["refresh_token"],
    }
    stage.site.clock.advance(year - 60_000)
    renewed = await server.http.post("/oauth/token", data=renew)
    assert renewed.status_code == 200, "it lives for a year"
    stage.site.clock.advance(60_000)
    late = {**renew, "refresh_token": renewed.json()["refresh_token"]}
    ended = await server.http.post("/oauth/token", data=late)
    assert (ended.status_code, ended.json()["error"]) == (400, "invalid_grant")
    # "used as the bearer token for Calico API data calls"
    assert re.fullmatch(r"Bearer", tokens["token_type"])
