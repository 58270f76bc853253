"""The scripts of the surfaces' pages work: each is run as it stands, on a server of its own."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.running import running

from safeconduct.cli.staging import free_ports

SCRIPTS = Path(__file__).resolve().parent.parent / "docs" / "surfaces"


@pytest.fixture
def environ(tmp_path: Path) -> Iterator[dict[str, str]]:
    """A server, a provider behind it, and an environment in which scripts find both."""
    ports = free_ports()
    base, sim = (f"http://127.0.0.1:{port}" for port in (ports.safeconduct, ports.provider))
    mine = {
        **{name: value for name, value in os.environ.items() if "SAFECONDUCT" not in name},
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "SAFECONDUCT_DATA_DIR": str(tmp_path / "data"),
        "SAFECONDUCT_EGRESS_ALLOW": "127.0.0.1",
        "SAFECONDUCT_PORT": str(ports.safeconduct),
        "BASE": base,
        "SIM": sim,
    }
    simulate = (
        "simulate",
        "healthExample",
        "exchangeExample",
        "kraken",
        "--port",
        str(ports.provider),
    )
    serve = ("serve", "--simulators", sim)
    with (
        running(*simulate, log=tmp_path / "sim.log", environ=mine) as provider,
        running(*serve, log=tmp_path / "server.log", environ=mine) as server,
    ):
        provider.until(f"{sim}/_sim/ledger")
        server.until(f"{base}/.well-known/openid-configuration")
        yield mine


def run(environ: dict[str, str], folder: Path, *command: str) -> str:
    done = subprocess.run(
        command, cwd=folder, env=environ, capture_output=True, text=True, timeout=90, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_alpaca_by_curl_and_by_a_broker(environ: dict[str, str], tmp_path: Path) -> None:
    said = run(environ, tmp_path, "bash", str(SCRIPTS / "alpaca.sh"))
    for line in ("Bearer", "general trading", "204", "401", '{"active":false}'):
        assert line in said.splitlines(), said
    assert '"code":42210000' in said
    account = json.loads((tmp_path / "account.json").read_text())
    assert account["id"] in said
    for secret in ("client_secret", "access_token"):
        assert secret not in (tmp_path / "server.log").read_text()

    app = json.loads((tmp_path / "app.json").read_text())
    key = json.loads((tmp_path / "broker.json").read_text())
    mine = environ | {"BROKER_KEY": key["key"], "BROKER_SECRET": key["secret"]}
    asked = (app["client_id"], app["client_secret"], account["id"])
    told = run(mine, tmp_path, sys.executable, str(SCRIPTS / "broker.py"), *asked)
    assert told.splitlines() == [
        "TradingApp (ACTIVE) asks; it returns to http://localhost",
        "the app holds a bearer token for general",
        "and was given a Bearer token for general",
        "which is gone: deleting it once more is 401",
    ]
    log = (tmp_path / "server.log").read_text()
    assert "/v1/oauth/token/{token_id}" in log
    for shown in re.findall(r"sc_at_[\w.-]+", (tmp_path / "redeemed.json").read_text()):
        assert shown not in log


def test_loop_by_curl(environ: dict[str, str], tmp_path: Path) -> None:
    said = run(environ, tmp_path, "bash", str(SCRIPTS / "loop.sh"))
    assert '"slug":"healthExample"' in said
    assert '"status":"completed"' in said
    assert '"kind":"sleep"' in said
    assert "202" in said.splitlines(), "the webhook was taken"
    assert '{"success":true}' in said
    assert said.rstrip().endswith('{"connections":[]}')


def test_calico_by_curl(environ: dict[str, str], tmp_path: Path) -> None:
    said = run(environ, tmp_path, "bash", str(SCRIPTS / "calico.sh"))
    lines = said.splitlines()
    assert lines.count('{"data":{"added":true},"errors":[]}') == 2
    for word in ('"auth_type":"api_key"', '"asset_symbol"', '"categorization":"input_output"'):
        assert word in said, said
    assert "429" in lines
    assert '"crypto_source":"exchangeExample"' in said
    assert '{"removed":true,"errors":[]}' in lines
    log = (tmp_path / "server.log").read_text()
    keys = json.loads((tmp_path / "keys.json").read_text())
    for secret in keys.values():
        assert secret not in log
        assert secret not in said.replace((tmp_path / "keys.json").read_text(), "")
    assert "state=" not in log
    assert "code=" not in log
