"""The accounts behind the API: exact, rich, the same every time, and read back by the entry."""

import json
from collections import Counter
from decimal import Decimal
from typing import Any

import pytest
from tests.simulator.conftest import Client

from safeconduct.adapters.catalog import load_catalog
from safeconduct.core.secret import Secret
from safeconduct.core.upstream import flow
from safeconduct.core.upstream.api import api_request, next_request
from safeconduct.core.upstream.records import AssetsCapability, TransactionsCapability
from safeconduct.simulator.activity import EXACT, Activity
from safeconduct.simulator.records import UNKNOWN_WORD, transaction_record

KINDS = {
    "airdrop",
    "buy",
    "deposit",
    "fee",
    "interest",
    "rebate",
    "sell",
    "spend",
    "staking_reward",
    "trade",
    "unknown",
    "withdrawal",
}


def capabilities() -> tuple[AssetsCapability, TransactionsCapability]:
    provider = load_catalog().get("exchangeExample")
    assert provider is not None
    assert provider.api is not None
    known = provider.api.capabilities
    assert known.assets is not None
    assert known.transactions is not None
    return known.assets, known.transactions


def test_the_story_is_the_same_every_time() -> None:
    one, two = (Activity("exchangeExample", "mira") for _ in range(2))
    assert list(one.movements()) == list(two.movements())
    assert list(Activity("exchangeExample", "jonas").movements()) != list(one.movements())


@pytest.mark.parametrize("user", ["mira", "jonas", "keiko", "a.b-c_9"])
def test_no_account_is_ever_below_nothing(user: str) -> None:
    activity = Activity("exchangeExample", user)
    for holding in activity.holdings:
        total = Decimal(0)
        for movement in sorted(holding.movements, key=lambda one: one.at):
            if movement.settled:
                total = EXACT.add(total, movement.amount)
            assert total >= 0
        assert total == holding.balance
        assert -total.as_tuple().exponent <= holding.asset.places  # type: ignore[operator]
    assert 110 <= len(list(activity.movements())) <= 140


def test_there_is_something_of_everything() -> None:
    activity = Activity("exchangeExample", "mira")
    assert {movement.kind for movement in activity.movements()} == KINDS
    assert any(not movement.settled for movement in activity.movements())
    finest = max(len(f"{holding.balance:f}".partition(".")[2]) for holding in activity.holdings)
    assert finest == 18
    sides = Counter(movement.group for movement in activity.movements() if movement.group)
    assert set(sides.values()) == {2}


def test_a_record_says_what_the_rules_understand() -> None:
    _, capability = capabilities()
    how = capability.transaction
    for movement in Activity("exchangeExample", "mira").movements():
        record = transaction_record(capability, movement)
        sign = "plus" if movement.amount > 0 else "minus"
        matching = [
            rule
            for rule in how.rules
            if rule.sign in (None, sign) and record["type"] in rule.when["/type"]
        ]
        if movement.kind == "unknown":
            assert (matching, record["type"]) == ([], UNKNOWN_WORD)
        else:
            assert matching[0].kind == movement.kind
        context = {"account": movement.account}
        assert how.group is not None
        assert how.group.of(record, context) == movement.group
        amounts = [leg.amount.of(record, context) for leg in how.legs if not leg.inside]
        assert [Decimal(amount) for amount in amounts] == [movement.amount]
        fees = [leg.amount.of(record, context) for leg in how.legs if leg.inside]
        assert [Decimal(fee) for fee in fees if fee] == ([movement.fee] if movement.fee else [])


async def pages(client: Client, tokens: flow.Tokens, path: str, **query: str) -> list[Any]:
    """Every answer of a list, by its own links."""
    arguments: dict[str, Any] = {"path": path, "query": query}
    request = api_request(client.provider, client.ours, tokens.access_token, **arguments)
    found = []
    while True:
        answer = await client.send(request)
        assert answer.status == 200
        found.append(json.loads(answer.body))
        following = found[-1]["pagination"]["next_uri"]
        if following is None:
            return found
        request = next_request(
            client.provider,
            client.ours,
            tokens.access_token,
            current=request.url,
            next_uri=following,
        )


async def test_the_api_serves_it_page_by_page(client: Client) -> None:
    tokens = await client.tokens()
    truth = await client.it.sim("accounts?provider=exchangeExample&user=mira")
    (accounts,) = await pages(client, tokens, "/v2/accounts")
    shown = {one["id"]: one["balance"] for one in accounts["data"]}
    assert {id: Decimal(balance["amount"]) for id, balance in shown.items()} == {
        one["id"]: Decimal(one["balance"]) for one in truth["accounts"]
    }
    seen: dict[str, Any] = {}
    for id, balance in shown.items():
        found = await pages(client, tokens, f"/v2/accounts/{id}/transactions", limit="7")
        assert all(len(page["data"]) <= 7 for page in found)
        records = [record for page in found for record in page["data"]]
        moments = [record["created_at"] for record in records]
        assert moments == sorted(moments, reverse=True)
        moved = Decimal(0)
        for record in records:
            if record["status"] == "completed":
                moved = EXACT.add(moved, Decimal(record["amount"]["amount"]))
        assert moved == Decimal(balance["amount"])
        assert not seen.keys() & {record["id"] for record in records}
        seen |= {record["id"]: record for record in records}
    assert seen.keys() == {movement["id"] for movement in truth["movements"]}


async def test_what_happens_between_pages_neither_doubles_nor_hides(client: Client) -> None:
    tokens = await client.tokens()
    account = (await client.it.sim("accounts?provider=exchangeExample"))["accounts"][4]["id"]
    path = f"/v2/accounts/{account}/transactions"
    first = json.loads((await client.get(tokens, path, limit="10")).body)
    await client.it.sim(
        "activity", provider="exchangeExample", kind="deposit", asset="USD", amount="12.34"
    )
    request = next_request(
        client.provider,
        client.ours,
        tokens.access_token,
        current=f"{client.provider.api.base_url}{path}",  # type: ignore[union-attr]
        next_uri=first["pagination"]["next_uri"],
    )
    second = json.loads((await client.send(request)).body)
    assert not {one["id"] for one in first["data"]} & {one["id"] for one in second["data"]}
    again = json.loads((await client.get(tokens, path, limit="11")).body)
    assert again["data"][0]["amount"]["amount"] == "12.34"
    assert [one["id"] for one in again["data"][1:]] == [one["id"] for one in first["data"]]


async def test_the_api_wants_a_good_token_of_the_right_scope(client: Client) -> None:
    tokens = await client.tokens(scopes={"wallet:transactions:read"})
    assert (await client.get(tokens, "/v2/accounts")).status == 403
    assert (await client.get(tokens, "/v2/user")).status == 200
    assert (await client.get(tokens, "/v2/nothing")).status == 404
    refresh = flow.Tokens(access_token=Secret("nonsense"), obtained_at=0)
    assert (await client.get(refresh, "/v2/user")).status == 401
    assert (await client.get(tokens, "/v2/accounts/unknown/transactions")).status == 404


async def test_a_rate_is_kept(client: Client) -> None:
    tokens = await client.tokens()
    await client.it.sim("options", provider="exchangeExample", rate=3)
    answers = [await client.get(tokens, "/v2/user") for _ in range(5)]
    assert [answer.status for answer in answers] == [200, 200, 200, 429, 429]
    assert answers[-1].headers["x-ratelimit-limit"] == "3"
    assert answers[-1].headers["retry-after"] == "1"


async def test_nothing_impossible_happens(client: Client) -> None:
    url = f"{client.it.base_url}/_sim/activity"
    base = {"provider": "exchangeExample", "kind": "withdrawal", "asset": "BTC", "amount": "-1"}
    for wrong in (
        base | {"amount": "-1000000"},
        base | {"amount": "much"},
        base | {"amount": "NaN"},
        base | {"asset": "XXX"},
        base | {"provider": "nobody"},
    ):
        answer = await client.it.http.post(url, json=wrong)
        assert answer.status_code == 400, wrong
    truth = await client.it.sim("accounts?provider=exchangeExample")
    before = sum(one["movements"] for one in truth["accounts"])
    assert (await client.it.http.post(url, json=base | {"amount": "-0.001"})).status_code == 201
    truth = await client.it.sim("accounts?provider=exchangeExample")
    assert sum(one["movements"] for one in truth["accounts"]) == before + 1
