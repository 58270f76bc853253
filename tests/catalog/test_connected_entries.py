"""Built entries whose accounts are read through a connector: what each asks people for, and whom.

`connected/` holds the golden record of all of them; this file as a program writes it anew from what
the entries do now, to be reviewed and kept.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.catalog.test_entries import CATALOG, CONNECTED, entry

from safeconduct.core.upstream.classify import Raw, read_position, read_transaction
from safeconduct.core.upstream.provider import Provider

FOLDER = Path(__file__).parent / "connected"
KINDS = ("exchange", "wallet")


def recorded(provider: Provider) -> Any:
    """On one line each, as much as a reviewer wants to see."""
    api = provider.api
    assert api is not None
    assert api.via is not None
    settings, limit = api.via.settings, api.rate_limit
    made: dict[str, Any] = {
        "asks": " ".join([str(api.base_url), *api.via.hosts]),
        "pace": f"{limit.requests} in {limit.per_s} s",
    }
    if keys := provider.auth.api_key:
        made["types"] = " ".join(one.name + "*" * one.secret for one in keys.fields)
        streams: Any = settings.get("entries", [])
        made["reads"] = " ".join(["fetch_balance", *(one["call"] for one in streams)])
    if wallet := provider.auth.wallet:
        coin = f"{settings['coin']} of {settings['decimals']}"
        made["chain"] = f"{wallet.family} {wallet.chain_id} {wallet.network}, {coin}"
    if (history := api.capabilities.transactions) and history.lacks:
        made["lacks"] = " ".join(history.lacks)
    return made


def all_of(kind: str) -> dict[str, Any]:
    return {id: recorded(entry(id)) for id in sorted(CONNECTED) if entry(id).category == kind}


@pytest.mark.parametrize("kind", KINDS)
def test_the_golden_record(kind: str) -> None:
    assert all_of(kind) == json.loads((FOLDER / f"{kind}s.json").read_text())


def test_there_are_as_many_as_promised() -> None:
    offered = [one for one in CATALOG.all() if one.category in KINDS]
    assert sum(one.auth.api_key is not None for one in offered) >= 100
    assert sum(one.auth.wallet is not None for one in offered) >= 20


@pytest.mark.parametrize("kind", KINDS)
def test_each_reads_its_own_example(kind: str) -> None:
    for id in all_of(kind):
        api = entry(id).api
        assert api is not None
        assets, moves = api.capabilities.assets, api.capabilities.transactions
        assert assets is not None, id
        held = read_position(assets.position, Raw("ref", {}, assets.example))
        assert held is not None, id
        if moves is not None:
            other = {**moves.example, "asset": "USD", "amount": "-6500.00", "fee": None}
            sides = [moves.example, *([other] if kind == "exchange" else [])]
            told = read_transaction(moves.transaction, [Raw("ref", {}, one) for one in sides])
            assert told is not None, id
            assert told.kind == ("buy" if kind == "exchange" else "withdrawal"), id


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for kind in KINDS:
        (FOLDER / f"{kind}s.json").write_text(json.dumps(all_of(kind), indent=1) + "\n")
