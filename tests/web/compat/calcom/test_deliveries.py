"""A client's webhooks at a real receiver: the surface's own body and signature."""

import hmac
from hashlib import sha256
from typing import Any

from tests.conftest import SettableClock
from tests.receiver import Answer
from tests.web.compat.calcom.desk import APPS, Desk, bearer
from tests.web.compat.calcom.test_contract import query_of

from safeconduct.app.work import runner_of
from safeconduct.core.connections import moved, tell
from safeconduct.core.model import Connection, Delivery
from safeconduct.core.unit import Done

TRIGGER = "DELEGATION_CREDENTIAL_ERROR"


async def connected(desk: Desk, app: Any, **who: Any) -> Connection:
    """A managed user with Zoom."""
    token = bearer((await desk.managed(app, **who))["accessToken"])
    known = {row.id for row in await desk.rows(Connection)}
    url = (await desk.call("getConferencingAuthUrl", token, app=APPS[0])).json()["data"]["url"]
    back = query_of(await desk.sim.approve(url))
    await desk.call("saveConferencingCredentials", app=APPS[0], params=back)
    (made,) = [row for row in await desk.rows(Connection) if row.id not in known]
    return made


async def break_(desk: Desk, row: Connection) -> None:
    """The provider wants its user again."""
    p = desk.site.platform
    told = moved(
        row,
        "needs_reauth",
        event_id=p.mint.id("evt"),
        now=p.clock.now(),
        actor="system",
        reason="refresh.invalid_grant",
    )
    await p.connections.store.run((), lambda facts: Done(None, tell(row, [told])))


async def test_a_trigger_reaches_the_client_of_the_user_and_no_other(desk: Desk) -> None:
    app, other = await desk.app(), await desk.app(name="Other")
    for one, path in ((app, "mine"), (other, "theirs")):
        hook = {
            "active": True,
            "subscriberUrl": f"{desk.receiver.url}/{path}",
            "triggers": [TRIGGER, "BOOKING_CREATED"],
            "secret": "s3cret of the receiver",
        }
        await desk.call("createOAuthClientWebhook", one.headers, clientId=one.id, json=hook)
    row = await connected(desk, app)
    await runner_of(desk.site.platform).drain()
    desk.receiver.got.clear()
    await break_(desk, row)
    await runner_of(desk.site.platform).drain()
    (got,) = desk.receiver.got
    assert got.path == "/hooks/mine"
    assert got.headers["content-type"] == "application/json"
    signed = hmac.digest(b"s3cret of the receiver", got.body, sha256).hex()
    assert got.headers["x-cal-signature-256"] == signed
    assert got.document.keys() == {"triggerEvent", "createdAt", "payload"}
    assert got.document["triggerEvent"] == TRIGGER
    assert got.document["payload"]["connection_id"] == row.id
    listed = await desk.call("listConferencingApps", await token_of(desk, app))
    assert [one["invalid"] for one in listed.json()["data"]] == [True]


async def token_of(desk: Desk, app: Any) -> dict[str, str]:
    users = await desk.call("getManagedUsers", app.headers, clientId=app.id)
    id = users.json()["data"][0]["id"]
    pair = await desk.call("forceRefreshTokens", app.headers, clientId=app.id, userId=id)
    return bearer(pair.json()["data"]["accessToken"])


async def test_a_template_no_secret_and_a_pause(desk: Desk, clock: SettableClock) -> None:
    app = await desk.app()
    hook = {
        "active": True,
        "subscriberUrl": desk.receiver.url,
        "triggers": [TRIGGER],
        "payloadTemplate": '{"what": "{{triggerEvent}}", "why": "{{reason}}"}',
        "secret": None,
    }
    made = await desk.call("createOAuthClientWebhook", app.headers, clientId=app.id, json=hook)
    path = {"clientId": app.id, "webhookId": made.json()["data"]["id"]}
    first = await connected(desk, app)
    desk.receiver.answers = [Answer(500), Answer(200)]
    await break_(desk, first)
    await runner_of(desk.site.platform).drain()
    clock.advance(10_000)
    await runner_of(desk.site.platform).drain()
    assert [got.document for got in desk.receiver.got] == [
        {"what": TRIGGER, "why": "refresh.invalid_grant"}
    ] * 2
    assert len(set(desk.receiver.ids)) == 1
    assert "x-cal-signature-256" not in desk.receiver.got[0].headers

    await desk.call("updateOAuthClientWebhook", app.headers, **path, json={"active": False})
    await break_(desk, await connected(desk, app, email="ben@example.com"))
    await runner_of(desk.site.platform).drain()
    assert len(desk.receiver.got) == 2
    assert [row.status for row in await desk.rows(Delivery)] == ["delivered"]
