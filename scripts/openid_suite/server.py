"""Our own server as the suite meets it: clients, certificates, and who answers CIBA requests."""

import json
import os
import re
import shutil
import ssl
import subprocess
import time
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlsplit

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID
from joserfc.jwk import ECKey
from openid_suite.plans import Plan

SCOPE = "openid profile email phone address offline_access"
ROOT = Path(__file__).resolve().parents[2]
HOME = ROOT / ".build/conformance"
PASSWORD = "a password of the conformance run"


PROFILE = {
    "given_name": "Ada",
    "family_name": "King",
    "middle_name": "Augusta",
    "nickname": "Countess",
    "preferred_username": "ada",
    "profile": "https://people.example.org/ada",
    "picture": "https://people.example.org/ada.png",
    "website": "https://ada.example.org",
    "gender": "female",
    "birthdate": "1990-12-10",
    "zoneinfo": "Europe/London",
    "locale": "en-GB",
    "address": {"street_address": "12 St James's Square", "locality": "London", "country": "UK"},
}
"""What the suite expects to be known of a person."""

class Server:
    """Our own server, with TLS, on a database of its own."""

    def __init__(self, host: str, port: int, suite: str, suite_ca: Path | None) -> None:
        self.issuer = f"https://{host}:{port}"
        self.home = HOME / str(port)
        shutil.rmtree(self.home, ignore_errors=True)
        self.home.mkdir(parents=True)
        # RSA: FAPI 1.0, on which FAPI-CIBA stands, knows no other ciphers (Part 2 §8.5)
        rsa_key = rsa.generate_private_key(public_exponent=65_537, key_size=3072)
        cert, key = certificate(host, self.home / "server", rsa_key)
        self.settings = {
            "DATA_DIR": str(self.home / "data"),
            "ISSUER": self.issuer,
            "HOST": "0.0.0.0" if host != "127.0.0.1" else host,
            "PORT": str(port),
            "TLS_CERT": str(cert),
            "TLS_KEY": str(key),
            "REGISTRATION": "open",
            "REGISTRATION_REQUIRE_PKCE": "false",
            "REGISTRATION_ASSERTION_AUDIENCE": "endpoint",
            "SESSION_MANAGEMENT": "true",
            "CLIENT_SECRET_JWT": "true",
            "CLIENT_CERTIFICATES": "tls",
            "FETCH_REQUEST_URIS": "true",
            "EGRESS_ALLOW": urlsplit(suite).hostname or "",
            **({"EGRESS_CA": str(suite_ca)} if suite_ca else {}),
        }
        self.environ = os.environ | {f"SAFECONDUCT_{k}": v for k, v in self.settings.items()}
        self.process: subprocess.Popen[bytes] | None = None
        self.approvals = ""
        self.made = 0

    def command(self, *words: str) -> dict[str, Any]:
        """`safeconduct … --json`."""
        done = subprocess.run(
            [str(ROOT / ".venv/bin/safeconduct"), *words, "--json"],
            env=self.environ,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise SystemExit(f"safeconduct {' '.join(words)}: {done.stderr}")
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    def start(self) -> None:
        ready = self.home / "ready"
        self.process = subprocess.Popen(
            [str(ROOT / ".venv/bin/safeconduct"), "serve", "--ready-file", str(ready)],
            env=self.environ,
            stdout=(self.home / "server.log").open("wb"),
            stderr=subprocess.STDOUT,
        )
        for _ in range(150):
            if ready.exists():
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.2)
        raise SystemExit(f"The server did not start: see {self.home / 'server.log'}")

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(30)

    def user(self, name: str) -> str:
        """Somebody whom nobody has asked anything yet: what one is asked, and from how many
        browsers, has bounds."""
        email = f"{name}@example.org"
        phone = f"+1202555{1000 + self.made:04}"
        self.made += 1
        person = ("--email", email, "--phone", phone, "--name", "Ada", "--password", PASSWORD)
        self.command("users", "create", *person)
        profile = self.home / "profile.json"
        profile.write_text(json.dumps(PROFILE), encoding="utf-8")
        self.command("users", "update", email, "--profile", str(profile))
        return email

    def prepare(self, module: str) -> None:
        """What a module asks for before it starts."""
        if module == "oidcc-server-rotate-keys":
            self.command("keys", "rotate", "--force")  # several plans, one server

    def client(self, plan: Plan, callback: str, name: str) -> dict[str, Any]:
        """A client for a plan, and how the suite is told of it."""
        told: dict[str, Any] = {"scope": plan.fields.get("scope", SCOPE)}
        fields: dict[str, Any] = {
            "redirect_uris": [
                f"{callback}/callback",
                f"{callback}/callback?dummy1=lorem&dummy2=ipsum",
            ],
            "post_logout_redirect_uris": [f"{callback}/post_logout_redirect"],
            "scope": told["scope"],
            "grant_types": ["authorization_code", "refresh_token"],
            **plan.fields,
        }
        if plan.auth != "none" and "security_profile" not in fields:
            fields["require_pkce"] = False
        if "authorization_code" not in fields["grant_types"]:
            fields = {k: v for k, v in fields.items() if not k.endswith(("_uri", "_uris"))}
        if fields.get("backchannel_token_delivery_mode") == "ping":
            there = f"{callback}/ciba-notification-endpoint"
            fields["backchannel_client_notification_endpoint"] = there
        if plan.auth == "private_key_jwt" or plan.fields.get("security_profile"):
            key = ECKey.generate_key("P-256", {"use": "sig", "alg": "ES256"}, auto_kid=True)
            fields["jwks"] = {"keys": [key.as_dict(private=False)]}
            told["jwks"] = {"keys": [key.as_dict(private=True)]}
        if "tls_client" in plan.auth or fields.get("tls_client_certificate_bound_access_tokens"):
            cert, private = certificate("client", self.home / name)
            told["mtls"] = {"cert": cert.read_text(), "key": private.read_text()}
            if "tls_client" in plan.auth:
                jwk = ECKey.import_key(private.read_text()).as_dict(private=False)
                der = ssl.PEM_cert_to_DER_cert(cert.read_text())
                fields["jwks"] = {"keys": [{**jwk, "kid": name, "x5c": [b64encode(der).decode()]}]}
        words = ["clients", "create", "--name", name, "--auth-method", plan.auth]
        for field_name, value in fields.items():
            words += ["--set", f"{field_name}={json.dumps(value)}"]
        made = self.command(*words)
        told["client_id"] = made["client_id"]
        if "client_secret" in made:
            told["client_secret"] = made["client_secret"]
        return told


def certificate(
    name: str, place: Path, key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | None = None
) -> tuple[Path, Path]:
    """A self-signed certificate and its key."""
    key, now = key or ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    about = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder()
        .subject_name(about)
        .issuer_name(about)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    cert, private = place.with_suffix(".crt"), place.with_suffix(".key")
    cert.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return cert, private


class Person:
    """Somebody with a browser of their own, who answers in the account what apps ask for."""

    def __init__(self, issuer: str, email: str) -> None:
        self.http = httpx.Client(
            base_url=issuer, verify=False, follow_redirects=True, headers={"origin": issuer}
        )
        self._send("/login", "/login", username=email, password=PASSWORD)

    def answer(self, auth_req_id: str, decision: str) -> None:
        id = auth_req_id.split(".")[1]
        self._send("/account/requests", f"/account/requests/{id}", decision=decision)

    def _send(self, page: str, action: str, **typed: str) -> None:
        """The form of a page that goes there, as a browser sends it."""
        form = self.http.get(page).text.partition(f'action="{action}"')[2].partition("</form>")[0]
        hidden = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', form))
        self.http.post(action, data=hidden | typed).raise_for_status()


class Approver(BaseHTTPRequestHandler):
    """Has people answer CIBA requests when the suite says so."""

    issuer = ""
    people: ClassVar[dict[str, Person]] = {}

    def do_POST(self) -> None:
        asked = dict(parse_qsl(urlsplit(self.path).query))
        email = asked["user"]
        person = self.people.setdefault(email, Person(self.issuer, email))
        person.answer(asked["auth_req_id"], asked["action"])
        self.send_response(204)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """The suite's own log tells what it asked for."""

    @classmethod
    def serve(cls, server: "Server") -> str:
        """Where the suite reaches it."""
        cls.issuer = server.issuer
        listener = ThreadingHTTPServer(
            (server.settings["HOST"], int(server.settings["PORT"]) + 1), cls
        )
        Thread(target=listener.serve_forever, daemon=True).start()
        host = urlsplit(server.issuer).hostname
        return (
            f"http://{host}:{listener.server_port}/?auth_req_id={{auth_req_id}}&action={{action}}"
        )
