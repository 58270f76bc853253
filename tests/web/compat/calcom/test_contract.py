"""Cal.com's contract, on the whole server: every answer that it documents, shown once."""

from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from tests.conftest import SettableClock
from tests.contracts.fuzz import EXAMPLES, PHASES, fuzz
from tests.web.compat.calcom.desk import ANN, CAL, CALLBACK, CLIENT, HOME, Desk, bearer
from tests.web.harness import TENANT, VERIFIER, Person

from safeconduct.core import managed_users
from safeconduct.core.model import Connection, ManagedBlock, PlatformClient
from safeconduct.core.pkce import challenge_of

NOBODY = "clxxxxxxxxxxxxxxxxxxxxxxx"
BY_CLIENT = [one for one in CAL.operations() if one.url.startswith("/v2/oauth-clients/{clientId}")]
MEET = [one for one in CAL.operations() if "onferencing" in one.id and "Credentials" not in one.id]
HOUR = 3_600_000
HOOK = {"active": True, "triggers": ["BOOKING_CREATED"], "secret": "whsec"}


def query(response: httpx.Response) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(response.headers["location"]).query))


@pytest.mark.proves("calcom-platform", "createOAuthClient", 201, 400)
@pytest.mark.proves("calcom-platform", "getOAuthClients", 200)
@pytest.mark.proves("calcom-platform", "getOAuthClientById", 200, 404)
@pytest.mark.proves("calcom-platform", "updateOAuthClient", 200, 400, 404)
@pytest.mark.proves("calcom-platform", "deleteOAuthClient", 200, 404)
async def test_clients_come_change_and_go(desk: Desk) -> None:
    owner = await desk.key("OWNER")
    for body in ({}, {**CLIENT, "permissions": ["EVERYTHING"]}, {**CLIENT, "redirectUris": ["x"]}):
        assert (await desk.call("createOAuthClient", owner, json=body)).status_code == 400
    extras = {
        "logo": "https://example.com/logo.png",
        "areDefaultEventTypesEnabled": True,
        "bookingRedirectUri": "https://example.com/booking",
        "permissions": ["BOOKING_WRITE", "BOOKING_READ"],
    }
    app = await desk.app(**extras)
    shown = (await desk.call("getOAuthClientById", owner, clientId=app.id)).json()["data"]
    assert shown["permissions"] == ["BOOKING_READ", "BOOKING_WRITE"]
    assert (shown["organizationId"], shown["redirectUris"]) == (1, [CALLBACK])
    assert (shown["logo"], shown["areDefaultEventTypesEnabled"]) == (extras["logo"], True)
    assert (shown["areEmailsEnabled"], shown["bookingCancelRedirectUri"]) == (True, None)
    assert shown["secret"] == "…" + app.secret[-4:]
    (row,) = await desk.rows(PlatformClient)
    assert row.permissions == 4 | 8
    member = await desk.key("MEMBER")
    assert (await desk.call("getOAuthClients", member)).json()["data"] == [shown]
    new = {"name": "Renamed", "permissions": ["*"], "areEmailsEnabled": False}
    changed = await desk.call("updateOAuthClient", app.headers, clientId=app.id, json=new)
    after = changed.json()["data"]
    assert after == {**shown, "name": "Renamed", "areEmailsEnabled": False}
    bad = await desk.call("updateOAuthClient", owner, clientId=app.id, json={"name": 5})
    assert (bad.status_code, bad.json()["error"]["message"]) == (400, "name: string expected")
    for operation in ("getOAuthClientById", "updateOAuthClient", "deleteOAuthClient"):
        more = {"json": {}} if operation.startswith("update") else {}
        gone = await desk.call(operation, owner, clientId=NOBODY, **more)
        assert gone.status_code == 404
    deleted = await desk.call("deleteOAuthClient", owner, clientId=app.id)
    assert (deleted.status_code, deleted.json()["data"]) == (200, after)
    assert (await desk.call("getOAuthClients", owner)).json()["data"] == []


@pytest.mark.proves("calcom-platform", "createManagedUser", 201, 400, 409)
@pytest.mark.proves("calcom-platform", "getManagedUsers", 200)
@pytest.mark.proves("calcom-platform", "getManagedUser", 200, 404)
@pytest.mark.proves("calcom-platform", "updateManagedUser", 200, 400, 404)
@pytest.mark.proves("calcom-platform", "deleteManagedUser", 200, 404)
@pytest.mark.proves("calcom-platform", "forceRefreshTokens", 200, 404)
async def test_managed_users_come_change_and_go(desk: Desk, clock: SettableClock) -> None:
    app = await desk.app()
    at = {"clientId": app.id}
    made = await desk.managed(app)
    user = made["user"]
    assert user["email"] == f"managed.user+{app.id}@example.com"
    assert (user["username"], user["name"]) == ("managed-user", "Managed User")
    assert (user["weekStart"], user["timeFormat"], user["locale"]) == ("Sunday", 12, "en")
    assert made["accessTokenExpiresAt"] % 60_000 == 0
    assert HOUR - 60_000 < made["accessTokenExpiresAt"] - clock.now() <= HOUR
    assert made["refreshTokenExpiresAt"] % 86_400_000 == 0
    twice = await desk.call("createManagedUser", app.headers, **at, json=ANN)
    assert (twice.status_code, str(user["id"]) in twice.text) == (409, True)
    for body in ({}, {**ANN, "email": "nobody"}, {**ANN, "locale": "xx"}, {**ANN, "timeFormat": 7},
                 {**ANN, "metadata": {"k" * 41: "v"}}):  # fmt: skip
        refused = await desk.call("createManagedUser", app.headers, **at, json=body)
        assert refused.status_code == 400
    ben = (await desk.managed(app, email="ben@example.com", name="Ben"))["user"]
    listed = (await desk.call("getManagedUsers", app.headers, **at)).json()["data"]
    assert listed == [user, ben]
    for params, found in (
        ({"limit": "1", "offset": "1"}, [ben]),
        ({"emails": "ben@example.com"}, [ben]),
        ({"emails": f"{user['email']},nobody@example.com"}, [user]),
        ({"limit": "1"}, [user]),
    ):
        page = await desk.call("getManagedUsers", app.headers, **at, params=params)
        assert page.json()["data"] == found
    one = {**at, "userId": user["id"]}
    shown = await desk.call("getManagedUser", app.headers, **one)
    assert shown.json()["data"] == user
    new = {"email": "new.name@example.com", "timeZone": "Europe/Paris", "metadata": {"a": "b"}}
    changed = (await desk.call("updateManagedUser", app.headers, **one, json=new)).json()["data"]
    assert changed == {
        **user,
        "email": f"new.name+{app.id}@example.com",
        "username": "new-name",
        "timeZone": "Europe/Paris",
        "metadata": {"a": "b"},
    }
    for body in ({"timeFormat": 13}, {"email": "ben@example.com"}):
        assert (
            await desk.call("updateManagedUser", app.headers, **one, json=body)
        ).status_code == 400
    nobody = {**at, "userId": 999}
    for operation in ("getManagedUser", "updateManagedUser", "deleteManagedUser",
                      "forceRefreshTokens"):  # fmt: skip
        more = {"json": {}} if operation.startswith("update") else {}
        assert (await desk.call(operation, app.headers, **nobody, **more)).status_code == 404
    forced = await desk.call("forceRefreshTokens", app.headers, **one)
    pair = forced.json()["data"]
    old = await desk.call("listConferencingApps", bearer(made["accessToken"]))
    assert old.status_code == 401
    assert (await desk.call("listConferencingApps", bearer(pair["accessToken"]))).status_code == 200
    gone = await desk.call("deleteManagedUser", app.headers, **one)
    assert gone.json()["data"] == changed
    dead = await desk.call("listConferencingApps", bearer(pair["accessToken"]))
    assert dead.status_code == 401
    assert (await desk.call("getManagedUser", app.headers, **one)).status_code == 404
    await desk.managed(app)  # the address is free again


@pytest.mark.proves("calcom-platform", "getOAuthClientById", 401, 403)
@pytest.mark.proves("calcom-platform", "updateOAuthClient", 401, 403)
@pytest.mark.proves("calcom-platform", "deleteOAuthClient", 401, 403)
@pytest.mark.proves("calcom-platform", "getManagedUsers", 401, 403, 404)
@pytest.mark.proves("calcom-platform", "createManagedUser", 401, 403, 404)
@pytest.mark.proves("calcom-platform", "getManagedUser", 401, 403)
@pytest.mark.proves("calcom-platform", "updateManagedUser", 401, 403)
@pytest.mark.proves("calcom-platform", "deleteManagedUser", 401, 403)
@pytest.mark.proves("calcom-platform", "forceRefreshTokens", 401, 403)
@pytest.mark.proves("calcom-platform", "getOAuthClientWebhooks", 401, 403, 404)
@pytest.mark.proves("calcom-platform", "createOAuthClientWebhook", 401, 403, 404)
@pytest.mark.proves("calcom-platform", "deleteAllOAuthClientWebhooks", 401, 403, 404)
@pytest.mark.proves("calcom-platform", "getOAuthClientWebhook", 401, 403)
@pytest.mark.proves("calcom-platform", "updateOAuthClientWebhook", 401, 403)
@pytest.mark.proves("calcom-platform", "deleteOAuthClientWebhook", 401, 403)
@pytest.mark.proves("calcom-platform", "createOAuthClient", 401, 403)
@pytest.mark.proves("calcom-platform", "getOAuthClients", 401, 403)
async def test_roles_before_existence(desk: Desk) -> None:
    app = await desk.app()
    nobody, member, owner = [await desk.key(role) for role in (None, "MEMBER", "OWNER")]
    for operation in ("createOAuthClient", "getOAuthClients"):
        more: dict[str, Any] = {"json": CLIENT} if operation.startswith("create") else {}
        assert (await desk.call(operation, **more)).status_code == 401
        assert (await desk.call(operation, app.headers, **more)).status_code == 401
        assert (await desk.call(operation, nobody, **more)).status_code == 403
    assert (await desk.call("createOAuthClient", member, json=CLIENT)).status_code == 403
    for operation in BY_CLIENT:
        more = {"clientId": app.id, "userId": 1, "webhookId": 1}
        more |= {"json": {}} if "requestBody" in operation.document else {}
        assert (await desk.call(operation.id, **more)).status_code == 401
        wrong = {"x-cal-secret-key": app.secret + "x"}
        assert (await desk.call(operation.id, wrong, **more)).status_code == 401
        assert (await desk.call(operation.id, nobody, **more)).status_code == 403
        unknown = {**more, "clientId": NOBODY}
        assert (await desk.call(operation.id, app.headers, **unknown)).status_code == 401
        assert (await desk.call(operation.id, nobody, **unknown)).status_code == 403
        assert (await desk.call(operation.id, owner, **unknown)).status_code == 404
        reads = operation.method == "GET" and "Managed" not in operation.id
        found = (await desk.call(operation.id, member, **more)).status_code
        assert (found != 403) if reads else (found == 403), operation.id


@pytest.mark.proves("calcom-platform", "authorizePlatformClient", 302, 400, 401)
@pytest.mark.proves("calcom-platform", "exchangePlatformCode", 200, 400)
@pytest.mark.proves("calcom-platform", "refreshManagedUserTokens", 200, 400, 401)
async def test_a_code_its_exchange_and_refreshing(desk: Desk) -> None:
    app, person = await desk.app(), await desk.signed_in()
    at: dict[str, Any] = {"clientId": app.id}

    async def authorize(person: Person | None, uri: str = CALLBACK, **more: Any) -> Any:
        headers = {"cookie": cookies(person)} if person else {}
        asked = {"json": {"redirectUri": uri}, **at, **more}
        return await desk.call("authorizePlatformClient", headers, **asked)

    assert (await authorize(None)).status_code == 401
    assert (await authorize(person, "https://evil.example/")).status_code == 400
    assert (await authorize(person, clientId=NOBODY)).status_code == 400
    sent = await authorize(person)
    assert sent.headers["location"].startswith(CALLBACK + "?code=")
    assert query(sent).keys() == {"code"}
    open_one = await authorize(person)
    assert (open_one.status_code, open_one.json()["error"]["code"]) == (400, "BadRequestException")
    code = query(sent)["code"]
    for headers, secret in (
        ({}, app.secret),
        (bearer(code), "wrong"),
        (bearer("sc_ac_t1.x.y"), app.secret),
    ):
        body = {"clientSecret": secret}
        bad = await desk.call("exchangePlatformCode", headers, **at, json=body)
        assert bad.status_code == 400
    body = {"clientSecret": app.secret}
    given = await desk.call("exchangePlatformCode", bearer(code), **at, json=body)
    pair = given.json()["data"]
    assert (await desk.call("listConferencingApps", bearer(pair["accessToken"]))).status_code == 200
    again = await desk.call("exchangePlatformCode", bearer(code), **at, json=body)
    assert again.status_code == 400
    assert (await authorize(person)).status_code == 302

    user = await desk.managed(app)
    turn = {"json": {"refreshToken": user["refreshToken"]}, **at}
    assert (await desk.call("refreshManagedUserTokens", **turn)).status_code == 401
    new = await desk.call("refreshManagedUserTokens", app.headers, **turn)
    assert new.status_code == 200
    assert new.json()["data"]["refreshToken"] != user["refreshToken"]
    used = await desk.call("refreshManagedUserTokens", app.headers, **turn)
    assert used.status_code == 400
    for text in ("", "nonsense", user["accessToken"]):
        turn["json"] = {"refreshToken": text}
        assert (await desk.call("refreshManagedUserTokens", app.headers, **turn)).status_code == 400


def cookies(person: Person) -> str:
    return "; ".join(f"{one.name}={one.value}" for one in person.http.cookies.jar)


@pytest.mark.proves("calcom-platform", "createOAuthClientWebhook", 201, 400, 409)
@pytest.mark.proves("calcom-platform", "getOAuthClientWebhooks", 200)
@pytest.mark.proves("calcom-platform", "getOAuthClientWebhook", 200, 403, 404)
@pytest.mark.proves("calcom-platform", "updateOAuthClientWebhook", 200, 400, 403, 404)
@pytest.mark.proves("calcom-platform", "deleteOAuthClientWebhook", 200, 403, 404)
@pytest.mark.proves("calcom-platform", "deleteAllOAuthClientWebhooks", 200)
async def test_webhooks_come_change_and_go(desk: Desk) -> None:
    app, other = await desk.app(), await desk.app(name="Other")
    at: dict[str, Any] = {"clientId": app.id}
    body = {**HOOK, "subscriberUrl": "https://example.com/hooks"}
    made = await desk.call("createOAuthClientWebhook", app.headers, **at, json=body)
    hook = made.json()["data"]
    assert hook == {
        "id": 1,
        "oAuthClientId": app.id,
        "subscriberUrl": "https://example.com/hooks",
        "triggers": ["BOOKING_CREATED"],
        "active": True,
        "payloadTemplate": None,
        "secret": "whsec",
    }
    twice = await desk.call("createOAuthClientWebhook", app.headers, **at, json=body)
    assert (twice.status_code, twice.json()["error"]["code"]) == (409, "ConflictException")
    for wrong in ({}, {**body, "triggers": "x"}, {**body, "subscriberUrl": "ftp://x"},
                  {**body, "active": 1}):  # fmt: skip
        refused = await desk.call("createOAuthClientWebhook", app.headers, **at, json=wrong)
        assert refused.status_code == 400
    second = {**body, "subscriberUrl": "https://example.com/second", "secret": None}
    await desk.call("createOAuthClientWebhook", app.headers, **at, json=second)
    shown = {**hook, "secret": "…hsec"}
    listed = (await desk.call("getOAuthClientWebhooks", app.headers, **at)).json()["data"]
    assert (listed[0], listed[1]["secret"]) == (shown, None)
    page = {"take": "1", "skip": "1"}
    paged = await desk.call("getOAuthClientWebhooks", app.headers, **at, params=page)
    assert paged.json()["data"] == listed[1:]
    one = {**at, "webhookId": 1}
    assert (await desk.call("getOAuthClientWebhook", app.headers, **one)).json()["data"] == shown
    off = {"active": False, "triggers": ["BOOKING_PAID"]}
    changed = await desk.call("updateOAuthClientWebhook", app.headers, **one, json=off)
    assert changed.json()["data"] == {**shown, **off}
    for wrong in ({"active": "no"}, {"subscriberUrl": "https://example.com/second"}):
        bad = await desk.call("updateOAuthClientWebhook", app.headers, **one, json=wrong)
        assert bad.status_code == 400
    for operation in ("getOAuthClientWebhook", "updateOAuthClientWebhook",
                      "deleteOAuthClientWebhook"):  # fmt: skip
        more = {"json": {}} if operation.startswith("update") else {}
        foreign = {"clientId": other.id, "webhookId": 1, **more}
        assert (await desk.call(operation, other.headers, **foreign)).status_code == 403
        missing = {**at, "webhookId": "x", **more}
        assert (await desk.call(operation, app.headers, **missing)).status_code == 404
    gone = await desk.call("deleteOAuthClientWebhook", app.headers, **one)
    assert gone.json()["data"] == {**shown, **off}
    await desk.call("createOAuthClientWebhook", app.headers, **at, json=body)
    all_gone = await desk.call("deleteAllOAuthClientWebhooks", app.headers, **at)
    assert all_gone.json()["data"] == "2 webhooks deleted"


@pytest.mark.proves("calcom-platform", "refreshApiKey", 200, 400, 401)
async def test_an_api_key_is_exchanged_for_another(desk: Desk, clock: SettableClock) -> None:
    app, old = await desk.app(), await desk.key("MEMBER")
    user = await desk.managed(app)
    for headers in ({}, app.headers, bearer(user["accessToken"])):
        assert (await desk.call("refreshApiKey", headers, json={})).status_code == 401
    for body in ({"apiKeyDaysValid": 1, "apiKeyNeverExpires": True}, {"apiKeyDaysValid": 0}):
        assert (await desk.call("refreshApiKey", old, json=body)).status_code == 400
    made = await desk.call("refreshApiKey", old, json={"apiKeyDaysValid": 1})
    key = bearer(made.json()["data"]["apiKey"])
    assert (await desk.call("refreshApiKey", old, json={})).status_code == 401
    assert (await desk.call("getOAuthClients", key)).status_code == 200
    clock.advance(24 * HOUR)  # through the whole day on which it expires
    assert (await desk.call("getOAuthClients", key)).status_code == 200
    clock.advance(24 * HOUR)
    assert (await desk.call("getOAuthClients", key)).status_code == 401


TEAM = {"orgId": 1, "teamId": 1}


@pytest.mark.proves("calcom-platform", "listConferencingApps", 200, 401)
@pytest.mark.proves("calcom-platform", "connectConferencingApp", 200, 400, 401)
@pytest.mark.proves("calcom-platform", "getConferencingAuthUrl", 200, 400, 401)
@pytest.mark.proves("calcom-platform", "saveConferencingCredentials", 301, 400)
@pytest.mark.proves("calcom-platform", "setDefaultConferencingApp", 200, 400, 401)
@pytest.mark.proves("calcom-platform", "getDefaultConferencingApp", 200, 401)
@pytest.mark.proves("calcom-platform", "disconnectConferencingApp", 200, 400, 401)
async def test_a_user_connects_meeting_apps(desk: Desk) -> None:
    app = await desk.app()
    made = await desk.managed(app)
    await meeting_apps(desk, bearer(made["accessToken"]), "", {}, made["user"]["id"])


@pytest.mark.proves("calcom-platform", "listTeamConferencingApps", 200, 401, 403)
@pytest.mark.proves("calcom-platform", "connectTeamConferencingApp", 200, 400, 401, 403)
@pytest.mark.proves("calcom-platform", "getTeamConferencingAuthUrl", 200, 400, 401, 403)
@pytest.mark.proves("calcom-platform", "saveTeamConferencingCredentials", 301, 400)
@pytest.mark.proves("calcom-platform", "setTeamDefaultConferencingApp", 200, 400, 401, 403)
@pytest.mark.proves("calcom-platform", "getTeamDefaultConferencingApp", 200, 401, 403)
@pytest.mark.proves("calcom-platform", "disconnectTeamConferencingApp", 200, 400, 401, 403)
async def test_a_team_connects_meeting_apps(desk: Desk) -> None:
    organizations = desk.site.platform.organizations
    team = await organizations.create_team(TENANT, "Design", actor="operator")
    lead, plain = await desk.key(None, "lead@example.org"), await desk.key("MEMBER")
    user = await desk.user("lead@example.org")
    await organizations.set_member(TENANT, user.id, "ADMIN", team_id=team.id, actor="operator")
    await meeting_apps(desk, lead, "Team", TEAM, None)
    for operation in MEET:
        if "Team" not in operation.id:
            continue
        for path in (TEAM, {**TEAM, "orgId": 2}, {**TEAM, "teamId": 9}):
            headers = plain if path is TEAM else lead
            refused = await desk.call(operation.id, headers, **path, app="zoom")
            assert refused.status_code == 403
    owner = await desk.key("OWNER")  # of the organisation, so of its teams
    assert (await desk.call("listTeamConferencingApps", owner, **TEAM)).status_code == 200


async def meeting_apps(
    desk: Desk, who: dict[str, str], team: str, path: dict[str, int], number: int | None
) -> None:
    """The same life for a user and for a team; `team` is what operation ids have in them."""

    async def call(verb: str, noun: str, headers: dict[str, str] = who, **more: Any) -> Any:
        return await desk.call(f"{verb}{team}{noun}", headers, **path, **more)

    assert (await call("list", "ConferencingApps")).json()["data"] == []
    assert (await call("getDefault" if not team else "get", _default(team))).json() == {
        "status": "success"
    }
    meet = await call("connect", "ConferencingApp", app="google-meet")
    row = {"id": 1, "type": "google_video", "userId": number, "invalid": False}
    assert (meet.status_code, meet.json()["data"]) == (200, row)
    assert (await call("connect", "ConferencingApp", app="google-meet")).json()["data"] == row
    assert (await call("connect", "ConferencingApp", app="zoom")).status_code == 400

    good, bad = f"{HOME}/done", f"{HOME}/failed"
    params = {"returnTo": good, "onErrorReturnTo": bad}
    asked = await call("get", "ConferencingAuthUrl", app="zoom", params=params)
    url = asked.json()["data"]["url"]
    for token in who.values():
        assert token.split()[-1] not in url
    back = query_of(await desk.sim.approve(url))
    saved = await call("save", "ConferencingCredentials", {}, app="zoom", params=back)
    assert (saved.status_code, saved.headers["location"]) == (301, good)
    replayed = await call("save", "ConferencingCredentials", {}, app="zoom", params=back)
    assert (replayed.status_code, replayed.headers["location"]) == (301, bad)
    refused = await call("get", "ConferencingAuthUrl", app="msteams", params=params)
    no = query_of(await desk.sim.approve(refused.json()["data"]["url"], deny=True))
    denied = await call("save", "ConferencingCredentials", {}, app="msteams", params=no)
    assert denied.headers["location"] == bad
    for wrong in ({}, {"state": "made-up", "code": "x"}, {**back, "state": ""}):
        answer = await call("save", "ConferencingCredentials", {}, app="zoom", params=wrong)
        assert answer.status_code == 400
    assert (await call("get", "ConferencingAuthUrl", app="google-meet")).status_code == 400
    elsewhere = {"returnTo": "javascript:alert(1)"}
    odd = await call("get", "ConferencingAuthUrl", app="zoom", params=elsewhere)
    assert odd.status_code == 400

    listed = (await call("list", "ConferencingApps")).json()["data"]
    assert [one["type"] for one in listed] == ["google_video", "zoom_video"]
    set_default = ("set", f"{team}DefaultConferencingApp")
    for app, status in (("zoom", 200), ("msteams", 400), ("daily-video", 200), ("x", 400)):
        chosen = await desk.call("".join(set_default), who, **path, app=app)
        assert chosen.status_code == status
    default = await desk.call(f"get{team}DefaultConferencingApp", who, **path)
    assert default.json()["data"] == {"appSlug": "daily-video"}
    assert len((await call("list", "ConferencingApps")).json()["data"]) == 2

    (connection,) = await desk.rows(Connection)
    gone = await call("disconnect", "ConferencingApp", app="zoom")
    assert (gone.status_code, gone.json()) == (200, {"status": "success"})
    (connection,) = await desk.rows(Connection)
    assert connection.status == "deleted"
    assert (await call("disconnect", "ConferencingApp", app="zoom")).status_code == 400
    for operation in MEET:
        if ("Team" in operation.id) is bool(team):
            anonymous = await desk.call(operation.id, {}, **path, app="zoom")
            assert anonymous.status_code == 401


def _default(team: str) -> str:
    return "ConferencingApp" if not team else "DefaultConferencingApp"


def query_of(url: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(url).query))


@pytest.mark.proves("calcom-platform", "listConferencingApps", 498)
@pytest.mark.proves("calcom-platform", "connectConferencingApp", 498)
@pytest.mark.proves("calcom-platform", "getConferencingAuthUrl", 498)
@pytest.mark.proves("calcom-platform", "setDefaultConferencingApp", 498)
@pytest.mark.proves("calcom-platform", "getDefaultConferencingApp", 498)
@pytest.mark.proves("calcom-platform", "disconnectConferencingApp", 498)
@pytest.mark.proves("calcom-platform", "listTeamConferencingApps", 498)
@pytest.mark.proves("calcom-platform", "connectTeamConferencingApp", 498)
@pytest.mark.proves("calcom-platform", "getTeamConferencingAuthUrl", 498)
@pytest.mark.proves("calcom-platform", "setTeamDefaultConferencingApp", 498)
@pytest.mark.proves("calcom-platform", "getTeamDefaultConferencingApp", 498)
@pytest.mark.proves("calcom-platform", "disconnectTeamConferencingApp", 498)
async def test_an_expired_token_is_498_and_nothing_else_is(
    desk: Desk, clock: SettableClock
) -> None:
    app = await desk.app()
    made = await desk.managed(app)
    clock.advance(HOUR + 1)
    for operation in MEET:
        old = await desk.call(operation.id, bearer(made["accessToken"]), **TEAM, app="zoom")
        assert (old.status_code, old.json()["error"]) == (
            498,
            {"code": "HttpException", "message": "ACCESS_TOKEN_IS_EXPIRED"},
        )
    body = {"refreshToken": made["refreshToken"]}
    new = await desk.call("refreshManagedUserTokens", app.headers, clientId=app.id, json=body)
    fresh = bearer(new.json()["data"]["accessToken"])
    assert (await desk.call("listConferencingApps", fresh)).status_code == 200
    assert (await desk.call("getOAuthClients", bearer(made["accessToken"]))).status_code == 401


@pytest.mark.proves("calcom-platform", "getOAuth2Client", 200, 401, 404)
@pytest.mark.proves("calcom-platform", "authorizeOAuth2Client", 303, 400, 401, 404)
@pytest.mark.proves("calcom-platform", "oauth2Token", 200, 400, 401)
async def test_oauth2_apps_with_and_without_a_secret(desk: Desk) -> None:
    person = await desk.signed_in()
    site = desk.site
    public = await site.client(
        client_name="Phone", profile="calcom", redirect_uris=[CALLBACK],
        token_endpoint_auth_method="none", scope="BOOKING_READ BOOKING_WRITE",
    )  # fmt: skip
    secret = await site.client(
        client_name="My App", profile="calcom", redirect_uris=[CALLBACK], scope="BOOKING_READ"
    )
    owner = await desk.key("OWNER")
    for client, kind in ((public, "PUBLIC"), (secret, "CONFIDENTIAL")):
        shown = (await desk.call("getOAuth2Client", owner, clientId=client.id)).json()["data"]
        assert (shown["client_type"], shown["is_trusted"]) == (kind, False)
    session = {"cookie": cookies(person)}
    assert (await desk.call("getOAuth2Client", session, clientId=public.id)).status_code == 200
    assert (await desk.call("getOAuth2Client", clientId=public.id)).status_code == 401
    assert (await desk.call("getOAuth2Client", owner, clientId=NOBODY)).status_code == 404

    async def authorize(client_id: str, headers: dict[str, str] = session, **more: Any) -> Any:
        body = {"redirect_uri": CALLBACK, "state": "xyz", "scopes": ["BOOKING_READ"], **more}
        return await desk.call("authorizeOAuth2Client", headers, clientId=client_id, json=body)

    pkce = {"code_challenge": challenge_of(VERIFIER)}
    assert (await authorize(public.id, {}, **pkce)).status_code == 401
    assert (await authorize(NOBODY, **pkce)).status_code == 404
    assert (await authorize(public.id, redirect_uri="https://evil.example/")).status_code == 400
    for more, reason in (
        ({}, "pkce_required"),
        ({**pkce, "code_challenge_method": "plain"}, "invalid_code_challenge_method"),
        ({**pkce, "scopes": ["EVERYTHING"]}, "unknown_scope"),
        ({**pkce, "scopes": ["APPS_READ"]}, "scope_exceeds_client_registration"),
        ({**pkce, "team_slug": "nobody"}, "team_not_found_or_no_access"),
    ):
        back = query(await authorize(public.id, **more))
        assert (back["error_description"], back["state"]) == (reason, "xyz")

    async def token(client_id: str, **more: str) -> Any:
        body = {"client_id": client_id, "redirect_uri": CALLBACK, **more}
        return await desk.call("oauth2Token", data=body)

    back = query(await authorize(public.id, **pkce))
    assert back["state"] == "xyz"
    code = {"grant_type": "authorization_code", "code": back["code"], "code_verifier": VERIFIER}
    given = await token(public.id, **code)
    assert given.json().keys() >= {"access_token", "refresh_token"}
    assert (given.json()["token_type"], given.json()["expires_in"]) == ("bearer", 1800)
    assert (given.headers["cache-control"], given.headers["pragma"]) == ("no-store", "no-cache")
    assert (await token(public.id, **code)).json() == {
        "error": "invalid_grant",
        "error_description": "code_invalid_or_expired",
    }
    mine = {"client_secret": site.secrets[secret.id]}
    wrong = await token(secret.id, grant_type="refresh_token", refresh_token="x", client_secret="y")
    assert (wrong.status_code, wrong.json()["error_description"]) == (
        401,
        "invalid_client_credentials",
    )
    back = query(await authorize(secret.id))
    body = {
        "grant_type": "authorization_code",
        "client_id": secret.id,
        "redirect_uri": CALLBACK,
        "code": back["code"],
        **mine,
    }
    pair = (await desk.call("oauth2Token", json=body)).json()
    turn = {"grant_type": "refresh_token", "refresh_token": pair["refresh_token"], **mine}
    assert (await token(secret.id, **turn)).status_code == 200
    bad = await token(secret.id, **{**turn, "refresh_token": "made-up"})
    assert bad.json()["error_description"] == "invalid_refresh_token"
    refused = await desk.call("listConferencingApps", bearer(pair["access_token"]))
    assert refused.status_code == 401  # another system's token


async def test_what_is_allowed_anywhere_has_the_surfaces_own_body(desk: Desk) -> None:
    owner = await desk.key("OWNER")
    for operation in CAL.operations():
        wrong = await desk.http.request("TRACE", operation.url.replace("{app}", "zoom"))
        assert wrong.status_code == 405
        CAL.is_a("CalError", wrong.json())
        assert wrong.json()["error"]["code"] == "MethodNotAllowedException"
    for content, status in ((b"x" * 70_000, 413), (b"[]", 400), (b"{", 400)):
        big = await desk.call(
            "createOAuthClient", {**owner, "content-type": "application/json"}, content=content
        )
        assert big.status_code == status
    assert (await desk.call("createOAuthClient", owner, content=b"a=b")).status_code == 415
    lost = await desk.http.get("/v2/bookings?take=1", headers=owner)
    assert lost.status_code == 404
    CAL.is_a("CalError", lost.json())
    assert lost.json()["path"] == "/v2/bookings?take=1"


async def test_the_contracts_own_requests(desk: Desk) -> None:
    """Each is understood; what it names may not be here."""
    for operation in CAL.operations():
        if "requestBody" not in operation.document:
            continue
        app = await desk.app()
        user = await desk.managed(app, email="first@example.com")
        hook = {**HOOK, "subscriberUrl": "https://example.com/first"}
        made = await desk.call("createOAuthClientWebhook", app.headers, clientId=app.id, json=hook)
        path = {
            "clientId": app.id,
            "userId": user["user"]["id"],
            "webhookId": made.json()["data"]["id"],
        }
        by_key = operation.id in ("createOAuthClient", "refreshApiKey")
        for name, body in CAL.examples(operation.method, operation.path).items():
            headers = await desk.key("OWNER", f"{name}@example.org") if by_key else app.headers
            if "refreshToken" in body:
                body = {"refreshToken": user["refreshToken"]}
            sent = {"data" if operation.id == "oauth2Token" else "json": body}
            answer = await desk.call(operation.id, headers, **path, **sent)
            if operation.url.startswith("/v2/oauth-clients") or by_key:
                assert answer.status_code in (200, 201), answer.text


BY_SECRET = [one.id for one in BY_CLIENT] + ["refreshManagedUserTokens"]
BY_BROWSER = ["authorizePlatformClient", "authorizeOAuth2Client", "exchangePlatformCode"]
BY_PROVIDER = ["saveConferencingCredentials", "saveTeamConferencingCredentials"]


@pytest.mark.parametrize("kind", ["secret", "key"])
async def test_schemathesis(kind: str, desk: Desk) -> None:
    """With a client's secret where that is asked for, with an API key elsewhere."""
    app, every = await desk.app(), {one.id for one in CAL.operations()}
    mine = set(BY_SECRET) if kind == "secret" else every - set(BY_SECRET)
    # A key that is refreshed is dead; a session and a code are a browser's; a callback is a
    # provider's, and whoever brings it shows nothing else. A team's twins are the same code.
    twins = {one for one in every if "Team" in one} if EXAMPLES < 10 else set[str]()
    mine -= {"refreshApiKey", "getOAuth2Client", *BY_BROWSER, *BY_PROVIDER, *twins}
    key = (await desk.key("OWNER"))["authorization"]
    await fuzz(
        CAL,
        desk.url,
        app.headers if kind == "secret" else {"Authorization": key},
        exclude=sorted(every - mine),
        # An API key is taken in the place of a secret, as `x-auth-resolution` of the contract says.
        # A header that nobody asked for is counted as bad data where there is no other parameter,
        # and a bad cookie beside a good key as bad credentials.
        unchecked=("ignored_auth",) if kind == "secret" else ("negative_data_rejection",),
        phases=PHASES if kind == "secret" or EXAMPLES >= 10 else "examples,fuzzing,stateful",
    )
    assert await desk.rows(PlatformClient)


async def test_a_long_list_is_walked_from_any_place(desk: Desk, monkeypatch: Any) -> None:
    monkeypatch.setattr(managed_users, "BLOCK", 2)
    app = await desk.app()
    for turn in range(6):
        await desk.managed(app, email=f"u{turn}@example.com", name=f"U{turn}")
    for limit, offset in ((2, 0), (2, 1), (2, 3), (2, 5), (2, 6), (9, 4)):
        page = {"limit": str(limit), "offset": str(offset)}
        answer = await desk.call("getManagedUsers", app.headers, clientId=app.id, params=page)
        names = [one["name"] for one in answer.json()["data"]]
        assert names == [f"U{n}" for n in range(6)][offset : offset + limit]
    gone = (await desk.call("getManagedUsers", app.headers, clientId=app.id)).json()["data"]
    for one in (gone[0], gone[1], gone[3]):
        await desk.call("deleteManagedUser", app.headers, clientId=app.id, userId=one["id"])
    await desk.managed(app, email="u6@example.com", name="U6")
    for offset in range(6):
        page = {"limit": "2", "offset": str(offset)}
        answer = await desk.call("getManagedUsers", app.headers, clientId=app.id, params=page)
        names = [one["name"] for one in answer.json()["data"]]
        assert names == ["U2", "U4", "U5", "U6"][offset : offset + 2]
    counts = await desk.rows(ManagedBlock)
    assert all(one.count > 0 for one in counts), "an empty block leaves no row"
    assert sum(one.count for one in counts) == 4
    for page in ({"limit": "0"}, {"limit": "x"}, {"offset": "-1"}):
        answer = await desk.call("getManagedUsers", app.headers, clientId=app.id, params=page)
        assert answer.status_code == 404
