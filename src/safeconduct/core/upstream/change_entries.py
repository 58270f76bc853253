"""What transactions did to the holdings of an account, as entries: for chains that say so (Solana).

Such a chain tells, for each transaction, what every account held before and after it. The
difference is the movement, one entry for each asset; the fee stands beside that of the coin, where
the account paid it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from safeconduct.core.upstream.chain_entries import Asset, Entry, scaled


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """`units` by asset, the coin's with the fee still in it. `fee_units` if the account paid it."""

    id: str
    block: int
    at: int  # milliseconds
    units: Sequence[tuple[Asset, int]]
    fee_units: int = 0
    other: str | None = None


def entries_of(account: str, tx: Changes, coin: Asset, network: str) -> list[Entry]:
    fees = {asset: tx.fee_units for asset, _ in tx.units if asset.contract is None}
    moved = [(asset, units + fees.get(asset, 0)) for asset, units in tx.units]
    came = any(units > 0 for _, units in moved)
    went = any(units < 0 for _, units in moved)
    shape = "swap" if came and went else "in" if came else "out" if went else "gas"
    made: list[Entry] = []
    for asset, units in moved:
        fee = fees.get(asset, 0)
        if not units and not fee:
            continue
        entry: Entry = {
            "id": f"{tx.id}:{asset.contract or 'value'}",
            "group": tx.id,
            "block": tx.block,
            "at": tx.at,
            "shape": shape,
            "account": account,
            "asset": asset.code,
            "amount": scaled(units, asset.decimals),
            "tx_hash": tx.id,
            "address": tx.other,
            "network": network,
            "contract": asset.contract,
        }
        if fee:
            entry |= {"gas_asset": coin.code, "gas": scaled(fee, coin.decimals)}
        made.append(entry)
    return made


def token(mint: str, decimals: int, known: Mapping[str, Mapping[str, str]]) -> Asset:
    """A token under the code that the entry knows for it, else under its address: what it calls
    itself is whatever somebody paid for.
    """
    named = known.get(mint, {})
    code = named.get("code", f"token@{mint[:10]}")
    return Asset(code=code, name=named.get("name", code), decimals=decimals, contract=mint)
