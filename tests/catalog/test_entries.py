"""Every entry of the catalogue: what it sends, to the letter, and how it reads what comes back.

`<id>.json` beside this file is the golden record of an entry that was written by hand. Where it
says what is sent or read, the test holds the entry to it; with an id as its argument,
`python -m tests.catalog.test_entries` prints what the entry does now, to be reviewed and kept. What
the built entries send is in `built/<first letter>.json`; without an id, it writes those anew.

The whole journey runs for every entry in `make catalog-test` (CATALOG_TEST=all); else for those by
hand and a few of the others, each day the next ones.
"""

import json
import os
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from tests.simulator_fixture import Running, running

from safeconduct.adapters.catalog import load_catalog
from safeconduct.adapters.outbound import GuardedOutbound
from safeconduct.catalog_build import MADE
from safeconduct.core.errors import ProviderError
from safeconduct.core.pkce import challenge_of
from safeconduct.core.secret import Secret
from safeconduct.core.upstream import flow
from safeconduct.core.upstream.answers import ONLY_ACCOUNT
from safeconduct.core.upstream.api import api_request
from safeconduct.core.upstream.classify import Raw, read_moment, read_position, read_transaction
from safeconduct.core.upstream.dialect import TokenAnswer
from safeconduct.core.upstream.health_records import read_metrics
from safeconduct.core.upstream.http import OutboundRequest
from safeconduct.core.upstream.pages import (
    Capability,
    capabilities_of,
    capability_of,
    read_exact,
)
from safeconduct.core.upstream.provider import Provider
from safeconduct.core.upstream.simulated import simulated
from safeconduct.core.upstream.site import choose, slots
from safeconduct.simulator import CLIENT_ID, CLIENT_SECRET

FOLDER = Path(__file__).parent
CATALOG = load_catalog()
PACKAGED = files("safeconduct") / "catalog"
IDS = [provider.id for provider in CATALOG.all() if provider.auth.oauth2_code]
ALL_BUILT = {one.name[:-5] for one in PACKAGED.iterdir() if one.read_text().startswith(MADE)}
BUILT = [id for id in IDS if id in ALL_BUILT]
SIGNED = {provider.id for provider in CATALOG.all() if provider.auth.oauth1}
CONNECTED = ALL_BUILT - set(BUILT) - SIGNED
"""Those without a sign-in; `test_connected_entries.py` looks after them."""
BY_HAND = [id for id in IDS if id not in BUILT]
LETTERS = sorted({id[0] for id in BUILT})
TODAY = datetime.now(UTC).toordinal()
SAMPLE = [BUILT[(TODAY * 12 + n) % len(BUILT)] for n in range(12)]
TRAVELLERS = IDS if os.environ.get("CATALOG_TEST") == "all" else [*BY_HAND, *SAMPLE]
NOW = 1_800_000_000_000
CALLBACK = "https://widget.getcalico.com/oauth-success/cb"
LOCAL_CALLBACK = "http://127.0.0.1:8400/cb"
TOKENS = {"access_token": Secret("<ACCESS>"), "refresh_token": Secret("<REFRESH>")}


def entry(id: str) -> Provider:
    provider = CATALOG.get(id)
    assert provider is not None
    return provider


def golden(id: str) -> Any:
    return json.loads((FOLDER / f"{id}.json").read_text())


def test_every_entry_has_its_golden_record_and_the_other_way_round() -> None:
    known = {provider.id for provider in CATALOG.all()}
    assert {path.stem for path in FOLDER.glob("*.json")} == known - ALL_BUILT
    kept = {id for letter in LETTERS for id in built(letter)}
    assert kept == set(BUILT)
    assert {path.stem for path in (FOLDER / "built").glob("*.json")} == set(LETTERS)


def built(letter: str) -> Mapping[str, Any]:
    """What the built entries under a letter send, as it is kept."""
    found: Mapping[str, Any] = json.loads((FOLDER / "built" / f"{letter}.json").read_text())
    return found


def shown(request: OutboundRequest | None) -> Any:
    """A request as it is kept in a golden record."""
    if request is None:
        return None
    made: dict[str, Any] = {"method": request.method, "url": request.url}
    for name in ("headers", "form", "json", "basic"):
        value = getattr(request, name)
        if value is not None:
            made[name] = dict(value) if name in ("headers", "form") else value
    return made


def registration(provider: Provider) -> flow.Registration:
    values = {name: slot.example or "example" for name, slot in provider.placeholders.items()}
    return flow.Registration("<CLIENT_ID>", Secret("<SECRET>"), values)


def sends(provider: Provider) -> dict[str, Any]:
    """Everything that is sent to this provider."""
    ours = registration(provider)
    refreshable = provider.oauth2.refresh.possible
    return {
        "authorization_url": flow.authorization_url(
            provider, ours, "<STATE>", CALLBACK, "<CHALLENGE>", "<NONCE>"
        ),
        "token": shown(
            flow.token_request(
                provider,
                ours,
                code=Secret("<CODE>"),
                redirect_uri=CALLBACK,
                code_verifier="<VERIFIER>",
            )
        ),
        "refresh": shown(flow.refresh_request(provider, ours, **TOKENS)) if refreshable else None,
        "identity": shown(
            flow.identity_request(provider, ours, access_token=TOKENS["access_token"])
        ),
        "revocation": shown(flow.revocation_request(provider, ours, **TOKENS)),
    }


def judged(provider: Provider, status: int, body: Any) -> Any:
    """How an answer of the token endpoint is read."""
    try:
        tokens = flow.read_token_response(provider, status, {}, json.dumps(body).encode(), NOW)
    except ProviderError as error:
        return {"error": error.code, "remedy": error.remedy}
    return {
        "access_token": tokens.access_token.reveal(),
        "refresh_token": tokens.refresh_token and tokens.refresh_token.reveal(),
        "expires_in_ms": tokens.expires_at and tokens.expires_at - NOW,
        "scope": sorted(tokens.scope) if tokens.scope else None,
    }


def position(provider: Provider, record: Any) -> Any:
    assert provider.api is not None
    capability = provider.api.capabilities.assets
    assert capability is not None
    held = read_position(capability.position, Raw("ref", {}, record))
    assert held is not None
    return {
        "account": held.account,
        "asset": held.asset,
        "quantity": f"{held.quantity:f}",
        "value": f"{held.value_amount} {held.value_currency}",
    }


def transaction(provider: Provider, records: Any) -> Any:
    assert provider.api is not None
    capability = provider.api.capabilities.transactions
    assert capability is not None
    raws = [
        Raw(f"ref{index}", {"account": record["account"]}, record["record"])
        for index, record in enumerate(records)
    ]
    found = read_transaction(capability.transaction, raws)
    if found is None:
        return None
    return {
        "kind": found.kind,
        "category": found.category,
        "rule": found.rule,
        "at": found.at,
        "legs": [f"{leg.account} {leg.amount:+f} {leg.asset} {leg.role}" for leg in found.legs],
    }


def health_record(provider: Provider, kind: str, record: Any) -> Any:
    assert provider.api is not None
    capability = provider.api.capabilities.sleep
    if kind == "activity":
        capability = provider.api.capabilities.activity
    assert capability is not None
    how = capability.record
    return {
        "kind": capability.kind,
        "started_at": read_moment(how.started_at.of(record), how.at_format),
        "ended_at": how.ended_at and read_moment(how.ended_at.of(record), how.at_format),
        "metrics": read_metrics(how, read_exact(json.dumps(record).encode())),
    }


@pytest.mark.parametrize("id", BY_HAND)
def test_what_is_sent(id: str) -> None:
    assert json.loads(json.dumps(sends(entry(id)))) == golden(id)["sends"]


@pytest.mark.parametrize("letter", LETTERS)
def test_what_built_entries_send(letter: str) -> None:
    now = {id: sends(entry(id)) for id in BUILT if id[0] == letter}
    assert json.loads(json.dumps(now)) == built(letter)


@pytest.mark.parametrize("letter", LETTERS)
def test_how_built_entries_read_the_usual_answers(letter: str) -> None:
    """Those of RFC 6749 §5, wherever an entry does not say that its provider has others."""
    granted = {"access_token": "a", "refresh_token": "r", "token_type": "bearer", "expires_in": 60}
    for id in BUILT:
        provider = entry(id)
        if id[0] != letter or provider.oauth2.answer != TokenAnswer():
            continue
        read = judged(provider, 200, granted)
        assert (read["access_token"], read["refresh_token"]) == ("a", "r"), id
        assert read["expires_in_ms"] == 60_000, id
        for status, error, remedy in (
            (400, "invalid_grant", "reconnect"),
            (401, "invalid_client", "misconfigured"),
            (503, "temporarily_unavailable", "retry"),
        ):
            assert judged(provider, status, {"error": error})["remedy"] == remedy, (id, error)


@pytest.mark.parametrize("id", BY_HAND)
def test_what_is_read(id: str) -> None:
    provider, record = entry(id), golden(id)
    remedies = set()
    for case in record["token_answers"]:
        read = judged(provider, case["status"], case["body"])
        assert read == case["read"], case
        remedies.add(read.get("remedy"))
    assert {None, "reconnect", "misconfigured", "retry"} <= remedies  # each is shown by a case
    for case in record["identity_answers"]:
        body = json.dumps(case["body"]).encode()
        account = flow.read_identity(provider, 200, {}, body, NOW)
        assert {"id": account.id, "name": account.name} == case["read"]
    for case in record.get("positions", ()):
        assert position(provider, case["record"]) == case["read"]
    for case in record.get("transactions", ()):
        assert transaction(provider, case["records"]) == case["read"], case
    for case in record.get("health", ()):
        assert health_record(provider, case["read"]["kind"], case["record"]) == case["read"]


@pytest.mark.parametrize("id", TRAVELLERS)
async def test_the_whole_journey_against_its_simulator(id: str) -> None:
    async with running(entry(id)) as it:
        await Journey(simulated(entry(id), it.base_url), it).travel()


class Journey:
    """Authorize, token, identity, data, refresh, faults, revoke; then connect again."""

    def __init__(self, provider: Provider, it: Running) -> None:
        self.provider, self.it = provider, it
        given = registration(provider).values  # as a user types it in
        site = choose(provider, {}, {name: given[name] for name in slots(provider)})
        self.ours = flow.Registration(CLIENT_ID, Secret(CLIENT_SECRET), site)
        self.outbound = GuardedOutbound(["127.0.0.1"])

    async def travel(self) -> None:
        try:
            tokens = await self.connect()
            account = await self.who(tokens)
            await self.data(tokens)
            tokens = await self.renewed(tokens)
            await self.revoke(tokens)
            again = await self.who(await self.connect())
            assert again == account
            ledger = await self.it.ledger(self.provider.id)
            assert (ledger["reuses"], ledger["overlaps"]) == (0, 0)
            assert [one["site"] for one in ledger["grants"]] == [self.ours.values] * 2
        finally:
            await self.outbound.close()

    async def connect(self) -> flow.Tokens:
        code = self.provider.oauth2
        verifier = "v" * 43
        url = flow.authorization_url(
            self.provider, self.ours, "st8", LOCAL_CALLBACK, challenge_of(verifier), "n0nce"
        )
        params = parse_qsl(urlsplit(await self.it.approve(url)).query)
        answer = flow.read_callback(self.provider, params, issuer=code.issuer)
        assert isinstance(answer, flow.Granted)
        return await self.judge(
            flow.token_request(
                self.provider,
                self.ours,
                code=answer.code,
                redirect_uri=LOCAL_CALLBACK,
                code_verifier=verifier,
                pinned=flow.token_endpoint(self.provider, self.ours),
            )
        )

    async def judge(self, request: OutboundRequest) -> flow.Tokens:
        answer = await self.outbound.send(request)
        return flow.read_token_response(
            self.provider, answer.status, answer.headers, answer.body, NOW
        )

    async def who(self, tokens: flow.Tokens) -> tuple[str, str | None]:
        request = flow.identity_request(self.provider, self.ours, access_token=tokens.access_token)
        if request is None:
            named = self.provider.oauth2.answer.account_id is not None
            assert (tokens.account_id is not None) is named
            return tokens.account_id or ONLY_ACCOUNT.id, tokens.account_name
        answer = await self.outbound.send(request)
        account = flow.read_identity(self.provider, answer.status, answer.headers, answer.body, NOW)
        return account.id, account.name

    async def data(self, tokens: flow.Tokens) -> None:
        for name in capabilities_of(self.provider):
            capability = capability_of(self.provider, name)
            assert capability is not None
            if not capability.request.path.names:  # else it goes through accounts
                await self.listed(capability, tokens)

    async def listed(self, capability: Capability, tokens: flow.Tokens) -> None:
        request = api_request(
            self.provider,
            self.ours,
            tokens.access_token,
            path=capability.request.path,
            query=capability.request.query,
        )
        answer = await self.outbound.send(request)
        assert answer.status == 200
        assert capability.items.of(json.loads(answer.body))

    async def renewed(self, tokens: flow.Tokens) -> flow.Tokens:
        if not self.provider.oauth2.refresh.possible:
            return tokens
        refresh_token = tokens.refresh_token
        await self.age()
        for kind, remedy in (
            ("503", "retry"),
            ("html200", "retry"),
            ("invalid_client", "misconfigured"),
            ("invalid_grant", "reconnect"),
        ):
            await self.it.fault(kind, "refresh", provider=self.provider.id)
            with pytest.raises(ProviderError) as caught:
                await self.refresh(tokens.access_token, refresh_token)
            assert caught.value.remedy == remedy
        later = await self.refresh(tokens.access_token, refresh_token)
        await self.age()
        later = await self.refresh(later.access_token, later.refresh_token or refresh_token)
        assert (await self.it.ledger(self.provider.id))["grants"][0]["refreshes"] == 2
        return later

    async def age(self) -> None:
        """Wait for as long as the provider refuses to refresh."""
        how = self.provider.oauth2.refresh
        if how.earliest_s_before_expiry is not None:
            assert how.default_expires_in is not None
            early = how.default_expires_in - how.earliest_s_before_expiry
            await self.it.sim("clock", advance_s=early + 1)

    async def refresh(self, access_token: Secret, refresh_token: Secret | None) -> flow.Tokens:
        return await self.judge(
            flow.refresh_request(
                self.provider, self.ours, refresh_token=refresh_token, access_token=access_token
            )
        )

    async def revoke(self, tokens: flow.Tokens) -> None:
        request = flow.revocation_request(
            self.provider,
            self.ours,
            access_token=tokens.access_token,
            refresh_token=tokens.refresh_token,
        )
        if request is None:
            return
        answer = await self.outbound.send(request)
        flow.read_revocation(self.provider, answer.status, answer.headers, answer.body, NOW)
        for token in (tokens.access_token, tokens.refresh_token):
            assert token is None or not await self.it.usable(token.reveal())


if __name__ == "__main__":
    for id in sys.argv[1:]:
        sys.stdout.write(json.dumps(sends(entry(id)), indent=2) + "\n")
    for letter in LETTERS if len(sys.argv) < 2 else ():
        now = {id: sends(entry(id)) for id in BUILT if id[0] == letter}
        (FOLDER / "built").mkdir(exist_ok=True)
        (FOLDER / "built" / f"{letter}.json").write_text(json.dumps(now, indent=1) + "\n")
