"""Exchanges that are asked with signed requests: each checks its real signature, on real HTTP.

{base}/{provider}/api/…   the paths of the exchange's own interface, as its clients call them
{base}/_sim/keys          the keys that a simulated user has made there
"""

from collections.abc import Mapping

from safeconduct.core.upstream.provider import Provider
from safeconduct.simulator.exchanges._desk import Exchange, Keys, keys_of
from safeconduct.simulator.exchanges.binance import Binance
from safeconduct.simulator.exchanges.kraken import Kraken
from safeconduct.simulator.exchanges.kucoin import KuCoin
from safeconduct.simulator.exchanges.signed import MANNERS, Mannered

__all__ = ["Exchange", "Keys", "exchange_for", "keys_of"]

EXCHANGES: Mapping[str, type[Exchange]] = {
    "kraken": Kraken,
    "binance": Binance,
    "kucoin": KuCoin,
}


def exchange_for(provider: Provider) -> Exchange | None:
    """Who answers for an entry whose requests a connector carries; None where nobody can."""
    via = provider.api.via if provider.api else None
    name = str(via.settings.get("exchange")) if via and via.connector == "ccxt" else ""
    if name in MANNERS:
        return Mannered(provider.id, MANNERS[name])
    made = EXCHANGES.get(name)
    return None if made is None else made(provider.id)
