"""`safeconduct serve` as a process: it starts from nothing, says what to do, and stops cleanly."""

import json
import re
import signal
import ssl
from pathlib import Path

import httpx2
import pytest
from tests.certificates import issue
from tests.cli.conftest import Run
from tests.cli.running import running

from safeconduct.cli.staging import free_row


def test_the_first_start_makes_everything_and_offers_the_setup_link(
    deployment: Path, tmp_path: Path, unused_tcp_port: int, run: Run
) -> None:
    origin, ready = f"http://127.0.0.1:{unused_tcp_port}", tmp_path / "ready"
    serve = ("serve", "--port", str(unused_tcp_port), "--ready-file", str(ready))
    with running(*serve, log=tmp_path / "log") as server:
        metadata = server.until(origin + "/.well-known/openid-configuration").json()
        assert metadata["issuer"] == origin
        assert ready.read_text() == f"{unused_tcp_port}\n"
        (link,) = re.findall(r"http\S+/setup\?token=\S+", server.said)
        assert httpx2.get(link).status_code == 200
        assert server.stop() == 0
        assert not ready.exists()
    assert (deployment / "root.key").exists()
    assert run("doctor").status == 0


def test_commands_write_beside_a_running_server(
    deployment: Path, tmp_path: Path, unused_tcp_port: int, run: Run
) -> None:
    origin = f"http://127.0.0.1:{unused_tcp_port}"
    with running("serve", "--port", str(unused_tcp_port), log=tmp_path / "log") as server:
        server.until(origin + "/healthz")
        made = run("clients", "create", "--name", "Nightly", "--grant-type",
                   "client_credentials", "--json").json  # fmt: skip
        asked = {"grant_type": "client_credentials"}
        secret = (made["client_id"], made["client_secret"])
        token = httpx2.post(origin + "/oauth2/token", data=asked, auth=secret)
        assert token.status_code == 200, token.text
        run("clients", "disable", made["client_id"])
        refused = httpx2.post(origin + "/oauth2/token", data=asked, auth=secret)
        assert refused.json()["error"] == "invalid_client"
        assert server.stop(signal.SIGINT) == 0


@pytest.mark.usefixtures("deployment")
def test_a_second_server_on_the_same_file_is_refused(tmp_path: Path, unused_tcp_port: int) -> None:
    with running("serve", "--port", str(unused_tcp_port), log=tmp_path / "log") as server:
        server.until(f"http://127.0.0.1:{unused_tcp_port}/healthz")
        with running("serve", "--port", "1", log=tmp_path / "second") as second:
            assert second.process.wait(timeout=20) == 1
            assert "PostgreSQL" in second.said
            assert "Traceback" not in second.said


@pytest.mark.usefixtures("deployment")
def test_a_port_in_use_is_a_sentence(tmp_path: Path, unused_tcp_port: int) -> None:
    with running("simulate", "--port", str(unused_tcp_port), log=tmp_path / "log") as other:
        other.until(f"http://127.0.0.1:{unused_tcp_port}/_sim/ledger")
        with running("serve", "--port", str(unused_tcp_port), log=tmp_path / "second") as server:
            assert server.process.wait(timeout=20) == 1
            assert f"port {unused_tcp_port}" in server.said
            assert "Traceback" not in server.said


@pytest.mark.usefixtures("deployment")
def test_unknown_variables_are_told_and_logs_are_json(tmp_path: Path, unused_tcp_port: int) -> None:
    environ = {"SAFECONDUCT_PROT": "1", "SAFECONDUCT_LOG_LEVEL": "debug"}
    serve = ("serve", "--port", str(unused_tcp_port))
    with running(*serve, log=tmp_path / "log", environ=environ) as server:
        server.until(f"http://127.0.0.1:{unused_tcp_port}/healthz")
        server.stop()
        assert "Did you mean SAFECONDUCT_PORT?" in server.said
        lines = [line for line in server.said.splitlines() if line.startswith("{")]
        assert all(json.loads(line)["level"] for line in lines)


@pytest.mark.rfc("8705#2.1")
def test_certificates_are_asked_for_by_the_real_server(
    deployment: Path,
    tmp_path: Path,
    unused_tcp_port: int,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    authority, address = issue("CN=Bank CA", authority=True), issue("CN=127.0.0.1", usage=None)
    chain, key = address.save(tmp_path, "server")
    bank, stranger = issue("CN=app", authority), issue("CN=app")
    environ = {
        "SAFECONDUCT_CLIENT_CERTIFICATES": "tls",
        "SAFECONDUCT_CLIENT_CA": str(authority.save(tmp_path, "ca")[0]),
        "SAFECONDUCT_TLS_CERT": str(chain),
        "SAFECONDUCT_TLS_KEY": str(key),
    }
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    serve, origin = (
        ("serve", "--port", str(unused_tcp_port)),
        f"https://127.0.0.1:{unused_tcp_port}",
    )
    with running(*serve, log=tmp_path / "log") as server:
        server.until_said("Serving")
        named = ("--tls-client-auth-subject-dn", "CN=app", "--certificate-bound")
        made = run("clients", "create", "--name", "Bank", "--grant-type", "client_credentials",
                   "--auth-method", "tls_client_auth", *named, "--json")  # fmt: skip
        asked = {"grant_type": "client_credentials", "client_id": made.json["client_id"]}
        for owner, status in ((bank, 200), (stranger, 401), (None, 401)):
            trusting = ssl.create_default_context(cadata=address.pem)
            if owner is not None:
                trusting.load_cert_chain(*owner.save(tmp_path, "client"))
            answer = httpx2.post(origin + "/oauth2/token", data=asked, verify=trusting)
            assert answer.status_code == status, answer.text
        assert server.stop() == 0


def test_simulate_says_where_it_is_and_stops(tmp_path: Path, unused_tcp_port: int) -> None:
    ready = tmp_path / "ready"
    simulate = ("simulate", "exchangeExample", "--port", "0", "--ready-file", str(ready))
    with running(*simulate, log=tmp_path / "log") as simulator:
        simulator.until_said("Simulating 1 on")
        ledger = simulator.until(f"http://127.0.0.1:{int(ready.read_text())}/_sim/ledger").json()
        assert set(ledger["providers"]) == {"exchangeExample"}
        assert simulator.stop() == 0
        assert not ready.exists()


def test_simulate_knows_only_the_catalogue(run: Run) -> None:
    done = run("simulate", "nowhere")
    assert done.status == 1
    assert "exchangeExample" in done.err


@pytest.mark.attack("P12")
@pytest.mark.usefixtures("deployment")
def test_metrics_have_a_port_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    port, beside = free_row(2)
    monkeypatch.setenv("SAFECONDUCT_METRICS_PORT", str(beside))
    with running("serve", "--port", str(port), log=tmp_path / "log") as server:
        server.until(f"http://127.0.0.1:{port}/healthz")
        assert httpx2.get(f"http://127.0.0.1:{port}/metrics").status_code == 404
        shown = httpx2.get(f"http://127.0.0.1:{beside}/metrics")
        assert shown.status_code == 200
        assert 'route="/healthz"' in shown.text
        assert server.stop() == 0
