"""What happened to an address on an EVM chain, as entries: one signed movement of one asset each.

    transaction (native value, gas) ─┐
    token transfers (ERC-20 logs) ───┼─ by transaction ─▶ entries that share its hash and shape
    internal value ──────────────────┘

`shape` is what a transaction was to this address: something came (`in`), went (`out`), both in
different assets (`swap`), or nothing but the gas was spent (`gas`). Amounts are exact: whole units
of the chain, scaled by the asset's decimals.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal
from typing import Any

Entry = dict[str, Any]

EXACT = Context(prec=100)
MAX_DECIMALS = 36


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """`contract` is None for the chain's own coin."""

    code: str
    name: str
    decimals: int
    contract: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """Value that went from one address to another. `place` tells moves of a transaction apart."""

    tx_hash: str
    place: str
    block: int
    at: int  # milliseconds
    sender: str
    receiver: str | None
    units: int
    asset: Asset
    gas_units: int = 0  # what the sender paid for the transaction, on its first move


def entries_of(address: str, moves: Iterable[Move], coin: Asset, network: str) -> list[Entry]:
    """The entries of all moves that concern an address, in the order of the chain."""
    mine = address.lower()
    by_tx: dict[str, list[Move]] = {}
    for move in moves:
        by_tx.setdefault(move.tx_hash, []).append(move)
    entries: list[Entry] = []
    for group in by_tx.values():
        shape = _shape(mine, group)
        entries += [_entry(mine, move, coin, network, shape) for move in group]
    return sorted(entries, key=lambda entry: (entry["block"], entry["id"]))


def scaled(units: int, decimals: int) -> str:
    return format(Decimal(units).scaleb(-decimals, EXACT), "f")


def coded(tokens: Sequence[Mapping[str, Any]], coin: Asset) -> list[Asset]:
    """Tokens by the order in which the address met them, each under a code of its own.

    A symbol is whatever a contract says. The first to say it keeps it; who comes later, or calls
    itself as the chain's coin does, or uses letters that look like others, carries its address.
    """
    taken, found = {coin.code.upper()}, []
    for token in tokens:
        symbol, contract = str(token["symbol"]), str(token["contract"]).lower()
        plain = symbol.isascii() and symbol.isalnum() and 0 < len(symbol) <= 16
        own = plain and symbol.upper() not in taken
        said = "".join(char for char in symbol if char.isascii() and char.isalnum())[:16]
        code = symbol if own else f"{said or 'token'}@{contract[:10]}"
        taken.add(code.upper())
        name = "".join(char for char in str(token["name"]) if char.isprintable())[:64]
        found.append(
            Asset(code=code, name=name or code, decimals=token["decimals"], contract=contract)
        )
    return found


def _shape(mine: str, group: Sequence[Move]) -> str:
    net: dict[str, int] = {}
    for move in group:
        net[move.asset.code] = net.get(move.asset.code, 0) + _signed(mine, move)
    came = [code for code, units in net.items() if units > 0]
    went = [code for code, units in net.items() if units < 0]
    if came and went:
        return "swap"
    return "in" if came else "out" if went else "gas"


def _signed(mine: str, move: Move) -> int:
    sent, got = move.sender.lower() == mine, (move.receiver or "").lower() == mine
    return move.units * (int(got) - int(sent))


def _entry(mine: str, move: Move, coin: Asset, network: str, shape: str) -> Entry:
    sent = move.sender.lower() == mine
    entry: Entry = {
        "id": f"{move.tx_hash}:{move.place}",
        "group": move.tx_hash,
        "block": move.block,
        "at": move.at,
        "shape": shape,
        "account": mine,
        "asset": move.asset.code,
        "amount": scaled(_signed(mine, move), move.asset.decimals),
        "tx_hash": move.tx_hash,
        "address": move.receiver if sent else move.sender,
        "network": network,
        "contract": move.asset.contract,
    }
    if sent and move.gas_units:
        entry |= {"gas_asset": coin.code, "gas": scaled(move.gas_units, coin.decimals)}
    return entry
