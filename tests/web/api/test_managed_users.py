"""Managed users over the platform API."""

from collections.abc import AsyncIterator

import httpx
import pytest
from openapi_spec_validator import validate
from tests.conftest import SettableClock
from tests.web.harness import TENANT, Front, front

from safeconduct.adapters.store import PostgresStore, SqliteStore

ANN = {"email": "ann@example.com", "name": "Ann"}


@pytest.fixture
async def site(store: SqliteStore | PostgresStore, clock: SettableClock) -> Front:
    return await front(store, clock)


@pytest.fixture
async def http(site: Front) -> AsyncIterator[httpx.AsyncClient]:
    _, key = await site.platform.api_keys.create(
        TENANT, name="k", scope=frozenset({"users:read", "users:write"}), actor="operator"
    )
    client = await site.client(profile="calcom")
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=site.app),
        base_url=f"{site.issuer}/api/v1/clients/{client.id}/",
        headers={"authorization": f"Bearer {key.reveal()}"},
    ) as client_http:
        yield client_http


async def test_managed_users_come_and_go(site: Front, http: httpx.AsyncClient) -> None:
    made = await http.post("users", json=ANN)
    assert made.status_code == 201
    user = made.json()
    pair = user.pop("tokens")
    assert (user["email"], user["name"], user["username"]) == ("ann@example.com", "Ann", "ann")
    again = await http.post("users", json=ANN)
    assert (again.status_code, again.json()["code"]) == (409, "email_taken")
    assert (await http.get(f"users/{user['id']}")).json() == user
    await http.post("users", json={**ANN, "email": "ben@example.com"})
    first = (await http.get("users", params={"limit": "1"})).json()
    assert first["data"] == [user]
    second = await http.get("users", params={"limit": "1", "cursor": first["next_cursor"]})
    assert [one["email"] for one in second.json()["data"]] == ["ben@example.com"]
    assert second.json()["next_cursor"] is None

    async def works(token: str) -> bool:
        headers = {"authorization": f"Bearer {token}"}
        return (await http.get(f"{site.issuer}/v2/conferencing", headers=headers)).is_success

    new = (await http.post(f"users/{user['id']}/tokens")).json()
    assert (await works(pair["access_token"]), await works(new["access_token"])) == (False, True)
    assert (await http.delete(f"users/{user['id']}")).status_code == 204
    assert not await works(new["access_token"])
    for method, path in (
        ("GET", f"users/{user['id']}"),
        ("DELETE", f"users/{user['id']}"),
        ("POST", f"users/{user['id']}/tokens"),
        ("GET", "users/usr_unknown"),
    ):
        assert (await http.request(method, path)).status_code == 404


async def test_every_address_of_who_is_gone_is_free_again(
    site: Front, http: httpx.AsyncClient
) -> None:
    made = (await http.post("users", json=ANN)).json()
    (user,) = await site.users.list(TENANT)
    more = "ann@work.example"
    await site.platform.own_identifiers.add_for(TENANT, user.id, more, actor="operator")
    assert (await http.delete(f"users/{made['id']}")).status_code == 204
    assert await site.users.identifiers(TENANT, user.id) == ()
    assert (await site.user(more)).id != user.id


async def test_what_is_refused(site: Front, http: httpx.AsyncClient) -> None:
    for body in ({}, {"email": "x", "name": "X"}, {**ANN, "name": ""}, {**ANN, "role": "admin"}):
        assert (await http.post("users", json=body)).status_code == 400, body
    assert (await http.get("users", params={"cursor": "x"})).status_code == 400
    native = await site.client(client_name="Native")
    elsewhere = f"{site.issuer}/api/v1/clients/{native.id}/users"
    assert (await http.get(elsewhere)).status_code == 404
    _, weak = await site.platform.api_keys.create(
        TENANT, name="k", scope=frozenset({"users:read"}), actor="operator"
    )
    headers = {"authorization": f"Bearer {weak.reveal()}"}
    assert (await http.post("users", json=ANN, headers=headers)).status_code == 403


async def test_the_description_is_valid(site: Front, http: httpx.AsyncClient) -> None:
    described = (await http.get(f"{site.issuer}/api/v1/openapi.json")).json()
    validate(described)
    root = "/api/v1/"
    for path in ("clients/{client_id}/users", "teams", "members", "webhooks", "deliveries"):
        assert root + path in described["paths"]
