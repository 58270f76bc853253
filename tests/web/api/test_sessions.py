"""/api/v1/users/{user_id}/sessions: an operator sees and ends them, and nobody else does."""

from typing import Any

import httpx
import pytest
from tests.conftest import SettableClock
from tests.web.harness import ISSUER, TENANT, Front, front

from safeconduct.adapters.store import PostgresStore, SqliteStore


@pytest.fixture
async def site(store: SqliteStore | PostgresStore, clock: SettableClock) -> Front:
    return await front(store, clock)


async def call(site: Front, scope: str, method: str, path: str) -> httpx.Response:
    _, key = await site.platform.api_keys.create(
        TENANT, name="CI", scope=frozenset(scope.split()), actor="operator"
    )
    transport = httpx.ASGITransport(app=site.app)
    async with httpx.AsyncClient(transport=transport, base_url=ISSUER) as http:
        headers = {"authorization": f"Bearer {key.reveal()}"}
        return await http.request(method, path, headers=headers)


async def test_sessions_are_seen_and_ended(site: Front) -> None:
    user, other = await site.user(), await site.user("ben@example.org")
    people = [site.person(), site.person(), site.person()]
    for person in people:
        await person.sign_in()
    path = f"/api/v1/users/{user.id}/sessions"
    rows: list[dict[str, Any]] = (await call(site, "users:read", "GET", path)).json()["data"]
    assert len(rows) == 3
    assert {row["sid"] for row in rows} == {row["id"] for row in rows}
    one = f"{path}/{rows[0]['id']}"
    foreign = f"/api/v1/users/{other.id}/sessions/{rows[0]['id']}"
    assert (await call(site, "users:read", "DELETE", one)).status_code == 403
    assert (await call(site, "users:write", "DELETE", foreign)).status_code == 404
    assert (await call(site, "users:write", "DELETE", one)).status_code == 204
    assert (await call(site, "users:write", "DELETE", one)).status_code == 404
    assert len((await call(site, "users:read", "GET", path)).json()["data"]) == 2
    assert (await call(site, "users:write", "DELETE", path)).status_code == 204
    assert (await call(site, "users:read", "GET", path)).json()["data"] == []
    for person in people:
        assert (await person.get("/account")).status_code == 303
