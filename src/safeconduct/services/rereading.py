"""Makes transactions again from the raw records that are kept, when the rules have changed.

Nothing is fetched: what the provider said is here. It can be cut off anywhere and begun again,
because a record that reads as before writes nothing.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from safeconduct.core.connections import connection_ref, is_live
from safeconduct.core.events import event
from safeconduct.core.model import Connection, RawRecord
from safeconduct.core.unit import Done, Facts, Find, Insert, Update, Write
from safeconduct.core.upstream.assets import absorb_transactions
from safeconduct.core.upstream.classify import Raw, group_of
from safeconduct.core.upstream.records import TransactionsCapability
from safeconduct.ports.clock import Clock, Mint
from safeconduct.ports.store import Store
from safeconduct.services.ledger import sync_ref
from safeconduct.services.page_reads import page_reads

CHUNK = 64


class Rereading:
    def __init__(self, *, store: Store, clock: Clock, mint: Mint) -> None:
        self.store, self.clock, self.mint = store, clock, mint

    async def reread(self, owner: Connection, how: TransactionsCapability) -> bool:
        """Bring a connection's transactions to the present rules; True if that was to be done."""
        ref = sync_ref(owner, "transactions")
        row = await self.store.get(ref)
        version = how.transaction.rule_version
        if row is None or row.rule_version == version:
            return False
        where = {"tenant_id": owner.tenant_id, "connection_id": owner.id, "kind": how.kind}
        after: tuple[Any, ...] | None = None
        while True:
            order = ("group_ref", "ref")
            found = await self.store.find(
                Find(RawRecord, where, order=order, after=after, limit=CHUNK)
            )
            if found:
                await self._chunk(owner, how, found)
            if len(found) < CHUNK:
                break
            after = (found[-1].group_ref, found[-1].ref)
        done = Update(ref, {"rule_version": version})
        await self.store.run((ref,), lambda facts: Done(None, (done,)))
        return True

    async def _chunk(
        self, owner: Connection, how: TransactionsCapability, rows: Sequence[RawRecord]
    ) -> None:
        seen = [_regrouped(how, row) for row in rows]
        alive, sync = connection_ref(owner.tenant_id, owner.id), sync_ref(owner, "transactions")
        while True:
            reads = await page_reads(self.store, owner, how, seen)

            def decide(facts: Facts, reads: Any = reads) -> Done[bool]:
                if not is_live(facts.get(alive)):
                    return Done(True)
                if not reads.cover(facts, seen):
                    return Done(False)
                made = absorb_transactions(
                    how,
                    owner,
                    seen,
                    reads.known(facts),
                    mint=lambda: self.mint.id("txn"),
                    now=self.clock.now(),
                )
                writes: list[Write] = list(made.writes)
                if made.news:
                    counts = {
                        "added": made.added,
                        "changed": made.changed,
                        "removed": made.removed,
                        "rule_version": how.transaction.rule_version,
                    }
                    writes.append(Insert(self._told(owner, counts)))
                return Done(True, writes)

            if (await self.store.run((sync, alive, *reads.all), decide)).answer:
                return

    def _told(self, owner: Connection, detail: dict[str, int]) -> Any:
        return event(
            self.mint.id("evt"),
            self.clock.now(),
            owner.tenant_id,
            "transactions.updated",
            actor="system",
            user_id=owner.user_id,
            client_id=owner.client_id,
            subject=owner.id,
            detail=detail,
        )


def _regrouped(how: TransactionsCapability, row: RawRecord) -> RawRecord:
    group = group_of(how.transaction, Raw(row.ref, row.context, row.body))
    return row if group == row.group_ref else replace(row, group_ref=group)
