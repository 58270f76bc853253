"""RFC 8705 over real TLS, and behind a proxy that has spoken TLS for us."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.x509 import DNSName
from tests.certificates import Owner, issue
from tests.conftest import SettableClock
from tests.web.harness import TENANT, Front, front

from safeconduct.adapters.certificates import X509Certificates
from safeconduct.adapters.store import PostgresStore, SqliteStore
from safeconduct.app import Switches, web_of
from safeconduct.cli.staging import free_row
from safeconduct.core.errors import ApiError
from safeconduct.core.model import Client
from safeconduct.services.clients import Created
from safeconduct.web.kit.proxies import Proxies
from safeconduct.web.kit.server import Listen, Server

AUTHORITY = issue("CN=Bank CA", authority=True)
OTHER = issue("CN=Bank CA", authority=True)
SERVER = issue("CN=127.0.0.1", usage=None)
APP = issue("CN=app,O=Bank", AUTHORITY)
SELF = issue("CN=self")
CERTIFICATES = X509Certificates([AUTHORITY.certificate])
TOKEN = "/oauth2/token"
HEADER = "X-SSL-Client-Cert"


@dataclass
class Desk:
    site: Front
    origin: str
    folder: Path

    async def client(self, **data: Any) -> Client:
        made = await self.site.clients.create(
            TENANT,
            {
                "client_name": "Bank",
                "grant_types": ["client_credentials"],
                "scope": "users:read",
                **data,
            },
            actor="operator",
        )
        assert isinstance(made, Created)
        assert made.secret is None
        return made.client

    @asynccontextmanager
    async def speaking(self, owner: Owner | None) -> AsyncIterator[httpx.AsyncClient]:
        context = ssl.create_default_context(cadata=SERVER.pem)
        if owner is not None:
            context.load_cert_chain(*owner.save(self.folder, "client"))
        async with httpx.AsyncClient(verify=context, base_url=self.origin) as http:
            yield http

    async def ask(self, client: Client, owner: Owner | None, **headers: str) -> httpx.Response:
        async with self.speaking(owner) as http:
            form = {"grant_type": "client_credentials", "client_id": client.id}
            return await http.post(TOKEN, data=form, headers=headers)

    async def get(self, path: str, token: str, owner: Owner | None) -> httpx.Response:
        async with self.speaking(owner) as http:
            return await http.get(path, headers={"Authorization": f"Bearer {token}"})


@asynccontextmanager
async def served(
    store: Any, clock: SettableClock, folder: Path, *, asking: str, listen_by: dict[str, Any]
) -> AsyncIterator[Desk]:
    port = free_row(1)[0]
    origin = f"{'https' if 'tls_cert' in listen_by else 'http'}://127.0.0.1:{port}"
    clock.at = int(APP.certificate.not_valid_before_utc.timestamp() * 1000) + 86_400_000
    switches = Switches(client_certificates=asking)  # type: ignore[arg-type]
    site = await front(store, clock, origin, switches=switches, certificates=CERTIFICATES)
    web = web_of(site.platform)
    async with Server(web.app, web.hot, Listen(port=port, **listen_by)):
        yield Desk(site, origin, folder)


@pytest.fixture
async def desk(
    store: SqliteStore | PostgresStore, clock: SettableClock, tmp_path: Path
) -> AsyncIterator[Desk]:
    """Terminates TLS itself."""
    chain, key = SERVER.save(tmp_path, "server")
    by = {"tls_cert": chain, "tls_key": key, "ask_certificates": True}
    async with served(store, clock, tmp_path, asking="tls", listen_by=by) as it:
        yield it


def refused(answer: httpx.Response) -> None:
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client"), answer.text


@pytest.mark.rfc("8705#2.1")
async def test_by_issuer_and_name(desk: Desk) -> None:
    client = await desk.client(
        token_endpoint_auth_method="tls_client_auth", tls_client_auth_subject_dn="CN=app,O=Bank"
    )
    assert (await desk.ask(client, APP)).status_code == 200
    refused(await desk.ask(client, None))
    refused(await desk.ask(client, issue("CN=app,O=Bank", OTHER)))
    refused(await desk.ask(client, issue("CN=app,O=Bank")))
    refused(await desk.ask(client, issue("CN=other,O=Bank", AUTHORITY)))
    other = await desk.client(
        token_endpoint_auth_method="tls_client_auth", tls_client_auth_san_dns="other.example"
    )
    refused(await desk.ask(other, APP))


@pytest.mark.rfc("8705#2.1.2")
async def test_by_whichever_name_was_registered(desk: Desk) -> None:
    stranger = issue("CN=app,O=Bank", AUTHORITY, names=(DNSName("other.example"),))
    for field, name in (
        ("subject_dn", "CN=app,O=Bank"),
        ("san_dns", "app.example"),
        ("san_uri", "https://app.example/id"),
        ("san_ip", "127.0.0.1"),
        ("san_email", "app@example.org"),
    ):
        named = {f"tls_client_auth_{field}": name}
        client = await desk.client(token_endpoint_auth_method="tls_client_auth", **named)
        assert (await desk.ask(client, APP)).status_code == 200, field
        if field == "subject_dn":
            assert (await desk.ask(client, stranger)).status_code == 200, "the names do not matter"
        else:
            refused(await desk.ask(client, stranger))


@pytest.mark.rfc("8705#2.2")
async def test_by_the_very_key(desk: Desk) -> None:
    client = await desk.client(
        token_endpoint_auth_method="self_signed_tls_client_auth", jwks=SELF.jwks
    )
    assert (await desk.ask(client, SELF)).status_code == 200
    refused(await desk.ask(client, issue("CN=self")))
    refused(await desk.ask(client, APP))
    refused(await desk.ask(client, None))
    desk.site.clock.advance(40 * 86_400_000)
    refused(await desk.ask(client, SELF))


@pytest.mark.attack("D11")
async def test_a_certificate_is_no_way_in_for_clients_with_another_way(desk: Desk) -> None:
    made = await desk.site.client(redirect_uris=[], grant_types=["client_credentials"], scope="")
    refused(await desk.ask(made, APP))
    by_cert = await desk.client(
        token_endpoint_auth_method="tls_client_auth", tls_client_auth_san_dns="app.example"
    )
    async with desk.speaking(APP) as http:
        form = {"grant_type": "client_credentials", "client_id": by_cert.id, "client_secret": "x"}
        refused(await http.post(TOKEN, data=form))


@pytest.mark.rfc("8705#3")
@pytest.mark.parametrize("kind", ["jwt", "opaque"])
async def test_tokens_bound_to_the_certificate(desk: Desk, kind: str) -> None:
    client = await desk.client(
        token_endpoint_auth_method="self_signed_tls_client_auth",
        jwks=SELF.jwks,
        tls_client_certificate_bound_access_tokens=True,
        access_token_format=kind,
    )
    answer = (await desk.ask(client, SELF)).json()
    assert answer["token_type"] == "Bearer"
    token = answer["access_token"]
    path = "/api/v1/users"
    assert (await desk.get(path, token, SELF)).status_code == 200
    for other in (None, APP):
        denied = await desk.get(path, token, other)
        assert (denied.status_code, denied.json()["code"]) == (401, "invalid_token")
    async with desk.speaking(SELF) as http:
        form = {"client_id": client.id, "token": token}
        shown = (await http.post("/oauth2/introspect", data=form)).json()
    assert shown["cnf"].keys() == {"x5t#S256"}
    assert len(shown["cnf"]["x5t#S256"]) == 43


@pytest.mark.rfc("8705#3.3")
async def test_metadata(desk: Desk) -> None:
    async with desk.speaking(None) as http:
        told = (await http.get("/.well-known/oauth-authorization-server")).json()
    assert told["tls_client_certificate_bound_access_tokens"] is True
    methods = told["token_endpoint_auth_methods_supported"]
    assert {"tls_client_auth", "self_signed_tls_client_auth"} <= set(methods)
    assert "mtls_endpoint_aliases" not in told


@pytest.mark.rfc("8705#5")
async def test_another_address_for_certificates(
    store: SqliteStore | PostgresStore, clock: SettableClock
) -> None:
    at = "https://mtls.id.example"
    switches = Switches(client_certificates="proxy", mtls_origin=at, origins=(at,))
    site = await front(store, clock, switches=switches, certificates=CERTIFICATES)
    transport = httpx.ASGITransport(app=site.app)
    async with httpx.AsyncClient(transport=transport, base_url=site.issuer) as http:
        told = (await http.get("/.well-known/openid-configuration")).json()
        aliases = told["mtls_endpoint_aliases"]
        assert aliases["token_endpoint"] == at + TOKEN
        assert "authorization_endpoint" not in aliases
        ours = await http.post(aliases["token_endpoint"], data={"client_id": "x"})
        assert ours.status_code == 401
        elsewhere = await http.post("https://other.example/oauth2/token", data={"client_id": "x"})
        assert elsewhere.status_code == 421


async def test_it_is_off_unless_it_is_switched_on(site: Front) -> None:
    for method in ("tls_client_auth", "self_signed_tls_client_auth"):
        data = {"client_name": "x", "scope": "", "token_endpoint_auth_method": method}
        more = {"tls_client_auth_san_dns": "x"} if method == "tls_client_auth" else {}
        more = more or {"jwks": SELF.jwks}  # type: ignore[dict-item]
        with pytest.raises(ApiError, match="invalid_client_metadata"):
            await site.clients.create(TENANT, {**data, **more}, actor="operator")


@pytest.mark.rfc("8705#2.1.2")
async def test_what_cannot_be_registered(desk: Desk) -> None:
    pki = {"token_endpoint_auth_method": "tls_client_auth"}
    for data in (
        pki,
        {**pki, "tls_client_auth_san_dns": "a", "tls_client_auth_san_uri": "b"},
        {**pki, "tls_client_auth_san_ip": "here"},
        {"token_endpoint_auth_method": "self_signed_tls_client_auth"},
        {"tls_client_auth_san_dns": "a"},
    ):
        with pytest.raises(ApiError) as caught:
            await desk.client(**data)
        assert caught.value.status == 400


# Behind a proxy


@pytest.mark.attack("D17")
@pytest.mark.parametrize("trusted", [True, False])
async def test_a_header_counts_from_the_proxy_alone(
    store: SqliteStore | PostgresStore, clock: SettableClock, tmp_path: Path, trusted: bool
) -> None:
    proxies = Proxies(["127.0.0.1" if trusted else "192.0.2.1"], HEADER)
    async with served(
        store, clock, tmp_path, asking="proxy", listen_by={"proxies": proxies}
    ) as desk:
        client = await desk.client(
            token_endpoint_auth_method="tls_client_auth",
            tls_client_auth_san_email="app@example.org",
            tls_client_certificate_bound_access_tokens=True,
        )
        answer = await desk.ask(client, None, **{HEADER: APP.escaped.decode()})
        if not trusted:
            refused(answer)
            return
        token = answer.json()["access_token"]
        refused(await desk.ask(client, None, **{HEADER: SELF.escaped.decode()}))
        refused(await desk.ask(client, None, **{"X-Client-Cert": APP.escaped.decode()}))
        async with desk.speaking(None) as http:
            by = {"Authorization": f"Bearer {token}"}
            for header, status in ((APP.escaped, 200), (SELF.escaped, 401)):
                found = await http.get("/api/v1/users", headers={**by, HEADER: header.decode()})
                assert found.status_code == status
            assert (await http.get("/api/v1/users", headers=by)).status_code == 401


async def test_registered_names_can_be_changed(desk: Desk) -> None:
    client = await desk.client(
        token_endpoint_auth_method="tls_client_auth", tls_client_auth_san_dns="app.example"
    )
    change = {"tls_client_auth_san_dns": None, "tls_client_auth_san_ip": "127.0.0.1"}
    changed = await desk.site.clients.update(TENANT, client.id, change, actor="operator")
    assert changed == replace(changed, tls_client_auth_san_dns=None)
    assert (await desk.ask(client, APP)).status_code == 200
