"""Commands on a whole deployment: migrate, keys, explain, and what they say when it is broken."""

from pathlib import Path

import pytest
from tests.cli.conftest import Run


def test_migrate_can_be_run_again(run: Run) -> None:
    first = run("migrate", "--json").json["migrated"]
    assert first
    assert run("migrate", "--json").json["migrated"] == []
    assert run("migrate").err == "Nothing to do.\n"


def test_the_first_command_says_that_it_made_a_deployment(run: Run, deployment: Path) -> None:
    assert "Made a new deployment" in run("users", "list").err
    assert "Made a new deployment" not in run("users", "list").err
    assert (deployment / "root.key").stat().st_mode & 0o777 == 0o600
    assert deployment.stat().st_mode & 0o777 == 0o700


@pytest.mark.invariant("F26")
def test_a_missing_root_key_is_not_made_anew(run: Run, deployment: Path) -> None:
    run("users", "list")
    (deployment / "root.key").unlink()
    done = run("users", "list")
    assert done.status == 1
    assert "backup" in done.err
    assert not (deployment / "root.key").exists()


@pytest.mark.invariant("F26")
@pytest.mark.parametrize("content", ["", "abcd\n", "00" * 32 + "\n", "no hex at all\n"])
def test_a_root_key_that_is_none_is_refused(run: Run, deployment: Path, content: str) -> None:
    run("users", "list")
    key = (deployment / "root.key").read_text()
    (deployment / "root.key").write_text(content)
    done = run("users", "list")
    assert done.status == 1
    assert "root key" in done.err
    (deployment / "root.key").write_text(key)
    assert run("users", "list").status == 0


@pytest.mark.invariant("F26")
def test_a_wrong_root_key_opens_nothing(run: Run, deployment: Path) -> None:
    run("users", "list")
    (deployment / "root.key").write_text(bytes(range(7, 39)).hex() + "\n")
    done = run("users", "list")
    assert done.status == 1
    assert "does not open" in done.err


def test_a_signing_key_is_published_before_it_signs(run: Run) -> None:
    def signing() -> dict[str, str]:
        keys = run("keys", "list", "--json").json["keys"]
        return {key["status"]: key["id"] for key in keys if key["purpose"] == "sign"}

    first = signing()
    assert set(first) == {"current"}
    assert run("keys", "rotate", "--json").json["in_use"] == first["current"]
    second = signing()
    assert second["current"] == first["current"]
    early = run("keys", "rotate", "--json")
    assert early.status == 1
    assert "less than a day ago" in early.err
    assert signing() == second
    assert run("keys", "rotate", "--force", "--json").json["in_use"] == second["next"]
    assert signing()["previous"] == first["current"]


def test_explain_tells_who_did_what(run: Run) -> None:
    user = run("users", "create", "--email", "ada@example.com", "--json").json["id"]
    run("users", "disable", user)
    told = run("explain", user, "--json").json["events"]
    assert [event["type"] for event in told] == ["user.disabled", "user.created"]
    assert {event["actor"] for event in told} == {"operator"}
    one = run("explain", told[0]["id"], "--json").json["events"]
    assert one == told[:1]
    assert "user.disabled" in run("explain", user).out
    assert run("explain", "usr_nobody").status == 1


def test_a_file_that_is_no_database_is_named(run: Run, deployment: Path) -> None:
    deployment.mkdir()
    (deployment / "safeconduct.db").write_text("not a database " * 100)
    done = run("users", "list")
    assert done.status == 1
    assert done.err.startswith("Error: ")
    assert "Traceback" not in done.err
