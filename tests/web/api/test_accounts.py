"""Accounts, broker keys and delegation over the platform API; each answer as described."""

from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator
from tests.web.compat.alpaca.desk import Desk, desk_of
from tests.web.harness import TENANT, Front, snapshot

from safeconduct.core.accounts import MOST

ALL = "accounts:read accounts:write accounts:delegate"


class Caller:
    def __init__(self, desk: Desk, described: dict[str, Any], token: str) -> None:
        self.desk, self.described, self.token = desk, described, token

    async def call(self, method: str, path: str, token: str = "", **more: Any) -> httpx.Response:
        head = {"Authorization": f"Bearer {token or self.token}"}
        answer = await self.desk.http.request(method, f"/api/v1/{path}", headers=head, **more)
        shapes = self.described["paths"]
        found = next(
            shape
            for shape in shapes
            if len(shape.split("/")) == len(path.split("/")) + 3
            and all(
                part.startswith("{") or part == given
                for part, given in zip(shape.split("/")[3:], path.split("/"), strict=True)
            )
        )
        said = shapes[found][method.lower()]["responses"][str(answer.status_code)]
        if "content" in said:
            (content,) = said["content"].values()
            Draft202012Validator({**self.described, **content["schema"]}).validate(answer.json())
        return answer


@pytest.fixture
async def api(site: Front) -> Any:
    transport = httpx.ASGITransport(app=site.app)
    async with httpx.AsyncClient(transport=transport, base_url=site.issuer) as http:
        desk = await desk_of(site, http)
        _, key = await site.platform.api_keys.create(
            TENANT, name="Back office", scope=frozenset(ALL.split()), actor="operator"
        )
        described = (await http.get("/api/v1/openapi.json")).json()
        yield Caller(desk, described, key.reveal())


async def test_an_account_is_opened_and_an_app_let_in(api: Caller) -> None:
    desk = api.desk
    of_ann = f"users/{desk.ann.id}/accounts"
    made = await api.call("POST", of_ann, json={"env": "paper"})
    assert made.status_code == 201
    shown = await api.call("GET", f"accounts/{made.json()['id']}")
    assert shown.json() == made.json()
    listed = (await api.call("GET", of_ann)).json()["data"]
    assert {one["id"] for one in listed} == {desk.paper.id, made.json()["id"]}
    body = {name: value for name, value in desk.asked().items() if name != "account_id"}
    into = f"accounts/{made.json()['id']}/authorizations"
    given = await api.call("POST", into, json=body | {"response_type": "token"})
    assert (given.status_code, given.json()["scope"]) == (201, "general")
    told = await desk.introspect(given.json()["access_token"])
    assert told["paper_account"] == made.json()["id"]
    code = (await api.call("POST", into, json=body | {"response_type": "code"})).json()["code"]
    assert (await desk.redeem(code)).status_code == 200


@pytest.mark.attack("L19")
@pytest.mark.attack("P3")
async def test_what_is_wrong_is_said_and_changes_nothing(api: Caller) -> None:
    desk = api.desk
    of_ann, into = f"users/{desk.ann.id}/accounts", f"accounts/{desk.paper.id}/authorizations"
    good = {n: v for n, v in desk.asked(response_type="token").items() if n != "account_id"}
    before = await snapshot(desk.site.store)
    for method, path, body, status in (
        ("POST", of_ann, {"env": "real"}, 400),
        ("POST", of_ann, {}, 400),
        ("POST", "users/usr_x/accounts", {"env": "paper"}, 404),
        ("POST", into, good | {"response_type": "id_token"}, 400),
        ("POST", into, good | {"redirect_uri": "http://localhost/x"}, 400),
        ("POST", into, good | {"scope": "users:write"}, 400),
        ("POST", into, good | {"client_secret": "wrong"}, 401),
        ("POST", "accounts/0d18ae51-3c94-4511-b209-101e1666416b/authorizations", good, 404),
    ):
        answer = await api.call(method, path, json=body)
        assert answer.status_code == status, (path, body, answer.text)
    after = await snapshot(desk.site.store)
    assert after == before
    mass = {"env": "paper", "user_id": "usr_x", "status": "closed", "tenant_id": "t2", "id": "x"}
    made = (await api.call("POST", of_ann, json=mass)).json()
    assert (made["user_id"], made["status"]) == (desk.ann.id, "active")
    assert made["id"] != "x"


async def test_a_broker_key_is_made_used_and_ended(api: Caller) -> None:
    desk = api.desk
    made = (await api.call("POST", "broker-keys", json={"name": "Desk 7"})).json()
    desk.broker = (made["key"], made["secret"])
    assert (await desk.look_up()).status_code == 200
    listed = (await api.call("GET", "broker-keys")).json()["data"]
    assert made["secret"] not in str(listed)
    assert made["id"] in {one["id"] for one in listed}
    assert (await api.call("DELETE", f"broker-keys/{made['id']}")).status_code == 204
    assert (await desk.look_up()).status_code == 401
    assert (await api.call("DELETE", f"broker-keys/{made['id']}")).status_code == 404
    mine = api.token.split(".")[1]
    assert (await api.call("DELETE", f"broker-keys/{mine}")).status_code == 404, "no broker's key"


@pytest.mark.attack("P5")
async def test_each_call_takes_its_scope(api: Caller) -> None:
    desk = api.desk
    calls = {
        ("GET", f"users/{desk.ann.id}/accounts"): {"accounts:read"},
        ("POST", f"users/{desk.ann.id}/accounts"): {"accounts:write"},
        ("GET", f"accounts/{desk.paper.id}"): {"accounts:read"},
        ("POST", f"accounts/{desk.paper.id}/authorizations"): {"accounts:delegate"},
        ("GET", "broker-keys"): {"accounts:read"},
        ("POST", "broker-keys"): {"accounts:write", "accounts:delegate"},
        ("DELETE", "broker-keys/key_x"): {"accounts:write"},
    }
    for (method, path), scopes in calls.items():
        for scope in scopes:
            some = frozenset(ALL.split()) - {scope}
            _, key = await desk.site.platform.api_keys.create(
                TENANT, name="Less", scope=some, actor="operator"
            )
            answer = await api.call(method, path, key.reveal(), json={})
            assert answer.status_code == 403, (method, path, scope)
        assert (await api.call(method, path, json={})).status_code != 403


async def test_accounts_of_a_user_are_bounded(api: Caller) -> None:
    desk = api.desk
    for _ in range(MOST - 1):
        await desk.account(desk.ann, "paper")
    refused = await api.call("POST", f"users/{desk.ann.id}/accounts", json={"env": "live"})
    assert (refused.status_code, refused.json()["code"]) == (409, "too_many_accounts")
