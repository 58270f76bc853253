"""`safeconduct connections link`: what a user brings, from a file, tried at the provider first."""

import json
from pathlib import Path

import httpx
import pytest
from tests.cli.conftest import Run
from tests.cli.running import running

ADA = "ada@example.com"


def test_an_account_is_linked_from_a_file(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAFECONDUCT_EGRESS_ALLOW", "127.0.0.1")
    run("users", "create", "--email", ADA, "--json")
    ready, file = tmp_path / "ready", tmp_path / "jira.json"
    simulate = ("simulate", "jira", "--port", "0", "--ready-file", str(ready))
    with running(*simulate, log=tmp_path / "log") as simulator:
        simulator.until_said("Simulating 1 on")
        base = f"http://127.0.0.1:{int(ready.read_text())}"
        run("providers", "configure", "jira", "--base-url", base, "--json")
        typed = httpx.get(f"{base}/_sim/keys?provider=jira&user=mira").json()
        file.write_text(json.dumps({**typed, "api_token": "wrong"}))
        ask = ("connections", "link", "jira", "--user", ADA, "--fields", str(file))
        refused = run(*ask)
        assert refused.status == 1
        assert "invalid_credentials" in refused.err
        assert "wrong" not in refused.err
        file.write_text(json.dumps(typed))
        assert "2027-03-01" in run(*ask, "--expires", "tomorrow").err
        made = run(*ask, "--expires", "2099-03-01", "--json").json
        assert (made["provider_id"], made["status"]) == ("jira", "active")
    assert run("connections", "link", "jira", "--user", ADA, "--fields", "nowhere").status == 1
    file.write_text("[]")
    assert run(*ask).status == 1
    listed = run("connections", "list", "--user", ADA, "--json").json["connections"]
    assert [one["id"] for one in listed] == [made["id"]]
