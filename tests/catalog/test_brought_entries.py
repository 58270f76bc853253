"""Entries whose users bring what is needed: a password, fields of its own, a client, a key file.

`<id>.json` is the golden record of one entry: what is asked, what is sent for the example's answers
(an assertion is shown by its claims), and how it is given back. `python -m
tests.catalog.test_brought_entries <id>` prints what the entry does now, to be reviewed and kept.

The whole journey runs for every entry in `make catalog-test`, else for one of each mode, each day
the next.
"""

import json
import os
import sys
from typing import Any

import pytest
from joserfc import jwt
from tests.catalog.test_entries import CATALOG, TODAY, entry, golden, shown
from tests.core.upstream.test_brought import KEYS
from tests.simulator_fixture import Running, running

from safeconduct.adapters.outbound import GuardedOutbound
from safeconduct.core.errors import ProviderError
from safeconduct.core.secret import Secret
from safeconduct.core.upstream import flow
from safeconduct.core.upstream.api import api_request
from safeconduct.core.upstream.brought import (
    Moment,
    own_account,
    read_form,
    registration_of,
    secret_parts,
    token_request,
)
from safeconduct.core.upstream.form import SHOWN
from safeconduct.core.upstream.http import OutboundRequest
from safeconduct.core.upstream.keys import KeyField, pack
from safeconduct.core.upstream.provider import BROUGHT, Provider
from safeconduct.core.upstream.simulated import simulated

WAYS = [
    (one.id, mode)
    for one in CATALOG.all()
    for mode in one.auth.modes
    if mode in BROUGHT and not (one.api and one.api.via)
]
SAMPLE = {mode: [way for way in WAYS if way[1] == mode] for _, mode in WAYS}
TRAVELLERS = (
    WAYS
    if os.environ.get("CATALOG_TEST") == "all"
    else [ways[TODAY % len(ways)] for ways in SAMPLE.values()]
)
OURS = flow.Registration("")
NOW = 1_800_000_000_000
KEY = KEYS["RS256"]


def test_each_mode_has_at_least_three_entries() -> None:
    for mode in ("basic", "custom_form", "oauth2_client_credentials", "service_account"):
        assert len([id for id, how in WAYS if how == mode]) >= 3, mode


def answers(provider: Provider) -> dict[str, str]:
    """A form filled in by example."""
    return {one.name: _answer(one) for one in provider.form if not one.optional}


def _answer(one: KeyField) -> str:
    pem = KEY.as_pem(private=True).decode()
    if one.kind == "lines":
        return pem
    if one.kind == "text":
        return one.example or f"<{one.name}>"
    document: dict[str, Any] = {}
    for name, pointer in one.reads.items():
        *groups, last = pointer.tokens()
        here = document
        for group in groups:
            here = here.setdefault(group, {})
        here[last] = pem if name == "private_key" else f"<{name}>"
    return json.dumps(document)


def sends(provider: Provider) -> dict[str, Any]:
    """What is asked, and everything that is sent then."""
    fields = read_form(provider, answers(provider))
    packed, token = pack(fields), Secret("<ACCESS>")
    asking = registration_of(provider, OURS, packed, packed)
    made: dict[str, Any] = {"asks": [one.name for one in provider.form]}
    held = packed if provider.dialect is None else token
    if provider.dialect is not None:
        request = token_request(provider, asking, packed, Moment(now=NOW, jti="<JTI>"))
        made["token"] = _readable(shown(request))
        made["account"] = own_account(provider, fields).id
    who = flow.identity_request(provider, asking, access_token=held)
    made["identity"] = _with_body(who)
    made["api"] = _with_body(api_request(provider, asking, held, path="/path", method="POST"))
    made["revocation"] = shown(
        flow.revocation_request(provider, asking, access_token=held, refresh_token=packed)
    )
    return made


def _with_body(request: OutboundRequest | None) -> Any:
    made = shown(request)
    if request is not None and request.body is not None:
        made["body"] = json.loads(request.body)
    return made


def _readable(request: Any) -> Any:
    """Claims in place of a signature that is another one each time."""
    for place, name in (("form", "assertion"), ("headers", "authorization")):
        text = request.get(place, {}).get(name, "").removeprefix("Bearer ")
        if text.count(".") == 2:
            token = jwt.decode(text, KEY, algorithms=["RS256", "RS512"])
            request[place][name] = {"header": token.header, "claims": token.claims}
    return request


@pytest.mark.parametrize(("id", "mode"), WAYS)
def test_it_asks_and_sends_what_its_golden_record_says(id: str, mode: str) -> None:
    assert json.loads(json.dumps(sends(entry(id).by(mode)))) == golden(id)


@pytest.mark.parametrize(("id", "mode"), TRAVELLERS)
async def test_the_whole_journey_against_its_simulator(id: str, mode: str) -> None:
    outbound = GuardedOutbound(["127.0.0.1"])
    async with running(entry(id)) as sim:
        await sim.set_clock(NOW)
        walk = Walk(simulated(entry(id), sim.base_url).by(mode), sim, outbound, mode)
        try:
            if walk.provider.dialect is None:
                await walk.static()
            else:
                await walk.renewed()
        finally:
            await outbound.close()


class Walk:
    """Connect, refused with anything changed, used, renewed through faults, given back, again."""

    def __init__(
        self, provider: Provider, sim: Running, outbound: GuardedOutbound, mode: str
    ) -> None:
        self.provider, self.sim, self.outbound, self.mode = provider, sim, outbound, mode
        self.jti = 0

    async def typed(self, user: str = "mira") -> dict[str, str]:
        at = f"keys?provider={self.provider.id}&user={user}&mode={self.mode}"
        found: dict[str, str] = await self.sim.sim(at)
        return found

    def packed(self, typed: dict[str, str]) -> tuple[Secret, flow.Registration]:
        packed = pack(read_form(self.provider, typed))
        return packed, registration_of(self.provider, OURS, packed, packed)

    async def known_as(self, typed: dict[str, str], token: Secret | None = None) -> flow.Account:
        packed, asking = self.packed(typed)
        request = flow.identity_request(self.provider, asking, access_token=token or packed)
        assert request is not None
        said = await self.outbound.send(request)
        return flow.read_identity(self.provider, said.status, said.headers, said.body, NOW)

    async def static(self) -> None:
        mine, other = await self.typed(), await self.typed("otto")
        account = await self.known_as(mine)
        assert account != await self.known_as(other)
        for name in mine if len(mine) > 1 else ():  # somebody else's answer in any one field
            with pytest.raises(ProviderError) as caught:
                await self.known_as({**mine, name: other[name]})
            assert caught.value.status == 401, name
        for fault in ("503", "429", "html200"):
            await self.sim.fault(fault, "identity")
            with pytest.raises(ProviderError) as caught:
                await self.known_as(mine)
            assert caught.value.remedy == "retry"
        await self.sim.sim("revoke", provider=self.provider.id)
        with pytest.raises(ProviderError):
            await self.known_as(mine)

    async def token(self, typed: dict[str, str]) -> flow.Tokens:
        packed, asking = self.packed(typed)
        self.jti += 1
        moment = Moment(now=NOW, jti=f"jti-{self.jti}")
        request = token_request(self.provider, asking, packed, moment)
        said = await self.outbound.send(request)
        return flow.read_token_response(self.provider, said.status, said.headers, said.body, NOW)

    async def renewed(self) -> None:
        mine, other = await self.typed(), await self.typed("otto")
        first = await self.token(mine)
        assert first.refresh_token is None
        assert first.expires_at is not None
        if self.provider.identity:
            assert (await self.known_as(mine, first.access_token)).id
        for name in self.sent() if len(mine) > 1 else ():
            with pytest.raises(ProviderError) as caught:
                await self.token({**mine, name: other[name]})
            assert caught.value.remedy != "misconfigured", name
        for fault in ("503", "429", "html200", "lost_answer"):
            await self.sim.fault(fault, "token")
            with pytest.raises(ProviderError) as caught:
                await self.token(mine)
            assert caught.value.remedy == "retry"
        later = await self.token(mine)
        assert later.access_token != first.access_token
        assert await self.given_back(mine, later)
        assert await self.sim.usable((await self.token(mine)).access_token.reveal())
        await self.sim.sim("revoke", provider=self.provider.id)
        with pytest.raises(ProviderError) as caught:
            await self.token(mine)

    def sent(self) -> list[str]:
        """The fields of the form that a token is asked for with."""
        mode, names = self.provider.auth.brings, set(self.provider.speaks.token_url.names)
        assert mode is not None
        for at, text in mode.texts():
            names |= set() if at in SHOWN else set(text.names)
        return [one.name for one in self.provider.form if not one.optional and names & {*one.gives}]

    async def given_back(self, typed: dict[str, str], tokens: flow.Tokens) -> bool:
        packed, asking = self.packed(typed)
        request = flow.revocation_request(
            self.provider, asking, access_token=tokens.access_token, refresh_token=packed
        )
        if request is None:
            return True
        sent = json.dumps([request.form, request.json, request.url, dict(request.headers)])
        assert not any(part in sent for part in keys_of(self.provider, packed))
        said = await self.outbound.send(request)
        flow.read_revocation(self.provider, said.status, said.headers, said.body, NOW)
        return not await self.sim.usable(tokens.access_token.reveal())


def keys_of(provider: Provider, packed: Secret) -> list[str]:
    """The private keys among what was brought: they leave us for nobody."""
    return [part for part in secret_parts(provider, packed) if part.startswith("-----BEGIN")]


if __name__ == "__main__":
    for id, mode in WAYS:
        if id in sys.argv[1:]:
            sys.stdout.write(json.dumps(sends(entry(id).by(mode)), indent=2) + "\n")
