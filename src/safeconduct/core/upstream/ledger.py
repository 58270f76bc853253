"""The ledger: what was seen against what is known, as writes; and whether it adds up.

diff(known, seen)   nothing when nothing changed, so that reading again changes nothing
balances            opening + movements = closing, by account and asset; a gap is a quantity
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from safeconduct.core.amounts import ZERO, add, subtract
from safeconduct.core.model import Connection, Leg, Position, RawRecord, Transaction
from safeconduct.core.unit import Delete, Insert, Ref, Update, Write
from safeconduct.core.upstream.classify import Holding, Movement, Reading

Change = Literal["added", "changed", "removed"]


@dataclass(frozen=True, slots=True)
class Diff:
    """What to write, and how that reads in an event; None when nothing changed."""

    writes: tuple[Write, ...] = ()
    change: Change | None = None


@dataclass(frozen=True, slots=True)
class Balance:
    """One asset in one account: what the movements explain of what is there."""

    account: str
    asset: str
    opening: Decimal
    movements: Decimal
    closing: Decimal

    @property
    def gap(self) -> Decimal:
        """What is there and was not explained; zero when the history is whole."""
        return subtract(self.closing, add(self.opening, self.movements))


def diff_raw(known: RawRecord | None, seen: RawRecord, *, touch: bool = False) -> Diff:
    """A record as the provider words it now; `touch` writes that it was seen even if it is the
    same.
    """
    if known is None:
        return Diff((Insert(seen),), "added")
    if known.body == seen.body and known.group_ref == seen.group_ref:
        return Diff((Update(raw_ref(seen), {"seen_at": seen.seen_at}),) if touch else ())
    columns = {
        "body": seen.body,
        "group_ref": seen.group_ref,
        "context": seen.context,
        "seen_at": seen.seen_at,
    }
    return Diff((Update(raw_ref(seen), columns),), "changed")


def diff_position(
    known: Position | None, seen: Holding, owner: Connection, *, id: str, run: int, now: int
) -> Diff:
    """A holding that the provider lists. That it was seen in this run is always written."""
    if known is None:
        row = Position(
            tenant_id=owner.tenant_id,
            connection_id=owner.id,
            account=seen.account,
            asset=seen.asset,
            id=id,
            user_id=owner.user_id,
            provider_id=owner.provider_id,
            asset_name=seen.name,
            quantity=seen.quantity,
            value_currency=seen.value_currency,
            value_amount=seen.value_amount,
            run=run,
            updated_at=now,
        )
        return Diff((Insert(row),), "added")
    columns = {
        "asset_name": seen.name,
        "quantity": seen.quantity,
        "value_currency": seen.value_currency,
        "value_amount": seen.value_amount,
    }
    changed = _changed(known, columns)
    ref = Ref(
        Position,
        tenant_id=owner.tenant_id,
        connection_id=owner.id,
        account=seen.account,
        asset=seen.asset,
    )
    update = Update(ref, {**changed, "run": run, "updated_at": now})
    return Diff((update,), "changed" if changed else None)


def diff_transaction(
    known: Transaction | None,
    known_legs: Sequence[Leg],
    seen: Reading | None,
    owner: Connection,
    *,
    ref: str,
    id: str,
    now: int,
) -> Diff:
    """A transaction as it reads now; None when its records are no longer final."""
    if seen is None:
        return _gone(known, known_legs)
    row = transaction_row(seen, owner, ref=ref, id=known.id if known else id, now=now)
    legs = leg_rows(seen, row)
    writes = _leg_writes(known_legs, legs)
    if known is None:
        return Diff((Insert(row), *writes), "added")
    wanted = {
        name: getattr(row, name)
        for name in Transaction.__slots__  # type: ignore[attr-defined]
        if name not in ("created_at", "updated_at")
    }
    changed = _changed(known, wanted)
    if not changed and not writes:
        return Diff()
    update = Update(transaction_ref(row), {**changed, "updated_at": now})
    return Diff((update, *writes), "changed")


def transaction_row(
    seen: Reading, owner: Connection, *, ref: str, id: str, now: int
) -> Transaction:
    return Transaction(
        tenant_id=owner.tenant_id,
        connection_id=owner.id,
        ref=ref,
        id=id,
        user_id=owner.user_id,
        provider_id=owner.provider_id,
        at=seen.at,
        category=seen.category,
        kind=seen.kind,
        tx_hash=seen.tx_hash,
        counterparty=seen.counterparty,
        network=seen.network,
        description=seen.description,
        value_currency=seen.value_currency,
        value_amount=seen.value_amount,
        rule=seen.rule,
        rule_version=seen.rule_version,
        confidence=seen.confidence,
        created_at=now,
        updated_at=now,
    )


def leg_rows(seen: Reading, row: Transaction) -> tuple[Leg, ...]:
    return tuple(_leg(number, leg, row) for number, leg in enumerate(seen.legs))


def _leg(number: int, leg: Movement, row: Transaction) -> Leg:
    return Leg(
        tenant_id=row.tenant_id,
        connection_id=row.connection_id,
        ref=row.ref,
        number=number,
        transaction_id=row.id,
        user_id=row.user_id,
        provider_id=row.provider_id,
        kind=row.kind,
        account=leg.account,
        asset=leg.asset,
        amount=leg.amount,
        role=leg.role,
        fee_type=leg.fee_type,
        outside=leg.outside,
        value_currency=leg.value_currency,
        value_amount=leg.value_amount,
        at=row.at,
    )


def balances(
    holdings: Iterable[Position],
    legs: Iterable[Leg],
    opening: Mapping[tuple[str, str], Decimal] | None = None,
) -> tuple[Balance, ...]:
    """By account and asset, in their order. Opening is zero where nobody knows better: most
    providers give the whole history. An account of which nothing is listed closes at zero.
    """
    opening = opening or {}
    closing: dict[tuple[str, str], Decimal] = {}
    moved: dict[tuple[str, str], Decimal] = {}
    for held in holdings:
        key = (held.account, held.asset)
        closing[key] = add(closing.get(key, ZERO), held.quantity)
    for leg in legs:
        if not leg.outside:
            key = (leg.account, leg.asset)
            moved[key] = add(moved.get(key, ZERO), leg.amount)
    return tuple(
        Balance(
            *key,
            opening=opening.get(key, ZERO),
            movements=moved.get(key, ZERO),
            closing=closing.get(key, ZERO),
        )
        for key in sorted(closing.keys() | moved.keys() | opening.keys())
    )


def raw_ref(row: RawRecord) -> Ref[RawRecord]:
    return Ref(
        RawRecord,
        tenant_id=row.tenant_id,
        connection_id=row.connection_id,
        kind=row.kind,
        ref=row.ref,
    )


def transaction_ref(row: Transaction) -> Ref[Transaction]:
    return Ref(Transaction, tenant_id=row.tenant_id, connection_id=row.connection_id, ref=row.ref)


def leg_ref(row: Leg) -> Ref[Leg]:
    return Ref(
        Leg,
        tenant_id=row.tenant_id,
        connection_id=row.connection_id,
        ref=row.ref,
        number=row.number,
    )


def _gone(known: Transaction | None, known_legs: Sequence[Leg]) -> Diff:
    if known is None:
        return Diff()
    return Diff(
        (Delete(transaction_ref(known)), *(Delete(leg_ref(leg)) for leg in known_legs)), "removed"
    )


def _leg_writes(known: Sequence[Leg], wanted: Sequence[Leg]) -> tuple[Write, ...]:
    before = {leg.number: leg for leg in known}
    writes: list[Write] = []
    for leg in wanted:
        old = before.pop(leg.number, None)
        if old is None:
            writes.append(Insert(leg))
        elif old != leg:
            columns = {name: getattr(leg, name) for name in Leg.__slots__}  # type: ignore[attr-defined]
            writes.append(Update(leg_ref(leg), _changed(old, columns)))
    return (*writes, *(Delete(leg_ref(leg)) for leg in before.values()))


def _changed(known: object, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Columns that differ. Decimals compare as numbers: 1.0 and 1.00 are one amount."""
    return {name: value for name, value in wanted.items() if getattr(known, name) != value}
