"""The whole journey, against real servers: what `safeconduct demo --headless` promises."""

import json
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.cli.running import running

from safeconduct.cli.staging import ADA, Staged, free_ports, staged
from safeconduct.demo.report import Report, WalkFailed
from safeconduct.demo.walk import Walk
from safeconduct.demo.witness import Stage

SECRETS = (
    r"sc_(ac|at|cs|rt|st|ses)_t\d+\.",
    r"eyJ[\w-]{20,}\.",
    r"sim_(code|[ar]t)_[\w-]{8,}",
    re.escape(ADA.password),
)


@pytest.fixture(scope="module")
def walked() -> subprocess.CompletedProcess[str]:
    """One walk for all tests that look at what it told."""
    return subprocess.run(
        [sys.executable, "-m", "safeconduct", "demo", "--headless", "--json"],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


@pytest.mark.invariant("V4")
@pytest.mark.invariant("V5")
def test_the_journey_works_from_sign_up_to_the_last_revocation(
    walked: subprocess.CompletedProcess[str],
) -> None:
    assert walked.returncode == 0, walked.stdout + walked.stderr
    told: dict[str, Any] = json.loads(walked.stdout)
    assert told["worked"] is True
    proved = [text for step in told["steps"] for text in step["proved"]]
    for expected in (
        "It uses PKCE with S256.",
        "The access token lives 15 minutes.",
        "Introspection says that the token is active.",
        "At first: added false.",
        "Then: added true.",
        "No refresh token was used twice.",
        "Introspection says: not active.",
        "The refresh token is dead.",
        "The vault is empty.",
        "The provider was told to revoke the tokens.",
    ):
        assert expected in proved
    assert all(step["exchanged"] for step in told["steps"])


@pytest.mark.invariant("V13")
def test_what_it_tells_holds_no_secret(walked: subprocess.CompletedProcess[str]) -> None:
    assert "grant_type" in walked.stdout
    for secret in SECRETS:
        assert not re.search(secret, walked.stdout + walked.stderr), secret


def stage_of(stage: Staged, credentials: int) -> Stage:
    async def count() -> int:
        return credentials

    return Stage(
        issuer=stage.safeconduct,
        app=stage.app,
        provider=stage.provider,
        newcomer="grace@example.com",
        email=ADA.email,
        password=ADA.password,
        credentials=count,
    )


class Silent:
    def step(self, number: int, title: str) -> None: ...

    def line(self, text: str) -> None: ...

    def proved(self, text: str) -> None: ...


async def test_the_demo_offers_the_exchange_and_the_ring(tmp_path: Path) -> None:
    async with staged(tmp_path, free_ports()) as stage:
        offered = await stage.platform.providers.offered(stage.platform.tenant_id)
    assert {"exchangeExample", "healthExample"} <= {entry.id for entry in offered}


async def test_a_walk_that_sees_something_wrong_fails(tmp_path: Path) -> None:
    report = Report(Silent())
    async with staged(tmp_path, free_ports(), access_lifetime=6) as stage:
        with pytest.raises(WalkFailed, match="one sealed credential"):
            await Walk(stage_of(stage, credentials=0), report).run()
    assert report.steps[-1].proved[-1] == "Then: added true."


def test_the_demo_says_where_everything_is(tmp_path: Path) -> None:
    port = free_ports().safeconduct
    log = tmp_path / "log"
    with running("demo", "--json", "--port", str(port), log=log) as demo:
        demo.until(f"http://127.0.0.1:{port + 2}/")
        where = json.loads(demo.until_said(r"(?s)\{.*^\}$"))
        assert where["safeconduct"] == f"http://127.0.0.1:{port}"
        for name in ("safeconduct", "app", "provider", "mail"):
            assert httpx2.get(where[name]).status_code == 200, name
        mail = httpx2.get(where["mail"], headers={"accept": "application/json"})
        assert mail.json() == {"messages": []}
        rebound = httpx2.get(where["mail"], headers={"host": "evil.example"})
        assert rebound.status_code == 421
        assert {person["email"] for person in where["accounts"]} == {
            "ada@example.com",
            "admin@example.com",
        }
        assert demo.stop(signal.SIGINT) == 0
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(where["app"])


def test_a_second_demo_on_the_same_ports_is_told_so(tmp_path: Path) -> None:
    port = free_ports().safeconduct
    with running("demo", "--port", str(port), log=tmp_path / "log") as demo:
        demo.until(f"http://127.0.0.1:{port}/healthz")
        with running("demo", "--port", str(port), log=tmp_path / "second") as second:
            assert second.process.wait(timeout=20) == 1
            assert "Is another demo running?" in second.said
            assert "Traceback" not in second.said
