"""ID tokens of a provider that was added by its issuer: who signs in is whom a good one names.

The simulator is the issuer; everything else goes over the HTTP API.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import httpx
import pytest
from tests.conftest import SettableClock
from tests.core.upstream.entries import entry
from tests.simulator_fixture import Running, running
from tests.web.harness import TENANT, Front, front

from safeconduct.adapters.outbound import GuardedOutbound
from safeconduct.adapters.store import PostgresStore, SqliteStore
from safeconduct.app.work import runner_of
from safeconduct.core.model import Connection, Credential
from safeconduct.core.unit import Find
from safeconduct.core.upstream.provider import Provider
from safeconduct.simulator import CLIENT_ID, CLIENT_SECRET

CLIENT = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
ATTEMPTS, PROVIDERS = "/api/v1/attempts", "/api/v1/providers"
KEYS = "https://login.acme.example/jwks"


def issuer() -> Provider:
    words = {
        "issuer": "https://login.acme.example",
        "scopes": ["openid", "email"],
        "pkce": "S256",
        "id_token": {"jwks_uri": KEYS},
        "revocation": {"url": "https://login.acme.example/revoke", "ends": "grant"},
    }
    return entry(
        **{f"auth__oauth2_code__{name}": value for name, value in words.items()},
        identity__account_id="/sub",
        identity__account_name="/name",
    )


@dataclass
class Desk:
    site: Front
    http: httpx.AsyncClient
    sim: Running
    operator: str
    user: str

    async def call(self, method: str, path: str, key: str, body: Any = None) -> Any:
        headers = {"authorization": f"Bearer {key}"}
        return await self.http.request(method, path, headers=headers, json=body)

    async def add(self, **body: Any) -> httpx.Response:
        asked = {"issuer": f"{self.sim.base_url}/acme", "id": "corp", **CLIENT, **body}
        answer: httpx.Response = await self.call("POST", PROVIDERS, self.operator, asked)
        return answer

    async def begin(self, provider: str = "corp") -> str:
        answer = await self.call("POST", ATTEMPTS, self.user, {"provider_id": provider})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["authorization_url"])

    async def link(self, url: str | None = None) -> tuple[str, str | None]:
        """Status and reason of an attempt, from its beginning to its end."""
        landed = await self.sim.approve(url or await self.begin())
        back = dict(parse_qsl(urlsplit(landed).query))
        answer = await self.call("POST", f"{ATTEMPTS}/callback", self.user, back)
        assert answer.status_code == 200, answer.text
        return answer.json()["status"], answer.json()["reason"]

    async def rows(self, record: type[Any]) -> list[Any]:
        return list(await self.site.store.find(Find(record, {"tenant_id": TENANT})))


@pytest.fixture
async def desk(store: SqliteStore | PostgresStore, clock: SettableClock) -> AsyncIterator[Desk]:
    outbound = GuardedOutbound(["127.0.0.1"])
    site = await front(store, clock, "http://127.0.0.1:8400", outbound)
    scope = frozenset({"providers:read", "providers:write"})
    _, operator = await site.platform.api_keys.create(
        TENANT, name="CI", scope=scope, actor="operator"
    )
    user, linking = await site.user(), frozenset({"connections:read", "connections:write"})
    client = await site.client(scope="openid connections:read connections:write")
    issued = await site.platform.issuing.issue(
        TENANT, client.id, user.id, linking, actor="operator"
    )
    transport = httpx.ASGITransport(app=site.app)
    async with (
        running(issuer()) as sim,
        httpx.AsyncClient(transport=transport, base_url=site.issuer) as http,
    ):
        await sim.set_clock(clock.now())
        yield Desk(site, http, sim, operator.reveal(), issued["access_token"])
    await outbound.close()


FORGED = {
    "unsigned": "algorithm",
    "symmetric": "algorithm",
    "key": "signature",
    "kid": "signature",
    "audience": "audience",
    "party": "authorized_party",
    "issuer": "issuer",
    "expired": "expired",
    "future": "future",
    "no_nonce": "nonce",
    "nonce_unsupported": "nonce",
    "nonce": "nonce",
    "no_subject": "subject",
    "at_hash": "access_token",
    "type": "type",
    "garbage": "malformed",
}


@pytest.mark.attack("L13")
@pytest.mark.rfc("OIDC#3.1.3.7")
async def test_an_id_token_that_is_forged_links_nothing(desk: Desk) -> None:
    """Each is refused, leaves no row, and what came with it is given back; the next one is good."""
    assert (await desk.add()).status_code == 201
    for forged, rule in FORGED.items():
        await desk.sim.fault("forged_id_token", "token", id_token=forged)
        assert await desk.link() == ("failed", f"id_token.{rule}"), forged
    await desk.sim.fault("omit_id_token", "token")
    assert await desk.link() == ("failed", "id_token.missing")
    await desk.sim.fault("other_account", "identity")
    assert await desk.link() == ("failed", "id_token.userinfo")
    assert await desk.rows(Connection) == await desk.rows(Credential) == []
    await runner_of(desk.site.platform).drain()
    ledger = await desk.sim.ledger("acme")
    assert not [grant for grant in ledger["grants"] if grant["alive"]]
    assert ledger["requests"]["jwks"] <= 2, "held, and asked again once for a kid that is unknown"

    assert await desk.link() == ("completed", None)
    (row,) = await desk.rows(Connection)
    assert row.account_name == "Mira"


@pytest.mark.attack("L13")
async def test_an_id_token_of_another_attempt_is_refused(desk: Desk) -> None:
    """A code that was given to one browser, put into the answer to another (RFC 9700 §4.5)."""
    await desk.add()
    mine, theirs = await desk.begin(), await desk.begin()
    asked = {one: parse_qs(urlsplit(url).query) for one, url in (("m", mine), ("t", theirs))}
    assert asked["m"]["nonce"] != asked["t"]["nonce"]
    swapped = mine.replace(asked["m"]["nonce"][0], asked["t"]["nonce"][0])
    assert await desk.link(swapped) == ("failed", "id_token.nonce")
    assert await desk.link(theirs) == ("completed", None)


async def test_openid_without_an_address_of_keys_is_not_taken(desk: Desk) -> None:
    """Nobody could check what is promised, whichever way the entry is written."""
    body = {
        "kind": "oauth2",
        "authorize_url": "https://acme.example/authorize",
        "token_url": "https://acme.example/token",
        "issuer": "https://acme.example",
        "scopes": ["openid"],
    }
    refused = await desk.add(**body)
    assert (refused.status_code, refused.json()["field"]) == (400, "jwks_uri")
    taken = await desk.add(**body, jwks_uri="https://acme.example/jwks")
    assert taken.status_code == 201, taken.text
