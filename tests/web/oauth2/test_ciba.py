"""CIBA Core: a client asks us to ask a person; poll, ping, and everybody who is not meant."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from aiohttp import web
from tests.conftest import SettableClock
from tests.key_server import key, public, signed
from tests.web.harness import ISSUER, TENANT, Front, front, snapshot

from safeconduct.adapters.outbound import GuardedOutbound
from safeconduct.adapters.store import SqliteStore
from safeconduct.app import Switches, runner_of
from safeconduct.core.ciba import PER_USER, SIGNED
from safeconduct.core.deferred import INTERVAL
from safeconduct.core.errors import ApiError
from safeconduct.core.grants.ciba import NAME
from safeconduct.core.model import Client, Deferred, Event, Job
from safeconduct.core.secret import Secret
from safeconduct.core.unit import Find

PATH = "/oauth2/bc-authorize"
SCOPE = "openid offline_access assets:read"
USER = "ann@example.org"


@pytest.fixture
async def site(sqlite_store: SqliteStore, clock: SettableClock) -> Front:
    """On one store: that of devices, which is the same, runs on both."""
    return await front(sqlite_store, clock)


async def bank(site: Front, **data: Any) -> Client:
    chosen = {
        "client_name": "Harbour Bank",
        "redirect_uris": [],
        "grant_types": [NAME, "refresh_token"],
        "scope": SCOPE,
        **data,
    }
    return await site.client(**chosen)


async def post(site: Front, path: str, client: Client, **form: str | None) -> httpx.Response:
    fields = {name: value for name, value in form.items() if value is not None}
    auth = httpx.BasicAuth(client.id, site.secrets[client.id])
    return await site.person().http.post(path, data=fields, auth=auth)


async def ask(site: Front, client: Client, **more: str | None) -> httpx.Response:
    form: dict[str, str | None] = {"scope": SCOPE, "login_hint": USER, **more}
    return await post(site, PATH, client, **form)


async def poll(site: Front, client: Client, id: str, wait: int = INTERVAL) -> Any:
    assert isinstance(site.clock, SettableClock)
    site.clock.advance(wait)
    response = await post(site, "/oauth2/token", client, grant_type=NAME, auth_req_id=id)
    return response.json() | {"status": response.status_code}


@pytest.mark.rfc("CIBA#7.3")
@pytest.mark.rfc("CIBA#10.1")
async def test_a_person_allows_it_in_the_account_page(site: Front) -> None:
    client, user = await bank(site), await site.user()
    response = await ask(site, client, binding_message="W4SCT <b>")
    assert response.status_code == 200, response.text
    asked = response.json()
    assert (asked["expires_in"], asked["interval"]) == (300, 5)
    assert (await poll(site, client, asked["auth_req_id"], 0))["error"] == "authorization_pending"
    assert (await poll(site, client, asked["auth_req_id"], 1_000))["error"] == "slow_down"
    person = site.person()
    await person.sign_in()
    await person.get("/account")
    assert person.markup.by_id("waiting") is not None
    await person.get("/account/requests")
    page = person.markup.all("main")[0].text
    for part in ("Harbour Bank", "W4SCT <b>", "See what you hold"):
        assert part in page
    (row,) = await site.store.find(Find(Deferred, {"tenant_id": TENANT}))
    await person.press(f"allow-{row.id}")
    await person.follow()
    assert "Allowed" in person.markup.all("main")[0].text
    tokens = await poll(site, client, asked["auth_req_id"], 3 * INTERVAL)
    assert tokens["status"] == 200, tokens
    assert tokens["scope"] == SCOPE
    assert tokens["refresh_token"]
    assert (await site.platform.access.bearer(tokens["access_token"])).user_id == user.id
    assert (await poll(site, client, asked["auth_req_id"]))["error"] == "invalid_grant"
    await person.get("/account/requests")
    assert "Nothing waits" in person.markup.all("main")[0].text


@pytest.mark.rfc("CIBA#11")
async def test_no_late_and_foreign(site: Front) -> None:
    client, other = await bank(site), await bank(site)
    user = await site.user()
    stranger = await site.user("eve@example.org")
    asked = (await ask(site, client)).json()["auth_req_id"]
    assert (await poll(site, other, asked))["error"] == "invalid_grant"
    (row,) = await site.platform.deferrals.waiting(TENANT, user.id)
    assert await site.platform.deferrals.waiting(TENANT, stranger.id) == ()
    eve = site.person()
    await eve.sign_in("eve@example.org")
    await eve.get("/account")
    form, _ = eve.markup.form_with("password-submit")
    fields = {"csrf": form.fields["csrf"], "decision": "allow"}
    assert (await eve.post(f"/account/requests/{row.row.id}", fields)).status_code == 400
    ann = site.person()
    await ann.sign_in()
    await ann.get("/account/requests")
    await ann.press(f"deny-{row.row.id}")
    assert (await poll(site, client, asked))["error"] == "access_denied"
    short = (await ask(site, client, requested_expiry="30")).json()
    assert short["expires_in"] == 30
    assert (await poll(site, client, short["auth_req_id"], 30_000))["error"] == "expired_token"


@pytest.mark.rfc("CIBA#13")
@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({"login_hint": None}, "invalid_request"),
        ({"id_token_hint": "x"}, "invalid_request"),
        ({"login_hint": "nobody@example.org"}, "unknown_user_id"),
        ({"login_hint": "usr_nobody"}, "unknown_user_id"),
        ({"login_hint": None, "id_token_hint": "a.b.c"}, "unknown_user_id"),
        ({"login_hint": None, "login_hint_token": "a.b.c"}, "unknown_user_id"),
        ({"scope": "assets:read"}, "invalid_scope"),
        ({"scope": "openid users:read"}, "invalid_scope"),
        ({"scope": None}, "invalid_scope"),
        ({"binding_message": "x" * 65}, "invalid_binding_message"),
        ({"binding_message": "a\u202eb"}, "invalid_binding_message"),
        ({"requested_expiry": "soon"}, "invalid_request"),
        ({"requested_expiry": "0"}, "invalid_request"),
        ({"resource": "https://elsewhere.example"}, "invalid_target"),
        ({"request": "a.b.c"}, "invalid_request"),
    ],
)
async def test_what_cannot_be_asked(site: Front, form: dict[str, str], error: str) -> None:
    client = await bank(site)
    await site.user()
    before = await snapshot(site.store)
    response = await ask(site, client, **form)
    assert (response.status_code, response.json()["error"]) == (400, error)
    assert await snapshot(site.store) == before
    assert (await ask(site, client)).status_code == 200


async def test_who_may_ask(site: Front) -> None:
    await site.user()
    web_app = await site.client()
    assert (await ask(site, web_app)).json()["error"] == "unauthorized_client"
    client = await bank(site)
    nobody = await site.person().http.post(PATH, data={"scope": SCOPE, "login_hint": USER})
    assert nobody.status_code == 401
    with pytest.raises(ApiError):
        await bank(site, token_endpoint_auth_method="none")
    with pytest.raises(ApiError):
        await bank(site, backchannel_token_delivery_mode="ping")
    with pytest.raises(ApiError):
        await bank(site, backchannel_token_delivery_mode="push")
    by_id = await ask(site, client, login_hint=(await site.users.find(TENANT, USER)).id)  # type: ignore[union-attr]
    assert by_id.status_code == 200


async def test_nobody_is_worn_down(site: Front) -> None:
    client = await bank(site)
    await site.user()
    await site.user("eve@example.org")
    for _ in range(PER_USER.tries):
        assert (await ask(site, client)).status_code == 200
    refused = await ask(site, client)
    assert (refused.status_code, refused.json()["error"]) == (429, "access_denied")
    assert int(refused.headers["retry-after"]) > 0
    assert (await ask(site, client, login_hint="eve@example.org")).status_code == 200


async def test_whoever_says_yes_was_not_asked_too_often(site: Front) -> None:
    client = await bank(site)
    await site.user()
    key = await operator_key(site)
    for _ in range(PER_USER.tries):
        answer = await ask(site, client)
        assert answer.status_code == 200
    asked = answer.json()["auth_req_id"]
    assert (await ask(site, client)).status_code == 429
    assert (await api(site, key, "POST", f"/{asked}/approve")).status_code == 204
    assert (await ask(site, client)).status_code == 200
    refused = await ask(site, client)
    assert refused.status_code == 429
    assert refused.json().keys() == {"error", "error_description", "error_uri"}  # CIBA §13


@pytest.mark.attack("J6")
@pytest.mark.parametrize("what", ["user", "client"])
async def test_what_is_switched_off_meanwhile_gets_nothing(site: Front, what: str) -> None:
    client, user = await bank(site), await site.user()
    asked = (await ask(site, client)).json()["auth_req_id"]
    (found,) = await site.platform.deferrals.waiting(TENANT, user.id)
    key = await operator_key(site)
    done = await api(site, key, "POST", f"/{found.row.id}/approve")
    assert done.status_code == 204
    if what == "user":
        await site.users.disable(TENANT, user.id, actor="operator")
        assert (await poll(site, client, asked))["error"] == "invalid_grant"
    else:
        await site.clients.disable(TENANT, client.id, actor="operator")
        assert (await poll(site, client, asked))["status"] in (400, 401)


async def operator_key(site: Front, *scope: str) -> str:
    wanted = frozenset(scope or ("requests:read", "requests:approve"))
    keys = site.platform.api_keys
    _, secret = await keys.create(TENANT, name="k", scope=wanted, actor="operator")
    return secret.reveal()


async def api(site: Front, key: str, method: str, rest: str = "") -> httpx.Response:
    path = f"/api/v1/authentication-requests{rest}"
    return await site.person().http.request(
        method, path, headers={"authorization": f"Bearer {key}"}
    )


async def test_an_operator_answers_through_the_api_and_is_named(site: Front) -> None:
    client, user = await bank(site), await site.user()
    asked = (await ask(site, client, binding_message="K7")).json()["auth_req_id"]
    key = await operator_key(site)
    (listed,) = (await api(site, key, "GET", f"?user_id={user.id}")).json()["data"]
    assert (listed["binding_message"], listed["client_id"]) == ("K7", client.id)
    assert (await api(site, key, "GET", "")).json()["data"] == [listed]
    reader = await operator_key(site, "requests:read", "users:read", "users:write")
    assert (await api(site, reader, "GET", "")).status_code == 200
    assert (await api(site, reader, "POST", f"/{asked}/approve")).status_code == 403
    users = await operator_key(site, "users:read", "users:write")
    assert (await api(site, users, "GET", "")).status_code == 403
    assert (await api(site, key, "POST", "/def_unknown/approve")).status_code == 404
    assert (await api(site, key, "POST", f"/{asked}/approve")).status_code == 204
    assert (await api(site, key, "POST", f"/{asked}/deny")).status_code == 409
    assert (await api(site, key, "GET", "")).json()["data"] == []
    assert (await poll(site, client, asked))["status"] == 200
    rows = await site.store.find(Find(Event, {"tenant_id": TENANT}, limit=500))
    (decided,) = [row for row in rows if row.type == "ciba.decided"]
    assert decided.actor.startswith("api_key:")


async def test_the_console_answers_only_what_names_somebody(site: Front) -> None:
    """A device names nobody before its code is typed: nobody can answer it from outside."""
    names = ["urn:ietf:params:oauth:grant-type:device_code"]
    tv = await site.client(grant_types=names, redirect_uris=[], scope=SCOPE)
    key = await operator_key(site)
    asked = await post(site, "/oauth2/device_authorization", tv, scope="openid")
    assert asked.status_code == 200
    (row,) = await site.store.find(Find(Deferred, {"tenant_id": TENANT}))
    assert (await api(site, key, "GET", "")).json()["data"] == []
    before = await snapshot(site.store)
    for id in (row.id, asked.json()["device_code"]):
        assert (await api(site, key, "POST", f"/{id}/approve")).status_code == 404
    assert await snapshot(site.store) == before


HOOK = Secret("a-secret-of-a-test-suite-and-nobody-else")


async def hook(site: Front, secret: str = HOOK.reveal(), **query: str) -> int:
    headers = {"authorization": f"Bearer {secret}"} if secret else {}
    answer = await site.person().http.post("/_test/ciba", params=query, headers=headers)
    return answer.status_code


@pytest.mark.parametrize("action", ["allow", "deny"])
async def test_a_suite_answers_without_a_browser(
    sqlite_store: SqliteStore, clock: SettableClock, action: str
) -> None:
    site = await front(sqlite_store, clock, switches=Switches(ciba_test_hook=HOOK))
    client, _ = await bank(site), await site.user()
    id = (await ask(site, client)).json()["auth_req_id"]
    before = await snapshot(site.store)
    for wrong in ("", "x" * 40, HOOK.reveal()[:-1]):
        assert await hook(site, wrong, auth_req_id=id, action=action) == 401
    for change in ({"action": "maybe"}, {"action": ""}):
        assert await hook(site, **{"auth_req_id": id, "action": action, **change}) == 400
    assert await hook(site, auth_req_id="ar.t1.unknown", action=action) == 404
    key = {"params": {"auth_req_id": id, "action": action}}
    assert (await site.person().http.get("/_test/ciba", **key)).status_code == 405  # type: ignore[arg-type]
    assert await snapshot(site.store) == before
    assert await hook(site, auth_req_id=id, action=action) == 204
    assert await hook(site, auth_req_id=id, action=action) == 409
    answer = await poll(site, client, id)
    assert answer.get("error") == (None if action == "allow" else "access_denied")
    rows = await site.store.find(Find(Event, {"tenant_id": TENANT}, limit=500))
    assert [row.actor for row in rows if row.type == "ciba.decided"] == ["test_hook"]


async def test_without_the_setting_there_is_no_hook(site: Front) -> None:
    client, _ = await bank(site), await site.user()
    id = (await ask(site, client)).json()["auth_req_id"]
    for secret in ("", HOOK.reveal(), "None"):
        assert await hook(site, secret, auth_req_id=id, action="allow") == 404


@pytest.mark.attack("J4")
@pytest.mark.rfc("CIBA#11")
@pytest.mark.parametrize("verb", ["approve", "deny"])
async def test_only_who_waits_is_told_to_slow_down(site: Front, verb: str) -> None:
    """A client that was pinged comes at once, though it may have polled the moment before."""
    client = await bank(site)
    await site.user()
    key = await operator_key(site)
    id = (await ask(site, client)).json()["auth_req_id"]
    assert (await poll(site, client, id))["error"] == "authorization_pending"
    assert (await poll(site, client, id, 1_000))["error"] == "slow_down"
    assert (await api(site, key, "POST", f"/{id}/{verb}")).status_code == 204
    answer = await poll(site, client, id, 0)
    assert answer.get("error") == (None if verb == "approve" else "access_denied")


@pytest.mark.rfc("CIBA#7.1.1")
async def test_a_signed_request_counts_alone(site: Front) -> None:
    mine, other = key("k1"), key("k1")
    client = await bank(
        site, jwks=public(mine), backchannel_authentication_request_signing_alg="ES256"
    )
    await site.user()
    now = site.clock.now() // 1000
    claims = {
        "iss": client.id,
        "aud": ISSUER,
        "iat": now,
        "nbf": now,
        "exp": now + 300,
        "jti": "j1",
        "scope": "openid",
        "login_hint": USER,
    }
    unsigned = await ask(site, client)
    assert unsigned.json()["error"] == "invalid_request"
    right = await post(site, PATH, client, request=signed(json.dumps(claims), mine))
    assert right.status_code == 200, right.text
    for changed, by in (
        (claims, other),
        (claims | {"aud": "x"}, mine),
        (claims | {"exp": 1}, mine),
        *(({k: v for k, v in claims.items() if k != name}, mine) for name in SIGNED),
    ):
        wrong = await post(site, PATH, client, request=signed(json.dumps(changed), by))
        assert wrong.json()["error"] == "invalid_request"


class Receiver:
    def __init__(self) -> None:
        self.got: list[tuple[str | None, Any]] = []
        self.statuses: list[int] = []
        self.url = ""

    async def answer(self, request: web.Request) -> web.Response:
        self.got.append((request.headers.get("authorization"), await request.json()))
        return web.Response(status=self.statuses.pop(0) if self.statuses else 204)


@asynccontextmanager
async def receiver() -> AsyncIterator[Receiver]:
    it, app = Receiver(), web.Application()
    app.router.add_post("/ping", it.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    it.url = f"http://127.0.0.1:{runner.addresses[0][1]}/ping"
    try:
        yield it
    finally:
        await runner.cleanup()


@pytest.mark.rfc("CIBA#10.2")
@pytest.mark.parametrize("answer", ["allow", "deny"])
async def test_a_ping_says_that_somebody_has_decided(
    sqlite_store: SqliteStore, clock: SettableClock, answer: str
) -> None:
    outbound = GuardedOutbound(["127.0.0.1"])
    site = await front(sqlite_store, clock, outbound=outbound)
    async with receiver() as there:
        client = await bank(
            site,
            backchannel_token_delivery_mode="ping",
            backchannel_client_notification_endpoint=there.url,
        )
        user = await site.user()
        none = await ask(site, client)
        assert none.json()["error"] == "invalid_request", "the token for the ping is missing"
        asked = (await ask(site, client, client_notification_token="t0ken")).json()
        (found,) = await site.platform.deferrals.waiting(TENANT, user.id)
        operator = await operator_key(site)
        decision = {"allow": "approve", "deny": "deny"}[answer]
        there.statuses = [503]
        assert (await api(site, operator, "POST", f"/{found.row.id}/{decision}")).status_code == 204
        work = runner_of(site.platform)
        for _ in range(3):
            await work.drain()
            clock.advance(60_000)
        assert there.got == [("Bearer t0ken", {"auth_req_id": asked["auth_req_id"]})] * 2
        jobs = await site.store.find(Find(Job, {"tenant_id": TENANT, "kind": "ciba.notify"}))
        assert [job.status for job in jobs] == ["done"]
        assert "t0ken" not in repr(await site.store.find(Find(Deferred, {"tenant_id": TENANT})))
        told = await poll(site, client, asked["auth_req_id"])
        assert told.get("error") == ("access_denied" if answer == "deny" else None)
    await outbound.close()


async def test_the_metadata_says_what_works(site: Front) -> None:
    metadata = (await site.person().get("/.well-known/openid-configuration")).json()
    assert metadata["backchannel_authentication_endpoint"] == f"{ISSUER}{PATH}"
    assert metadata["backchannel_token_delivery_modes_supported"] == ["poll", "ping"]
    assert metadata["backchannel_user_code_parameter_supported"] is False
    assert NAME in metadata["grant_types_supported"]
