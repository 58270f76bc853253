"""The ledger's units of work: a run begins, takes in pages, ends, or fails.

A page and the cursor behind it are one transaction, so a run that is cut off anywhere goes on at
the page it had not yet taken in. Of two who bring the same page, one is told `Lost` and goes on
from where the other is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from safeconduct.core.connections import connection_ref, is_live
from safeconduct.core.events import EventType, event
from safeconduct.core.jobs import job_ref
from safeconduct.core.model import Connection, HealthRecord, Job, Position, RawRecord, Sync
from safeconduct.core.unit import DeleteAll, Done, Facts, Find, Insert, Read, Ref, Update, Write
from safeconduct.core.upstream.assets import (
    Absorbed,
    Known,
    absorb_assets,
    absorb_transactions,
    mark_of,
    onward,
    raws_of,
    read_up_to,
)
from safeconduct.core.upstream.health import degraded, healed
from safeconduct.core.upstream.health_records import KEPT_MS, MOST_KEPT, absorb_health
from safeconduct.core.upstream.pages import Capability, Page, Step, read_step
from safeconduct.core.upstream.records import (
    AssetsCapability,
    CapabilityName,
    HealthCapability,
    TransactionsCapability,
)
from safeconduct.ports.clock import Clock, Mint
from safeconduct.ports.store import Store
from safeconduct.services.page_reads import page_reads

BEHIND = "\U0010ffff"  # behind every asset of an account
WHOLE_EVERY = 24  # every so many runs nothing is taken as known

UPDATED: Mapping[CapabilityName, EventType] = {
    "assets": "assets.updated",
    "transactions": "transactions.updated",
    "sleep": "health.updated",
    "activity": "health.updated",
}


@dataclass(frozen=True, slots=True)
class Run:
    """A run under way, as last committed."""

    owner: Connection
    sync: Sync
    step: Step


@dataclass(frozen=True, slots=True)
class Finished:
    """The run is over, by us or by whoever was faster."""


@dataclass(frozen=True, slots=True)
class Lost:
    """Another committed meanwhile: look again."""


@dataclass(frozen=True, slots=True)
class Gone:
    """The connection has ended, or the job is in other hands: nothing was written."""


Progress = Run | Finished | Lost | Gone


class Ledger:
    def __init__(self, *, store: Store, clock: Clock, mint: Mint) -> None:
        self.store, self.clock, self.mint = store, clock, mint

    async def begin(self, owner: Connection, how: Capability) -> Progress:
        """The run under way, or a new one; over at once where there is no account to go through."""
        owner_ref, ref = connection_ref(owner.tenant_id, owner.id), sync_ref(owner, name_of(how))
        first = next_account(owner, None)

        def decide(facts: Facts) -> Done[Progress]:
            current, sync = facts.get(owner_ref), facts.get(ref)
            if current is None or not is_live(current):
                return Done(Gone())
            if sync is not None and sync.cursor is not None:
                return Done(Run(current, sync, read_step(sync.cursor)))
            now = self.clock.now()
            known = sync or new_sync(owner, name_of(how), now)
            step = Step(account=_account(facts.all(first))) if goes_through(how) else Step()
            columns = _start(known, step, now) | _first_rules(known, how)
            over = goes_through(how) and step.account is None
            if over:
                columns |= {"status": "idle", "cursor": None, "succeeded_at": now}
            made = replace(known, **columns)
            write: Write = Insert(made) if sync is None else Update(ref, columns)
            return Done(Finished() if over else Run(current, made, step), (write,))

        return (await self.store.run((owner_ref, ref, first), decide)).answer

    async def take_in(self, run: Run, how: Capability, page: Page, job: Job | None) -> Progress:
        """Commit a page together with the cursor behind it."""
        owner_ref, ref = (
            connection_ref(run.owner.tenant_id, run.owner.id),
            sync_ref(run.owner, name_of(how)),
        )
        following = next_account(run.owner, run.step.account)
        seen = raws_of(how, run.owner, run.step, page.items, self.clock.now())
        reads = await page_reads(self.store, run.owner, how, seen)
        all_reads: list[Read] = [ref, owner_ref, following, *reads.all]
        if job is not None:
            all_reads.append(job_ref(job))

        def decide(facts: Facts) -> Done[Progress]:
            owner, sync = facts.get(owner_ref), facts.get(ref)
            if owner is None or not is_live(owner) or sync is None:
                return Done(Gone())
            if job is not None and not _still_ours(job, facts.get(job_ref(job))):
                return Done(Gone())
            if (sync.pages, sync.cursor) != (run.sync.pages, run.sync.cursor):
                return Done(Lost())
            if not reads.cover(facts, seen):
                return Done(Lost())
            made = self._absorb(run, how, seen, reads.known(facts))
            made.unreadable += page.unreadable
            return self._move_on(replace(run, owner=owner), how, page, made, facts.all(following))

        return (await self.store.run(all_reads, decide)).answer

    def _absorb(
        self,
        run: Run,
        how: Capability,
        seen: Sequence[RawRecord],
        known: Known,
    ) -> Absorbed:
        now, mint = self.clock.now(), self.mint.id
        if isinstance(how, AssetsCapability):
            return absorb_assets(
                how, run.owner, seen, known, mint=lambda: mint("pos"), run=run.sync.run, now=now
            )
        if isinstance(how, HealthCapability):
            mine = known.health
            return absorb_health(how, run.owner, seen, mine, mint=lambda: mint("hea"), now=now)
        return absorb_transactions(how, run.owner, seen, known, mint=lambda: mint("txn"), now=now)

    def _move_on(
        self,
        run: Run,
        how: Capability,
        page: Page,
        made: Absorbed,
        following: Sequence[Position],
    ) -> Done[Progress]:
        now, sync, owner = self.clock.now(), run.sync, run.owner
        newest_first = not isinstance(how, AssetsCapability) and how.newest_first
        account, next = run.step.account, page.next
        if next is None or read_up_to(sync.mark, newest_first, made):
            account, next = _account(following) if goes_through(how) else None, None
        over = account is None and next is None
        writes = list(made.writes)
        if over and isinstance(how, AssetsCapability):
            writes += _unseen(owner, how, made, sync)
        if over and isinstance(how, HealthCapability):
            writes.append(_outdated(owner, how, now))
        step = onward(run.step, made, account=account, next=next, read=len(page.items))
        columns: dict[str, Any] = {
            "status": "idle" if over else "running",
            "cursor": None if over else step.encode(),
            "pages": sync.pages + 1,
            "failures": 0,
            "error": None,
            "updated_at": now,
        }
        if over:
            columns |= {"mark": mark_of(step) or sync.mark, "succeeded_at": now}
            columns |= {"processed": step.read}
            writes += self._announce(owner, how, sync, step, now)
        writes += healed(owner, event_id=self.mint.id("evt"), now=now)
        writes.append(Update(sync_ref(owner, name_of(how)), columns))
        after = replace(sync, **columns)
        return Done(Finished() if over else Run(owner, after, step), writes)

    def _announce(
        self, owner: Connection, how: Capability, sync: Sync, step: Step, now: int
    ) -> Sequence[Write]:
        """One event for a run that changed something; none for a run that did not."""
        counts = {"added": step.added, "changed": step.changed, "removed": step.removed}
        if not any(counts.values()):
            return ()
        detail: dict[str, Any] = {**counts, "run": sync.run}
        if isinstance(how, HealthCapability):
            detail["kind"] = how.kind
        if step.unreadable:
            detail["unreadable"] = step.unreadable
        record = event(
            self.mint.id("evt"),
            now,
            owner.tenant_id,
            UPDATED[name_of(how)],
            actor="system",
            user_id=owner.user_id,
            client_id=owner.client_id,
            subject=owner.id,
            detail=detail,
        )
        return (Insert(record),)

    async def fail(
        self, owner: Connection, capability: str, code: str, *, outage: bool, restart: bool = False
    ) -> int:
        """Write down that a try failed; returns how many did in a row.

        What was taken in stays, and so does the cursor, unless it is the cursor that the provider
        no longer takes. An outage degrades the connection; nothing here ends one.
        """
        owner_ref, ref = connection_ref(owner.tenant_id, owner.id), sync_ref(owner, capability)

        def decide(facts: Facts) -> Done[int]:
            current, sync = facts.get(owner_ref), facts.get(ref)
            if current is None or not is_live(current):
                return Done(0)
            now = self.clock.now()
            known = sync or new_sync(owner, capability, now)
            columns: dict[str, Any] = {
                "status": "failed",
                "failures": known.failures + 1,
                "error": code,
                "updated_at": now,
            }
            if restart:
                columns |= {"cursor": None, "mark": None}
            made = replace(known, **columns)
            writes: list[Write] = [Insert(made) if sync is None else Update(ref, columns)]
            if known.error != code:
                writes.append(Insert(self._failure(current, capability, code, now)))
            if outage:
                writes += degraded(current, code, event_id=self.mint.id("evt"), now=now)
            return Done(made.failures, writes)

        return (await self.store.run((owner_ref, ref), decide)).answer

    async def trim(self, owner: Connection, how: HealthCapability) -> None:
        """Of more records than are kept, the newest stay."""
        where = {"tenant_id": owner.tenant_id, "connection_id": owner.id, "kind": how.kind}
        newest = Find(HealthRecord, where, order=("-started_at", "-ref"), limit=MOST_KEPT + 1)
        rows = await self.store.find(newest)
        if len(rows) > MOST_KEPT:
            before = ("started_at", rows[MOST_KEPT - 1].started_at)
            surplus = DeleteAll(HealthRecord, where, before=before)
            await self.store.run((), lambda facts: Done(None, (surplus,)))

    def _failure(self, owner: Connection, capability: str, code: str, now: int) -> Any:
        return event(
            self.mint.id("evt"),
            now,
            owner.tenant_id,
            "sync.failed",
            actor="system",
            user_id=owner.user_id,
            client_id=owner.client_id,
            subject=owner.id,
            detail={"capability": capability, "error": code},
        )


def name_of(how: Capability) -> CapabilityName:
    match how:
        case AssetsCapability():
            return "assets"
        case TransactionsCapability():
            return "transactions"
        case HealthCapability():
            return how.kind


def goes_through(how: Capability) -> bool:
    """Whether a run goes through accounts, one after the other."""
    return isinstance(how, TransactionsCapability) and how.for_each is not None


def sync_job(capability: CapabilityName) -> str:
    """The kind of the job that reads it."""
    return f"sync.{capability}"


def sync_ref(owner: Connection, capability: str) -> Ref[Sync]:
    return Ref(Sync, tenant_id=owner.tenant_id, connection_id=owner.id, capability=capability)


def next_account(owner: Connection, after: str | None) -> Find[Position]:
    """A position of the account behind this one, or of the first."""
    where = {"tenant_id": owner.tenant_id, "connection_id": owner.id}
    place = None if after is None else (after, BEHIND)
    return Find(Position, where, order=("account", "asset"), after=place, limit=1)


def new_sync(owner: Connection, capability: str, now: int) -> Sync:
    return Sync(
        tenant_id=owner.tenant_id,
        connection_id=owner.id,
        capability=capability,
        status="idle",
        cursor=None,
        mark=None,
        run=0,
        pages=0,
        rule_version=None,
        failures=0,
        error=None,
        requested_at=None,
        started_at=None,
        succeeded_at=None,
        updated_at=now,
    )


def _start(sync: Sync, step: Step, now: int) -> dict[str, Any]:
    """The columns of a new run; now and then one that takes nothing as known."""
    run = sync.run + 1
    return {
        "status": "running",
        "cursor": step.encode(),
        "run": run,
        "mark": None if run % WHOLE_EVERY == 0 else sync.mark,
        "started_at": now,
        "updated_at": now,
    }


def _first_rules(sync: Sync, how: Capability) -> dict[str, Any]:
    """Before the very first run nothing has been classified by any older rules."""
    if sync.run == 0 and isinstance(how, TransactionsCapability):
        return {"rule_version": how.transaction.rule_version}
    return {}


def _account(found: Sequence[Position]) -> str | None:
    return found[0].account if found else None


def _unseen(
    owner: Connection, how: AssetsCapability, made: Absorbed, sync: Sync
) -> Sequence[Write]:
    """What the whole run did not see is gone at the provider."""
    made.removed += made.unseen
    where = {"tenant_id": owner.tenant_id, "connection_id": owner.id}
    return (
        DeleteAll(Position, where, before=("run", sync.run)),
        DeleteAll(RawRecord, {**where, "kind": how.kind}, before=("seen_at", sync.started_at)),
    )


def _outdated(owner: Connection, how: HealthCapability, now: int) -> Write:
    """What is older than anybody keeps it."""
    where = {"tenant_id": owner.tenant_id, "connection_id": owner.id, "kind": how.kind}
    return DeleteAll(HealthRecord, where, before=("started_at", now - KEPT_MS))


def _still_ours(job: Job, row: Job | None) -> bool:
    return row is not None and row.status == "leased" and row.fence == job.fence
