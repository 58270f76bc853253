"""Assets and transactions to the letter of the contract, over HTTP, on both stores."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.services.linked import EXCHANGE
from tests.services.shelf import START, new_leg, new_position, new_transaction
from tests.web.compat.calico.data_desk import CALICO, Calico

from safeconduct.core.model import Leg, Transaction
from safeconduct.core.upstream.records import KINDS
from safeconduct.services.ledger import new_sync

ASSETS = "/accounts/v2/assets"
TRANSACTIONS = "/accounts/v2/transactions"


def causes(response: Any) -> list[str]:
    return [error["cause"] for error in response.json()["errors"]]


async def test_assets_as_the_contract_shows_them(calico: Calico) -> None:
    owner = await calico.shelf.connection(calico.back.user.id, provider_id="coinbase")
    await calico.shelf.put(
        replace(
            new_position(owner, "a", "BTC", 1_772_755_200_000),
            asset_name="Bitcoin",
            quantity=Decimal("0.15"),
            value_currency="USD",
            value_amount=Decimal("9750.00"),
        )
    )
    response = await calico.get(ASSETS)
    (wanted,) = CALICO.example("GET", ASSETS, 200, "first")["data"]["assets"]
    (found,) = response.json()["data"]["assets"]
    assert found == {**wanted, "address": None}
    assert found.keys() <= CALICO.properties("AssetPosition")
    assert response.json()["errors"] == []
    assert response.json()["data"]["page"] == {
        "next_cursor": None,
        "has_more": False,
        "limit": 30,
    }


def _from_example(owner: Any, wanted: Any) -> tuple[Transaction, list[Leg]]:
    """The rows that the contract's example is made of."""
    id, at, kind = wanted["transaction_id"], wanted["timestamp"], wanted["type"]
    row = replace(
        new_transaction(owner, f"ref_{id}", id, at, kind),
        category=wanted["categorization"],
        tx_hash=wanted["tx_hash"],
        counterparty=wanted.get("to_address") or wanted.get("from_address"),
        network=wanted.get("network"),
    )
    parts = [
        *((wanted[side], sign) for side, sign in (("input", 1), ("output", -1)) if side in wanted),
        *((part, 1) for part in wanted.get("inputs", ())),
        *((part, -1) for part in wanted.get("outputs", ())),
    ]
    fees = [(part, -1) for part in (wanted["fees"] or {"items": ()})["items"]]
    legs = []
    for number, (part, sign) in enumerate([*parts, *fees]):
        worth = part.get("value") or {"currency": None, "amount": None}
        amount = None if worth["amount"] is None else Decimal(worth["amount"])
        legs.append(
            replace(
                new_leg(owner, row.ref, number, id, at, kind, part["asset_symbol"]),
                amount=Decimal(part["quantity"]) * sign,
                role="principal" if number < len(parts) else "fee",
                fee_type=part.get("fee_type"),
                value_currency=worth["currency"],
                value_amount=amount,
            )
        )
    return row, legs


async def test_each_categorisation_as_the_contract_shows_it(calico: Calico) -> None:
    owner = await calico.shelf.connection(calico.back.user.id, provider_id="coinbase")
    wanted = CALICO.example("GET", TRANSACTIONS, 200, "all")["data"]["transactions"]
    for one in wanted:
        row, legs = _from_example(owner, one)
        await calico.shelf.put(row, *legs)
    found = (await calico.get(TRANSACTIONS)).json()["data"]["transactions"]
    shapes = {
        "input_only": "InputOnlyTransaction",
        "output_only": "OutputOnlyTransaction",
        "input_output": "InputOutputTransaction",
        "send": "SendTransaction",
        "receive": "ReceiveTransaction",
        "uncategorized": "UncategorizedTransaction",
    }
    assert {one["categorization"] for one in found} == set(shapes)
    for mine, theirs in zip(found, wanted, strict=True):
        for name, value in theirs.items():
            if name == "inputs":
                value = [{**part, "value": None} for part in value]
            assert mine[name] == value, name
        schema = shapes[mine["categorization"]]
        CALICO.is_a(schema, mine)
        assert mine.keys() <= CALICO.properties(schema)
        assert mine["provider_transaction_id"] == f"ref_{mine['transaction_id']}"


def test_every_kind_is_one_of_the_contract() -> None:
    types = CALICO.document["components"]["schemas"]["TransactionType"]
    by_category = {
        category: [kind for kind, of in KINDS.items() if of == category]
        for category in types["x-by-categorization"]
    }
    assert {c: sorted(k) for c, k in by_category.items()} == {
        c: sorted(k) for c, k in types["x-by-categorization"].items()
    }


async def test_pages_walked_to_the_end_are_the_whole(calico: Calico) -> None:
    owner = await calico.shelf.connection(calico.back.user.id)
    await calico.shelf.history(owner, 53)
    await calico.shelf.positions(owner, 11)
    for path, name, key, count in (
        (TRANSACTIONS, "transactions", "transaction_id", 53),
        (ASSETS, "assets", "updated_at", 11),
    ):
        whole = (await calico.get(path, limit=100)).json()["data"][name]
        assert len({one[key] for one in whole}) == count
        for limit in (1, 10, 52):
            found: list[Any] = []
            cursor: dict[str, str] = {}
            while True:
                data = (await calico.get(path, limit=limit, **cursor)).json()["data"]
                found += data[name]
                assert data["page"]["limit"] == limit
                assert data["page"]["has_more"] == (data["page"]["next_cursor"] is not None)
                if not data["page"]["has_more"]:
                    break
                assert len(data[name]) == limit
                cursor = {"cursor": data["page"]["next_cursor"]}
            assert found == whole
    assert len((await calico.get(TRANSACTIONS)).json()["data"]["transactions"]) == 30


async def test_filters_by_query(calico: Calico) -> None:
    owner = await calico.shelf.connection(calico.back.user.id)
    await calico.shelf.history(owner, 12)

    async def count(**query: Any) -> int:
        return len((await calico.get(TRANSACTIONS, **query)).json()["data"]["transactions"])

    assert await count() == 12
    assert await count(start_time=START + 2000, end_time=START + 4000) == 3
    assert await count(types="buy") == 4
    assert await count(types="buy, sell") == 8
    assert await count(types="a_type_of_the_future") == 0
    assert await count(asset_symbols="BTC") == 8
    assert await count(asset_symbols=" ") == 12
    assert await count(provider_ids="") == 12
    assert await count(provider_ids=f"{EXCHANGE},other") == 12
    assert await count(provider_ids="other") == 0
    # Parameters that this operation does not know are not its business.
    assert await count(crypto_sources="other", foo="bar") == 12


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"limit": "0"}, "limit must be between 1 and 100"),
        ({"limit": "101"}, "limit must be between 1 and 100"),
        ({"limit": "ten"}, "limit must be between 1 and 100"),
        ({"limit": "١٠"}, "limit must be between 1 and 100"),
        ({"limit": ""}, "limit must be between 1 and 100"),
        ({"limit": ["1", "2"]}, "limit must be given once"),
        ({"start_time": "-1"}, "start_time must be milliseconds since the Unix epoch"),
        ({"start_time": "1e3"}, "start_time must be milliseconds since the Unix epoch"),
        ({"end_time": str(2**63)}, "end_time must be milliseconds since the Unix epoch"),
        ({"start_time": "2", "end_time": "1"}, "start_time must not be later than end_time"),
        ({"asset_symbols": "\x00"}, "asset_symbols must not hold control characters"),
        ({"asset_symbols": ",".join(map(str, range(33)))}, "at most 32 values"),
        ({"provider_ids": "a\nb"}, "provider_ids must not hold control characters"),
        ({"cursor": ""}, "cursor is not valid"),
        ({"cursor": "x" * 2000}, "cursor is not valid"),
        ({"cursor": "eyJvIjozMH0"}, "cursor is not one of this list"),
    ],
)
async def test_what_breaks_the_specification(
    calico: Calico, query: dict[str, Any], said: str
) -> None:
    for path in (ASSETS, TRANSACTIONS):
        response = await calico.get(path, **query)
        assert response.status_code == 400
        (error,) = response.json()["errors"]
        assert error["cause"] == "bad_request"
        assert said in error["message"]
    assert (await calico.get(ASSETS, limit=1, start_time=1, end_time=1)).status_code == 200


@pytest.mark.attack("P3")
async def test_another_users_data_and_cursor_are_out_of_reach(calico: Calico) -> None:
    mine = await calico.shelf.connection(calico.back.user.id)
    await calico.shelf.history(mine, 3)
    await calico.shelf.positions(mine, 3)
    other = await calico.back.new_user("bob@example.org")
    token = await calico.sign_in(user=other)
    for path, name in ((ASSETS, "assets"), (TRANSACTIONS, "transactions")):
        data = (await calico.get(path, limit=1)).json()["data"]
        assert len(data[name]) == 1
        cursor = data["page"]["next_cursor"]
        assert (await calico.get(path, token=token)).json()["data"][name] == []
        stolen = await calico.get(path, token=token, cursor=cursor)
        assert (stolen.status_code, causes(stolen)) == (400, ["bad_request"])
        assert (await calico.get(path, limit=1, cursor=cursor)).status_code == 200


@pytest.mark.rfc("6750#3")
async def test_without_a_good_token(calico: Calico) -> None:
    for method, path in (
        ("GET", ASSETS),
        ("GET", TRANSACTIONS),
        ("POST", f"{ASSETS}/refresh"),
        ("POST", f"{TRANSACTIONS}/refresh"),
    ):
        none = await calico.send(method, path, token="")
        assert (none.status_code, causes(none)) == (401, ["unauthorized"])
        assert none.headers["www-authenticate"].startswith("Bearer")
        bad = await calico.send(method, path, token="nonsense")
        assert (bad.status_code, causes(bad)) == (401, ["unauthorized"])
        assert bad.headers["www-authenticate"].startswith('Bearer error="invalid_token"')
        twice = await calico.http.request(method, f"{path}?access_token={calico.token}")
        assert twice.status_code in (400, 401)


async def test_without_the_scope(calico: Calico) -> None:
    token = await calico.sign_in("openid assets:read")
    headers = {"authorization": f"Bearer {token}"}
    for method, path in (("GET", TRANSACTIONS), ("POST", f"{TRANSACTIONS}/refresh")):
        response = await calico.http.request(method, path, headers=headers)
        assert response.status_code == 403
        CALICO.is_a("CalicoErrorResponse", response.json())
        (error,) = response.json()["errors"]
        assert (error["cause"], error["code"]) == ("forbidden", 602)
        assert 'error="insufficient_scope"' in response.headers["www-authenticate"]
    assert (await calico.get(ASSETS, token=token)).status_code == 200


@pytest.mark.parametrize(
    ("status", "cause", "code"),
    [
        ("degraded", "provider_unavailable", None),
        ("needs_reauth", "invalid_credentials", 603),
        ("uncertain", "invalid_credentials", 603),
    ],
)
@pytest.mark.invariant("V6")
async def test_a_provider_in_trouble_is_206_with_all_data(
    calico: Calico, status: str, cause: str, code: int | None
) -> None:
    user = calico.back.user.id
    sick = await calico.shelf.connection(user, provider_id="binance", status=status)
    well = await calico.shelf.connection(user, account_key="b")
    for owner in (sick, well):
        await calico.shelf.positions(owner, 2)
        await calico.shelf.history(owner, 2)
    await calico.shelf.put(replace(new_sync(sick, "assets", 1), succeeded_at=77))
    for path, name in ((ASSETS, "assets"), (TRANSACTIONS, "transactions")):
        response = await calico.get(path)
        assert response.status_code == 206
        assert len(response.json()["data"][name]) == 4
        (error,) = response.json()["errors"]
        assert (error["provider_id"], error["cause"], error.get("code")) == ("binance", cause, code)
        others = await calico.get(path, provider_ids=EXCHANGE)
        assert (others.status_code, others.json()["errors"]) == (200, [])
        assert len(others.json()["data"][name]) == 2
    if status == "degraded":
        assert "77" in (await calico.get(ASSETS)).json()["errors"][0]["message"]


async def test_refresh(calico: Calico) -> None:
    path = f"{ASSETS}/refresh"
    none = await calico.send("POST", path)
    assert none.json()["data"] == {
        "status": "completed",
        "requested_at": calico.shelf.clock.now(),
        "providers": [],
    }
    user = calico.back.user.id
    await calico.shelf.connection(user)
    await calico.shelf.connection(user, account_key="b")
    await calico.shelf.connection(user, account_key="c", status="needs_reauth")
    begun = await calico.send("POST", path)
    assert begun.status_code == 200
    assert begun.json()["data"] == {
        "status": "started",
        "requested_at": calico.shelf.clock.now(),
        "providers": [EXCHANGE],
    }
    assert causes(begun) == ["invalid_credentials"]
    again = await calico.send("POST", path)
    assert (again.status_code, causes(again)) == (429, ["rate_limited"])
    assert again.headers["retry-after"] == "30"
    assert (await calico.send("POST", f"{TRANSACTIONS}/refresh")).status_code == 200
    calico.shelf.clock.advance(30_000)
    assert (await calico.send("POST", path)).status_code == 200


async def test_methods_that_are_not_there(calico: Calico) -> None:
    for method, path, allow in (
        ("POST", ASSETS, "GET"),
        ("DELETE", TRANSACTIONS, "GET"),
        ("GET", f"{ASSETS}/refresh", "POST"),
    ):
        response = await calico.http.request(method, path)
        assert (response.status_code, response.headers["allow"]) == (405, allow)
        CALICO.is_a("CalicoErrorResponse", response.json())
    head = await calico.http.head(ASSETS, headers={"authorization": f"Bearer {calico.token}"})
    assert head.status_code == 200


@pytest.mark.invariant("V8")
async def test_without_a_store_nothing_is_promised(calico: Calico) -> None:
    assert (await calico.get(ASSETS)).status_code == 200
    await calico.shelf.store.close()
    headers = {"authorization": f"Bearer {calico.token}"}
    response = await calico.http.get(ASSETS, headers=headers)
    assert response.status_code == 503
    assert response.headers["retry-after"] == "1"
    CALICO.is_a("CalicoErrorResponse", response.json())


NAMES = ("start_time", "end_time", "asset_symbols", "provider_ids", "limit", "cursor", "types")
VALUES = st.one_of(
    st.text(max_size=30),
    st.integers(-5, 2**64).map(str),
    st.lists(st.sampled_from(["BTC", "eth", "buy", "", " ", "%00", "é", "👻"])).map(",".join),
)


@pytest.mark.attack("P9")
@given(st.lists(st.tuples(st.sampled_from(NAMES), VALUES), max_size=6))
@settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
async def test_no_query_is_a_fault_of_ours(calico: Calico, query: list[tuple[str, str]]) -> None:
    headers = {"authorization": f"Bearer {calico.token}"}
    for path in (ASSETS, TRANSACTIONS):
        response = await calico.http.get(path, headers=headers, params=query)
        assert response.status_code in (200, 400)
        CALICO.check("GET", path, response.status_code, response.json())
