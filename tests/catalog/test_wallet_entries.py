"""Entries that are linked by an address: their example record, read by their own rules.

`<id>.json` beside this file is the golden record of one entry. What they do on a real chain is
in `tests/adapters/connectors/test_evm.py`.
"""

import json
import sys
from typing import Any

import pytest
from tests.catalog.test_entries import ALL_BUILT, CATALOG, entry, golden

from safeconduct.core.upstream.api import Registration
from safeconduct.core.upstream.classify import Raw, read_position, read_transaction
from safeconduct.core.upstream.keys import pack
from safeconduct.core.upstream.pages import Step, request_for

IDS = [one.id for one in CATALOG.all() if one.auth.wallet and one.id not in ALL_BUILT]


def recorded(id: str) -> Any:
    """What is asked of the connector, and how its answers are read."""
    api = entry(id).api
    assert api is not None
    assets, moves = api.capabilities.assets, api.capabilities.transactions
    assert assets is not None
    assert moves is not None
    secret = pack({"address": "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"})
    asked = [
        request_for(entry(id), Registration(""), secret, how, Step(next="7"), mark)
        for how, mark in ((assets, None), (moves, "1000"))
    ]
    held = read_position(assets.position, Raw("ref", {}, assets.example))
    told = read_transaction(moves.transaction, [Raw("ref", {}, moves.example)])
    assert held is not None
    assert told is not None
    return {
        "asks": [one.url for one in asked],
        "connector": asked[0].through and asked[0].through.connector,
        "holds": f"{held.quantity} {held.asset} ({held.name})",
        "tells": f"{told.kind} by {told.rule}",
        "legs": [f"{leg.amount:+f} {leg.asset} {leg.role}" for leg in told.legs],
    }


@pytest.mark.parametrize("id", IDS)
def test_the_golden_record(id: str) -> None:
    assert recorded(id) == golden(id)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(recorded(sys.argv[1]), indent=2) + "\n")
