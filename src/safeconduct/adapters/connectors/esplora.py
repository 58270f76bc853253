"""An Esplora: the HTTP interface to chains of outputs of Blockstream's and mempool's servers.

/address/{a}                      counts and sums, of the chain and of what waits
/address/{a}/txs/chain[/{last}]   25 transactions, the newest first, from behind `last` on
/blocks/tip/height
"""

import json
from collections.abc import Sequence
from typing import Any

from safeconduct.core.errors import ProviderError
from safeconduct.core.upstream.http import OutboundRequest
from safeconduct.core.upstream.output_entries import Spending, output_of
from safeconduct.ports.outbound import Outbound

SIZE = 25
MAX_BYTES = 16 << 20


class Esplora:
    def __init__(self, base_url: str, out: Outbound) -> None:
        self.url, self.out = base_url, out

    async def used(self, address: str) -> tuple[int, int]:
        """How many transactions there are, those that wait too, and what is confirmed."""
        said = await self._ask(f"/address/{address}")
        try:
            chain, waiting = said["chain_stats"], said["mempool_stats"]
            held = int(chain["funded_txo_sum"]) - int(chain["spent_txo_sum"])
            return int(chain["tx_count"]) + int(waiting["tx_count"]), held
        except (KeyError, TypeError, ValueError):
            raise _malformed("address") from None

    async def height(self) -> int:
        said = await self._ask("/blocks/tip/height")
        if not isinstance(said, int) or isinstance(said, bool):
            raise _malformed("height")
        return said

    async def spendings(self, address: str, behind: str | None) -> Sequence[Spending]:
        """One page; it is the last if it holds fewer than `SIZE`."""
        said = await self._ask(f"/address/{address}/txs/chain" + (f"/{behind}" if behind else ""))
        try:
            return [_spending(one) for one in said]
        except (KeyError, TypeError, ValueError):
            raise _malformed("transactions") from None

    async def _ask(self, path: str) -> Any:
        said = await self.out.send(OutboundRequest("GET", self.url + path, max_bytes=MAX_BYTES))
        if said.status == 429:
            raise ProviderError("rate_limited", remedy="retry", status=429, retry_after=10.0)
        if said.status != 200:
            raise ProviderError("explorer_unavailable", remedy="retry", status=said.status)
        try:
            return json.loads(said.body)
        except ValueError:
            raise _malformed("JSON") from None


def _spending(said: Any) -> Spending:
    status = said["status"]
    return Spending(
        id=str(said["txid"]),
        block=int(status["block_height"]),
        at=int(status["block_time"]) * 1000,
        spent=[output_of(one["prevout"]) for one in said["vin"] if not one.get("is_coinbase")],
        made=[output_of(one) for one in said["vout"]],
        fee_units=int(said["fee"]),
    )


def _malformed(what: str) -> ProviderError:
    return ProviderError("malformed_answer", remedy="retry", detail=what)
