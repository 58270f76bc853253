"""The simulated provider of OAuth 1.0a, proven by a stranger: requests-oauthlib signs, we judge."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests
from requests_oauthlib import OAuth1, OAuth1Session
from requests_oauthlib.oauth1_session import TokenRequestDenied
from tests.signed import ID, METHODS, private_key, signed_entry
from tests.simulator_fixture import Running, running

from safeconduct.simulator import CLIENT_ID, CLIENT_SECRET
from safeconduct.simulator.signatures import Signed

CALLBACK = "http://127.0.0.1:8400/cb?state=st8"


@dataclass
class Stranger:
    """An application that speaks OAuth 1.0a with a library of its own."""

    it: Running
    method: str = "HMAC-SHA1"

    def url(self, path: str) -> str:
        return f"{self.it.base_url}/{ID}/{path}"

    def session(self, **more: Any) -> OAuth1Session:
        how: dict[str, Any] = {"client_secret": CLIENT_SECRET}
        if self.method == "RSA-SHA1":
            how = {"rsa_key": private_key()}
        return OAuth1Session(CLIENT_ID, signature_method=self.method, **{**how, **more})

    async def lent(self, session: OAuth1Session) -> dict[str, str]:
        return await asyncio.to_thread(session.fetch_request_token, self.url("oauth1/request"))

    async def consent(self, session: OAuth1Session, **more: Any) -> dict[str, str]:
        url = session.authorization_url(self.url("oauth1/authorize"), scope="read,write")
        return dict(parse_qsl(urlsplit(await self.it.approve(url, **more)).query))

    async def token(self, session: OAuth1Session, verifier: str) -> dict[str, str]:
        url = self.url("oauth1/token")
        return await asyncio.to_thread(session.fetch_access_token, url, verifier)

    async def linked(self) -> tuple[OAuth1Session, dict[str, str]]:
        session = self.session(callback_uri=CALLBACK)
        await self.lent(session)
        given = await self.token(session, (await self.consent(session))["oauth_verifier"])
        more = {
            "resource_owner_key": given["oauth_token"],
            "resource_owner_secret": given["oauth_token_secret"],
        }
        return self.session(**more), more

    async def get(self, session: Any, path: str, **more: Any) -> requests.Response:
        return await asyncio.to_thread(session.get, self.url(path), **more)


@asynccontextmanager
async def stranger(method: str = "HMAC-SHA1", **changes: Any) -> AsyncIterator[Stranger]:
    secret = private_key() if method == "RSA-SHA1" else CLIENT_SECRET
    async with running(signed_entry(signature=method, **changes), client_secret=secret) as it:
        yield Stranger(it, method)


@pytest.mark.rfc("5849#3.4")
@pytest.mark.parametrize("method", METHODS)
async def test_a_stranger_signs_with_every_method(method: str) -> None:
    async with stranger(method) as it:
        session, given = await it.linked()
        # §3.4.1.3: names that repeat, signs that are escaped, and what is no ASCII
        query = [("b", "2"), ("a", "1 &=+"), ("a", "ä"), ("empty", "")]
        answer = await it.get(session, "api/me", params=query)
        assert answer.status_code == 200, answer.text
        assert answer.json()["name"] == "Mira"
        forged = it.session(**{**given, "resource_owner_secret": "x" * 43})
        if method != "RSA-SHA1":  # where the secrets are no part of what is signed (§3.4.3)
            assert (await it.get(forged, "api/me")).status_code == 401
        ledger = await it.it.ledger(ID)
        assert ledger["grants"][0]["api_calls"] == 1


@pytest.mark.rfc("5849#3.3")
@pytest.mark.attack("A1")
async def test_a_request_is_taken_once_and_not_late() -> None:
    async with stranger() as it:
        _, given = await it.linked()
        how: dict[str, Any] = {"client_key": CLIENT_ID, "client_secret": CLIENT_SECRET, **given}
        now = int((await it.it.sim("clock"))["now"])
        for stamp, nonce, status in (
            (now, "one", 200),
            (now, "one", 401),  # the same again
            (now, "two", 200),
            (now - 301, "three", 401),
            (now + 400, "four", 401),
        ):
            auth = OAuth1(**how, timestamp=str(stamp), nonce=nonce)
            answer = await it.get(requests, "api/me", auth=auth)
            assert answer.status_code == status, (stamp - now, nonce)
        refused = (await it.it.ledger(ID))["refused"]
        assert (refused["nonce_used"], refused["timestamp_refused"]) == (1, 2)


@pytest.mark.rfc("5849#2")
@pytest.mark.attack("L1")
async def test_temporary_credentials_are_good_for_one_consent_and_one_exchange() -> None:
    async with stranger() as it:
        unknown = OAuth1Session("nobody", CLIENT_SECRET, callback_uri=CALLBACK)
        with pytest.raises(TokenRequestDenied):
            await it.lent(unknown)
        foreign = it.session(callback_uri="https://evil.test/cb")
        with pytest.raises(TokenRequestDenied):
            await it.lent(foreign)
        session = it.session(callback_uri=CALLBACK)
        lent = await it.lent(session)
        assert lent["oauth_callback_confirmed"] == "true"
        with pytest.raises(TokenRequestDenied):
            await it.token(session, "guessed")  # nobody has said yes
        back = await it.consent(session)
        assert (back["state"], back["oauth_token"]) == ("st8", lent["oauth_token"])
        again = {
            "resource_owner_key": lent["oauth_token"],
            "resource_owner_secret": lent["oauth_token_secret"],
        }
        with pytest.raises(TokenRequestDenied):
            await it.token(it.session(**again), "guessed")
        assert await it.token(it.session(**again), back["oauth_verifier"])
        with pytest.raises(TokenRequestDenied):
            await it.token(it.session(**again), back["oauth_verifier"])
        denied = it.session(callback_uri=CALLBACK)
        await it.lent(denied)
        assert "denied" in await it.consent(denied, deny=True)


@pytest.mark.rfc("5849#3.4.1.1")
def test_the_base_string_of_the_standard() -> None:
    """The example of §3.4.1.1, word by word."""
    signed = Signed(
        "post",
        "http://example.com/request",
        {
            "oauth_consumer_key": "9djdj82h48djs9d2",
            "oauth_token": "kkk9d7dh3k39sjv7",
            "oauth_signature_method": "HMAC-SHA1",
            "oauth_timestamp": "137131201",
            "oauth_nonce": "7d8f3e4a",
            "oauth_signature": "bYT5CMsGcbgUdFHObYMEfcx6bsw=",
        },
        [("b5", "=%3D"), ("a3", "a"), ("c@", ""), ("a2", "r b"), ("c2", ""), ("a3", "2 q")],
    )
    assert signed.base == (
        "POST&http%3A%2F%2Fexample.com%2Frequest&a2%3Dr%2520b%26a3%3D2%2520q%26a3%3Da%26b5%3D%253D"
        "%25253D%26c%2540%3D%26c2%3D%26oauth_consumer_key%3D9djdj82h48djs9d2%26oauth_nonce%3D7d8f"
        "3e4a%26oauth_signature_method%3DHMAC-SHA1%26oauth_timestamp%3D137131201%26oauth_token%3Dk"
        "kk9d7dh3k39sjv7"
    )
