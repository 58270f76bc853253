"""The journey of the reference text, word for word, and everything that must not come of it.

Every answer is validated against the contract by `Desk.call`.
"""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.connected import HOUR, T1
from tests.web.compat.calico.desk import (
    CALLBACK,
    CONTRACT,
    EXAMPLE,
    INTEGRATIONS,
    OAUTH2,
    PROVIDERS,
    Desk,
)

from safeconduct.core.model import Attempt, Connection


async def same(desk: Desk, method: str, path: str, status: int, **more: Any) -> Any:
    """A request that is refused and changes nothing."""
    before = await desk.bench.snapshot()
    answer = await desk.call(method, path, **more)
    assert answer.status_code == status, answer.text
    assert await desk.bench.snapshot() == before
    return answer


async def test_the_journey_of_the_reference(desk: Desk) -> None:
    begun = await desk.call("POST", PROVIDERS, json=CONTRACT.examples("POST", PROVIDERS)["oauth2"])
    assert begun.status_code == 200
    data = begun.json()["data"]
    assert data["added"] is False
    assert begun.json()["errors"] == []
    url = urlsplit(data["redirect_url"])
    asked = parse_qs(url.query)
    assert asked["response_type"] == ["code"]
    assert asked["redirect_uri"][0].endswith("/oauth-success/cb")
    assert asked["scope"] == ["wallet:accounts:read,wallet:transactions:read,offline_access"]
    assert "redirect_uri=http%3A%2F%2F" in url.query
    assert "scope=wallet%3Aaccounts%3Aread%2Cwallet%3Atransactions%3Aread" in url.query
    location = await desk.bench.sim.approve(data["redirect_url"])
    params = {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}
    done = await desk.finish(params)
    assert done.status_code == 201
    assert done.json() == {"data": {"added": True}, "errors": []}
    (row,) = await desk.bench.rows(Connection)
    assert (row.user_id, row.client_id) == (desk.back.user.id, desk.app.client.id)
    assert row.status == "active"
    assert len(await desk.bench.jobs("sync.assets")) == 1


async def test_what_is_connected_is_listed(desk: Desk) -> None:
    assert (await desk.call("GET", PROVIDERS)).json()["data"] == {"providers": []}
    await desk.finish(await desk.add(body={"display_label": "Main"}))
    (shown,) = (await desk.call("GET", PROVIDERS)).json()["data"]["providers"]
    (row,) = await desk.bench.rows(Connection)
    assert shown == {
        "provider_id": EXAMPLE,
        "display_label": "Main",
        "auth_type": "oauth2",
        "status": "connected",
        "connected_at": row.created_at,
        "last_refreshed_at": None,
        "connection_id": row.id,
        "name": "Exchange Example",
        "logo_url": None,
        "category": "exchange",
        "last_error": None,
    }


async def test_one_provider_twice_by_label(desk: Desk) -> None:
    await desk.finish(await desk.add(body={"display_label": "Mine"}, user="mira"))
    await desk.finish(await desk.add(body={"display_label": "Joint"}, user="otto"))
    shown = (await desk.call("GET", PROVIDERS)).json()["data"]["providers"]
    assert [one["display_label"] for one in shown] == ["Mine", "Joint"]
    assert len({one["connection_id"] for one in shown}) == 2
    only = {"provider_id": EXAMPLE, "connection_id": shown[0]["connection_id"]}
    removed = await desk.call("DELETE", PROVIDERS, json=only)
    assert removed.json() == {"data": {"removed": True}, "errors": []}
    (left,) = (await desk.call("GET", PROVIDERS)).json()["data"]["providers"]
    assert left["display_label"] == "Joint"


async def test_the_same_account_is_not_connected_twice(desk: Desk) -> None:
    for _ in range(2):
        assert (await desk.finish(await desk.add())).status_code == 201
    assert len(await desk.bench.rows(Connection)) == 1


async def test_trouble_is_shown_where_it_is(desk: Desk) -> None:
    await desk.finish(await desk.add())
    (row,) = await desk.bench.rows(Connection)
    bench = desk.bench
    held = await bench.credential(row)
    assert held.refresh_at is not None
    await bench.later(held.refresh_at - bench.clock.now())
    await bench.sim.fault("503", "refresh")
    await bench.work()
    desk.token = await desk.sign_in()
    (shown,) = (await desk.call("GET", PROVIDERS)).json()["data"]["providers"]
    assert (shown["status"], shown["last_error"]["cause"]) == ("connected", "provider_unavailable")
    await bench.sim.sim("revoke", provider=EXAMPLE)
    for _ in range(3):
        await bench.later(60_000)
        await bench.work()
    (shown,) = (await desk.call("GET", PROVIDERS)).json()["data"]["providers"]
    assert (shown["status"], shown["last_error"]["code"]) == ("error", 603)
    assert (await desk.finish(await desk.add())).status_code == 201
    (shown,) = (await desk.call("GET", PROVIDERS)).json()["data"]["providers"]
    assert (shown["status"], shown["last_error"]) == ("connected", None)


async def test_removing_gives_back_and_forgets(desk: Desk) -> None:
    await desk.finish(await desk.add())
    nothing = await desk.call("DELETE", PROVIDERS, json={"provider_id": "kraken"})
    assert nothing.status_code == 200
    assert nothing.json()["data"] == {"removed": False}
    assert nothing.json()["errors"][0]["cause"] == "not_found"
    removed = await desk.call("DELETE", PROVIDERS, json={"provider_id": EXAMPLE})
    assert removed.json()["data"] == {"removed": True}
    await desk.bench.work()
    assert [grant["ended"] for grant in await desk.bench.grants()] == ["revoked"]
    assert (await desk.call("GET", PROVIDERS)).json()["data"] == {"providers": []}
    again = await desk.call("DELETE", PROVIDERS, json={"provider_id": EXAMPLE})
    assert again.json()["data"] == {"removed": False}


@pytest.mark.attack("L19")
async def test_nobody_removes_what_is_anothers(desk: Desk) -> None:
    await desk.finish(await desk.add())
    (row,) = await desk.bench.rows(Connection)
    other = await desk.sign_in(user=await desk.back.new_user("bob@example.org"))
    body = {"provider_id": EXAMPLE, "connection_id": row.id}
    answer = await same(desk, "DELETE", PROVIDERS, 200, token=other, json=body)
    assert answer.json()["data"] == {"removed": False}
    assert (await desk.call("GET", PROVIDERS, token=other)).json()["data"] == {"providers": []}
    answer = await desk.call("DELETE", PROVIDERS, json=body)
    assert answer.json()["data"] == {"removed": True}


async def test_the_catalogue_is_listed(desk: Desk) -> None:
    shown = (await desk.call("GET", INTEGRATIONS)).json()["data"]["integrations"]
    assert [one["provider_id"] for one in shown] == [EXAMPLE]
    assert shown[0]["auth"] == [
        {
            "type": "oauth2",
            "required_fields": [],
            "scopes": ["wallet:accounts:read", "wallet:transactions:read", "offline_access"],
        }
    ]
    await desk.bench.providers.switch(T1, EXAMPLE, on=False, actor="operator")
    assert (await desk.call("GET", INTEGRATIONS)).json()["data"] == {"integrations": []}


# The callback


@pytest.mark.attack("L1")
@pytest.mark.parametrize(
    "params",
    [
        {},
        {"code": "x"},
        {"state": "", "code": "x"},
        {"state": "x"},
        {"state": "x", "code": ""},
        {"state": "sc_st_t1.att_1.x", "code": "x"},
        {"state": "s" * 5000, "code": "x"},
        {"state": "x", "code": "c" * 5000},
        {"state": "\x00", "code": "x"},
        {"state": ["a", "b"], "code": "x"},
        {"state": "x", "code": ["a", "b"]},
    ],
    ids=lambda params: "-".join(params) or "nothing",
)
async def test_a_callback_that_is_nobodys(desk: Desk, params: Any) -> None:
    answer = await same(desk, "POST", CALLBACK, 400, params=params)
    (item,) = answer.json()["errors"]
    assert (item["cause"], item["provider_id"]) == ("bad_request", EXAMPLE)
    assert await desk.bench.asked("token") == 0


@pytest.mark.attack("L1")
async def test_a_callback_of_another_user_or_app(desk: Desk) -> None:
    params = await desk.add()
    bob = await desk.sign_in(user=await desk.back.new_user("bob@example.org"))
    elsewhere = await desk.sign_in(
        app=await desk.back.client(profile="calico", scope="connections:write"),
        scope="connections:write",
    )
    for token in (bob, elsewhere):
        answer = await same(desk, "POST", CALLBACK, 400, token=token, params=params)
        assert answer.json()["errors"][0]["message"] == "state is not valid"
    assert (await desk.finish(params)).status_code == 201
    await same(desk, "POST", CALLBACK, 400, params=params)  # honoured once


@pytest.mark.attack("L8")
async def test_unknown_and_disabled_providers_look_the_same(desk: Desk) -> None:
    params = await desk.add()
    unknown = await same(desk, "POST", CALLBACK, 404, provider_id="nothing", params=params)
    add = {**OAUTH2, "provider_id": "nothing"}
    unknown_add = await same(desk, "POST", PROVIDERS, 404, json=add)
    await desk.bench.providers.switch(T1, EXAMPLE, on=False, actor="operator")
    disabled = await same(desk, "POST", CALLBACK, 404, params=params)
    disabled_add = await same(desk, "POST", PROVIDERS, 404, json=OAUTH2)
    for one in (unknown, unknown_add, disabled, disabled_add):
        (item,) = one.json()["errors"]
        del item["provider_id"]
        assert item == {"cause": "not_found", "message": "unknown provider"}


@pytest.mark.attack("L10")
async def test_a_denial_is_handled(desk: Desk) -> None:
    params = await desk.add(deny=True)
    answer = await desk.call("POST", CALLBACK, params=params)
    assert answer.status_code == 200
    assert answer.json()["data"] == {"added": False}
    assert answer.json()["errors"][0]["cause"] == "forbidden"
    (attempt,) = await desk.bench.rows(Attempt)
    assert attempt.outcome == "failed"


@pytest.mark.parametrize(
    ("kind", "cause"),
    [
        ("500", "provider_unavailable"),
        ("lost_answer", "provider_unavailable"),
        ("invalid_grant", "invalid_credentials"),
        ("invalid_client", "provider_unavailable"),
    ],
)
async def test_a_provider_that_fails(desk: Desk, kind: str, cause: str) -> None:
    params = await desk.add()
    await desk.bench.sim.fault(kind, "token")
    answer = await desk.finish(params)
    assert answer.status_code == 200
    assert answer.json()["data"] == {"added": False}
    (item,) = answer.json()["errors"]
    assert (item["cause"], item["provider_id"]) == (cause, EXAMPLE)
    assert await desk.bench.rows(Connection) == []
    assert (await desk.finish(await desk.add())).status_code == 201


# Bad requests


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({}, "provider_id"),
        ({"provider_id": EXAMPLE}, "connection"),
        ({"provider_id": EXAMPLE, "connection": {}}, "connection.type"),
        ({"provider_id": EXAMPLE, "connection": "oauth2"}, "connection"),
        ({"provider_id": EXAMPLE, "connection": {"type": "magic"}}, "connection.type"),
        ({"provider_id": EXAMPLE, "connection": {"type": ["oauth2"]}}, "connection.type"),
        ({"provider_id": 1, "connection": {"type": "oauth2"}}, "provider_id"),
        ({"provider_id": "", "connection": {"type": "oauth2"}}, "provider_id"),
        ({**OAUTH2, "display_label": 7}, "display_label"),
        ({**OAUTH2, "display_label": "x" * 65}, "label"),
        ({**OAUTH2, "redirect_uri": "https://evil.example/cb"}, "redirect_uri"),
        ({**OAUTH2, "connection": {"type": "api_key", "api_key": "k", "secret_key": "s"}}, "api"),
        ({**OAUTH2, "connection": {"type": "wallet", "address": "bc1q"}}, "wallet"),
    ],
)
async def test_bodies_that_break_the_contract(desk: Desk, body: Any, named: str) -> None:
    answer = await same(desk, "POST", PROVIDERS, 400, json=body)
    (item,) = answer.json()["errors"]
    assert item["cause"] == "bad_request"
    assert named in item["message"]


@pytest.mark.attack("P6")
@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"", "application/json", 400),
        (b"[]", "application/json", 400),
        (b'{"provider_id":', "application/json", 400),
        (b'{"provider_id":"a","provider_id":"b"}', "application/json", 400),
        (b'{"provider_id":"\xff"}', "application/json", 400),
        (b'{"provider_id":"\\ud800","connection":{"type":"oauth2"}}', "application/json", 400),
        (b"[" * 50_000, "application/json", 400),
        (b"provider_id=exchangeExample", "application/x-www-form-urlencoded", 415),
        (b"{}", "text/plain", 415),
        (b"x" * 70_000, "application/json", 413),
    ],
    ids=range(10),
)
async def test_bodies_that_are_not_json(desk: Desk, content: bytes, kind: str, status: int) -> None:
    for method in ("POST", "DELETE"):
        headers = {"content-type": kind}
        await same(desk, method, PROVIDERS, status, content=content, headers=headers)


# Tokens


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("POST", PROVIDERS, "connections:read"),
        ("DELETE", PROVIDERS, "connections:read"),
        ("POST", CALLBACK, "connections:read"),
        ("GET", PROVIDERS, "connections:write"),
        ("GET", INTEGRATIONS, "connections:write"),
    ],
)
async def test_each_operation_needs_its_scope(
    desk: Desk, method: str, path: str, scope: str
) -> None:
    token = await desk.sign_in(scope=scope)
    body = {} if method == "GET" or path == CALLBACK else {"json": OAUTH2}
    answer = await same(desk, method, path, 403, token=token, **body)
    assert answer.json()["errors"][0]["cause"] == "forbidden"
    assert "insufficient_scope" in answer.headers["www-authenticate"]


@pytest.mark.parametrize("path", [PROVIDERS, INTEGRATIONS])
async def test_no_token_no_answer(desk: Desk, path: str) -> None:
    for token in ("", "nonsense", desk.token[:-2] + "xx"):
        answer = await same(desk, "GET", path, 401, token=token)
        assert answer.headers["www-authenticate"].startswith("Bearer")
    desk.back.clock.advance(HOUR)
    await same(desk, "GET", path, 401)


async def test_a_revoked_app_links_nothing_more(desk: Desk) -> None:
    """The token dies with the grant; what was linked stays the user's."""
    await desk.finish(await desk.add())
    params = await desk.add(user="otto")
    (grant,) = await desk.back.grants.of_user(T1, desk.back.user.id)
    await desk.back.grants.revoke(T1, grant.id, actor=f"user:{desk.back.user.id}")
    for method, path, more in (
        ("POST", PROVIDERS, {"json": OAUTH2}),
        ("POST", CALLBACK, {"params": params}),
        ("GET", PROVIDERS, {}),
    ):
        await same(desk, method, path, 401, **more)
    assert len(await desk.bench.connections.of_user(T1, desk.back.user.id)) == 1


async def test_other_methods_are_told_so(desk: Desk) -> None:
    for method, path in (("PUT", PROVIDERS), ("GET", CALLBACK), ("POST", INTEGRATIONS)):
        headers = {"authorization": f"Bearer {desk.token}"}
        answer = await desk.http.request(method, path, headers=headers)
        assert answer.status_code == 405
        assert answer.json()["data"] is None
