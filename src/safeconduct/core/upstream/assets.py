"""One page of a provider's records, taken into the ledger: known rows + seen records → writes.

Which rows a page touches is told first (`raws_of`, `groups_of`), so that the unit of work can
read and lock them; what to write is decided after. Taking in the same page twice, or pages in
another order, ends in the same rows.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from safeconduct.core.model import Connection, HealthRecord, Leg, Position, RawRecord, Transaction
from safeconduct.core.unit import Write
from safeconduct.core.upstream.classify import (
    Holding,
    Raw,
    group_of,
    read_position,
    read_transaction,
    settled,
    time_of,
)
from safeconduct.core.upstream.ledger import Diff, diff_position, diff_raw, diff_transaction
from safeconduct.core.upstream.pages import Capability, Item, Step, context_of
from safeconduct.core.upstream.records import (
    AssetsCapability,
    TransactionMap,
    TransactionsCapability,
)

WAITED_FOR_MS = 30 * 86_400_000
"""A record that is not final by then (cancelled, mostly) is left to the next whole reading."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the unit read: raw records by ref, the rest by what identifies it to the provider."""

    raws: Mapping[str, RawRecord] = field(default_factory=dict)
    positions: Mapping[tuple[str, str], Position] = field(default_factory=dict)
    transactions: Mapping[str, Transaction] = field(default_factory=dict)
    legs: Mapping[str, Sequence[Leg]] = field(default_factory=dict)
    health: Mapping[str, HealthRecord] = field(default_factory=dict)


@dataclass(slots=True)
class Absorbed:
    """What a page came to. `unchanged`: every record of it was here before, word for word.

    `unseen` counts the positions that neither this page nor an earlier one of the run has shown.
    """

    writes: list[Write] = field(default_factory=list)
    added: int = 0
    changed: int = 0
    removed: int = 0
    unreadable: int = 0
    unchanged: bool = True
    newest: int | None = None
    oldest: int | None = None
    unsettled: int | None = None
    unseen: int = 0

    @property
    def news(self) -> bool:
        return bool(self.added or self.changed or self.removed)

    def count(self, diff: Diff) -> None:
        self.writes += diff.writes
        self.added += diff.change == "added"
        self.changed += diff.change == "changed"
        self.removed += diff.change == "removed"


def raws_of(
    capability: Capability, owner: Connection, step: Step, items: Sequence[Item], now: int
) -> tuple[RawRecord, ...]:
    """The records of a page as they will lie in the store."""
    context = context_of(step)
    return tuple(
        RawRecord(
            tenant_id=owner.tenant_id,
            connection_id=owner.id,
            kind=capability.kind,
            ref=item.ref,
            group_ref=_group(capability, Raw(item.ref, context, item.body)),
            context=context,
            body=item.body,
            seen_at=now,
        )
        for item in items
    )


def groups_of(seen: Iterable[RawRecord], known: Iterable[RawRecord]) -> tuple[str, ...]:
    """The groups that a page may change: those its records belong to, and those they left."""
    return tuple(sorted({row.group_ref for row in (*seen, *known)}))


def absorb_assets(
    capability: AssetsCapability,
    owner: Connection,
    seen: Sequence[RawRecord],
    known: Known,
    *,
    mint: Callable[[], str],
    run: int,
    now: int,
) -> Absorbed:
    """Positions from records of accounts."""
    made = Absorbed()
    holdings: dict[tuple[str, str], Holding] = {}
    for row in seen:
        # Always touched, so that what was not seen in a whole run stands out.
        made.writes += diff_raw(known.raws.get(row.ref), row, touch=True).writes
        holding = read_position(capability.position, _raw(row))
        if holding is None:
            made.unreadable += 1
        else:
            holdings[holding.account, holding.asset] = holding
    for key, holding in holdings.items():
        before = known.positions.get(key)
        made.count(diff_position(before, holding, owner, id=mint(), run=run, now=now))
    made.unseen = sum(row.run < run for key, row in known.positions.items() if key not in holdings)
    return made


def absorb_transactions(
    capability: TransactionsCapability,
    owner: Connection,
    seen: Sequence[RawRecord],
    known: Known,
    *,
    mint: Callable[[], str],
    now: int,
) -> Absorbed:
    """Transactions from records of movements, group by group."""
    how = capability.transaction
    made = Absorbed()
    after = dict(known.raws)
    for row in seen:
        diff = diff_raw(known.raws.get(row.ref), row)
        made.writes += diff.writes
        made.unchanged = made.unchanged and diff.change is None
        after[row.ref] = row
        _measure(made, how, _raw(row), now)
    left = [known.raws[row.ref] for row in seen if row.ref in known.raws]
    by_group: dict[str, list[Raw]] = {}
    for row in after.values():
        by_group.setdefault(row.group_ref, []).append(_raw(row))
    for group in groups_of(seen, left):
        made.count(
            diff_transaction(
                known.transactions.get(group),
                known.legs.get(group, ()),
                read_transaction(how, by_group.get(group, ())),
                owner,
                ref=group,
                id=mint(),
                now=now,
            )
        )
    return made


def onward(
    step: Step, made: Absorbed, *, account: str | None, next: str | None, read: int = 0
) -> Step:
    """The step after a page: where to go on, and what the run has seen and done so far."""
    return Step(
        account=account,
        next=next,
        newest=_latest(step.newest, made.newest),
        unsettled=_earliest(step.unsettled, made.unsettled),
        added=step.added + made.added,
        changed=step.changed + made.changed,
        removed=step.removed + made.removed,
        unreadable=step.unreadable + made.unreadable,
        pages=step.pages + 1,
        read=step.read + read,
    )


def mark_of(step: Step) -> str | None:
    """What a whole run leaves for the next: before this moment everything is final and read."""
    known = [at for at in (step.newest, step.unsettled) if at is not None]
    return str(min(known)) if known else None


def read_up_to(mark: str | None, newest_first: bool, made: Absorbed) -> bool:
    """Whether what follows this page is known: nothing on it is new, and it reaches the mark."""
    if mark is None or not newest_first or not made.unchanged or made.oldest is None:
        return False
    return made.oldest <= int(mark)


def _measure(made: Absorbed, how: TransactionMap, raw: Raw, now: int) -> None:
    at = time_of(how, raw)
    if at is None:
        made.unreadable += 1
        made.unchanged = False  # nobody knows where it belongs, so do not stop here
        return
    made.newest = _latest(made.newest, at)
    made.oldest = _earliest(made.oldest, at)
    if not settled(how, raw) and at > now - WAITED_FOR_MS:
        made.unsettled = _earliest(made.unsettled, at)


def _group(capability: Capability, raw: Raw) -> str:
    if isinstance(capability, TransactionsCapability):
        return group_of(capability.transaction, raw)
    return raw.ref


def _raw(row: RawRecord) -> Raw:
    return Raw(row.ref, row.context, row.body)


def _latest(a: int | None, b: int | None) -> int | None:
    return b if a is None else a if b is None else max(a, b)


def _earliest(a: int | None, b: int | None) -> int | None:
    return b if a is None else a if b is None else min(a, b)
