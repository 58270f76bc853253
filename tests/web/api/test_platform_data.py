"""Connections, assets, transactions, events and users over /api/v1, on the whole platform.

Every answer is held to what the served description says of it.
"""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate
from tests.services.shelf import START, Shelf, new_leg, new_position, new_transaction
from tests.web.harness import TENANT, Front

from safeconduct.core.model import Job, User
from safeconduct.core.unit import Find
from safeconduct.services.ledger import new_sync

USER_SCOPE = "openid connections:read connections:write assets:read transactions:read"


@dataclass
class Api:
    front: Front
    shelf: Shelf
    http: httpx.AsyncClient
    described: Any
    user: User
    token: str
    operator: str

    async def key(self, *scope: str) -> str:
        keys = self.front.platform.api_keys
        _, secret = await keys.create(TENANT, name="CI", scope=frozenset(scope), actor="operator")
        return secret.reveal()

    async def token_of(self, user: User, scope: str = USER_SCOPE) -> str:
        client = await self.front.client(scope=scope)
        made = await self.front.platform.issuing.issue(
            TENANT, client.id, user.id, frozenset(scope.split()), actor="operator"
        )
        return str(made["access_token"])

    async def call(self, method: str, path: str, token: str = "", **query: Any) -> httpx.Response:
        """The answer, judged by the description; the user's token unless told otherwise."""
        headers = {"authorization": f"Bearer {token or self.token}"}
        response = await self.http.request(method, path, headers=headers, params=query)
        self.judge(method, path, response)
        return response

    def judge(self, method: str, path: str, response: httpx.Response) -> None:
        shape = next(
            known
            for known in sorted(self.described["paths"], key=lambda known: "{" in known)
            if re.fullmatch(re.sub(r"\{[a-z_]+\}", "[^/]+", known), path)
        )
        said = self.described["paths"][shape][method.lower()]["responses"]
        assert str(response.status_code) in said, response.text
        content = said[str(response.status_code)].get("content")
        if content is None:
            assert response.content == b""
            return
        ((type, media),) = content.items()
        assert response.headers["content-type"] == type
        assert response.headers["cache-control"] == "no-store"
        schema = {**self.described, **media["schema"]}
        Draft202012Validator(schema).validate(response.json())

    async def walk(self, path: str, token: str = "", **query: Any) -> list[Any]:
        found: list[Any] = []
        while True:
            page = (await self.call("GET", path, token, **query)).json()
            found += page["data"]
            if page["next_cursor"] is None:
                return found
            query["cursor"] = page["next_cursor"]


@pytest.fixture
async def api(site: Front) -> AsyncIterator[Api]:
    transport = httpx.ASGITransport(app=site.app)
    async with httpx.AsyncClient(transport=transport, base_url=site.issuer) as http:
        described = (await http.get("/api/v1/openapi.json")).json()
        shelf = Shelf(site.store, site.clock, site.platform.assets)
        user = await site.user()
        made = Api(site, shelf, http, described, user, "", "")
        made.token = await made.token_of(user)
        made.operator = await made.key("connections:admin", "events:read", "users:read")
        yield made


async def test_the_description_is_one(api: Api) -> None:
    validate(api.described)
    for path in ("connections", "assets", "transactions", "events", "users", "clients"):
        assert f"/api/v1/{path}" in api.described["paths"]


async def test_assets(api: Api) -> None:
    owner = await api.shelf.connection(api.user.id)
    await api.shelf.positions(owner, 5)
    held = await api.walk("/api/v1/assets", limit=2)
    assert [row["account"] for row in held] == ["a000", "a001", "a002", "a003", "a004"]
    assert held[0]["quantity"] == "1.50"
    debt = replace(new_position(owner, "debt", "USD", START), quantity=Decimal("-7.25"))
    await api.shelf.put(debt)
    (row,) = await api.walk("/api/v1/assets", assets="USD")
    assert row["quantity"] == "-7.25"


async def test_transactions_with_their_legs(api: Api) -> None:
    owner = await api.shelf.connection(api.user.id)
    await api.shelf.history(owner, 5)
    fee = new_leg(owner, "r9", 0, "txn_9", START + 99_000, "fee", "USD")
    fee = replace(fee, role="fee", fee_type="other", amount=Decimal("-0.50"), outside=True)
    row = replace(
        new_transaction(owner, "r9", "txn_9", START + 99_000, "fee"), category="output_only"
    )
    await api.shelf.put(row, fee)
    newest, *others = await api.walk("/api/v1/transactions", limit=2)
    assert newest["legs"] == [
        {
            "account": "a",
            "asset": "USD",
            "amount": "-0.50",
            "role": "fee",
            "fee_type": "other",
            "outside": True,
            "value": None,
        }
    ]
    assert [one["at"] for one in others] == [START + n * 1000 for n in (4, 3, 2, 1, 0)]
    assert len(await api.walk("/api/v1/transactions", since=START + 3000, limit=1)) == 3
    assert [t["kind"] for t in await api.walk("/api/v1/transactions", kinds="fee")] == ["fee"]


@pytest.mark.attack("P3")
async def test_a_user_sees_the_users_own_and_an_operator_the_tenants(api: Api) -> None:
    other = await api.front.user("bob@example.org")
    mine = await api.shelf.connection(api.user.id)
    theirs = await api.shelf.connection(other.id)
    for owner in (mine, theirs):
        await api.shelf.positions(owner, 2)
        await api.shelf.history(owner, 2)
    lists = ("/api/v1/assets", "/api/v1/transactions")
    for path in lists:
        assert {row["connection_id"] for row in await api.walk(path)} == {mine.id}
        assert (await api.call("GET", path, user_id=other.id)).status_code == 404
        assert await api.walk(path, connection_id=theirs.id) == []
        found = await api.walk(path, api.operator, user_id=other.id)
        assert {row["connection_id"] for row in found} == {theirs.id}
        found = await api.walk(path, api.operator, connection_id=mine.id)
        assert {row["connection_id"] for row in found} == {mine.id}
        assert (await api.call("GET", path, api.operator)).status_code == 400
        weak = await api.key("events:read")
        assert (await api.call("GET", path, weak, user_id=other.id)).status_code == 403
    assert [row["id"] for row in await api.walk("/api/v1/connections", limit=1)] == [mine.id]
    everyone = await api.walk("/api/v1/connections", api.operator, limit=1)
    assert {row["id"] for row in everyone} == {mine.id, theirs.id}
    for path in ("", "/syncs", "/balances"):
        url = f"/api/v1/connections/{theirs.id}{path}"
        assert (await api.call("GET", url)).status_code == 404
        assert (await api.call("GET", url, api.operator)).status_code == 200
    assert (await api.call("DELETE", f"/api/v1/connections/{theirs.id}")).status_code == 404
    gone = await api.call("DELETE", f"/api/v1/connections/{theirs.id}", api.operator)
    assert gone.status_code == 204


async def test_scopes_are_needed(api: Api) -> None:
    poor = await api.token_of(api.user, "openid profile")
    owner = await api.shelf.connection(api.user.id)
    one = f"/api/v1/connections/{owner.id}"
    for method, path in (
        ("GET", "/api/v1/assets"),
        ("GET", "/api/v1/transactions"),
        ("GET", "/api/v1/connections"),
        ("GET", one),
        ("DELETE", one),
        ("POST", f"{one}/syncs"),
        ("GET", f"{one}/balances"),
        ("GET", "/api/v1/events"),
        ("GET", "/api/v1/users"),
    ):
        response = await api.call(method, path, poor)
        assert response.status_code == 403, path
        assert response.json()["code"] == "insufficient_scope"
        nobody = await api.call(method, path, "nonsense")
        assert nobody.status_code == 401
    assert (await api.call("GET", one)).status_code == 200


async def test_a_connection_and_its_end(api: Api) -> None:
    owner = await api.shelf.connection(api.user.id)
    await api.shelf.positions(owner, 2)
    one = f"/api/v1/connections/{owner.id}"
    shown = (await api.call("GET", one)).json()
    assert (shown["id"], shown["status"], shown["ended_at"]) == (owner.id, "active", None)
    assert (await api.call("DELETE", one)).status_code == 204
    assert (await api.call("GET", one)).status_code == 404
    assert (await api.call("DELETE", one)).status_code == 404
    assert await api.walk("/api/v1/assets") == []
    assert await api.walk("/api/v1/connections") == []
    (ended,) = await api.walk("/api/v1/connections", api.operator)
    assert (ended["status"], ended["ended_at"]) == ("deleted", api.front.clock.now())
    jobs = await api.front.store.find(Find(Job, {"tenant_id": TENANT, "kind": "data.erase"}))
    assert [job.subject for job in jobs] == [owner.id]


async def test_syncs_and_balances(api: Api) -> None:
    owner = await api.shelf.connection(api.user.id)
    await api.shelf.history(owner, 3)
    await api.shelf.put(
        replace(new_sync(owner, "assets", 1), error="server_error", status="failed")
    )
    one = f"/api/v1/connections/{owner.id}"
    (state,) = (await api.call("GET", f"{one}/syncs")).json()["data"]
    assert (state["status"], state["error"]) == ("failed", "server_error")
    begun = await api.call("POST", f"{one}/syncs")
    assert begun.status_code == 202
    assert {row["capability"] for row in begun.json()["data"]} == {"assets", "transactions"}
    again = await api.call("POST", f"{one}/syncs")
    assert (again.status_code, again.headers["retry-after"]) == (429, "30")
    lines = (await api.call("GET", f"{one}/balances")).json()["data"]
    assert {line["asset"]: line["gap"] for line in lines} == {"BTC": "0", "ETH": "0", "USD": "0"}
    stale = await api.shelf.connection(api.user.id, account_key="b", status="needs_reauth")
    response = await api.call("POST", f"/api/v1/connections/{stale.id}/syncs")
    assert (response.status_code, response.json()["code"]) == (409, "needs_reauth")


async def test_troubles_are_told(api: Api) -> None:
    sick = await api.shelf.connection(api.user.id, status="degraded")
    await api.shelf.positions(sick, 1)
    page = (await api.call("GET", "/api/v1/assets")).json()
    assert len(page["data"]) == 1
    assert page["problems"] == [
        {
            "connection_id": sick.id,
            "provider_id": sick.provider_id,
            "code": "unavailable",
            "as_of": None,
        }
    ]


async def test_events(api: Api) -> None:
    found = await api.walk("/api/v1/events", api.operator, limit=3)
    ids = [row["id"] for row in found]
    assert ids == sorted(ids, reverse=True)
    assert {"user.created", "client.created", "api_key.created"} <= {row["type"] for row in found}
    created = await api.walk("/api/v1/events", api.operator, types="user.created", limit=1)
    assert [row["subject"] for row in created] == [api.user.id]
    mine = await api.walk("/api/v1/events", api.operator, user_id=api.user.id)
    assert mine
    assert {row["user_id"] for row in mine} == {api.user.id}
    about = await api.walk("/api/v1/events", api.operator, subject=api.user.id)
    assert {row["subject"] for row in about} == {api.user.id}
    one = await api.call("GET", f"/api/v1/events/{ids[0]}", api.operator)
    assert one.json() == found[0]
    missing = await api.call("GET", "/api/v1/events/evt_none", api.operator)
    assert missing.status_code == 404
    page = (await api.call("GET", "/api/v1/events", api.operator, limit=1)).json()
    other = {"cursor": page["next_cursor"], "subject": api.user.id}
    assert (await api.call("GET", "/api/v1/events", api.operator, **other)).status_code == 400


async def test_users_and_what_they_allowed(api: Api) -> None:
    other = await api.front.user("bob@example.org")
    found = await api.walk("/api/v1/users", api.operator, limit=1)
    assert [row["id"] for row in found] == [api.user.id, other.id]
    shown = (await api.call("GET", f"/api/v1/users/{other.id}", api.operator)).json()
    known = {"kind": "email", "value": "bob@example.org", "verified": True, "first": True}
    assert shown["identifiers"] == [known]
    nobody = await api.call("GET", "/api/v1/users/usr_none", api.operator)
    assert nobody.status_code == 404
    grants = (await api.call("GET", f"/api/v1/users/{api.user.id}/grants", api.operator)).json()
    (grant,) = grants["data"]
    assert grant["scope"] == USER_SCOPE
    writer = await api.key("users:write")
    assert (await api.call("GET", "/api/v1/assets")).status_code == 200
    ended = await api.call("DELETE", f"/api/v1/grants/{grant['id']}", writer)
    assert ended.status_code == 204
    assert (await api.call("GET", "/api/v1/assets")).status_code == 401
    absent = await api.call("DELETE", "/api/v1/grants/gra_none", writer)
    assert absent.status_code == 404
    gone = await api.call("POST", f"/api/v1/users/{other.id}/disable", writer)
    assert gone.json()["status"] == "disabled"
    back = await api.call("POST", f"/api/v1/users/{other.id}/enable", writer)
    assert back.json()["status"] == "active"
    none = await api.call("POST", "/api/v1/users/usr_none/disable", writer)
    assert none.status_code == 404


async def test_users_are_made_and_changed(api: Api) -> None:
    writer = await api.key("users:read", "users:write")
    headers = {"authorization": f"Bearer {writer}"}

    async def send(method: str, path: str, data: Any) -> httpx.Response:
        response = await api.http.request(method, path, headers=headers, json=data)
        api.judge(method, path, response)
        return response

    data = {"email": "Carl@Example.org", "phone": "+12025550143", "name": "Carl"}
    made = await send("POST", "/api/v1/users", {**data, "profile": {"locale": "de"}})
    assert made.status_code == 201
    path = f"/api/v1/users/{made.json()['id']}"
    shown = (await api.call("GET", path, writer)).json()
    assert {one["value"] for one in shown["identifiers"]} == {"carl@example.org", "+12025550143"}
    change = {"name": None, "profile": {"locale": None, "birthdate": "1990"}}
    changed = (await send("PATCH", path, change)).json()
    assert (changed["name"], changed["profile"]) == (None, {"birthdate": "1990"})
    events = await api.walk("/api/v1/events", api.operator, subject=changed["id"])
    assert [row["type"] for row in events] == ["user.updated", "user.created"]
    assert (await send("PATCH", path, change)).status_code == 200  # the same once more
    assert len(await api.walk("/api/v1/events", api.operator, subject=changed["id"])) == 2
    assert (await send("POST", "/api/v1/users", data)).status_code == 409
    for bad in ({}, {"email": 7}, {"email": "nobody"}, {**data, "role": "admin"}, {"email": None}):
        assert (await send("POST", "/api/v1/users", bad)).status_code == 400, bad
    for bad in ({"email": "x@y.zz"}, {"name": ""}, {"name": 7}, {"profile": {"sub": "x"}}):
        assert (await send("PATCH", path, bad)).status_code == 400, bad
    assert (await send("PATCH", "/api/v1/users/usr_none", {})).status_code == 404
    reader = {"authorization": f"Bearer {api.operator}"}
    refused = await api.http.post("/api/v1/users", headers=reader, json={"email": "d@example.org"})
    assert refused.status_code == 403


NAMES = ("limit", "cursor", "since", "until", "assets", "kinds", "providers", "connection_id")
VALUES = st.text(max_size=20) | st.integers(-2, 2**64).map(str)


@pytest.mark.attack("P9")
@given(st.lists(st.tuples(st.sampled_from((*NAMES, "user_id", "types", "subject")), VALUES)))
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
async def test_no_query_is_a_fault_of_ours(api: Api, query: list[tuple[str, str]]) -> None:
    for path, token in (
        ("/api/v1/assets", api.token),
        ("/api/v1/transactions", api.token),
        ("/api/v1/connections", api.operator),
        ("/api/v1/events", api.operator),
        ("/api/v1/users", api.operator),
    ):
        headers = {"authorization": f"Bearer {token}"}
        response = await api.http.get(path, headers=headers, params=query)
        assert response.status_code in (200, 400, 404)
        api.judge("GET", path, response)


@pytest.mark.parametrize("id", ["%00", "a%0Ab", "%F0%9F%91%BB", "x" * 3000, "%2e%2e", "'"])
async def test_no_path_is_a_fault_of_ours(api: Api, id: str) -> None:
    headers = {"authorization": f"Bearer {api.operator}"}
    for path in ("connections", "events", "users"):
        response = await api.http.get(f"/api/v1/{path}/{id}", headers=headers)
        assert response.status_code in (400, 404), path
