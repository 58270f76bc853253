"""A provider's records, written by reading its catalogue entry backwards.

The entry says at which pointers a record holds its id, asset, amount and so on, and which words
make a rule apply; here these places are filled. What the entry's `example` shows besides stays.
"""

from copy import deepcopy
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from safeconduct.core.upstream.pointer import Terms
from safeconduct.core.upstream.provider import Provider
from safeconduct.core.upstream.records import (
    AssetsCapability,
    HealthCapability,
    LegMap,
    Rule,
    TransactionMap,
    TransactionsCapability,
)
from safeconduct.simulator.activity import ASSETS, Activity, Holding, Movement
from safeconduct.simulator.delivery import put
from safeconduct.simulator.vitals import Spell

UNKNOWN_WORD = "unlisted_event"


def identity_document(provider: Provider, activity: Activity) -> dict[str, Any]:
    """What the identity call answers."""
    document: dict[str, Any] = {}
    if provider.identity is not None:
        _fill(document, provider.identity.account_id, activity.account_id)
        name = provider.identity.account_name
        if name is not None:
            _fill(document, name, activity.user.replace(".", " ").title())
    return document


def account_record(capability: AssetsCapability, holding: Holding) -> dict[str, Any]:
    """One account with its balance."""
    how = capability.position
    record = _template(capability.example, capability.ref, holding.id)
    shown = how.asset.of(capability.example)
    if isinstance(shown, str):
        record = _renamed(record, shown, holding.asset.code)
    _fill(record, how.account, holding.id)
    _fill(record, how.asset, holding.asset.code)
    _fill(record, how.quantity, _text(holding.balance, holding.asset.places))
    if how.name is not None:
        _fill(record, how.name, holding.asset.name)
    worth = (holding.balance * holding.asset.price).quantize(Decimal("0.01"))
    if how.value_amount is not None:
        _fill(record, how.value_amount, _text(worth, 2))
    if how.value_currency is not None:
        _fill(record, how.value_currency, "USD")
    _dated(record, holding.opened_at)
    return record


def health_record(capability: HealthCapability, spell: Spell) -> dict[str, Any]:
    """One night or exercise, in the provider's units."""
    how = capability.record
    record = _template(capability.example, capability.ref, spell.id)
    _fill(record, how.started_at, _moment(how.at_format, spell.start))
    if how.ended_at is not None:
        _fill(record, how.ended_at, _moment(how.at_format, spell.end))
    if "day" in record:
        record["day"] = spell.end.date().isoformat()
    for name, metric in how.metrics.items():
        if name in spell.figures:
            _fill(record, metric.value, _number(spell.figures[name] / metric.times))
    return record


def transaction_record(capability: TransactionsCapability, movement: Movement) -> dict[str, Any]:
    """One movement."""
    how = capability.transaction
    record = _template(capability.example, capability.ref, movement.id)
    _dated(record, movement.at)
    places = next(asset.places for asset in ASSETS if asset.code == movement.asset)
    word = _classify(record, how, movement)
    turn = _group(record, how, movement, word)
    _fill(record, how.at, _moment(how.at_format, movement.at))
    for pointer, words in how.settled.items():
        put(record, pointer, words[0] if movement.settled else "canceled")
    for leg in how.legs:
        if leg.role == "principal":
            _amount(record, leg, movement.asset, movement.amount, places)
            _worth(record, leg.value_amount, leg.value_currency, movement)
        elif leg.role == "fee" and leg.fee_type == movement.fee_type and movement.fee:
            _amount(record, leg, movement.asset, movement.fee, places, turn)
    _worth(record, how.value_amount, how.value_currency, movement)
    for terms, text in (
        (how.tx_hash, movement.tx_hash),
        (how.network, movement.network),
        (how.description, movement.description),
    ):
        if terms is not None and text is not None:
            _fill(record, terms, text)
    if how.counterparty is not None and movement.counterparty is not None:
        incoming = movement.amount > 0 and len(how.counterparty) > 1
        _fill(record, how.counterparty, movement.counterparty, 1 if incoming else 0)
    return record


def _classify(record: dict[str, Any], how: TransactionMap, movement: Movement) -> str:
    """Write the words by which the entry's rules know this kind; which word it came to."""
    rule = _rule_for(how, movement)
    if rule is None:
        places = [pointer for known in how.rules for pointer in known.when]
        if places:
            put(record, places[0], UNKNOWN_WORD)
        return UNKNOWN_WORD
    chosen = ""
    for pointer, words in rule.when.items():
        chosen = words[0] if words else "yes"
        put(record, pointer, chosen)
    return chosen


def _rule_for(how: TransactionMap, movement: Movement) -> Rule | None:
    sign = "plus" if movement.amount > 0 else "minus"
    fiat = next(asset.fiat for asset in ASSETS if asset.code == movement.asset)
    fitting = [
        rule
        for rule in how.rules
        if rule.kind == movement.kind and rule.sign in (None, sign) and rule.when
    ]
    # Where an entry tells cash from coins, use its rule for the one at hand.
    return min(fitting, key=lambda rule: ("fiat" in rule.id) != fiat, default=None)


def _group(record: dict[str, Any], how: TransactionMap, movement: Movement, word: str) -> int:
    """Write the group where this kind of record has it; which of the alternatives that was."""
    if how.group is None or movement.group is None:
        return 0
    turn = next((index for index, term in enumerate(how.group) if term.startswith(f"/{word}/")), 0)
    _fill(record, how.group, movement.group, turn)
    return turn


def _amount(
    record: dict[str, Any], leg: LegMap, asset: str, amount: Decimal, places: int, turn: int = 0
) -> None:
    signed = amount if leg.sign == "given" else abs(amount)
    _fill(record, leg.amount, _text(signed, places), turn)
    _fill(record, leg.asset, asset, turn)


def _worth(
    record: dict[str, Any], amount: Terms | None, currency: Terms | None, movement: Movement
) -> None:
    if amount is not None and currency is not None:
        _fill(record, amount, _text(movement.value, 2))
        _fill(record, currency, "USD")


def _template(example: Any, ref: Terms, id: str) -> dict[str, Any]:
    """The example with this id wherever its own id stands."""
    shown = ref.of(example)
    made = deepcopy(dict(example))
    if isinstance(shown, str):
        made = _renamed(made, shown, id)
    _fill(made, ref, id)
    return made


def _renamed(value: Any, old: str, new: str) -> Any:
    if isinstance(value, str):
        return value.replace(old, new)
    if isinstance(value, dict):
        return {key: _renamed(item, old, new) for key, item in value.items()}
    if isinstance(value, list):
        return [_renamed(item, old, new) for item in value]
    return value


def _dated(record: dict[str, Any], at: datetime) -> None:
    """Dates that the example shows and the entry does not read."""
    for name in ("created_at", "updated_at"):
        if name in record:
            record[name] = _moment("iso8601", at)


def _fill(record: dict[str, Any], terms: Terms, value: Any, turn: int = 0) -> None:
    """Write at the pointer of this turn, else at the first; constants need no writing."""
    pointers = [term for term in terms if term.startswith("/")]
    if pointers:
        put(record, pointers[turn] if turn < len(pointers) else pointers[0], value)


def _text(amount: Decimal, places: int) -> str:
    return f"{amount:.{places}f}"


def _number(figure: Decimal) -> int | float:
    """As JSON has numbers; a whole one without a point."""
    return int(figure) if figure == figure.to_integral_value() else float(figure)


def _moment(form: str, at: datetime) -> Any:
    if form == "iso8601":
        return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return int(at.timestamp() * (1000 if form == "epoch_ms" else 1))
