"""A copy of a SQLite file is of one moment, whoever writes meanwhile, and is all or nothing."""

import os
from pathlib import Path

import apsw
import pytest
from tests.adapters.store.rows import event, family, insert, write

from safeconduct.adapters.store import Refused, SqliteStore, sqlite_copy
from safeconduct.adapters.store.sqlite_copy import snapshot
from safeconduct.core.model import Event, TokenFamily
from safeconduct.core.unit import Delete, Find, Ref
from safeconduct.ports.clock import Clock


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


async def ids(path: Path, clock: Clock) -> set[str]:
    store = SqliteStore(path, clock=clock, serving=True)
    found = await store.find(Find(Event, {}, limit=1_000))
    await store.close()
    return {row.id for row in found}


async def test_what_is_committed_meanwhile_is_not_in_it(
    sqlite_store: SqliteStore, path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_copy, "STEP_PAGES", 4)
    before = {f"evt_{n:03}" for n in range(50)}
    await insert(sqlite_store, [event(id_) for id_ in sorted(before)])
    beside = apsw.Connection(str(path))
    steps: list[int] = []

    def meanwhile(done: int) -> None:
        """A commit between any two steps; SQLite alone would begin the copy anew each time."""
        steps.append(done)
        beside.execute(
            "INSERT INTO events SELECT * FROM events LIMIT 0; "
            "UPDATE events SET id = 'new_' || ? || id WHERE id = 'evt_000' OR id LIKE 'new_%'",
            (len(steps),),
        )

    with snapshot(path) as source:
        copied = source.copy(path.parent / "copy.db", meanwhile)
    beside.close()
    assert steps == sorted(set(steps))
    assert len(steps) > 10
    assert copied.size == (path.parent / "copy.db").stat().st_size
    assert await ids(path.parent / "copy.db", clock) == before
    await sqlite_store.close()
    assert len(await ids(path, clock) - before) == 1, "the writer was not kept waiting"


async def test_the_log_is_in_it_and_the_server_goes_on(
    sqlite_store: SqliteStore, path: Path, clock: Clock
) -> None:
    await insert(sqlite_store, [event("in_the_log")])
    assert b"in_the_log" not in path.read_bytes()
    with snapshot(path) as source:
        source.copy(path.parent / "copy.db")
    await insert(sqlite_store, [event("after")])
    assert await ids(path.parent / "copy.db", clock) == {"in_the_log"}


@pytest.mark.attack("M8")
async def test_what_was_deleted_is_not_copied(sqlite_store: SqliteStore, path: Path) -> None:
    canary = b"CANARY-0-" + os.urandom(16).hex().encode()
    await insert(sqlite_store, [family("fam_1", digest=canary), family("fam_2")])
    with snapshot(path) as source:
        source.copy(path.parent / "with.db")
    await write(sqlite_store, Delete(Ref(TokenFamily, tenant_id="t1", id="fam_1")))
    with snapshot(path) as source:
        source.copy(path.parent / "without.db")
    assert canary in (path.parent / "with.db").read_bytes()
    assert canary not in (path.parent / "without.db").read_bytes()


@pytest.mark.usefixtures("sqlite_store")
def test_it_is_private_and_alone(path: Path) -> None:
    folder = path.parent / "backups"
    folder.mkdir()
    old = os.umask(0)
    try:
        with snapshot(path) as source:
            source.copy(folder / "copy.db")
    finally:
        os.umask(old)
    assert [each.name for each in folder.iterdir()] == ["copy.db"]
    assert (folder / "copy.db").stat().st_mode & 0o777 == 0o600


@pytest.mark.usefixtures("sqlite_store")
def test_it_takes_nobodys_place(path: Path) -> None:
    target, part = path.parent / "copy.db", path.parent / "copy.db.part"
    with snapshot(path) as source:
        target.write_text("mine")
        with pytest.raises(Refused, match="there already"):
            source.copy(target)
        target.unlink()
        target.symlink_to(path.parent / "nowhere")
        with pytest.raises(Refused, match="there already"):
            source.copy(target)
        target.unlink()
        part.write_text("another's")
        with pytest.raises(Refused, match="under way"):
            source.copy(target)
        assert part.read_text() == "another's"
        part.unlink()
        with pytest.raises(Refused, match="there already"):  # who came meanwhile stays
            source.copy(target, lambda done: target.touch())
        assert target.read_bytes() == b""
        target.unlink()
        source.copy(target)
    assert not part.exists()


@pytest.mark.usefixtures("sqlite_store")
def test_half_of_a_copy_is_none(path: Path) -> None:
    def stopped(done: int) -> None:
        raise KeyboardInterrupt

    with snapshot(path) as source, pytest.raises(KeyboardInterrupt):
        source.copy(path.parent / "copy.db", stopped)
    assert not list(path.parent.glob("copy*"))


async def test_a_damaged_database_gives_no_copy(
    sqlite_store: SqliteStore, path: Path, clock: Clock
) -> None:
    await insert(sqlite_store, [event(f"evt_{n}") for n in range(2_000)])
    await sqlite_store.close()
    with path.open("r+b") as file:
        file.seek(-20 * 4_096, os.SEEK_END)
        file.write(os.urandom(16 * 4_096))
    with snapshot(path) as source, pytest.raises(Refused, match="damaged"):
        source.copy(path.parent / "copy.db")
    assert not list(path.parent.glob("copy*"))


def test_something_else_gives_no_copy(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="does not exist"), snapshot(tmp_path / "none.db"):
        pass
    assert not (tmp_path / "none.db").exists()
    with apsw.Connection(str(tmp_path / "other.db")) as other:
        other.execute("CREATE TABLE mine (a)")
    with (
        snapshot(tmp_path / "other.db") as source,
        pytest.raises(Refused, match="no database of Safeconduct"),
    ):
        source.copy(tmp_path / "copy.db")
    assert not (tmp_path / "copy.db").exists()
