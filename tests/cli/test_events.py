"""`safeconduct events`: listed, and held against their chain."""

from pathlib import Path

import apsw
import pytest
from tests.cli.conftest import Run


def test_events_are_listed_newest_first(run: Run) -> None:
    user = run("users", "create", "--email", "ada@example.com", "--json").json
    run("clients", "create", "--name", "App", "--redirect-uri", "https://app.example/cb")
    rows = run("events", "list", "--json").json["events"]
    assert rows[0]["type"] == "client.created"
    mine = run("events", "list", "--user", user["id"], "--json").json["events"]
    assert {row["user_id"] for row in mine} == {user["id"]}
    some = run("events", "list", "--types", "user.created", "--json").json["events"]
    assert [row["type"] for row in some] == ["user.created"]
    assert "user.created" in run("events", "list").out


@pytest.mark.attack("Q6")
def test_an_edit_ends_verification_with_status_1(run: Run, deployment: Path) -> None:
    run("users", "create", "--email", "ada@example.com")
    whole = run("events", "verify", "--json")
    assert (whole.status, whole.json["whole"], whole.json["links"]) == (0, True, 0)
    assert whole.json["unchained"] > 0
    assert run("events", "verify", "--head", "7:ab").status == 1
    connection = apsw.Connection(str(deployment / "safeconduct.db"))
    assert connection.execute("SELECT count(*) FROM event_links").get == 0
    connection.close()
