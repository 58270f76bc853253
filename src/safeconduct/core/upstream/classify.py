"""From a provider's words to positions and transactions: a pure function of raw records and the
entry's rules, so that everything can be made again when a rule changes.

    record ──legs──▶ movements ─┐
    record ──legs──▶ movements ─┼─ group ──rule──▶ Reading (kind, category, signed legs)
                                └─ the two sides of a trade

What no rule knows, and what contradicts its rule (a sale where nothing went out), is kind
`unknown`, category `uncategorized`; its legs stay, so that balances still add up.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Protocol, TypeVar

from safeconduct.core.amounts import ZERO, add, read_amount, share, subtract
from safeconduct.core.upstream.pages import read_ref
from safeconduct.core.upstream.pointer import Pointer, Terms
from safeconduct.core.upstream.records import (
    LegMap,
    PositionMap,
    Role,
    Rule,
    TimeFormat,
    TransactionMap,
)

LATEST = 253_402_300_799_999  # the last millisecond of the year 9999
TEXT = 256

NO_RULE = "none"

SHAPES: Mapping[str, tuple[int, int]] = {
    "input_only": (1, 0),
    "receive": (1, 0),
    "output_only": (0, 1),
    "send": (0, 1),
    "input_output": (1, 1),
}
"""How many assets come in and go out, by category; uncategorized promises nothing."""


class Signed(Protocol):
    """A leg, as read or as stored."""

    @property
    def asset(self) -> str: ...
    @property
    def amount(self) -> Decimal: ...
    @property
    def role(self) -> str: ...


L = TypeVar("L", bound=Signed)


@dataclass(frozen=True, slots=True)
class Raw:
    """A raw record, as much of it as matters here."""

    ref: str
    context: Mapping[str, Any]
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """What one account holds of one asset."""

    account: str
    asset: str
    quantity: Decimal
    name: str | None
    value_currency: str | None
    value_amount: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """One leg: + into the account, − out of it."""

    account: str
    asset: str
    amount: Decimal
    role: Role
    fee_type: str | None
    outside: bool
    value_currency: str | None
    value_amount: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One transaction, as the rules understand it."""

    at: int
    category: str
    kind: str
    tx_hash: str | None
    counterparty: str | None
    network: str | None
    description: str | None
    value_currency: str | None
    value_amount: Decimal | None
    rule: str
    rule_version: int
    confidence: str
    legs: tuple[Movement, ...]


def read_position(how: PositionMap, raw: Raw) -> Holding | None:
    """What a record says that an account holds; None when it does not say so readably."""
    account = read_ref(how.account.of(raw.body, raw.context))
    asset = _text(how.asset, raw)
    quantity = read_amount(how.quantity.of(raw.body, raw.context))
    if account is None or asset is None or quantity is None:
        return None
    currency, amount = _worth(how.value_currency, how.value_amount, raw)
    return Holding(
        account=account,
        asset=asset,
        quantity=quantity,
        name=_text(how.name, raw),
        value_currency=currency,
        value_amount=amount,
    )


def group_of(how: TransactionMap, raw: Raw) -> str:
    """What the record belongs to: records with equal groups are one transaction."""
    group = None if how.group is None else read_ref(how.group.of(raw.body, raw.context))
    return raw.ref if group is None else group


def settled(how: TransactionMap, raw: Raw) -> bool:
    """Whether the record is final; what is not, is passed over until it is."""
    return all(_says(raw, pointer, words) for pointer, words in how.settled.items())


def time_of(how: TransactionMap, raw: Raw) -> int | None:
    """When it happened, in milliseconds since the epoch."""
    return read_moment(how.at.of(raw.body, raw.context), how.at_format)


def read_moment(value: object, form: TimeFormat) -> int | None:
    """A moment as a provider writes it, in milliseconds since the epoch."""
    if form == "iso8601":
        return _iso(value)
    number = read_amount(value)
    if number is None:
        return None
    at = int(number * 1000) if form == "epoch_s" else int(number)
    return at if 0 <= at <= LATEST else None


def read_transaction(how: TransactionMap, group: Sequence[Raw]) -> Reading | None:
    """The transaction that these records are; None while they are not final, or say nothing.

    The order in which the records came does not matter.
    """
    final = sorted((raw for raw in group if settled(how, raw)), key=lambda raw: raw.ref)
    moments = [at for raw in final if (at := time_of(how, raw)) is not None]
    if not moments:
        return None
    movements = [leg for raw in final for leg in read_legs(how, raw)]
    rule = _rule(how, final)
    if rule is not None and rule.role is not None:
        movements = [_recast(leg, rule.role) for leg in movements]
    if rule is None or not fits(rule.category, movements):
        kind, category, confidence = "unknown", "uncategorized", "unknown"
    else:
        kind, category, confidence = rule.kind, rule.category, rule.confidence
    currency, amount = _first_worth(how, final)
    return Reading(
        at=min(moments),
        category=category,
        kind=kind,
        tx_hash=_first(how.tx_hash, final),
        counterparty=_first(how.counterparty, final),
        network=_first(how.network, final),
        description=_first(how.description, final),
        value_currency=currency,
        value_amount=amount,
        rule=NO_RULE if rule is None else rule.id,
        rule_version=how.rule_version,
        confidence=confidence,
        legs=tuple(movements),
    )


def read_legs(how: TransactionMap, raw: Raw) -> list[Movement]:
    """The movements of one record. A fee inside the principal is taken out of it, so that the
    legs sum up to what the record says has moved.
    """
    main = next(leg for leg in how.legs if leg.role == "principal")
    principal = _movement(main, raw)
    others: list[Movement] = []
    for leg in how.legs:
        made = None if leg is main else _movement(leg, raw)
        if made is None:
            continue
        if leg.inside:
            if principal is None or made.asset != principal.asset:
                continue  # it is inside another record of the group
            principal, made = _taken_out(principal, made)
        others.append(made)
    if principal is None or not principal.amount:
        return others
    return [principal, *others]


def fits(category: str, legs: Sequence[Signed]) -> bool:
    """Whether legs have the shape that their category promises."""
    came_in, went_out, _ = parted(category, legs)
    return is_shaped(category, came_in, went_out)


def is_shaped(category: str, came_in: Sequence[Signed], went_out: Sequence[Signed]) -> bool:
    """The same of sides that are known already: at most one asset a side."""
    return SHAPES.get(category) == (_assets(came_in), _assets(went_out))


def parted(category: str, legs: Iterable[L]) -> tuple[list[L], list[L], list[L]]:
    """What came in, what went out, and the fees of it. Nothing but a fee is what went out."""
    came_in: list[L] = []
    went_out: list[L] = []
    fees: list[L] = []
    moved = False
    for leg in legs:
        if leg.role == "fee":
            fees.append(leg)
            continue
        moved = True
        if leg.amount:
            (went_out if leg.amount.is_signed() else came_in).append(leg)
    if fees and not moved and category == "output_only":
        return [leg for leg in fees if leg.amount > 0], [leg for leg in fees if leg.amount < 0], []
    return came_in, went_out, fees


def _assets(legs: Sequence[Signed]) -> int:
    return len(legs) if len(legs) < 2 else len({leg.asset for leg in legs})


def _movement(leg: LegMap, raw: Raw) -> Movement | None:
    asset = _text(leg.asset, raw)
    account = read_ref(leg.account.of(raw.body, raw.context))
    amount = read_amount(leg.amount.of(raw.body, raw.context))
    if asset is None or account is None or not amount:
        return None
    if leg.sign != "given":
        amount = amount.copy_abs() if leg.sign == "plus" else amount.copy_abs().copy_negate()
    currency, worth = _worth(leg.value_currency, leg.value_amount, raw)
    if currency == asset:
        worth = amount.copy_abs()
    return Movement(
        account=account,
        asset=asset,
        amount=amount,
        role=leg.role,
        fee_type=leg.fee_type or ("other" if leg.role == "fee" else None),
        outside=leg.outside,
        value_currency=currency,
        value_amount=None if worth is None else worth.copy_abs(),
    )


def _taken_out(principal: Movement, fee: Movement) -> tuple[Movement, Movement]:
    """Part the principal from the fee in it, and its worth with it, so that both sums stay."""
    rest = subtract(principal.amount, fee.amount)
    worth = principal.value_amount
    currency = principal.value_currency
    if worth is None or currency is None:
        return replace(principal, amount=rest), fee
    if currency == principal.asset:
        worth_of_fee, worth_of_rest = fee.amount.copy_abs(), rest.copy_abs()
    elif fee.value_amount is not None and fee.value_currency == currency:
        worth_of_fee = fee.value_amount
        worth_of_rest = _worth_left(principal, fee, worth, worth_of_fee)
    else:
        worth_of_fee = share(worth, fee.amount.copy_abs(), principal.amount.copy_abs())
        worth_of_rest = _worth_left(principal, fee, worth, worth_of_fee)
    return (
        replace(principal, amount=rest, value_amount=worth_of_rest),
        replace(fee, value_amount=worth_of_fee, value_currency=currency),
    )


def _worth_left(
    principal: Movement, fee: Movement, worth: Decimal, worth_of_fee: Decimal
) -> Decimal:
    same_way = (principal.amount < 0) == (fee.amount < 0)
    left = subtract(worth, worth_of_fee) if same_way else add(worth, worth_of_fee)
    return max(left, ZERO)


def _recast(leg: Movement, role: Role) -> Movement:
    if leg.role != "principal":
        return leg
    return replace(leg, role=role, fee_type="other" if role == "fee" else None)


def _rule(how: TransactionMap, group: Sequence[Raw]) -> Rule | None:
    signs = [(raw, _sign(how, raw)) for raw in group]
    for rule in how.rules:
        if any(_matches(rule, raw, sign) for raw, sign in signs):
            return rule
    return None


def _matches(rule: Rule, raw: Raw, sign: str | None) -> bool:
    if rule.sign is not None and rule.sign != sign:
        return False
    return all(_says(raw, pointer, words) for pointer, words in rule.when.items())


def _sign(how: TransactionMap, raw: Raw) -> str | None:
    for leg in how.legs:
        if leg.role == "principal" and (made := _movement(leg, raw)) is not None:
            return "plus" if made.amount > 0 else "minus"
    return None


def _says(raw: Raw, pointer: str, words: tuple[str, ...]) -> bool:
    value = Pointer(pointer).of(raw.body)
    if isinstance(value, bool):
        value = "true" if value else "false"
    if value is None or isinstance(value, Mapping | list):
        return not words and value is not None
    return not words or str(value) in words


def _worth(
    currency: Terms | None, amount: Terms | None, raw: Raw
) -> tuple[str | None, Decimal | None]:
    """Both or neither: an amount of nothing in particular is no worth."""
    unit = _text(currency, raw)
    number = None if amount is None else read_amount(amount.of(raw.body, raw.context))
    return (None, None) if unit is None or number is None else (unit, number)


def _first_worth(how: TransactionMap, group: Sequence[Raw]) -> tuple[str | None, Decimal | None]:
    for raw in group:
        unit, number = _worth(how.value_currency, how.value_amount, raw)
        if unit is not None:
            return unit, number
    return None, None


def _first(terms: Terms | None, group: Sequence[Raw]) -> str | None:
    found = (_text(terms, raw) for raw in group)
    return next((text for text in found if text is not None), None)


def _text(terms: Terms | None, raw: Raw) -> str | None:
    """A short printable text, cut where it is long."""
    value = None if terms is None else terms.of(raw.body, raw.context)
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        return None
    line = "".join(char if char.isprintable() else " " for char in value[: 4 * TEXT])
    return line.strip()[:TEXT] or None


def _iso(value: object) -> int | None:
    if not isinstance(value, str) or len(value) > 64:
        return None
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    past = at - datetime(1970, 1, 1, tzinfo=UTC)
    milliseconds = past.days * 86_400_000 + past.seconds * 1000 + past.microseconds // 1000
    return milliseconds if 0 <= milliseconds <= LATEST else None
