"""Providers that a tenant adds over /api/v1, and what becomes of accounts that are linked there.

The provider is the simulator, or a server that publishes what it is told to.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
import yaml
from tests.conftest import SettableClock
from tests.connected import example
from tests.simulator_fixture import EXAMPLE, Running, running
from tests.web.harness import TENANT, Front, front, snapshot
from tests.well_known import OAUTH, Publisher, publishing

from safeconduct.adapters.catalog import document_of
from safeconduct.adapters.outbound import GuardedOutbound
from safeconduct.adapters.store import PostgresStore, SqliteStore
from safeconduct.app.work import runner_of
from safeconduct.core.errors import ApiError
from safeconduct.core.model import Connection, Event, TenantId, User
from safeconduct.core.secret import Secret
from safeconduct.core.unit import Find, Ref
from safeconduct.services.connections import Completed, Returning, Started, Starter
from safeconduct.services.connections.own_providers import Client
from safeconduct.simulator import CLIENT_ID, CLIENT_SECRET

PATH = "/api/v1/providers"
CLIENT = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
OTHER = TenantId("t2")


@dataclass
class Desk:
    site: Front
    http: httpx.AsyncClient
    key: str
    user: User
    sim: Running

    async def call(self, method: str, path: str = "", body: Any = None, key: str = "") -> Any:
        headers = {"authorization": f"Bearer {key or self.key}"}
        return await self.http.request(method, PATH + path, headers=headers, json=body)

    async def added(self, body: dict[str, Any]) -> Any:
        answer = await self.call("POST", body=body)
        assert answer.status_code == 201, answer.text
        return answer.json()

    async def refusal(self, body: dict[str, Any]) -> tuple[int, str, str | None]:
        """Status, code and field; nothing is written."""
        before = await snapshot(self.site.store)
        answer = await self.call("POST", body=body)
        assert await snapshot(self.site.store) == before
        problem = answer.json()
        return answer.status_code, problem["code"], problem.get("field")

    async def begin(self, provider: str) -> Started:
        who = Starter(tenant_id=TENANT, user_id=self.user.id, client_id="app")
        return await self.site.platform.start.start(who, provider)

    async def finish(self, begun: Started) -> Connection:
        landed = await self.sim.approve(begun.redirect_url)
        params = parse_qsl(urlsplit(landed).query)
        back = Returning(
            tenant_id=TENANT,
            mode="api",
            user_id=self.user.id,
            client_id="app",
            state=dict(params)["state"],
            params=params,
        )
        done = await self.site.platform.complete.complete(back)
        assert isinstance(done, Completed), done
        return done.connection


@pytest.fixture
async def desk(store: SqliteStore | PostgresStore, clock: SettableClock) -> AsyncIterator[Desk]:
    outbound = GuardedOutbound(["127.0.0.1"])
    site = await front(store, clock, "http://127.0.0.1:8400", outbound)
    scope = frozenset({"providers:read", "providers:write"})
    _, key = await site.platform.api_keys.create(TENANT, name="CI", scope=scope, actor="operator")
    user = await site.user()
    transport = httpx.ASGITransport(app=site.app)
    async with (
        running(example()) as sim,
        httpx.AsyncClient(transport=transport, base_url=site.issuer) as http,
    ):
        yield Desk(site, http, key.reveal(), user, sim)
    await outbound.close()


@pytest.fixture
async def there() -> AsyncIterator[Publisher]:
    async with publishing() as made:
        yield made


def entry(sim: Running, id: str = "acme") -> dict[str, Any]:
    """The example's own document, as a tenant would write it about this simulator."""
    document, root = document_of(EXAMPLE), f"{sim.base_url}/{EXAMPLE}"
    code = document["auth"]["oauth2_code"]
    code |= {"authorize_url": f"{root}/authorize", "token_url": f"{root}/token"}
    if "issuer" in code:
        code["issuer"] = root
    if "revocation" in code:
        code["revocation"]["url"] = f"{root}/revoke"
    document["api"]["base_url"] = f"{root}/api"
    return {**document, "id": id, "name": "Acme"}


async def test_a_whole_entry_from_its_addition_to_its_removal(desk: Desk) -> None:
    made = await desk.added({"kind": "entry", "entry": entry(desk.sim), **CLIENT})
    assert (made["origin"], made["kind"], made["status"]) == ("tenant", "entry", "active")
    assert CLIENT_SECRET not in str(made)
    listed = (await desk.call("GET", "?origin=tenant")).json()["data"]
    assert [one["id"] for one in listed] == ["acme"]
    assert listed[0]["monogram"] == "A"
    row = await desk.finish(await desk.begin("acme"))
    live = await desk.site.platform.refresh.credential(TENANT, row.id)
    assert await desk.sim.usable(live.access_token.reveal())

    assert (await desk.call("DELETE", "/acme")).status_code == 204
    assert (await desk.call("GET", "/acme")).status_code == 404
    await runner_of(desk.site.platform).drain()
    ended = await desk.site.store.get(Ref(Connection, tenant_id=TENANT, id=row.id))
    assert ended is not None
    assert ended.status == "revoked"
    assert not await desk.sim.usable(live.access_token.reveal()), "it was given back"
    assert (await desk.refusal({"entry": entry(desk.sim), **CLIENT}))[1] == "provider_exists"


async def test_an_entry_may_come_as_the_text_of_a_yaml_file(desk: Desk) -> None:
    text = yaml.safe_dump(entry(desk.sim))
    assert (await desk.added({"entry": text, **CLIENT}))["name"] == "Acme"
    bomb = "a: &a [x, x]\nb: [*a, *a]\n"
    assert (await desk.refusal({"entry": bomb}))[:2] == (400, "invalid_provider")
    deep = "a: " + "[" * 5000
    assert (await desk.refusal({"entry": deep}))[:2] == (400, "invalid_provider")


@pytest.mark.attack("L16")
async def test_who_is_on_the_way_when_an_entry_changes_finishes_by_what_was(desk: Desk) -> None:
    await desk.added({"entry": entry(desk.sim), **CLIENT})
    begun = await desk.begin("acme")
    changed = entry(desk.sim)
    changed["auth"]["oauth2_code"]["token_url"] = "https://elsewhere.example/token"
    answer = await desk.call("PATCH", "/acme", {"entry": changed})
    assert (answer.status_code, answer.json()["version"]) == (200, 2), answer.text
    row = await desk.finish(begun)
    assert row.status == "active"
    assert (await desk.begin("acme")).attempt.token_endpoint == "https://elsewhere.example/token"


async def test_generic_oauth_by_its_addresses(desk: Desk) -> None:
    root = f"{desk.sim.base_url}/{EXAMPLE}"
    known = example()
    assert known.identity is not None
    made = await desk.added(
        {
            "id": "plain",
            "name": "Plain",
            "authorize_url": f"{root}/authorize",
            "token_url": f"{root}/token",
            "identity_url": f"{root}/api{known.identity.path}",
            "account_id": list(known.identity.account_id),
            "scopes": list(known.oauth2.scopes),
            "token_auth": known.oauth2.token_auth,
            **CLIENT,
        }
    )
    assert made["kind"] == "oauth2"
    row = await desk.finish(await desk.begin("plain"))
    assert row.account_key != "-", "it is known whose account it is"
    renamed = await desk.call("PATCH", "/plain", {"name": "Plainer"})
    assert (renamed.json()["name"], renamed.json()["client_id"]) == ("Plainer", CLIENT_ID)


async def test_what_does_not_fit_is_refused_by_name(desk: Desk) -> None:
    fine = entry(desk.sim)
    for body, field in (
        ({"kind": "saml"}, "kind"),
        ({"entry": {**fine, "colour": "red"}}, "colour"),
        ({"entry": {**fine, "id": "no spaces"}}, "id"),
        ({"entry": {**fine, "api": {**fine["api"], "via": {"connector": "ccxt"}}}}, "api"),
        ({"authorize_url": "http://acme.example/a", "token_url": "https://a.example"},
         "authorize_url"),
        ({"authorize_url": "https://a.example", "token_url": "https://a.example",
          "account_id": "/id"}, "account_id"),
    ):  # fmt: skip
        status, _, named = await desk.refusal({**body, **CLIENT})
        assert (status, named) == (400, field), body


async def test_no_entry_takes_the_place_of_the_catalogues(desk: Desk) -> None:
    for id in ("github", "GitHub"):
        refusal = await desk.refusal({"entry": entry(desk.sim, id), **CLIENT})
        assert refusal == (409, "provider_exists", "id")
    assert (await desk.added({"entry": entry(desk.sim, "github-own"), **CLIENT}))["id"]
    assert (await desk.call("DELETE", "/github")).status_code == 404


@pytest.mark.attack("L8")
async def test_an_entry_is_its_tenants_alone(desk: Desk) -> None:
    platform = desk.site.platform
    await platform.tenants.create({"slug": "other", "name": "Other"}, actor="operator")
    _, key = await platform.api_keys.create(
        OTHER, name="CI", scope=frozenset({"providers:read", "providers:write"}), actor="operator"
    )
    await desk.added({"entry": entry(desk.sim), **CLIENT})
    unknown = await desk.call("GET", "/nobody", key=key.reveal())
    foreign = await desk.call("GET", "/acme", key=key.reveal())
    assert foreign.status_code == unknown.status_code == 404
    assert foreign.json()["code"] == unknown.json()["code"]
    assert (await desk.call("PATCH", "/acme", {"name": "x"}, key=key.reveal())).status_code == 404
    assert (await desk.call("DELETE", "/acme", key=key.reveal())).status_code == 404
    assert await platform.providers.ready(OTHER, "acme") is None
    assert await platform.providers.ready(TENANT, "acme") is not None
    mine = {"entry": entry(desk.sim), "client_id": "theirs", "client_secret": "x"}
    assert (await desk.call("POST", body=mine, key=key.reveal())).status_code == 201, "its own"


async def test_a_user_sees_what_can_be_linked_and_nothing_of_how(desk: Desk) -> None:
    await desk.added({"entry": entry(desk.sim), **CLIENT})
    client = await desk.site.client(scope="openid connections:read")
    issued = await desk.site.platform.issuing.issue(
        TENANT, client.id, desk.user.id, frozenset({"connections:read"}), actor="operator"
    )
    shown = await desk.call("GET", "/acme", key=issued["access_token"])
    assert shown.json()["name"] == "Acme"
    assert not {"client_id", "status", "entry"} & shown.json().keys()
    assert (await desk.call("DELETE", "/acme", key=issued["access_token"])).status_code == 403
    assert (await desk.call("GET", "/github", key=issued["access_token"])).status_code == 404


# OpenID by its issuer


@pytest.mark.rfc("8414#3")
async def test_openid_by_its_issuer(desk: Desk, there: Publisher) -> None:
    there.issuer()
    made = await desk.added({"issuer": there.url, "id": "corp", **CLIENT})
    assert (made["issuer"], made["scopes"]) == (there.url, ["openid", "email", "offline_access"])
    begun = await desk.begin("corp")
    assert begun.redirect_url.startswith(f"{there.url}/authorize?")
    assert begun.attempt.issuer == there.url
    ready = await desk.site.platform.providers.need(TENANT, "corp")
    assert ready.provider.identity is not None
    assert ready.provider.identity.base_url == there.url


@pytest.mark.attack("L15")
async def test_metadata_of_another_issuer_or_origin_is_refused_and_not_kept(
    desk: Desk, there: Publisher
) -> None:
    body = {"issuer": there.url, "id": "corp", **CLIENT}
    for poison in (
        {"issuer": f"{there.url}/"},
        {"issuer": "https://honest.example"},
        {"token_endpoint": "https://evil.example/token"},
        {"authorization_endpoint": "http://127.0.0.1:1/authorize"},
        {"userinfo_endpoint": "https://evil.example/me"},
        {"token_endpoint": None},
        {"jwks_uri": "https://evil.example/jwks"},
        {"jwks_uri": None},
        {"id_token_signing_alg_values_supported": ["HS256", "none"]},
    ):
        there.issuer(**poison)
        assert (await desk.refusal(body))[:2] == (400, "discovery_failed"), poison
    there.issuer()
    assert await desk.added(body), "the next answer counts, and no earlier one"


async def test_an_endpoint_elsewhere_is_taken_where_its_origin_is_named(
    desk: Desk, there: Publisher
) -> None:
    there.issuer(token_endpoint="https://tokens.example/token")
    body = {"issuer": there.url, "id": "corp", **CLIENT}
    assert (await desk.refusal(body))[1] == "discovery_failed"
    await desk.added({**body, "endpoint_origins": ["https://tokens.example"]})
    assert (await desk.begin("corp")).attempt.token_endpoint == "https://tokens.example/token"


@pytest.mark.attack("N8")
async def test_no_address_tells_whether_anybody_is_there(
    store: SqliteStore, clock: SettableClock, there: Publisher
) -> None:
    """Filtered, closed and unknown read the same; the filtered one is never connected to."""
    there.issuer()
    guarded = GuardedOutbound()
    site = await front(store, clock, outbound=guarded)
    told, ours = set(), Client(id="ours", secret=Secret("secret"))
    for issuer in (there.url, "https://127.0.0.1:1", "https://10.0.0.1", "https://[::1]:9"):
        with pytest.raises(ApiError) as refused:
            await site.platform.own_providers.add(
                TENANT, {"issuer": issuer}, ours, actor="operator"
            )
        told.add((refused.value.status, refused.value.code, refused.value.title))
    assert len(told) == 1
    assert not there.asked
    await guarded.close()


async def test_many_who_ask_for_one_issuer_at_once_make_one_request(
    desk: Desk, there: Publisher
) -> None:
    there.issuer()
    there.gate.clear()
    discovery = desk.site.platform.own_providers.discovery
    asking = [asyncio.create_task(discovery.server(there.url)) for _ in range(20)]
    await there.waiting.wait()
    there.gate.set()
    found = await asyncio.gather(*asking)
    assert len({one.token_endpoint for one in found}) == 1
    assert there.asked[OAUTH] == 1


@pytest.mark.invariant("V16")
async def test_each_change_is_told_once(desk: Desk) -> None:
    await desk.added({"entry": entry(desk.sim), **CLIENT})
    await desk.call("PATCH", "/acme", {"entry": {**entry(desk.sim), "name": "Other"}})
    await desk.call("DELETE", "/acme")
    rows = await desk.site.store.find(Find(Event, {"tenant_id": TENANT, "subject": "acme"}))
    assert [row.type for row in rows if row.type.startswith("provider.")] == [
        "provider.added",
        "provider.changed",
        "provider.removed",
    ]


async def test_a_catalogue_that_takes_an_id_gets_no_secret_of_the_tenants(desk: Desk) -> None:
    """A later version may bring an entry of the same id: then neither is used."""
    await desk.added({"entry": entry(desk.sim), **CLIENT})
    providers = desk.site.platform.providers
    known = providers.catalog.get("github")
    assert known is not None
    providers.catalog._found["acme"] = known  # type: ignore[attr-defined]
    try:
        assert await providers.ready(TENANT, "acme") is None
        assert await providers.leaving(TENANT, "acme") is None
    finally:
        del providers.catalog._found["acme"]  # type: ignore[attr-defined]
    assert await providers.ready(TENANT, "acme") is not None


@pytest.mark.attack("P8")
async def test_a_regular_expression_that_could_run_for_ever_is_not_taken(desk: Desk) -> None:
    shop = {"label": "Shop", "pattern": "(a+)+", "example": "a" * 30 + "!"}
    fine = entry(desk.sim)
    fine["provenance"]["placeholders"] = next(iter(fine["sources"]))
    refusal = await desk.refusal({"entry": {**fine, "placeholders": {"shop": shop}}, **CLIENT})
    assert refusal == (400, "invalid_provider", "pattern")
    shop |= {"pattern": "[a-z]{1,30}", "example": "a"}
    await desk.added({"entry": {**fine, "placeholders": {"shop": shop}}, **CLIENT})
