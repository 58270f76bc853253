"""`safeconduct webhooks`, as an operator types it."""

import json

from tests.cli.conftest import Run

URL = "https://app.example/hooks"


def test_a_webhook_from_the_command_line(run: Run) -> None:
    made = run("webhooks", "create", "--url", URL, "--event", "connection.*", "--json").json
    assert made["secret"].startswith("whsec_")
    assert (made["event_types"], made["status"]) == (["connection.*"], "active")
    listed = run("webhooks", "list", "--json").json["webhooks"]
    assert [one["id"] for one in listed] == [made["id"]]
    shown = run("webhooks", "show", made["id"], "--json").json
    assert (shown["url"], shown["deliveries"]) == (URL, [])
    new = run("webhooks", "rotate-secret", made["id"], "--json").json
    assert new["secret"] not in ("", made["secret"])
    assert run("webhooks", "replay", made["id"], "--json").json["replayed"] == 0
    assert run("webhooks", "delete", made["id"], "--json").json["deleted"] is True
    assert run("webhooks", "list", "--json").json == {"webhooks": []}
    assert made["secret"] not in json.dumps([listed, shown])


def test_what_cannot_be_is_said(run: Run) -> None:
    bad = run("webhooks", "create", "--url", "http://far.example", "--event", "*")
    assert (bad.status, "http is for 127.0.0.1" in bad.err) == (1, True)
    bad = run("webhooks", "create", "--url", URL, "--event", "nothing")
    assert (bad.status, "event_types" in bad.err) == (1, True)
    assert run("webhooks", "show", "whk_x").status == 1
