"""The vault: what is sealed opens where it belongs and nowhere else, and shows itself to nobody."""

import logging
from pathlib import Path
from typing import Any

import pytest
from tests.connected import HOUR, ROOT, T1, T2, Bench, Killed, armed_times, connecting

from safeconduct.adapters.keyring import RootKeyring
from safeconduct.adapters.roots import root_id
from safeconduct.adapters.store import SqliteStore
from safeconduct.core.errors import ProviderError
from safeconduct.core.model import Credential, Event, Job, Key
from safeconduct.core.secret import Secret
from safeconduct.ports.keyring import Sealed, Unsealable
from safeconduct.ports.store import Store
from safeconduct.services.keys import Keys
from safeconduct.services.vault import TokenPair, Vault, key_id
from safeconduct.services.vault_rotation import KEPT_MS, VaultRotation

CANARY = "canary-" + "5e3f" * 10
NEW_ROOT = bytes(range(100, 132))


@pytest.fixture
async def bench(store: Store, clock: Any, mint: Any) -> Any:
    async with connecting(store, clock, mint) as it:
        yield it


def opens(vault: Vault, sealed: bytes, **more: Any) -> bool:
    where = {"tenant_id": T1, "row_id": "con_1", "sealed": sealed, **more}
    try:
        assert vault.open(**where) == b"secret"
    except Unsealable:
        return False
    return True


@pytest.mark.attack("M3")
async def test_what_was_changed_does_not_open(bench: Bench) -> None:
    sealed = bench.vault.seal(T1, "con_1", b"secret")
    assert opens(bench.vault, sealed)
    for position in range(len(sealed)):
        changed = bytearray(sealed)
        changed[position] ^= 1
        assert not opens(bench.vault, bytes(changed)), position
    for size in range(len(sealed)):
        assert not opens(bench.vault, sealed[:size]), size
    assert not opens(bench.vault, sealed + b"\0")
    other = bench.vault.seal(T2, "con_1", b"secret")
    head = 1 + sealed[0]
    assert not opens(bench.vault, other[: 1 + other[0]] + sealed[head:])


@pytest.mark.attack("M3")
async def test_what_was_moved_does_not_open(bench: Bench) -> None:
    """Row identity is associated data: another row, table, purpose or tenant is another lock."""
    sealed = bench.vault.seal(T1, "con_1", b"secret")
    assert opens(bench.vault, sealed)
    for elsewhere in (
        {"row_id": "con_2"},
        {"table": "jobs"},
        {"purpose": "client_secret"},
        {"tenant_id": T2},
        {"row_id": "con_1\0tokens", "purpose": ""},
    ):
        assert not opens(bench.vault, sealed, **elsewhere)


@pytest.mark.attack("M6")
async def test_no_two_secrets_share_a_nonce(bench: Bench) -> None:
    """A sample of 20 000, across three openings of the keys."""
    nonces = set()
    for _ in range(3):
        await bench.keys.load()
        for _ in range(7_000):
            sealed = bench.vault.seal(T1, "con_1", b"secret")
            head = 1 + sealed[0] + 1
            nonces.add(sealed[head : head + 12])
    assert len(nonces) == 21_000


@pytest.mark.attack("M9")
@pytest.mark.invariant("V13")
def test_nothing_shows_itself() -> None:
    pair = TokenPair(Secret(CANARY), Secret(CANARY))
    ring = RootKeyring([ROOT])
    for shown in (repr(pair), f"{pair}", str(pair), repr(ring), repr(vars(ring))):
        assert CANARY not in shown
        assert ROOT.hex() not in shown
        assert repr(ROOT) not in shown


@pytest.mark.attack("M3")
async def test_a_credential_that_does_not_open_ends_nothing(bench: Bench) -> None:
    row = await bench.link()
    held = await bench.credential(row)
    broken = held.sealed[:-1] + bytes([held.sealed[-1] ^ 1])
    await bench.set_credential(row, sealed=broken)
    with pytest.raises(ProviderError) as caught:
        await bench.refresh.credential(T1, row.id)
    assert (caught.value.code, caught.value.remedy) == ("credential_unreadable", "broken")
    await bench.later(HOUR + 1)
    with pytest.raises(ProviderError):
        await bench.refresh.credential(T1, row.id)
    found = await bench.connection(row)
    assert (found.status, found.reason) == ("degraded", "refresh.unreadable")
    assert await bench.asked("refresh") == 0
    await bench.set_credential(row, sealed=held.sealed)  # the backup is put back
    await bench.later(60_000)
    assert (await bench.refresh.credential(T1, row.id)).version == 2
    await bench.judge(row)


@pytest.mark.attack("M8")
@pytest.mark.attack("L18")
@pytest.mark.invariant("V13")
async def test_no_secret_lies_in_the_clear(
    sqlite_store: SqliteStore,
    clock: Any,
    mint: Any,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Link, refresh, fail, disconnect; then look for every token in files, logs and rows."""
    caplog.set_level(logging.DEBUG)
    secrets: set[str] = set()
    said = ""
    async with connecting(sqlite_store, clock, mint) as bench:
        begun = await bench.begin()
        params = await bench.approve(begun.redirect_url)
        secrets |= {params["code"], params["state"].rpartition(".")[2]}
        await bench.finish(params)
        row = (await bench.connections.of_user(T1, "usr_1"))[0]
        for fault in (None, "503", "omit_access_token", "invalid_grant"):
            pair = await bench.tokens(row)
            secrets |= {pair.access_token.reveal(), (pair.refresh_token or Secret("")).reveal()}
            await bench.later(HOUR + 1)
            if fault:
                await bench.sim.fault(fault, "refresh")
            try:
                live = await bench.refresh.credential(T1, row.id)
                secrets.add(live.access_token.reveal())
                said += repr(live)
            except ProviderError as error:
                said += f"{error!r} {error.detail}"
                await bench.later(120_000)
        sealed = (await bench.credential(row)).sealed
        await bench.disconnect.delete(T1, row.id, actor="user:usr_1")
        await bench.work()
        rows = repr(await bench.snapshot()) + repr(await bench.rows(Event))
    await sqlite_store.close()
    files = b"".join(path.read_bytes() for path in tmp_path.glob("store.db*"))
    assert b"usr_1" in files  # it is the right file
    written = capfd.readouterr()
    ours = [r.getMessage() for r in caplog.records if not r.name.startswith("http")]
    shown = said + rows + written.out + written.err + "\n".join(ours)  # not the test's browser
    assert "credential.refreshed" in shown  # and the right log
    secrets -= {""}
    assert len(secrets) >= 7
    for secret in secrets:
        assert secret.encode() not in files
        assert secret not in shown
    # What was sealed is overwritten too, once the log is folded into the file.
    import apsw

    connection = apsw.Connection(str(tmp_path / "store.db"))
    connection.pragma("secure_delete", True)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    assert sealed not in b"".join(path.read_bytes() for path in tmp_path.glob("store.db*"))


# Keys that change


def rotation(bench: Bench) -> VaultRotation:
    return VaultRotation(
        store=bench.store,
        keys=bench.keys,
        vault=bench.vault,
        clock=bench.clock,
        mint=bench.mint,
    )


async def kids(bench: Bench) -> set[str]:
    """The vault keys under which anything lies."""
    setting = await bench.setting()
    assert setting.client_secret is not None
    held = [row.sealed for row in await bench.rows(Credential)]
    return {key_id(sealed) for sealed in (*held, setting.client_secret)}


@pytest.mark.attack("M5")
async def test_a_new_vault_key_opens_everything(bench: Bench) -> None:
    rows = [await bench.link(account=f"user{n}") for n in range(3)]
    await bench.link(account="gone")
    gone = (await bench.connections.of_user(T1, "usr_1"))[-1]
    await bench.disconnect.delete(T1, gone.id, actor="user:usr_1")  # its secret lies in a job
    before = [await bench.tokens(row) for row in rows]
    (old,) = await kids(bench)
    seen: list[int] = []
    done = await rotation(bench).rotate(T1, actor="operator", progress=seen.append)
    assert (done.resumed, done.resealed, done.removed) == (False, 5, 0)
    assert seen == [1, 2, 3, 4, 5]
    assert await kids(bench) == {done.key_id}
    assert done.key_id != old
    assert [await bench.tokens(row) for row in rows] == before
    await bench.work()
    assert [grant["ended"] for grant in await bench.grants()][3] == "revoked"
    assert len(await bench.events("vault.rotated")) == 1
    # The old key goes once nobody can have sealed under it any more.
    await bench.later(KEPT_MS)
    done = await rotation(bench).rotate(T1, actor="operator")
    assert done.removed == 1
    assert old not in {row.id for row in await bench.rows(Key)}
    assert [await bench.tokens(row) for row in rows] == before
    for row in rows:
        await bench.judge(row)


@pytest.mark.attack("M5")
@pytest.mark.invariant("V1")
async def test_a_rotation_that_was_killed_goes_on(bench: Bench) -> None:
    rows = [await bench.link(account=f"user{n}") for n in range(4)]
    before = [await bench.tokens(row) for row in rows]
    with armed_times("rotation.sealed", 2), pytest.raises(Killed):
        await rotation(bench).rotate(T1, actor="operator")
    assert len(await kids(bench)) == 2
    node = await bench.node()  # another process, while it lies half way
    assert (await node.refresh.credential(T1, rows[0].id)).version == 1
    done = await rotation(bench).rotate(T1, actor="operator")
    assert (done.resumed, done.resealed) == (True, 3)
    assert await kids(bench) == {done.key_id}
    assert [await bench.tokens(row) for row in rows] == before
    assert not (await rotation(bench).rotate(T1, actor="operator")).resumed


@pytest.mark.attack("M5")
async def test_another_node_learns_the_new_key(bench: Bench) -> None:
    """It holds the old keys in memory, and meets a secret under one that it does not know."""
    row = await bench.link()
    node = await bench.node()
    await rotation(bench).rotate(T1, actor="operator")
    assert not node.vault.knows_key_of(T1, (await bench.credential(row)).sealed)
    assert (await node.refresh.credential(T1, row.id)).version == 1
    await bench.later(HOUR + 1)
    assert (await node.refresh.credential(T1, row.id)).version == 2
    await bench.judge(row)


@pytest.mark.attack("M5")
async def test_a_rotation_under_load_loses_nothing(bench: Bench) -> None:
    import asyncio

    rows = [await bench.link(account=f"user{n}") for n in range(6)]
    await bench.later(HOUR + 1)
    await asyncio.gather(
        *(bench.refresh.credential(T1, row.id) for row in rows),
        rotation(bench).rotate(T1, actor="operator"),
    )
    for row in rows:
        await bench.judge(row)


@pytest.mark.attack("M5")
@pytest.mark.attack("M4")
async def test_a_new_root_key(bench: Bench) -> None:
    """Only old: works. Both, new first: works, and is wrapped anew. Only new: works from then."""
    row = await bench.link()

    async def keys(*roots: bytes) -> Keys:
        made = Keys(
            store=bench.store, keyring=RootKeyring(list(roots)), clock=bench.clock, mint=bench.mint
        )
        await made.load()
        return made

    with pytest.raises(Sealed) as caught:
        await keys(NEW_ROOT)
    sentence = str(caught.value)
    assert root_id(ROOT) in sentence
    assert root_id(NEW_ROOT) in sentence
    both = await keys(NEW_ROOT, ROOT)
    vault = Vault(both)
    turning = VaultRotation(
        store=bench.store, keys=both, vault=vault, clock=bench.clock, mint=bench.mint
    )
    with armed_times("rotation.sealed", 3), pytest.raises(Killed):
        await turning.rewrap(actor="operator")
    assert len({key.root_id for key in await bench.rows(Key)}) == 2
    await keys(NEW_ROOT, ROOT)  # half way, both are needed and both are enough
    total = len(await bench.rows(Key))
    assert await turning.rewrap(actor="operator") >= total - 3
    assert await turning.rewrap(actor="operator") == 0
    assert {key.root_id for key in await bench.rows(Key)} == {root_id(NEW_ROOT)}
    alone = Vault(await keys(NEW_ROOT))
    held = await bench.credential(row)
    assert await alone.open_tokens(T1, row.id, held.sealed) == await bench.tokens(row)
    with pytest.raises(Sealed):
        await keys(ROOT)


async def test_jobs_that_are_done_hold_no_secret(bench: Bench) -> None:
    row = await bench.link()
    await bench.disconnect.delete(T1, row.id, actor="user:usr_1")
    await bench.work()
    assert all("sealed" not in job.payload for job in await bench.rows(Job))
