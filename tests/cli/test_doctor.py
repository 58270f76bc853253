"""`safeconduct doctor`: it finds what is wrong, says what to do, and changes nothing."""

from pathlib import Path

import pytest
from tests.cli.conftest import Ran, Run

from safeconduct.demo.mail import Mailbox


def states(done: Ran) -> dict[str, str]:
    return {finding["check"]: finding["state"] for finding in done.json["findings"]}


def test_an_empty_place_is_healthy_and_stays_empty(run: Run, deployment: Path) -> None:
    done = run("doctor", "--json")
    assert done.status == 0
    assert done.json["healthy"] is True
    assert states(done)["database"] == "note"
    assert not deployment.exists()


def test_a_fresh_deployment_is_healthy(run: Run) -> None:
    run("users", "list")
    done = run("doctor", "--json")
    assert done.status == 0
    found = states(done)
    assert {found[name] for name in ("database", "keys", "root key", "sqlite", "clock")} == {"good"}


def test_files_that_others_can_read_are_a_problem(run: Run, deployment: Path) -> None:
    run("users", "list")
    (deployment / "root.key").chmod(0o644)
    done = run("doctor", "--json")
    assert done.status == 1
    assert states(done)["root key"] == "problem"
    assert "chmod go-rwx" in run("doctor").out


def test_a_lost_or_wrong_root_key_is_a_problem(run: Run, deployment: Path) -> None:
    run("users", "list")
    (deployment / "root.key").write_text(bytes(range(7, 39)).hex() + "\n")
    assert states(run("doctor", "--json"))["keys"] == "problem"
    (deployment / "root.key").unlink()
    assert states(run("doctor", "--json"))["keys"] == "problem"
    assert not (deployment / "root.key").exists()


def test_a_database_that_does_not_answer_is_a_problem(run: Run) -> None:
    done = run("doctor", "--database", "postgresql://127.0.0.1:1/none", "--json")
    assert done.status == 1
    assert states(done)["database"] == "problem"


def test_mail_is_tried(run: Run, monkeypatch: pytest.MonkeyPatch, unused_tcp_port: int) -> None:
    import asyncio
    import threading

    monkeypatch.setenv("SAFECONDUCT_SMTP_URL", f"smtp://127.0.0.1:{unused_tcp_port}")
    assert states(run("doctor", "--json"))["mail"] == "problem"
    started, stop = threading.Event(), threading.Event()

    async def catch() -> None:
        async with await Mailbox().listen(unused_tcp_port):
            started.set()
            await asyncio.to_thread(stop.wait)

    thread = threading.Thread(target=lambda: asyncio.run(catch()))
    thread.start()
    started.wait(10)
    try:
        assert states(run("doctor", "--json"))["mail"] == "good"
    finally:
        stop.set()
        thread.join(10)


def test_private_addresses_that_are_allowed_are_told(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert states(run("doctor", "--json"))["egress"] == "good"
    monkeypatch.setenv("SAFECONDUCT_EGRESS_ALLOW", "10.0.0.0/8")
    assert "10.0.0.0/8" in run("doctor").out


def test_a_hook_for_tests_is_loud(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "ciba hook" not in states(run("doctor", "--json"))
    monkeypatch.setenv("SAFECONDUCT_CIBA_TEST_HOOK", "x" * 31)
    assert run("doctor").status == 2
    monkeypatch.setenv("SAFECONDUCT_CIBA_TEST_HOOK", "x" * 32)
    here = run("doctor", "--json")
    assert (here.status, states(here)["ciba hook"]) == (0, "note")
    assert "says yes to any app" in here.err
    assert "x" * 32 not in here.out + here.err
    monkeypatch.setenv("SAFECONDUCT_ISSUER", "https://id.example")
    public = run("doctor", "--json")
    assert (public.status, states(public)["ciba hook"]) == (1, "problem")
