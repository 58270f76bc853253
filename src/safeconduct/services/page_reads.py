"""Which rows a page touches: named before the unit, so that it can lock them, and found in it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from safeconduct.core.model import Connection, HealthRecord, Leg, Position, RawRecord, Transaction
from safeconduct.core.unit import Facts, Find
from safeconduct.core.upstream.assets import Known, groups_of
from safeconduct.core.upstream.pages import Capability
from safeconduct.core.upstream.records import AssetsCapability, HealthCapability
from safeconduct.ports.store import Store

AMONG = 64  # values that one read may name
MOST = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class PageReads:
    """The reads of one page. `groups` are those it may change, as far as was known before."""

    groups: frozenset[str]
    raws: tuple[Find[RawRecord], ...]
    members: tuple[Find[RawRecord], ...] = ()
    positions: tuple[Find[Position], ...] = ()
    transactions: tuple[Find[Transaction], ...] = ()
    legs: tuple[Find[Leg], ...] = ()
    health: tuple[Find[HealthRecord], ...] = ()

    @property
    def all(self) -> tuple[Find[Any], ...]:
        ledger: tuple[Find[Any], ...] = (*self.positions, *self.transactions, *self.legs)
        return (*self.raws, *self.members, *ledger, *self.health)

    def known(self, facts: Facts) -> Known:
        legs: dict[str, list[Leg]] = {}
        for leg in _found(facts, self.legs):
            legs.setdefault(leg.ref, []).append(leg)
        return Known(
            raws={row.ref: row for row in _found(facts, (*self.raws, *self.members))},
            positions={(row.account, row.asset): row for row in _found(facts, self.positions)},
            transactions={row.ref: row for row in _found(facts, self.transactions)},
            legs=legs,
            health={row.ref: row for row in _found(facts, self.health)},
        )

    def cover(self, facts: Facts, seen: Sequence[RawRecord]) -> bool:
        """Whether no record had moved to a group that was not read, when the reads were named."""
        return set(groups_of(seen, _found(facts, self.raws))) <= self.groups


async def page_reads(
    store: Store, owner: Connection, how: Capability, seen: Sequence[RawRecord]
) -> PageReads:
    """Name the reads; looks once, unlocked, which groups the records belonged to so far."""
    where = {"tenant_id": owner.tenant_id, "connection_id": owner.id}
    of_kind = {**where, "kind": how.kind}
    refs = [row.ref for row in seen]
    if isinstance(how, HealthCapability):
        parts = _parts(refs)
        return PageReads(
            groups=frozenset(refs),
            raws=(),
            health=tuple(
                Find(HealthRecord, of_kind, among={"ref": part}, limit=AMONG) for part in parts
            ),
        )
    raws = tuple(
        Find(RawRecord, of_kind, among={"ref": part}, limit=AMONG) for part in _parts(refs)
    )
    if isinstance(how, AssetsCapability):
        every = Find(Position, where, limit=MOST)
        return PageReads(groups=frozenset(refs), raws=raws, positions=(every,))
    before = [row for find in raws for row in await store.find(find)]
    groups = groups_of(seen, before)
    parts = _parts(groups)
    return PageReads(
        groups=frozenset(groups),
        raws=raws,
        members=tuple(
            Find(RawRecord, of_kind, among={"group_ref": part}, limit=MOST) for part in parts
        )
        if how.transaction.group is not None
        else (),
        transactions=tuple(
            Find(Transaction, where, among={"ref": part}, limit=AMONG) for part in parts
        ),
        legs=tuple(Find(Leg, where, among={"ref": part}, limit=MOST) for part in parts),
    )


def _parts(values: Sequence[str]) -> list[tuple[str, ...]]:
    return [tuple(values[at : at + AMONG]) for at in range(0, len(values), AMONG)]


def _found(facts: Facts, finds: Sequence[Find[Any]]) -> list[Any]:
    return [row for find in finds for row in facts.all(find)]
