"""`safeconduct vault` and `providers`: secrets of others, entered, kept, and given new keys."""

from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Ran, Run

SECRET = "the-secret-that-the-exchange-gave-us"


def configure(run: Run) -> Ran:
    return run("providers", "configure", "exchangeExample", "--client-id", "ours",
               "--client-secret", SECRET, "--json")  # fmt: skip


def example(run: Run) -> dict[str, Any]:
    """What the list says of the demo's exchange."""
    rows = run("providers", "list", "--json").json["providers"]
    return next(row for row in rows if row["id"] == "exchangeExample")


def test_a_registration_is_kept_and_its_secret_never_shown(run: Run, deployment: Path) -> None:
    assert example(run)["status"] == "not configured"
    assert configure(run).json["status"] == "active"
    shown = run("providers", "list", "--json")
    assert example(run)["client_id"] == "ours"
    assert SECRET not in shown.out
    for file in deployment.rglob("*"):
        assert SECRET.encode() not in file.read_bytes(), file.name


def test_a_provider_can_be_withdrawn_and_offered_again(run: Run) -> None:
    configure(run)
    assert run("providers", "disable", "exchangeExample", "--json").json["status"] == "disabled"
    assert example(run)["status"] == "disabled"
    assert run("providers", "enable", "exchangeExample", "--json").json["status"] == "active"
    assert run("providers", "enable", "nowhere").status == 1
    assert run("providers", "configure", "nowhere", "--client-id", "x").status == 1


def test_status_counts_without_opening(run: Run) -> None:
    assert run("vault", "status", "--json").json["sealed"] == 0
    configure(run)
    found = run("vault", "status", "--json").json
    assert (found["sealed"], found["sealed_under_an_older_vault_key"]) == (1, 0)
    assert found["keys_under_an_older_root_key"] == 0


@pytest.mark.invariant("F26")
def test_a_new_root_key_takes_over_and_the_old_file_may_go(
    run: Run, deployment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(run)
    new, old = tmp_path / "new.key", deployment / "root.key"
    new.write_text(bytes(range(3, 35)).hex() + "\n")
    new.chmod(0o600)
    monkeypatch.setenv("SAFECONDUCT_ROOT_KEY_FILE", str(new))
    assert run("users", "list").status == 1  # nothing opens yet
    monkeypatch.setenv("SAFECONDUCT_PREVIOUS_ROOT_KEY_FILES", str(old))
    older = run("vault", "status", "--json").json["keys_under_an_older_root_key"]
    assert older >= 6
    assert "vault rotate" in run("doctor").out
    done = run("vault", "rotate", "--only", "root", "--json").json
    assert done == {"keys_wrapped_anew": older}
    old.unlink()
    monkeypatch.delenv("SAFECONDUCT_PREVIOUS_ROOT_KEY_FILES")
    assert run("vault", "status", "--json").json["keys_under_an_older_root_key"] == 0
    assert run("doctor").status == 0


def test_secrets_are_sealed_anew_under_a_new_key(run: Run) -> None:
    configure(run)
    before = run("vault", "status", "--json").json
    done = run("vault", "rotate", "--json").json
    assert done["secrets_sealed_anew"] == 1
    after = run("vault", "status", "--json").json
    assert after["vault_key"] == done["vault_key"] != before["vault_key"]
    assert (after["sealed"], after["sealed_under_an_older_vault_key"]) == (1, 0)


def test_connections_of_nobody(run: Run) -> None:
    assert run("connections", "list", "--json").json == {"connections": []}
    assert run("connections", "list", "--user", "nobody@example.com").status == 1
    assert run("connections", "show", "con_none").err == "Error: No such connection.\n"
    assert run("connections", "disconnect", "con_none").status == 1
