"""Entries with another way to sign in than a code: what each sends, to the letter, and its journey.

`signing/` holds the golden record of each way; this file as a program writes it anew from what the
entries do now, to be reviewed and kept.
"""

import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from tests.catalog.test_entries import CALLBACK, CATALOG, LOCAL_CALLBACK, NOW, registration, shown
from tests.simulator_fixture import Running, running

from safeconduct.adapters.outbound import GuardedOutbound
from safeconduct.core.errors import ProviderError
from safeconduct.core.secret import Secret
from safeconduct.core.upstream import device_flow, ending, flow, minting, oauth1_flow
from safeconduct.core.upstream.flow import Granted
from safeconduct.core.upstream.http import OutboundRequest
from safeconduct.core.upstream.keys import pack, unpack
from safeconduct.core.upstream.provider import Provider
from safeconduct.core.upstream.simulated import simulated
from safeconduct.simulator import CLIENT_ID, CLIENT_SECRET
from safeconduct.simulator.exchanges import keys_of

FOLDER = Path(__file__).parent / "signing"
SIGNED = [one for one in CATALOG.all() if one.auth.oauth1]
DEVICES = [one for one in CATALOG.all() if one.auth.oauth2_device]
MINTING = [one for one in CATALOG.all() if one.auth.oauth2_yields_api_key]
OURS = flow.Registration(CLIENT_ID, Secret(CLIENT_SECRET))
HELD = pack({"oauth_token": "<TOKEN>", "oauth_token_secret": "<SECRET>"})


def signed(request: OutboundRequest | None) -> Any:
    """A request, and what of the protocol is signed along."""
    if request is None:
        return None
    how = request.signature
    assert how is not None
    made = {"signature": how.method, "token": how.token, **how.parameters}
    return {**shown(request), **{name: value for name, value in made.items() if value}}


def signs(provider: Provider) -> Any:
    """Everything that is sent to a provider of OAuth 1.0a."""
    provider, ours = provider.by("oauth1"), registration(provider)
    token_url = oauth1_flow.token_endpoint(provider, ours)
    return {
        "temporary": signed(oauth1_flow.temporary_request(provider, ours, CALLBACK)),
        "authorization_url": oauth1_flow.authorization_url(provider, ours, HELD),
        "token": signed(
            oauth1_flow.token_request(
                provider, ours, temporary=HELD, verifier=Secret("<VERIFIER>"), pinned=token_url
            )
        ),
        "identity": signed(flow.identity_request(provider, ours, access_token=HELD)),
        "revocation": signed(oauth1_flow.revocation_request(provider, ours, HELD)),
    }


def asks(provider: Provider) -> Any:
    """Everything that is sent to a provider for another screen."""
    ours = registration(provider)
    return {
        "codes": shown(device_flow.device_request(provider, ours)),
        "poll": shown(device_flow.poll_request(provider, ours, Secret("<DEVICE_CODE>"))),
    }


def mints(provider: Provider) -> Any:
    """Everything that is sent to a provider that makes a key for who has signed in."""
    ours, signing_in = registration(provider), provider.by("oauth2_code")
    asked = {"code": Secret("<CODE>"), "redirect_uri": CALLBACK, "code_verifier": "<VERIFIER>"}
    return {
        "authorization_url": flow.authorization_url(
            signing_in, ours, "<STATE>", CALLBACK, "<CHALLENGE>", "<NONCE>"
        ),
        "token": shown(flow.token_request(signing_in, ours, **asked)),
        "identity": shown(minting.identity_request(provider, ours, Secret("<ACCESS>"))),
        "key": shown(minting.key_request(provider, ours, Secret("<ACCESS>"))),
    }


RECORDS = {
    "oauth1": {one.id: signs(one) for one in SIGNED},
    "device": {one.id: asks(one) for one in DEVICES},
    "key": {one.id: mints(one) for one in MINTING},
}


@pytest.mark.parametrize("way", RECORDS)
def test_the_golden_record(way: str) -> None:
    assert json.loads((FOLDER / f"{way}.json").read_text()) == json.loads(json.dumps(RECORDS[way]))


def test_there_are_as_many_as_promised() -> None:
    assert {"trello", "discogs", "flickr", "tumblr", "garmin"} <= RECORDS["oauth1"].keys()
    assert {"github", "google", "microsoft", "trakt"} <= RECORDS["device"].keys()
    assert {"kraken"} <= RECORDS["key"].keys()


async def test_every_signed_journey() -> None:
    """Connect, identity, a forged signature, revoke, connect again."""
    async with running(*SIGNED) as it:
        out = GuardedOutbound(["127.0.0.1"])
        try:
            for one in SIGNED:
                await Signing(simulated(one, it.base_url).by("oauth1"), it, out).travel()
        finally:
            await out.close()


class Signing:
    def __init__(self, provider: Provider, it: Running, out: GuardedOutbound) -> None:
        self.provider, self.it, self.out = provider, it, out

    async def travel(self) -> None:
        held, account = await self.connect()
        await self.forged(held)
        request = ending.revocation_request(
            self.provider, OURS, access_token=held, refresh_token=None
        )
        if request is not None:
            ending.read_revocation(self.provider, await self.out.send(request), NOW)
            assert not await self.it.usable(unpack(held)["oauth_token"])
        again, same = await self.connect()
        assert again != held
        assert same == account
        refused = (await self.it.ledger(self.provider.id))["refused"]
        assert set(refused) <= {"signature_invalid", "invalid_token"}, (self.provider.id, refused)

    async def connect(self) -> tuple[Secret, Any]:
        provider = self.provider
        said = await self.out.send(oauth1_flow.temporary_request(provider, OURS, LOCAL_CALLBACK))
        lent = oauth1_flow.read_temporary(provider, said.status, said.headers, said.body, NOW)
        url = oauth1_flow.authorization_url(provider, OURS, lent)
        back = oauth1_flow.read_verifier(parse_qsl(urlsplit(await self.it.approve(url)).query))
        assert isinstance(back, Granted)
        request = oauth1_flow.token_request(
            provider,
            OURS,
            temporary=lent,
            verifier=back.code,
            pinned=oauth1_flow.token_endpoint(provider, OURS),
        )
        said = await self.out.send(request)
        given = oauth1_flow.read_token(provider, said.status, said.headers, said.body, NOW)
        return given.packed, given.account or await self.who(given.packed)

    async def who(self, held: Secret) -> Any:
        request = flow.identity_request(self.provider, OURS, access_token=held)
        if request is None:
            return None
        said = await self.out.send(request)
        return flow.read_identity(self.provider, said.status, said.headers, said.body, NOW)

    async def forged(self, held: Secret) -> None:
        other = pack({**unpack(held), "oauth_token_secret": "x" * 43})
        request = flow.identity_request(self.provider, OURS, access_token=other)
        if request is not None:
            assert (await self.out.send(request)).status == 401


async def test_every_journey_over_another_screen() -> None:
    """Codes, too soon, not yet, yes, tokens of use; and no."""
    async with running(*DEVICES) as it:
        out = GuardedOutbound(["127.0.0.1"])
        try:
            for one in DEVICES:
                await Screen(simulated(one, it.base_url), it, out).travel()
        finally:
            await out.close()


class Screen:
    def __init__(self, provider: Provider, it: Running, out: GuardedOutbound) -> None:
        self.provider, self.it, self.out = provider, it, out

    async def travel(self) -> None:
        yes = await self.codes()
        assert await self.poll(yes) == device_flow.Later(slower=True)  # at once
        await self.it.sim("clock", advance_s=yes.interval_s + 5)
        assert await self.poll(yes) == device_flow.Later()
        assert (await self.it.type_in(yes.verification_uri, yes.user_code)).status_code == 200
        await self.it.sim("clock", advance_s=yes.interval_s + 5)
        tokens = await self.poll(yes)
        assert isinstance(tokens, flow.Tokens)
        assert await self.it.usable(tokens.access_token.reveal())
        await self.it.sim("clock", advance_s=yes.interval_s + 5)
        with pytest.raises(ProviderError) as caught:
            await self.poll(yes)  # good once
        assert caught.value.remedy == "reconnect"
        no = await self.codes()
        await self.it.type_in(no.verification_uri, no.user_code, deny=True)
        await self.it.sim("clock", advance_s=no.interval_s)
        assert await self.poll(no) == device_flow.Ended("access_denied")

    async def codes(self) -> device_flow.Codes:
        said = await self.out.send(device_flow.device_request(self.provider, OURS))
        return device_flow.read_codes(self.provider, said.status, said.headers, said.body, NOW)

    async def poll(self, codes: device_flow.Codes) -> Any:
        request = device_flow.poll_request(self.provider, OURS, codes.device_code)
        said = await self.out.send(request)
        return device_flow.read_poll(self.provider, said.status, said.headers, said.body, NOW)


async def test_every_journey_to_a_key() -> None:
    """Sign in, a key with the token, and no key without; it is the key that the simulator knows."""
    async with running(*MINTING) as it:
        out = GuardedOutbound(["127.0.0.1"])
        try:
            for one in MINTING:
                await key_of(simulated(one, it.base_url), it, out)
        finally:
            await out.close()


async def key_of(provider: Provider, it: Running, out: GuardedOutbound) -> None:
    signing_in = provider.by("oauth2_code")
    url = flow.authorization_url(signing_in, OURS, "st8", LOCAL_CALLBACK)
    params = parse_qsl(urlsplit(await it.approve(url, user="keiko")).query)
    answer = flow.read_callback(signing_in, params, issuer=None)
    assert isinstance(answer, Granted)
    request = flow.token_request(signing_in, OURS, code=answer.code, redirect_uri=LOCAL_CALLBACK)
    said = await out.send(request)
    tokens = flow.read_token_response(signing_in, said.status, said.headers, said.body, NOW)
    forged = await out.send(minting.key_request(provider, OURS, Secret("forged")))
    assert forged.status == 401
    said = await out.send(minting.key_request(provider, OURS, tokens.access_token))
    key = unpack(minting.read_key(provider, said.status, said.headers, said.body, NOW))
    known = keys_of(provider.id, "keiko")
    assert key == {"api_key": known.api_key, "secret_key": known.secret_key}


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for way, record in RECORDS.items():
        (FOLDER / f"{way}.json").write_text(json.dumps(record, indent=1) + "\n")
