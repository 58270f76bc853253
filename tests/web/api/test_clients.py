"""/api/v1/clients over HTTP."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from openapi_spec_validator import validate
from starlette.applications import Starlette
from tests.back import FORM, ISSUER, OTHER, REDIRECT, TENANT, Back, back_of, basic, secret_of
from tests.conftest import SettableClock

from safeconduct.adapters.clock import SystemMint
from safeconduct.core.model import Replay
from safeconduct.core.registration import FIELDS
from safeconduct.core.scopes import OPERATOR_SCOPES
from safeconduct.core.unit import Find
from safeconduct.ports.store import Store
from safeconduct.services.replays import KEPT_MS, Replays
from safeconduct.web.api import openapi
from safeconduct.web.api.clients import DESCRIPTION, ClientsApi
from safeconduct.web.kit.errors import EXCEPTIONS

PATH = "/api/v1/clients"
NEW = {"client_name": "App", "redirect_uris": [REDIRECT]}


@dataclass
class Api:
    back: Back
    http: httpx.AsyncClient
    key: str

    async def call(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """The response; `key` is the operator's unless another is given."""
        token = headers.pop("key", self.key)
        sent = {"authorization": f"Bearer {token}"} if token else {}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        if body is not None:
            sent.setdefault("content-type", "application/json")
            body = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await self.http.request(method, path, headers=sent, content=body)


async def key_with(back: Back, *scope: str) -> str:
    _, secret = await back.api_keys.create(
        TENANT, name="CI", scope=frozenset(scope), actor="operator"
    )
    return secret.reveal()


@pytest.fixture
async def api(store: Store, clock: SettableClock, mint: SystemMint) -> AsyncIterator[Api]:
    back = await back_of(store, clock, mint)
    surface = ClientsApi(
        clients=back.clients,
        access=back.access,
        replays=Replays(keys=back.keys, clock=clock),
    )
    app = Starlette(
        routes=[*surface.routes(), openapi.route(ISSUER, [DESCRIPTION])],
        exception_handlers=EXCEPTIONS,
    )
    transport = httpx.ASGITransport(app=app)
    key = await key_with(back, *OPERATOR_SCOPES)
    async with httpx.AsyncClient(transport=transport, base_url=ISSUER) as http:
        yield Api(back, http, key)


def problem(response: Any, status: int, code: str) -> Any:
    """RFC 9457."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["cache-control"] == "no-store"
    body = response.json()
    assert (body["status"], body["code"]) == (status, code)
    assert body["title"]
    assert body["type"] == f"urn:safeconduct:problem:{code}"
    return body


async def test_the_life_of_a_client(api: Api) -> None:
    made = await api.call("POST", PATH, NEW)
    assert made.status_code == 201
    assert made.headers["cache-control"] == "no-store"
    client = made.json()
    one = f"{PATH}/{client['client_id']}"
    assert client["client_secret"].startswith("sc_cs_t1.")
    shown = (await api.call("GET", one)).json()
    assert {**shown, "client_secret": 0, "client_secret_id": 0} == {
        **client,
        "client_secret": 0,
        "client_secret_id": 0,
    }
    assert "client_secret" not in shown
    changed = await api.call("PATCH", one, {"client_name": "New", "scope": "openid"})
    assert (changed.status_code, changed.json()["client_name"]) == (200, "New")
    assert (await api.call("POST", f"{one}/disable")).json()["status"] == "disabled"
    assert (await api.call("POST", f"{one}/enable")).json()["status"] == "active"
    assert (await api.call("DELETE", one)).status_code == 204
    problem(await api.call("GET", one), 404, "client_not_found")
    problem(await api.call("DELETE", one), 404, "client_not_found")


@pytest.mark.attack("Q2")
async def test_secrets_are_shown_once_and_masked_after(api: Api) -> None:
    client = (await api.call("POST", PATH, NEW)).json()
    secrets = f"{PATH}/{client['client_id']}/secrets"
    second = (await api.call("POST", secrets, {"overlap_seconds": 60})).json()
    listed = (await api.call("GET", secrets)).json()["data"]
    assert [row["suffix"] for row in listed] == [
        client["client_secret"][-4:],
        second["client_secret"][-4:],
    ]
    assert listed[0]["expires_at"] == api.back.clock.now() + 60_000
    assert client["client_secret"] not in json.dumps(listed)
    gone = await api.call("DELETE", f"{secrets}/{listed[0]['id']}")
    assert gone.status_code == 204
    problem(
        await api.call("DELETE", f"{secrets}/{listed[0]['id']}"), 404, "client_secret_not_found"
    )
    problem(await api.call("POST", secrets, {"overlap_seconds": -1}), 400, "invalid_parameter")
    problem(await api.call("POST", secrets, {"overlap_seconds": True}), 400, "invalid_parameter")
    problem(await api.call("POST", secrets, {"secret": "mine"}), 400, "unknown_field")
    public = await api.back.public()
    other = f"{PATH}/{public.client.id}/secrets"
    problem(await api.call("POST", other), 409, "client_is_public")


async def test_pages(api: Api) -> None:
    ids = [(await api.call("POST", PATH, NEW)).json()["client_id"] for _ in range(5)]
    seen: list[str] = []
    query: str | None = "?limit=2"
    while query:
        page = (await api.call("GET", PATH + query)).json()
        seen += [row["client_id"] for row in page["data"]]
        cursor = page["next_cursor"]
        query = f"?limit=2&cursor={cursor}" if cursor else None
    assert seen == ids
    for wrong in ("?limit=0", "?limit=101", "?limit=x", "?limit=1&limit=2", "?cursor="):
        problem(await api.call("GET", PATH + wrong), 400, "invalid_parameter")


@pytest.mark.attack("P5")
async def test_every_operation_needs_its_scope(api: Api) -> None:
    one = f"{PATH}/{(await api.call('POST', PATH, NEW)).json()['client_id']}"
    reader = await key_with(api.back, "clients:read")
    writer = await key_with(api.back, "clients:write")
    user = (await api.back.signed_in(await api.back.client()))["access_token"]
    reading = [("GET", PATH), ("GET", one), ("GET", f"{one}/secrets")]
    writing = [
        ("POST", PATH),
        ("PATCH", one),
        ("POST", f"{one}/disable"),
        ("POST", f"{one}/enable"),
        ("POST", f"{one}/secrets"),
        ("DELETE", f"{one}/secrets/x"),
        ("DELETE", one),
    ]
    before = await api.back.snapshot()
    for method, path in reading + writing:
        response = await api.call(method, path, key="")
        problem(response, 401, "invalid_token")
        assert response.headers["www-authenticate"].startswith("Bearer")
        problem(await api.call(method, path, key="sc_key_t1.key_1.x"), 401, "invalid_token")
        problem(await api.call(method, path, key=user), 403, "insufficient_scope")
    for method, path in writing:
        problem(await api.call(method, path, key=reader), 403, "insufficient_scope")
    for method, path in reading:
        problem(await api.call(method, path, key=writer), 403, "insufficient_scope")
        assert (await api.call(method, path, key=reader)).status_code == 200
    assert await api.back.snapshot() == before


async def test_a_machine_client_may_call_too(api: Api) -> None:
    machine = await api.back.machine("clients:read clients:write")
    form = {"grant_type": "client_credentials"}
    token = (await api.back.post("/oauth2/token", form, machine)).json["access_token"]
    made = await api.call("POST", PATH, NEW, key=token)
    assert made.status_code == 201
    events = await api.back.events("client.created")
    assert events[-1].actor == f"client:{machine.client.id}"


@pytest.mark.attack("P5")
@pytest.mark.attack("G6")
async def test_nobody_hands_out_more_than_they_have(api: Api) -> None:
    writer = await key_with(api.back, "clients:read", "clients:write")
    machine = {"client_name": "M", "grant_types": ["client_credentials"]}
    greedy = {**machine, "scope": "clients:read users:write"}
    problem(await api.call("POST", PATH, greedy, key=writer), 403, "insufficient_scope")
    modest = await api.call("POST", PATH, {**machine, "scope": "clients:read"}, key=writer)
    assert modest.status_code == 201
    one = f"{PATH}/{modest.json()['client_id']}"
    more = {"scope": "users:write"}
    problem(await api.call("PATCH", one, more, key=writer), 403, "insufficient_scope")
    strong = (await api.call("POST", PATH, greedy)).json()["client_id"]
    takeover = await api.call("POST", f"{PATH}/{strong}/secrets", key=writer)
    problem(takeover, 403, "insufficient_scope")
    assert (await api.call("POST", f"{PATH}/{strong}/secrets")).status_code == 201


@pytest.mark.attack("P3")
@pytest.mark.parametrize(
    "field", ["tenant_id", "status", "client_id", "client_secret", "created_at", "not_before", "x"]
)
async def test_fields_that_only_we_set(api: Api, field: str) -> None:
    one = f"{PATH}/{(await api.call('POST', PATH, NEW)).json()['client_id']}"
    before = await api.back.snapshot()
    for method, path in (("POST", PATH), ("PATCH", one)):
        body = problem(
            await api.call(method, path, {**NEW, field: "x"}), 400, "invalid_client_metadata"
        )
        assert body["field"] == field
    assert await api.back.snapshot() == before


@pytest.mark.attack("A10")
async def test_a_bad_redirect_uri_names_itself(api: Api) -> None:
    body = {**NEW, "redirect_uris": ["http://app.example/cb"]}
    told = problem(await api.call("POST", PATH, body), 400, "invalid_redirect_uri")
    assert told["field"] == "redirect_uris"
    assert "https" in told["title"]


@pytest.mark.attack("P6")
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'"x"',
        b"null",
        b"{",
        b'{"client_name":"a","client_name":"b"}',
        b'{"client_name":{"a":1,"a":2}}',
        b'{"client_name":NaN}',
        b'{"client_name":Infinity}',
        b'{"client_name":1e400}',
        b'{"client_name":' + b"1" * 10_000 + b"}",
        b'{"client_name":"\\ud800"}',
        b'{"client_name":"\\u0000"}',
        b'{"client_name":"\xff"}',
        b"\xef\xbb\xbf{}",
        '{"client_name":"x"}'.encode("utf-16"),
        b'{"client_name":' + b"[" * 60_000,
        b'{"client_name":' + b'{"a":' * 10_000,
        b'{"client_name":"x"} {}',
        b"{'client_name':'x'}",
    ],
)
async def test_json_that_is_none(api: Api, body: bytes) -> None:
    before = await api.back.snapshot()
    problem(await api.call("POST", PATH, body), 400, "invalid_json")
    assert await api.back.snapshot() == before


@pytest.mark.attack("P6")
@pytest.mark.parametrize(
    "change",
    [
        {"redirect_uris": {}},
        {"redirect_uris": [[]]},
        {"client_name": 1.5},
        {"scope": None},
        {"contacts": "x"},
        {"require_pkce": 1},
        {"profile": []},
    ],
)
async def test_wrong_types(api: Api, change: dict[str, Any]) -> None:
    response = await api.call("POST", PATH, {**NEW, **change})
    assert response.status_code == 400
    assert response.json()["field"] in change


@pytest.mark.attack("P6")
async def test_size_and_type_of_the_body(api: Api) -> None:
    big = json.dumps({**NEW, "client_name": "x" * 70_000}).encode()
    problem(await api.call("POST", PATH, big), 413, "too_large")
    for kind in ("text/plain", "application/x-www-form-urlencoded", "application/jsonx"):
        response = await api.call("POST", PATH, NEW, content_type=kind)
        problem(response, 415, "unsupported_media_type")
    good = await api.call("POST", PATH, NEW, content_type="application/json; charset=utf-8")
    assert good.status_code == 201


@pytest.mark.attack("P2")
async def test_another_tenants_client(api: Api) -> None:
    foreign = (await api.back.client(OTHER)).client.id
    one = f"{PATH}/{foreign}"
    absent = await api.call("GET", f"{PATH}/cli_nobody")
    for method, path, body in (
        ("GET", one, None),
        ("PATCH", one, {"client_name": "x"}),
        ("DELETE", one, None),
        ("POST", f"{one}/disable", None),
        ("POST", f"{one}/secrets", None),
        ("GET", f"{one}/secrets", None),
    ):
        response = await api.call(method, path, body)
        assert (response.status_code, response.content) == (404, absent.content)
    assert (await api.call("GET", PATH)).json()["data"] == []


# Sent twice


@pytest.mark.attack("P11")
@pytest.mark.invariant("V7")
async def test_a_request_sent_twice_has_one_effect(api: Api) -> None:
    first = await api.call("POST", PATH, NEW, idempotency_key="k1")
    again = await api.call("POST", PATH, NEW, idempotency_key="k1")
    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["idempotency-replayed"] == "true"
    assert len(await api.back.clients.list(TENANT)) == 1
    assert (await api.call("POST", PATH, NEW, idempotency_key="k2")).json() != first.json()
    headers = basic(first.json()["client_id"], first.json()["client_secret"])
    assert headers.startswith("Basic")


@pytest.mark.attack("P11")
@pytest.mark.invariant("V7")
@pytest.mark.invariant("V9")
@pytest.mark.invariant("F33")
@pytest.mark.parametrize("stage", ["before", "after"])
async def test_a_node_that_dies_around_the_effect(
    api: Api, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    """Effect and answer are one commit: it dies before it, or after it, and at no third place."""
    store, commits = api.back.store, 0
    real = type(store).run

    async def run(self: Store, reads: Any, decide: Any) -> Any:
        nonlocal commits
        if stage == "before":
            raise Killed
        await real(self, reads, decide)
        commits += 1
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(type(store), "run", run)
        with pytest.raises(Killed):
            await api.call("POST", PATH, NEW, idempotency_key="k1")
    there = await api.back.clients.list(TENANT)
    assert len(there) == commits == (stage == "after")
    again = await api.call("POST", PATH, NEW, idempotency_key="k1")
    assert again.status_code == 201
    assert ("idempotency-replayed" in again.headers) == (stage == "after")
    (made,) = await api.back.clients.list(TENANT)
    assert made.id == again.json()["client_id"]
    secret = again.json()["client_secret"]
    told = await api.back.send(
        "POST",
        "/oauth2/introspect",
        {"authorization": basic(made.id, secret), "content-type": FORM},
        b"token=x",
    )
    assert told.json == {"active": False}, "the secret of the answer is the client's"


class Killed(BaseException):
    """The end of a node, as far as a test can tell."""


@pytest.mark.attack("P11")
async def test_the_same_key_for_another_request(api: Api) -> None:
    made = await api.call("POST", PATH, NEW, idempotency_key="k1")
    other = {**NEW, "client_name": "Other"}
    response = await api.call("POST", PATH, other, idempotency_key="k1")
    problem(response, 422, "idempotency_key_reused")
    secrets = f"{PATH}/{made.json()['client_id']}/secrets"
    response = await api.call("POST", secrets, idempotency_key="k1")
    problem(response, 422, "idempotency_key_reused")
    assert len(await api.back.clients.list(TENANT)) == 1


@pytest.mark.attack("P11")
async def test_another_callers_key_is_another_key(api: Api) -> None:
    elsewhere = await key_with(api.back, "clients:write")
    one = await api.call("POST", PATH, NEW, idempotency_key="k1")
    two = await api.call("POST", PATH, NEW, idempotency_key="k1", key=elsewhere)
    assert one.json()["client_id"] != two.json()["client_id"]


@pytest.mark.attack("P11")
async def test_thirty_two_at_once(api: Api) -> None:
    calls = (api.call("POST", PATH, NEW, idempotency_key="k1") for _ in range(32))
    responses = await asyncio.gather(*calls)
    assert {response.status_code for response in responses} == {201}
    assert len({response.content for response in responses}) == 1
    assert len(await api.back.clients.list(TENANT)) == 1
    assert len(await api.back.events("client.created")) == 1


@pytest.mark.attack("P11")
@pytest.mark.invariant("V13")
async def test_a_kept_answer_is_sealed_and_ends(api: Api) -> None:
    made = await api.call("POST", PATH, NEW, idempotency_key="k1")
    (row,) = await api.back.store.find(Find(Replay, {"tenant_id": TENANT}))
    assert made.json()["client_secret"] not in repr(row)
    assert made.json()["client_id"] not in repr(row)
    api.back.clock.advance(KEPT_MS)
    later = await api.call("POST", PATH, NEW, idempotency_key="k1")
    assert later.json()["client_id"] != made.json()["client_id"]


@pytest.mark.attack("P11")
async def test_a_rotation_sent_twice_gives_one_secret(api: Api) -> None:
    client = await api.back.client()
    secrets = f"{PATH}/{client.client.id}/secrets"
    one = await api.call("POST", secrets, idempotency_key="k1")
    two = await api.call("POST", secrets, idempotency_key="k1")
    assert one.json()["client_secret"] == two.json()["client_secret"] != secret_of(client)
    assert len((await api.call("GET", secrets)).json()["data"]) == 2


@pytest.mark.attack("P11")
@pytest.mark.parametrize("key", ["", "x" * 256, "caf\u00e9"])
async def test_a_key_that_is_none(api: Api, key: str) -> None:
    response = await api.http.post(
        PATH,
        headers={
            "authorization": f"Bearer {api.key}",
            "content-type": "application/json",
            "idempotency-key": key.encode("utf-8"),  # type: ignore[dict-item]
        },
        content=json.dumps(NEW),
    )
    problem(response, 400, "invalid_idempotency_key")


# The description


async def test_the_description_is_valid_and_whole(api: Api) -> None:
    described = (await api.http.get(openapi.PATH)).json()
    validate(described)
    routes = {
        (route.path, method.lower())
        for route in ClientsApi(
            clients=api.back.clients,
            access=api.back.access,
            replays=None,  # type: ignore[arg-type]
        ).routes()
        for method in route.methods or ()
        if method != "HEAD"
    }
    told = {
        (path, method)
        for path, operations in described["paths"].items()
        for method in operations
        if method != "parameters"
    }
    assert told == routes
    assert described["components"]["schemas"]["ClientFields"]["properties"].keys() == FIELDS.keys()
    for path, method in told:
        assert described["paths"][path][method]["x-scope"] in OPERATOR_SCOPES
