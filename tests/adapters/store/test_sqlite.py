"""What is particular to SQLite: one server, other writers beside it, and the log."""

import asyncio
import ctypes
import errno
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw
import pytest
from tests.adapters.store.rows import event, family, insert, rotate, tenant, write

from safeconduct.adapters.store import Refused, SqliteStore, checkpoint, open_store
from safeconduct.adapters.store.sqlite_file import check_version, connect
from safeconduct.core.model import Event, Tenant, TokenFamily
from safeconduct.core.unit import Delete, Done, Find, Insert, Ref, Update
from safeconduct.ports.clock import Clock
from safeconduct.ports.store import Unavailable


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


async def count(store: SqliteStore) -> int:
    return len(await store.find(Find(Event, {}, limit=100_000)))


async def test_a_second_server_is_refused_with_a_way_out(
    sqlite_store: SqliteStore, path: Path, clock: Clock
) -> None:
    with pytest.raises(Refused, match="PostgreSQL"):
        SqliteStore(path, clock=clock, serving=True)
    await sqlite_store.close()
    again = SqliteStore(path, clock=clock, serving=True)
    await again.close()


async def test_a_tool_may_write_beside_the_server(
    sqlite_store: SqliteStore, path: Path, clock: Clock
) -> None:
    tool = SqliteStore(path, clock=clock, serving=False)
    for n in range(20):
        await insert(tool, [event(f"tool_{n}")])
        await insert(sqlite_store, [event(f"server_{n}")])
    assert await count(sqlite_store) == await count(tool) == 40
    await tool.close()
    await insert(sqlite_store, [event("after")])


async def test_the_server_notices_what_others_write_and_only_that(
    sqlite_store: SqliteStore, path: Path, clock: Clock
) -> None:
    heard: list[int] = []
    sqlite_store.on_outside_write(lambda: heard.append(1))
    tool = SqliteStore(path, clock=clock, serving=False)

    await insert(sqlite_store, [event("own")])
    sqlite_store.notice()
    assert heard == []

    await insert(tool, [event("other")])
    assert heard == []
    await asyncio.sleep(0)
    sqlite_store.notice()
    sqlite_store.notice()
    assert heard == [1]
    await asyncio.sleep(0)
    sqlite_store.notice()
    assert heard == [1]

    await insert(tool, [event("third")])
    seen: list[int] = []
    await sqlite_store.run((), lambda _: Done(seen.extend(heard)))
    assert seen == [1, 1]  # before the unit decided
    await tool.close()


@pytest.mark.invariant("V8")
@pytest.mark.invariant("F11")
async def test_busy_waits_for_a_while_without_blocking_the_loop(path: Path, clock: Clock) -> None:
    store = await _open(path, clock, busy_wait_s=0.3)
    other = apsw.Connection(str(path))
    other.execute("BEGIN EXCLUSIVE")
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.01)
            ticks += 1

    watch = asyncio.create_task(tick())
    began = time.monotonic()
    results = await asyncio.gather(
        *(insert(store, [event(f"evt_{n}")]) for n in range(5)), return_exceptions=True
    )
    assert [type(result) for result in results] == [Unavailable] * 5
    assert 0.25 < time.monotonic() - began < 2
    assert ticks >= 10
    assert await count(store) == 0  # reading goes on

    waiting = asyncio.create_task(insert(store, [event("patient")]))
    await asyncio.sleep(0.05)
    other.execute("ROLLBACK")
    await waiting
    assert await count(store) == 1
    watch.cancel()
    other.close()
    await store.close()


@pytest.mark.invariant("F11")
async def test_who_decides_holds_the_lock_already(sqlite_store: SqliteStore, path: Path) -> None:
    """`BEGIN IMMEDIATE`: no unit reads, and finds only at its write that another was faster."""
    other = apsw.Connection(str(path))

    def decide(_: object) -> Done[None]:
        with pytest.raises(apsw.BusyError):
            other.execute("BEGIN IMMEDIATE")
        return Done(None, (Insert(event("evt_1")),))

    await sqlite_store.run((Find(Event, {}),), decide)
    other.execute("BEGIN IMMEDIATE")  # and afterwards it is free
    assert other.execute("SELECT count(*) FROM events").fetchall() == [(1,)]
    other.close()


async def test_the_log_is_kept_short_under_load(
    path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "COPY_FRAMES", 50)
    monkeypatch.setattr(checkpoint, "BOUND_FRAMES", 400)
    store = await _open(path, clock)
    log = Path(f"{path}-wal")
    largest = 0
    for n in range(400):
        await insert(store, [event(f"evt_{n}", detail={"text": "x" * 2_000})])
        largest = max(largest, log.stat().st_size)
    assert largest < 2 * 400 * 4_200
    assert await count(store) == 400
    await store.close()


async def test_the_writer_is_held_only_for_the_last_pages(
    path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under load that never pauses the log starts over, and nobody waits for a whole copy."""
    monkeypatch.setattr(checkpoint, "COPY_FRAMES", 200)
    monkeypatch.setattr(checkpoint, "HELD_FRAMES", 40)
    copies: list[tuple[bool, int]] = []
    copy = checkpoint.Checkpoints._copy_on

    def watched(
        self: checkpoint.Checkpoints, loop: asyncio.AbstractEventLoop, *, held: bool
    ) -> None:
        copies.append((held, self.frames - self._copied))
        copy(self, loop, held=held)

    monkeypatch.setattr(checkpoint.Checkpoints, "_copy_on", watched)
    store = await _open(path, clock)
    again, before = 0, 0

    async def writer(name: str) -> None:
        nonlocal again, before
        for n in range(250):
            await insert(store, [event(f"evt_{name}_{n}", detail={"text": "x" * 2_000})])
            frames = store.stats()["wal_frames"]
            again += frames < before
            before = frames

    await asyncio.gather(*(writer(name) for name in "abcdefgh"))
    assert again  # it has started over
    assert any(while_held for while_held, _ in copies)
    assert all(left <= 40 for while_held, left in copies if while_held)
    assert await count(store) == 2_000
    await store.close()


@pytest.mark.invariant("F11")
async def test_the_log_shrinks_after_a_long_reader(
    path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "COPY_FRAMES", 20)
    monkeypatch.setattr(checkpoint, "BOUND_FRAMES", 100)
    monkeypatch.setattr(checkpoint, "RETRY_S", 0.02)
    store = await _open(path, clock)
    log = Path(f"{path}-wal")
    reader = apsw.Connection(str(path))
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM events").fetchall()
    for n in range(150):
        await insert(store, [event(f"evt_{n}", detail={"text": "x" * 2_000})])
    grown = log.stat().st_size
    assert grown > 100 * 4_096
    reader.execute("COMMIT")
    reader.close()
    for n in range(300):
        await insert(store, [event(f"more_{n}")])
        await asyncio.sleep(0.001)
        if log.stat().st_size < grown / 2:
            break
    assert log.stat().st_size < grown / 2
    await store.close()


@pytest.mark.attack("M8")
async def test_deleted_secrets_leave_the_files(sqlite_store: SqliteStore, path: Path) -> None:
    canary = b"CANARY-0-" + os.urandom(16).hex().encode()
    row = family("fam_1", digest=canary)
    await insert(sqlite_store, [row, *(family(f"fam_{n}") for n in range(2, 50))])
    await sqlite_store.purge()
    assert canary in path.read_bytes()
    await write(sqlite_store, Delete(Ref(TokenFamily, tenant_id="t1", id="fam_1")))
    await sqlite_store.purge()
    assert canary not in path.read_bytes()
    assert canary not in Path(f"{path}-wal").read_bytes()


async def test_the_file_is_private(sqlite_store: SqliteStore, path: Path) -> None:
    await insert(sqlite_store, [event("evt_1")])
    for name in (path, Path(f"{path}-wal"), Path(f"{path}-shm"), Path(f"{path}.serve")):
        assert name.stat().st_mode & 0o077 == 0, name


@pytest.mark.parametrize("version", ["3.7.0", "3.40.1", "3.44.5", "3.50.6", "3.51.2"])
@pytest.mark.invariant("F15")
def test_versions_that_corrupt_are_refused(version: str) -> None:
    with pytest.raises(Refused, match="apsw"):
        check_version(version)


@pytest.mark.parametrize("version", ["3.44.6", "3.50.7", "3.51.3", "3.54.1", "4.0.0"])
@pytest.mark.invariant("F15")
def test_versions_that_are_sound_are_welcome(version: str) -> None:
    check_version(version)


def test_the_settings_that_durability_rests_on(path: Path) -> None:
    made = connect(path)
    assert made.pragma("journal_mode") == "wal"
    assert made.pragma("synchronous") == 2
    assert made.pragma("foreign_keys") == 1
    assert made.pragma("secure_delete") == 1
    made.close()


@pytest.mark.invariant("V2")
@pytest.mark.parametrize("times", [8, 32, 100])
async def test_one_winner_also_when_commit_runs_in_a_thread(
    path: Path, clock: Clock, times: int
) -> None:
    store = await _open(path, clock, slow_s=0.0)
    await insert(store, [family("fam_1")])

    async def use(n: int) -> bool:
        await asyncio.sleep(n % 5 / 1_000)
        return await rotate(store, "fam_1", b"0", f"s{n}".encode())

    assert sum(await asyncio.gather(*map(use, range(times)))) == 1
    await asyncio.gather(*(insert(store, [event(f"evt_{n}")]) for n in range(50)))
    assert await count(store) == times + 50
    late = asyncio.create_task(insert(store, [event("late")]))
    await asyncio.sleep(0)
    await store.close()
    await late


WRITES = "pwrite64"


@contextmanager
def failing_writes(code: int) -> Iterator[Callable[[], None]]:
    """Make SQLite's writes fail from the moment that the given function is called."""
    on = False
    system = apsw.VFS("", "unix")
    original = system.xGetSystemCall(WRITES)
    prototype = ctypes.CFUNCTYPE(
        ctypes.c_ssize_t,
        ctypes.c_int,
        ctypes.c_void_p,
        ctypes.c_size_t,
        ctypes.c_int64,
        use_errno=True,
    )
    real = prototype(original)

    @prototype
    def pwrite(fd: int, data: int, size: int, offset: int) -> int:
        if on:
            ctypes.set_errno(code)
            return -1
        return int(real(fd, data, size, offset))

    def start() -> None:
        nonlocal on
        on = True

    system.xSetSystemCall(WRITES, ctypes.cast(pwrite, ctypes.c_void_p).value)
    try:
        yield start
    finally:
        system.xSetSystemCall(WRITES, original)
        system.unregister()


class _File(apsw.VFSFile):
    """A file of a disk that does not keep what it is told to keep."""

    fails = False

    def xSync(self, flags: int) -> None:
        if _File.fails:
            raise apsw.IOError
        super().xSync(flags)


class _Disk(apsw.VFS):
    def __init__(self) -> None:
        super().__init__("forgetful", "unix")

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:
        return _File("unix", name, flags)


@contextmanager
def failing_sync(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    try:
        yield lambda: monkeypatch.setattr(_File, "fails", True)
    finally:
        monkeypatch.undo()


@pytest.mark.invariant("V8")
@pytest.mark.invariant("F13")
async def test_after_a_failed_sync_the_store_promises_nothing_more(
    path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody was promised that, and a second fsync that succeeds would say nothing of the first."""
    disk = _Disk()
    store = await _open(path, clock, vfs="forgetful")
    await insert(store, [event("before")])
    with failing_sync(monkeypatch) as start:
        start()
        with pytest.raises(Unavailable):
            await insert(store, [event("lost")])
    with pytest.raises(Unavailable, match="restart"):
        await insert(store, [event("after")])
    assert not await store.healthy()
    await store.close()
    disk.unregister()
    store = await _open(path, clock)
    assert "before" in {row.id for row in await store.find(Find(Event, {}))}
    await insert(store, [event("after")])
    await store.close()
    assert _sound(path)


@pytest.mark.invariant("V8")
@pytest.mark.invariant("F13")
@pytest.mark.parametrize("code", [errno.EIO, errno.EROFS])
async def test_after_a_failed_write_the_store_promises_nothing_more(
    path: Path, clock: Clock, code: int
) -> None:
    store = await _open(path, clock)
    await insert(store, [event("before")])
    with failing_writes(code) as start:
        start()
        results = await asyncio.gather(
            *(insert(store, [event(f"evt_{n}")]) for n in range(3)), return_exceptions=True
        )
    assert [type(result) for result in results] == [Unavailable] * 3
    # The disk works again, and still nobody knows what it holds.
    with pytest.raises(Unavailable, match="restart"):
        await insert(store, [event("after")])
    with pytest.raises(Unavailable, match="restart"):
        await count(store)
    assert not await store.healthy()
    await store.close()
    store = await _open(path, clock)
    assert "before" in {row.id for row in await store.find(Find(Event, {}))}
    await insert(store, [event("after")])
    await store.close()
    assert _sound(path)


@pytest.mark.invariant("V11")
@pytest.mark.invariant("F13")
async def test_a_full_disk_is_refused_and_recovered_from(path: Path, clock: Clock) -> None:
    store = await _open(path, clock)
    await insert(store, [event("before")])
    with failing_writes(errno.ENOSPC) as start:
        start()
        with pytest.raises(Unavailable):
            await insert(store, [event("full", detail={"text": "x" * 10_000}), tenant()])
        assert await store.get(Ref(Tenant, tenant_id="t1")) is None
    await insert(store, [event("after")])
    assert {row.id for row in await store.find(Find(Event, {}))} == {"before", "after"}
    await store.close()
    assert _sound(path)


async def test_units_that_change_nothing_are_cheap_for_the_disk(
    sqlite_store: SqliteStore, path: Path
) -> None:
    await insert(sqlite_store, [event("evt_1")])
    log = Path(f"{path}-wal")
    size = log.stat().st_size
    for _ in range(5):
        await write(sqlite_store, Update(Ref(Event, tenant_id="t1", id="none"), {"at": 5}))
    assert log.stat().st_size == size
    await write(sqlite_store, Insert(event("evt_2")))
    assert log.stat().st_size > size


async def _open(path: Path, clock: Clock, **options: Any) -> SqliteStore:
    made = await open_store(f"sqlite:///{path}", clock=clock, serving=False, migrate=True)
    await made.close()
    return SqliteStore(path, clock=clock, serving=True, **options)


def _sound(path: Path) -> bool:
    connection = apsw.Connection(str(path))
    answer = connection.pragma("integrity_check")
    connection.close()
    return bool(answer == "ok")


async def test_a_batch_is_run_again_when_a_unit_stops_halfway(sqlite_store: SqliteStore) -> None:
    """Only then: whoever shares the batch decides twice, and is answered once."""
    asked: list[str] = []

    async def unit(name: str, *more: Insert) -> str:
        def decide(_: object) -> Done[str]:
            asked.append(name)
            return Done(name, (Insert(event(name)), Insert(event(f"{name}_too")), *more))

        return (await sqlite_store.run((), decide)).answer

    assert await asyncio.gather(unit("a"), unit("b")) == ["a", "b"]
    assert asked == ["a", "b"]
    asked.clear()
    spoilt = Insert(event("nul", subject="\0"))
    found = await asyncio.gather(unit("c"), unit("d", spoilt), unit("e"), return_exceptions=True)
    assert [found[0], type(found[1]), found[2]] == ["c", ValueError, "e"]
    assert asked == ["c", "d", "c", "d", "e"]
    kept = {row.id for row in await sqlite_store.find(Find(Event, {}))}
    assert kept == {name for each in "abce" for name in (each, f"{each}_too")}
