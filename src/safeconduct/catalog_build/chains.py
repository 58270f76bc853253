"""npm `viem` (MIT): chains as JavaScript objects, whose constants are read without running them.

Where a chain is asked is not viem's to say: it names explorers for people. The overlay's
`explorers` do, and only chains that stand there become entries.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from safeconduct.catalog_build.claims import Claim, claims

PACKAGE = "viem"
_ID = re.compile(r"^    id: ([0-9_]+),", re.MULTILINE)
_NAME = re.compile(r"^    name: '([^']+)',", re.MULTILINE)
_COIN = re.compile(r"^    nativeCurrency: \{(.*?)\}", re.MULTILINE | re.DOTALL)
_MEMBER = re.compile(r"(\w+): (?:'([^']*)'|\"([^\"]*)\"|([0-9]+))")


def extract(folder: Path) -> Iterator[Claim]:
    for file in sorted((folder / "_esm" / "chains" / "definitions").glob("*.js")):
        yield from claims(PACKAGE, file.stem, dict(_stated(file.stem, file.read_text())))


def _stated(stem: str, text: str) -> Iterator[tuple[str, Any]]:
    chain, name, coin = _ID.search(text), _NAME.search(text), _COIN.search(text)
    if not chain or not name or not coin:
        return
    number, network = int(chain[1].replace("_", "")), stem.lower()
    known = {key: one or two or digits for key, one, two, digits in _MEMBER.findall(coin[1])}
    yield "name", f"{name[1]} wallet"
    yield "auth.wallet.chain_id", number
    yield "auth.wallet.network", network
    yield "api.via.settings.chain_id", number
    yield "api.via.settings.network", network
    yield "api.via.settings.coin", known.get("symbol")
    yield "api.via.settings.coin_name", known.get("name")
    yield "api.via.settings.decimals", int(known.get("decimals", 18))
