"""Members and teams over the platform API."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from tests.conftest import SettableClock
from tests.web.harness import TENANT, Front, front

from safeconduct.adapters.store import PostgresStore, SqliteStore


@pytest.fixture
async def site(store: SqliteStore | PostgresStore, clock: SettableClock) -> Front:
    return await front(store, clock)


@pytest.fixture
async def http(site: Front) -> AsyncIterator[httpx.AsyncClient]:
    _, key = await site.platform.api_keys.create(
        TENANT, name="k", scope=frozenset({"users:read", "users:write"}), actor="operator"
    )
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=site.app),
        base_url=site.issuer + "/api/v1/",
        headers={"authorization": f"Bearer {key.reveal()}"},
    ) as client:
        yield client


async def test_teams_and_members(site: Front, http: httpx.AsyncClient) -> None:
    ann = await site.user()
    made = await http.post("teams", json={"name": "Design"})
    team = made.json()
    assert (made.status_code, team["slug"], team["number"]) == (201, "design", 1)
    assert (await http.post("teams", json={"name": "Design"})).status_code == 409
    assert (await http.get(f"teams/{team['id']}")).json() == team
    roots: list[tuple[str, str | None]] = [("members", None), (f"teams/{team['id']}/members", "t")]
    for root, place in roots:
        set_ = await http.put(f"{root}/{ann.id}", json={"role": "ADMIN"})
        assert (set_.status_code, set_.json()["role"]) == (200, "ADMIN")
        assert (set_.json()["team_id"] is None) is (place is None)
        assert [one["user_id"] for one in (await http.get(root)).json()["data"]] == [ann.id]
        assert (await http.put(f"{root}/{ann.id}", json={"role": "KING"})).status_code == 400
        assert (await http.put(f"{root}/usr_x", json={})).status_code == 404
        assert (await http.delete(f"{root}/{ann.id}")).status_code == 204
        assert (await http.delete(f"{root}/{ann.id}")).status_code == 404
    await http.put(f"teams/{team['id']}/members/{ann.id}", json={})
    assert (await http.delete(f"teams/{team['id']}")).status_code == 204
    for method, path in (
        ("GET", f"teams/{team['id']}"),
        ("DELETE", f"teams/{team['id']}"),
        ("GET", f"teams/{team['id']}/members"),
    ):
        assert (await http.request(method, path)).status_code == 404


async def test_members_and_teams_come_in_pages(site: Front, http: httpx.AsyncClient) -> None:
    people = [await site.user(f"u{n}@example.org") for n in range(3)]
    for person in people:
        await http.put(f"members/{person.id}", json={})
        await http.post("teams", json={"name": f"Team {person.number}"})
    for path, name, every in (
        ("members", "user_id", [person.id for person in people]),
        ("teams", "number", [1, 2, 3]),
    ):
        first = (await http.get(path, params={"limit": "2"})).json()
        query = {"limit": "2", "cursor": first["next_cursor"]}
        second = (await http.get(path, params=query)).json()
        assert [one[name] for one in first["data"] + second["data"]] == every
        assert second["next_cursor"] is None
        assert (await http.get(path, params={"limit": "101"})).status_code == 400
    assert (await http.get("teams", params={"cursor": "x"})).status_code == 400


@pytest.mark.parametrize(
    "body", [{}, {"name": ""}, {"name": 5}, {"name": "x", "number": 7}, {"name": "!", "slug": "!"}]
)
async def test_what_a_team_cannot_be(http: httpx.AsyncClient, body: dict[str, Any]) -> None:
    assert (await http.post("teams", json=body)).status_code == 400


async def test_a_scope_is_needed(site: Front, http: httpx.AsyncClient) -> None:
    _, weak = await site.platform.api_keys.create(
        TENANT, name="k", scope=frozenset({"users:read"}), actor="operator"
    )
    headers = {"authorization": f"Bearer {weak.reveal()}"}
    assert (await http.get("teams", headers=headers)).status_code == 200
    assert (await http.post("teams", json={"name": "x"}, headers=headers)).status_code == 403
