"""What happened to addresses on a chain of outputs (Bitcoin's family), as entries.

A transaction spends outputs and makes others. To a set of addresses it is one movement: what they
got of it, less what they gave. Where all that was spent was theirs, they paid the fee too, which
stands beside the amount; where only a part was, nobody can say whose the fee was, and the amount
holds it. `shape` is as in `chain_entries`: `in`, `out`, or `gas` where only the fee was lost.
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

from safeconduct.core.upstream.chain_entries import Asset, Entry, scaled


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """`address` is None where a script has none."""

    address: str | None
    units: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """A transaction that is in a block. One that makes new coins spends nothing."""

    id: str
    block: int
    at: int  # milliseconds
    spent: Sequence[Output]
    made: Sequence[Output]
    fee_units: int


def entry_of(account: str, mine: Set[str], tx: Spending, coin: Asset, network: str) -> Entry | None:
    """None where it has nothing to do with these addresses, or left all as it was."""
    gave = sum(one.units for one in tx.spent if one.address in mine)
    got = sum(one.units for one in tx.made if one.address in mine)
    alone = bool(tx.spent) and all(one.address in mine for one in tx.spent)
    fee = tx.fee_units if alone else 0
    units = got - gave + fee
    if not units and not fee:
        return None
    entry: Entry = {
        "id": f"{tx.id}:value",
        "group": tx.id,
        "block": tx.block,
        "at": tx.at,
        "shape": "gas" if not units else "in" if units > 0 else "out",
        "account": account,
        "asset": coin.code,
        "amount": scaled(units, coin.decimals),
        "tx_hash": tx.id,
        "address": _other(mine, tx, units),
        "network": network,
        "contract": None,
    }
    if fee:
        entry |= {"gas_asset": coin.code, "gas": scaled(fee, coin.decimals)}
    return entry


def _other(mine: Set[str], tx: Spending, units: int) -> str | None:
    """The other side, where there is just one."""
    others = {one.address for one in (tx.spent if units > 0 else tx.made)} - mine - {None}
    return next(iter(others)) if len(others) == 1 else None


def output_of(written: Mapping[str, object] | None) -> Output:
    """As an Esplora writes an output."""
    if written is None:
        return Output(address=None, units=0)
    address = written.get("scriptpubkey_address")
    value = written["value"]
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError("an amount that is no whole number")
    return Output(address=address if isinstance(address, str) else None, units=value)
