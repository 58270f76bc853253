"""A refresh that is cut off anywhere, on both stores: what comes after tells the truth.

V3, V4, V5: nothing overlaps at the provider, nothing is presented twice unless it may be, and the
connection either works or says that it does not.
"""

import asyncio
from typing import Any

import pytest
from tests.connected import (
    HOUR,
    T1,
    Bench,
    Killed,
    Node,
    connecting,
    die,
    example,
    with_refresh,
)

from safeconduct.core.credentials import LEASE_MS
from safeconduct.core.errors import ProviderError
from safeconduct.core.model import Connection
from safeconduct.core.unit import Update
from safeconduct.ports.store import Store, Unavailable
from safeconduct.services.failpoints import armed

BEFORE = ("refresh.claimed", "refresh.sending")
POINTS = (*BEFORE, "refresh.intended", "refresh.answered")
FAULTS = (None, "lost_answer", "503", "invalid_grant")
CRASHES = [
    *((point, fault) for point in POINTS for fault in FAULTS),
    ("refresh.written", None),  # a fault gives no new secret, so that point is not reached
]


async def lease_ends(bench: Bench, row: Connection) -> None:
    """As if its time had passed: on PostgreSQL the server's own clock is the judge of leases."""
    held = await bench.credential(row)
    if held.leased_until is None:
        return
    columns: dict[str, int | None] = {"leased_until": await bench.store.lease_time()}
    if held.intent_at is not None:
        columns["intent_at"] = held.intent_at - LEASE_MS
    await bench.set_credential(row, **columns)


async def killed(node: Node, row: Connection, point: str) -> None:
    with armed(point, die), pytest.raises(Killed):
        await node.refresh.credential(T1, row.id)


@pytest.mark.invariant("V4")
@pytest.mark.parametrize(("point", "fault"), CRASHES)
@pytest.mark.parametrize("grace_s", [0, 300])
async def test_killed_at_every_point(
    store: Store, clock: Any, mint: Any, point: str, fault: str | None, grace_s: int
) -> None:
    entry = with_refresh(example(), grace_s=grace_s)
    async with connecting(store, clock, mint, entry) as bench:
        row = await bench.link()
        await bench.later(HOUR - 10_000)
        if fault is not None:
            await bench.sim.fault(fault, "refresh")
        await killed(bench, row, point)
        # The next holder: another process, as soon as the lease has ended.
        node = await bench.node()
        await lease_ends(bench, row)
        seen = await _told(node, row)
        held = await bench.connection(row)
        asked = await bench.asked("refresh")
        if point == "refresh.written":
            assert (held.status, seen) == ("active", 2)
        elif point in BEFORE or grace_s:
            assert asked >= 1
            lost = fault == "lost_answer" and not grace_s
            if fault != "invalid_grant" and not lost:
                assert held.status in ("active", "degraded")
        else:
            # Nobody can know whether it was sent, so nothing is presented again.
            assert (held.status, held.reason) == ("uncertain", "refresh.answer_lost")
            assert asked == (point == "refresh.answered")
        await bench.later(HOUR)
        await _told(node, row)
        held = await bench.connection(row)
        assert held.status in ("active", "degraded", "needs_reauth")
        if held.status == "active":
            await bench.judge(row)
        ledger = await bench.sim.ledger()
        assert (ledger["overlaps"], ledger["reuses"]) == (0, 0)
        await bench.story(row)  # versions without a gap
        assert (await bench.link()).status == "active"
        await bench.judge(row)


async def _told(node: Node, row: Connection) -> int | None:
    """The version that a caller gets, if any."""
    try:
        return (await node.refresh.credential(T1, row.id)).version
    except ProviderError:
        return None


@pytest.mark.invariant("V5")
async def test_whoever_lost_the_lease_still_brings_what_it_got(bench: Bench) -> None:
    """A process stands still with an answer in its hand; another finds the intent and says that
    it does not know. Then the first goes on: the answer is the newest there is, and is kept.
    """
    row = await bench.link()
    await bench.later(HOUR + 1)
    reached, go = asyncio.Event(), asyncio.Event()

    async def stand_still() -> None:
        reached.set()
        await go.wait()

    with armed("refresh.answered", stand_still):
        slow = asyncio.create_task(bench.refresh.credential(T1, row.id))
        await reached.wait()
    node = await bench.node()
    await lease_ends(bench, row)
    with pytest.raises(ProviderError) as caught:
        await node.refresh.credential(T1, row.id)
    assert caught.value.remedy == "reconnect"
    assert (await bench.connection(row)).status == "needs_reauth"
    go.set()
    assert (await slow).version == 2
    assert (await bench.connection(row)).status == "active"
    assert await bench.story(row) == ["created", "needs_reauth", "healed"]
    await bench.judge(row)


@pytest.mark.invariant("V5")
async def test_a_stale_answer_overwrites_nothing(store: Store, clock: Any, mint: Any) -> None:
    """The same with a provider that takes the token twice: what came second is newer."""
    entry = with_refresh(example(), grace_s=300)
    async with connecting(store, clock, mint, entry) as bench:
        row = await bench.link()
        await bench.later(HOUR + 1)
        reached, go = asyncio.Event(), asyncio.Event()

        async def stand_still() -> None:
            reached.set()
            await go.wait()

        with armed("refresh.answered", stand_still):
            slow = asyncio.create_task(bench.refresh.credential(T1, row.id))
            await reached.wait()
        node = await bench.node()
        await lease_ends(bench, row)
        live = await node.refresh.credential(T1, row.id)
        assert live.version == 2
        go.set()
        assert (await slow).access_token.reveal() == live.access_token.reveal()
        held = await bench.credential(row)
        assert (held.version, held.fence) == (2, 2)
        await bench.judge(row)


@pytest.mark.invariant("V5")
async def test_a_process_that_stood_still_does_not_send(bench: Bench) -> None:
    """Between lease and request more time passed than the lease can bear."""
    row = await bench.link()
    await bench.later(HOUR + 1)

    async def sleep() -> None:
        bench.clock.advance(LEASE_MS // 2)

    with armed("refresh.sending", sleep), pytest.raises(ProviderError) as caught:
        await bench.refresh.credential(T1, row.id)
    assert caught.value.code == "stalled"
    assert await bench.asked("refresh") == 0
    held = await bench.credential(row)
    assert (held.leased_until, held.intent_at) == (None, None)


@pytest.mark.invariant("V5")
async def test_the_lease_of_another_node_is_waited_for(bench: Bench) -> None:
    row = await bench.link()
    await bench.later(HOUR + 1)
    reached, go = asyncio.Event(), asyncio.Event()

    async def stand_still() -> None:
        reached.set()
        await go.wait()

    with armed("refresh.answered", stand_still):
        first = asyncio.create_task(bench.refresh.credential(T1, row.id))
        await reached.wait()
        node = await bench.node()
        second = asyncio.create_task(node.refresh.credential(T1, row.id))
        await asyncio.sleep(0.3)
        assert not second.done()
        go.set()
        assert (await first).version == (await second).version == 2
    assert await bench.asked("refresh") == 1
    await bench.judge(row)


class Shut:
    """The store, refusing every unit while it is told to."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.shut = False
        self.refused = asyncio.Semaphore(0)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def run(self, reads: Any, decide: Any) -> Any:
        if self.shut:
            self.refused.release()
            raise Unavailable("told to")
        return await self._store.run(reads, decide)


@pytest.mark.invariant("V4")
async def test_an_answer_waits_for_the_store(bench: Bench) -> None:
    """The database goes away while the provider answers: the new secret is not dropped."""
    row = await bench.link()
    await bench.later(HOUR + 1)
    shut = Shut(bench.store)
    node = await bench.node(store=shut)  # type: ignore[arg-type]

    async def lose_the_store() -> None:
        shut.shut = True

    with armed("refresh.answered", lose_the_store):
        asking = asyncio.create_task(node.refresh.credential(T1, row.id))
        for _ in range(2):
            await shut.refused.acquire()
        assert not asking.done()
        assert (await bench.credential(row)).version == 1
        shut.shut = False
        assert (await asking).version == 2
    await bench.judge(row)


@pytest.mark.invariant("V6")
async def test_a_commit_of_unknown_outcome_costs_no_grant(bench: Bench) -> None:
    """The database goes away after it has written the intent, before it could say so: nothing is
    sent, and the next one asks as if nothing had been.
    """
    row = await bench.link()
    await bench.later(HOUR + 1)
    node = await bench.node(store=Forgetful(bench.store))  # type: ignore[arg-type]
    with pytest.raises(ProviderError) as caught:
        await node.refresh.credential(T1, row.id)
    assert (caught.value.code, await bench.asked("refresh")) == ("not_written", 0)
    assert (await bench.connection(row)).status == "degraded"
    await bench.later(10_000)
    assert (await bench.refresh.credential(T1, row.id)).version == 2
    await bench.judge(row)


class Forgetful:
    """The store: what writes the intent is committed, and the answer lost on the way."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def run(self, reads: Any, decide: Any) -> Any:
        verdict = await self._store.run(reads, decide)
        sets = [write.set for write in verdict.writes if isinstance(write, Update)]
        if any(columns.get("intent_at") for columns in sets):
            raise Unavailable("told to")
        return verdict


async def test_no_store_no_request(bench: Bench) -> None:
    """V8: without a lease nothing is sent."""
    row = await bench.link()
    await bench.later(HOUR + 1)
    shut = Shut(bench.store)
    node = await bench.node(store=shut)  # type: ignore[arg-type]
    shut.shut = True
    with pytest.raises(Unavailable):
        await node.refresh.credential(T1, row.id)
    assert await bench.asked("refresh") == 0


async def test_leases_from_before_a_restart_of_the_host_are_over(bench: Bench) -> None:
    """V14: the clock of leases has begun anew, so this one would last for days."""
    row = await bench.link()
    await bench.later(HOUR + 1)
    far = await bench.store.lease_time() + 1_000 * LEASE_MS
    await bench.set_credential(row, leased_until=far)
    assert (await bench.refresh.credential(T1, row.id)).version == 2
