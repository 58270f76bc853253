"""`safeconduct backup`: a copy that opens with the root key, and says nothing without it.

That a copy which was taken beside a running server serves again is in `tests/test_running.py`.
"""

import shutil
from pathlib import Path

import pytest
from tests.cli.conftest import Run

PROVIDER_SECRET = "the-secret-that-the-exchange-gave-us"


@pytest.mark.attack("M4")
def test_a_copy_is_worth_nothing_without_its_root_key(
    deployment: Path, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = run("clients", "create", "--name", "Nightly", "--grant-type", "client_credentials",
              "--json").json  # fmt: skip
    run("providers", "configure", "exchangeExample", "--client-id", "ours",
        "--client-secret", PROVIDER_SECRET)  # fmt: skip
    copy, restored = tmp_path / "copy.db", tmp_path / "restored"
    told = run("backup", str(copy), "--json").json
    assert (told["file"], told["bytes"]) == (str(copy), copy.stat().st_size)
    assert told["root_keys"] == [run("vault", "status", "--json").json["root_key"]]
    assert run("backup", str(copy)).err.endswith("copy.db is there already.\n")

    key = (deployment / "root.key").read_text().strip()
    for secret in (app["client_secret"], PROVIDER_SECRET, key):
        assert secret.encode() not in copy.read_bytes()
    assert bytes.fromhex(key) not in copy.read_bytes()
    assert b"exchangeExample" in copy.read_bytes()

    restored.mkdir(mode=0o700)
    shutil.copy(copy, restored / "safeconduct.db")
    monkeypatch.setenv("SAFECONDUCT_DATA_DIR", str(restored))
    assert run("users", "list").status == 1
    assert not (restored / "root.key").exists(), "no new key over old data"
    shutil.copy2(deployment / "root.key", restored / "root.key")
    assert run("vault", "status", "--json").json["sealed"] == 1
    assert run("clients", "show", app["client_id"], "--json").json["client_name"] == "Nightly"


def test_postgresql_is_copied_by_its_own_tool(run: Run, tmp_path: Path) -> None:
    database = "postgresql://safeconduct:hunter2@db.example/safeconduct"
    done = run("backup", str(tmp_path / "copy"), "--database", database)
    assert done.status == 1
    assert "pg_dump --format=custom" in done.err
    assert "hunter2" not in done.err


def test_a_place_that_cannot_be_written_is_named(run: Run, tmp_path: Path) -> None:
    assert run("backup", str(tmp_path / "copy")).err.endswith("does not exist.\n")
    run("users", "list")
    done = run("backup", str(tmp_path / "nowhere" / "copy"))
    assert (done.status, "No such file" in done.err) == (1, True), done.err
    assert run("backup", str(tmp_path / "copy")).status == 0
    assert "root key is not in it" in run("backup", str(tmp_path / "second")).err
