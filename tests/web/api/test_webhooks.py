"""Webhooks out, from the event to a real receiver, and over the platform API."""

import asyncio
import base64
import hmac
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from email.utils import formatdate
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator
from standardwebhooks import Webhook, WebhookVerificationError
from tests.conftest import SettableClock
from tests.receiver import Answer, Receiver, receiving
from tests.web.harness import TENANT, Front, front, link

from safeconduct.adapters.outbound import GuardedOutbound
from safeconduct.adapters.store import PostgresStore, SqliteStore
from safeconduct.app.work import runner_of
from safeconduct.core.connections import moved, tell
from safeconduct.core.model import Connection, Delivery, Event, Job, TenantId, User
from safeconduct.core.published import PUBLISHED, SPREAD
from safeconduct.core.unit import Done, Find, Insert, Ref
from safeconduct.core.webhooks import DEAD_AFTER, SCHEDULE
from safeconduct.jobs.runner import Runner
from safeconduct.ports.store import Conflict

JS = Path(__file__).parents[2] / "js"
HOUR = 3_600_000
OPERATOR = frozenset({"webhooks:read", "webhooks:write"})


@pytest.fixture
def clock() -> SettableClock:
    """At the real time, because verifiers look at it."""
    return SettableClock(int(time.time() * 1000))


@dataclass
class Desk:
    site: Front
    receiver: Receiver
    http: httpx.AsyncClient
    runner: Runner
    headers: dict[str, str]
    ann: User

    async def call(self, method: str, path: str, body: Any = None, **more: Any) -> httpx.Response:
        sent = {"headers": self.headers, **more}
        if body is not None:
            sent["json"] = body
        return await self.http.request(method, f"/api/v1/{path}", **sent)

    async def webhook(self, *types: str, url: str | None = None, **more: Any) -> dict[str, Any]:
        body = {"url": url or self.receiver.url, "event_types": list(types or ("*",)), **more}
        answer = await self.call("POST", "webhooks", body)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    async def move(self, row: Connection, to: Any, **more: Any) -> Connection:
        """The connection in another state, as the services write it."""
        p = self.site.platform
        told = moved(row, to, event_id=p.mint.id("evt"), now=p.clock.now(), actor="system", **more)
        store = p.connections.store  # what services write through
        await store.run((), lambda facts: Done(None, tell(row, [told])))
        return told.row

    async def drain(self) -> int:
        return await self.runner.drain()

    async def deliveries(self) -> list[Delivery]:
        find = Find(Delivery, {"tenant_id": TENANT}, order=("id",), limit=500)
        return list(await self.site.store.find(find))

    async def later(self, clock: SettableClock, ms: int) -> None:
        clock.advance(ms)
        await self.drain()


@pytest.fixture
async def desk(store: SqliteStore | PostgresStore, clock: SettableClock) -> AsyncIterator[Desk]:
    outbound = GuardedOutbound(["127.0.0.1"])
    site = await front(store, clock, outbound=outbound)
    _, key = await site.platform.api_keys.create(
        TENANT, name="Ops", scope=OPERATOR, actor="operator"
    )
    transport = httpx.ASGITransport(app=site.app)
    async with (
        receiving() as receiver,
        httpx.AsyncClient(transport=transport, base_url=site.issuer) as http,
    ):
        headers = {"authorization": f"Bearer {key.reveal()}"}
        ann = await site.user()
        desk = Desk(site, receiver, http, runner_of(site.platform), headers, ann)
        await desk.drain()
        yield desk
    await outbound.close()


async def test_a_change_reaches_who_asked_for_it_and_nobody_else(desk: Desk) -> None:
    made = await desk.webhook("connection.*")
    await desk.webhook("grant.*", url=desk.receiver.url + "/grants")
    row = await link(desk.site, desk.ann)
    down = await desk.move(row, "degraded", reason="provider.unavailable")
    await desk.drain()
    (got,) = desk.receiver.got
    assert got.path == "/hooks"
    assert got.headers["content-type"] == "application/cloudevents+json; charset=utf-8"
    document = got.document
    assert document["data"] == {
        "connection_id": row.id,
        "user_id": desk.ann.id,
        "client_id": None,
        "version": down.version,
        "status": "degraded",
        "previous_status": "active",
        "reason": "provider.unavailable",
    }
    assert (document["specversion"], document["type"]) == ("1.0", "connection.degraded")
    assert (document["source"], document["subject"]) == (desk.site.issuer, row.id)
    assert document["id"] == got.headers["webhook-id"]
    Webhook(made["secret"]).verify(got.body, got.headers)
    schema = await desk.http.get(document["dataschema"])
    Draft202012Validator(schema.json()).validate(document["data"])


async def test_every_published_type_has_a_schema_that_its_data_keeps(desk: Desk) -> None:
    shown = (await desk.call("GET", "webhooks/event-types")).json()["data"]
    assert [one["type"] for one in shown] == list(PUBLISHED)
    for one in shown:
        row = _event(desk, one["type"])
        Draft202012Validator(one["schema"]).validate(PUBLISHED[one["type"]].data(row))
    assert (await desk.call("GET", "webhooks/event-types/nothing")).status_code == 404


def _event(desk: Desk, type: str, **changed: Any) -> Event:
    columns: dict[str, Any] = {
        "tenant_id": TENANT,
        "id": desk.site.platform.mint.id("evt"),
        "type": type,
        "outcome": "done",
        "actor": "system",
        "client_id": "cli_1",
        "user_id": desk.ann.id,
        "subject": "thing_1",
        "version": 3,
        "rule": None,
        "rfc": None,
        "detail": {"from": "active", "access_token": "CANARY", "added": 1, "secret": "CANARY"},
        "at": desk.site.clock.now(),
        **changed,
    }
    return Event(**columns)


@pytest.mark.attack("O6")
async def test_nothing_but_the_schema_leaves(desk: Desk) -> None:
    await desk.webhook()
    rows = [_event(desk, type) for type in PUBLISHED]
    store = desk.site.platform.connections.store
    await store.run((), lambda facts: Done(None, [Insert(row) for row in rows]))
    await desk.drain()
    assert len(desk.receiver.got) == len(SPREAD)  # all of them arrived
    assert b"CANARY" not in b"".join(got.body for got in desk.receiver.got)


@pytest.mark.attack("O3")
async def test_signatures_hold_only_for_what_was_sent(desk: Desk) -> None:
    made = await desk.webhook("webhook.ping")
    other = await desk.webhook("webhook.ping", url=desk.receiver.url + "/other")
    await desk.call("POST", f"webhooks/{made['id']}/ping")
    await desk.drain()
    (got,) = desk.receiver.got
    head = {name: value for name, value in got.headers.items() if name.startswith("webhook-")}
    Webhook(made["secret"]).verify(got.body, head)
    stamp = head["webhook-timestamp"]
    many = head["webhook-signature"] + " v1," + base64.b64encode(b"x" * 32).decode()
    Webhook(made["secret"]).verify(got.body, {**head, "webhook-signature": many})
    wrong: list[tuple[str, bytes, dict[str, str]]] = [
        (made["secret"], got.body + b" ", head),
        (made["secret"], got.body, {**head, "webhook-id": "evt_other"}),
        (made["secret"], got.body, {**head, "webhook-timestamp": str(int(stamp) - 360)}),
        (other["secret"], got.body, head),
    ]
    for secret, body, headers in wrong:
        with pytest.raises(WebhookVerificationError):
            Webhook(secret).verify(body, headers)


async def test_npm_standardwebhooks_agrees(desk: Desk) -> None:
    made = await desk.webhook("webhook.ping")
    await desk.call("POST", f"webhooks/{made['id']}/ping")
    await desk.drain()
    (got,) = desk.receiver.got
    head = {name: value for name, value in got.headers.items() if name.startswith("webhook-")}
    assert await _npm(made["secret"], got.body, head) == "verified"
    assert (await _npm(made["secret"], got.body + b" ", head)).startswith("refused")


async def _npm(secret: str, body: bytes, headers: dict[str, str]) -> str:
    node = await asyncio.create_subprocess_exec(
        "node",
        "verify.mjs",
        cwd=JS,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    asked = {"secret": secret, "headers": headers, "body": body.decode()}
    said, _ = await node.communicate(json.dumps(asked).encode())
    return said.decode().strip()


@pytest.mark.attack("O4")
@pytest.mark.invariant("V7")
async def test_a_retry_is_the_same_message_signed_anew_with_both_secrets(
    desk: Desk, clock: SettableClock
) -> None:
    made = await desk.webhook("webhook.ping")
    desk.receiver.answers = [Answer(500), Answer(200)]
    await desk.call("POST", f"webhooks/{made['id']}/ping")
    await desk.drain()
    new = (await desk.call("POST", f"webhooks/{made['id']}/secrets")).json()
    await desk.later(clock, 10_000)
    first, second = desk.receiver.got
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.body == second.body
    assert first.headers["webhook-timestamp"] < second.headers["webhook-timestamp"]
    assert len(second.headers["webhook-signature"].split(" ")) == 2
    for secret in (made["secret"], new["secret"]):
        Webhook(secret).verify(second.body, second.headers)
    clock.advance(25 * HOUR)
    await desk.call("POST", f"webhooks/{made['id']}/ping")
    await desk.drain()
    last = desk.receiver.got[-1]
    key = base64.b64decode(new["secret"].removeprefix("whsec_"))
    signed = f"{last.headers['webhook-id']}.{last.headers['webhook-timestamp']}.".encode()
    mac = hmac.digest(key, signed + last.body, sha256)
    # the old one has ended
    assert last.headers["webhook-signature"] == "v1," + base64.b64encode(mac).decode()


@pytest.mark.invariant("V7")
@pytest.mark.invariant("F21")
async def test_a_receiver_that_took_it_and_died_gets_it_again(
    desk: Desk, clock: SettableClock
) -> None:
    made = await desk.webhook("webhook.ping")
    desk.receiver.answers = [Answer(how="cut"), Answer(200)]
    await desk.call("POST", f"webhooks/{made['id']}/ping")
    await desk.drain()
    await desk.later(clock, 10_000)
    assert len(desk.receiver.ids) == 2
    assert len(set(desk.receiver.ids)) == 1
    (row,) = await desk.deliveries()
    assert (row.status, row.attempts) == ("delivered", 2)


@pytest.mark.invariant("V7")
@pytest.mark.invariant("F21")
async def test_after_three_days_it_is_a_dead_letter_and_can_be_replayed(
    desk: Desk, clock: SettableClock
) -> None:
    made = await desk.webhook("webhook.ping")
    desk.receiver.answers = [Answer(503)]
    await desk.call("POST", f"webhooks/{made['id']}/ping")
    await desk.drain()
    begun = clock.now()
    for _ in SCHEDULE:
        (row,) = await desk.deliveries()
        assert row.status == "pending"
        assert row.next_at is not None
        await desk.later(clock, row.next_at - clock.now())
    (row,) = await desk.deliveries()
    assert (row.status, row.attempts, row.error) == ("dead", len(SCHEDULE) + 1, "status_503")
    assert 2.5 * 24 * HOUR < clock.now() - begun < 4 * 24 * HOUR
    told = await desk.site.store.find(Find(Event, {"tenant_id": TENANT, "subject": made["id"]}))
    assert "webhook.dead" in {event.type for event in told}
    shown = (await desk.call("GET", f"webhooks/{made['id']}")).json()
    assert (shown["failures"], shown["status"]) == (len(SCHEDULE) + 1, "active")

    desk.receiver.answers = [Answer(200)]
    again = await desk.call("POST", f"deliveries/{row.id}/replay")
    assert again.status_code == 202
    await desk.drain()
    (row,) = await desk.deliveries()
    assert (row.status, row.attempts) == ("delivered", 1)
    assert len(set(desk.receiver.ids)) == 1
    shown = (await desk.call("GET", f"webhooks/{made['id']}")).json()
    assert (shown["failures"], shown["failing_since"]) == (0, None)
    await desk.call("POST", f"webhooks/{made['id']}/replay")
    assert await desk.drain() == 0  # no dead letters are left


@pytest.mark.attack("O2")
@pytest.mark.invariant("F21")
async def test_a_redirect_is_not_followed_and_is_a_failure(desk: Desk) -> None:
    made = await desk.webhook("webhook.ping")
    elsewhere = desk.receiver.url + "/elsewhere"
    desk.receiver.answers = [Answer(302, {"location": elsewhere}), Answer(200)]
    await desk.call("POST", f"webhooks/{made['id']}/ping")
    await desk.drain()
    assert [got.path for got in desk.receiver.got] == ["/hooks"]
    (row,) = await desk.deliveries()
    assert (row.status, row.error, row.response_status) == ("pending", "redirect", 302)


@pytest.mark.invariant("V7")
@pytest.mark.invariant("F21")
async def test_gone_disables_and_an_active_one_is_not_left_waiting(desk: Desk) -> None:
    made = await desk.webhook("webhook.ping")
    desk.receiver.answers = [Answer(410)]
    await desk.call("POST", f"webhooks/{made['id']}/ping")
    await desk.drain()
    shown = (await desk.call("GET", f"webhooks/{made['id']}")).json()
    assert (shown["status"], shown["reason"]) == ("disabled", "gone")
    refused = await desk.call("POST", f"webhooks/{made['id']}/ping")
    assert (refused.status_code, refused.json()["code"]) == (409, "webhook_inactive")
    desk.receiver.answers = [Answer(200)]
    started = await desk.call("PATCH", f"webhooks/{made['id']}", {"status": "active"})
    assert started.json()["status"] == "active"
    await desk.call("POST", f"webhooks/{made['id']}/replay")
    await desk.drain()
    assert [row.status for row in await desk.deliveries()] == ["delivered"]


async def test_one_that_fails_for_days_is_disabled(desk: Desk, clock: SettableClock) -> None:
    made = await desk.webhook("webhook.ping")
    desk.receiver.answers = [Answer(500)]
    await desk.call("POST", f"webhooks/{made['id']}/ping")
    await desk.drain()
    clock.advance(DEAD_AFTER + 1)
    await desk.drain()
    shown = (await desk.call("GET", f"webhooks/{made['id']}")).json()
    assert (shown["status"], shown["reason"]) == ("disabled", "failing")


@pytest.mark.parametrize("after", ["120", "date"])
@pytest.mark.invariant("F21")
async def test_retry_after_holds_the_next_try(desk: Desk, clock: SettableClock, after: str) -> None:
    made = await desk.webhook("webhook.ping")
    if after == "date":
        after = formatdate(clock.now() / 1000 + 120, usegmt=True)
    desk.receiver.answers = [Answer(429, {"retry-after": after}), Answer(200)]
    await desk.call("POST", f"webhooks/{made['id']}/ping")
    await desk.drain()
    (row,) = await desk.deliveries()
    assert row.next_at is not None
    assert 118_000 <= row.next_at - clock.now() <= 122_000
    await desk.later(clock, 60_000)
    assert len(desk.receiver.got) == 1
    await desk.later(clock, 62_001)
    assert len(desk.receiver.got) == 2


@pytest.mark.attack("O8")
@pytest.mark.invariant("V10")
@pytest.mark.invariant("F21")
async def test_one_that_hangs_or_never_ends_does_not_hold_up_the_others(
    desk: Desk, clock: SettableClock
) -> None:
    async with receiving() as sick:
        sick.answers = [Answer(how="hang")]
        for turn in range(12):
            made = await desk.webhook("webhook.ping", url=f"{sick.url}/{turn}")
            await desk.call("POST", f"webhooks/{made['id']}/ping")
        well = await desk.webhook("webhook.ping")
        await desk.call("POST", f"webhooks/{well['id']}/ping")
        working = asyncio.create_task(desk.runner.run())
        async with asyncio.timeout(2):
            await desk.receiver.came.wait()
        sick.release.set()
        await desk.runner.stop(0.5)
        await working
    endless = await desk.webhook("webhook.ping", url=desk.receiver.url + "/endless")
    desk.receiver.answers = [Answer(how="endless")]
    await desk.call("POST", f"webhooks/{endless['id']}/ping")
    async with asyncio.timeout(10):
        await runner_of(desk.site.platform).drain()
    rows = [row for row in await desk.deliveries() if row.endpoint_id == endless["id"]]
    # the status had come, and what follows it is not read
    assert [(row.status, row.response_status) for row in rows] == [("delivered", 200)]


@pytest.mark.invariant("V15")
async def test_whoever_applies_the_highest_version_ends_in_our_state(
    desk: Desk, clock: SettableClock
) -> None:
    await desk.webhook("connection.*")
    desk.receiver.answers = [Answer(500), Answer(200), Answer(500), Answer(200)]
    row = await link(desk.site, desk.ann)
    for status in ("degraded", "active", "needs_reauth", "active", "degraded"):
        row = await desk.move(row, status)
    await desk.drain()
    desk.receiver.answers = [Answer(200)]
    for _ in range(3):
        await desk.later(clock, 60_000)
    told = {got.document["data"]["version"]: got.document["data"] for got in desk.receiver.got}
    assert sorted(told) == list(range(2, 7))
    now = await desk.site.platform.connections.get(TENANT, row.id)
    assert told[max(told)]["status"] == now.status == "degraded"


@pytest.mark.invariant("V7")
async def test_the_job_is_in_the_unit_of_its_cause(desk: Desk) -> None:
    await desk.webhook("connection.*")
    row = await link(desk.site, desk.ann)

    def fail(facts: Any) -> Done[None]:
        told = moved(
            row,
            "degraded",
            event_id=desk.site.platform.mint.id("evt"),
            now=desk.site.clock.now(),
            actor="system",
        )
        return Done(None, (*tell(row, [told]), Insert(row)))  # the row is there: all or nothing

    with pytest.raises(Conflict):
        await desk.site.platform.connections.store.run((), fail)
    assert await desk.drain() == 0
    await desk.move(row, "degraded")
    jobs = await desk.site.store.find(Find(Job, {"tenant_id": TENANT, "settled_at": None}))
    assert [job.kind for job in jobs] == ["webhooks.fan_out"]
    await desk.drain()
    await _again(desk, jobs[0])
    assert len(await desk.deliveries()) == 1  # running the job twice makes no second delivery


async def _again(desk: Desk, job: Job) -> None:
    await desk.site.platform.fan_out.run(job)
    await desk.drain()


async def test_nobody_listening_costs_one_look(desk: Desk) -> None:
    row = await link(desk.site, desk.ann)
    row = await desk.move(row, "degraded")
    assert await desk.drain() <= 1
    row = await desk.move(row, "active")
    assert await desk.drain() == 0  # known by now
    await desk.webhook("connection.*")
    await desk.move(row, "degraded")
    assert await desk.drain() == 2  # spread, delivered


async def test_the_api_says_what_it_refuses(desk: Desk) -> None:
    good = {"url": desk.receiver.url, "event_types": ["connection.*"]}
    bad: list[tuple[dict[str, Any], str]] = [
        ({}, "url"),
        ({**good, "url": "ftp://x.example"}, "url"),
        ({**good, "url": "https://user@x.example/"}, "url"),
        ({**good, "url": 5}, "url"),
        ({**good, "event_types": []}, "event_types"),
        ({**good, "event_types": ["session.created"]}, "event_types"),
        ({**good, "event_types": "connection.*"}, "event_types"),
        ({**good, "secret": "whsec_c2hvcnQ="}, "secret"),
        ({**good, "status": "disabled"}, "status"),
        ({**good, "description": "a\nb"}, "description"),
        ({**good, "tenant_id": "t2"}, "tenant_id"),
    ]
    for body, field in bad:
        answer = await desk.call("POST", "webhooks", body)
        assert (answer.status_code, answer.json().get("field")) == (400, field), body
    made = await desk.webhook("connection.*")
    twice = await desk.call("POST", "webhooks", good)
    assert (twice.status_code, twice.json()["code"]) == (409, "webhook_exists")
    changed = await desk.call("PATCH", f"webhooks/{made['id']}", {"status": "paused"})
    assert changed.json()["status"] == "paused"
    assert "secret" not in changed.json()
    shown = (await desk.call("GET", f"webhooks/{made['id']}")).json()
    assert made["secret"] not in json.dumps(shown)
    assert shown["secrets"][0]["suffix"] == made["secret"][-4:]
    listed = (await desk.call("GET", "webhooks", params={"limit": "1"})).json()
    assert [one["id"] for one in listed["data"]] == [made["id"]]
    for method, path in (("GET", "webhooks/whk_x"), ("DELETE", "webhooks/whk_x"),
                         ("POST", "webhooks/whk_x/ping"), ("POST", "webhooks/whk_x/secrets"),
                         ("GET", "deliveries/x"), ("POST", "deliveries/x/replay")):  # fmt: skip
        assert (await desk.call(method, path)).status_code == 404
    assert (await desk.call("DELETE", f"webhooks/{made['id']}")).status_code == 204
    assert (await desk.call("GET", f"webhooks/{made['id']}")).status_code == 404
    weak = await desk.site.platform.api_keys.create(
        TENANT, name="x", scope=frozenset({"webhooks:read"}), actor="operator"
    )
    headers = {"authorization": f"Bearer {weak[1].reveal()}"}
    assert (await desk.call("POST", "webhooks", good, headers=headers)).status_code == 403
    assert (await desk.call("GET", "webhooks", headers=headers)).status_code == 200


async def test_what_is_on_its_way_to_a_deleted_webhook_is_cancelled(
    desk: Desk, clock: SettableClock
) -> None:
    made = await desk.webhook("webhook.ping")
    desk.receiver.answers = [Answer(500)]
    await desk.call("POST", f"webhooks/{made['id']}/ping")
    await desk.drain()
    await desk.call("DELETE", f"webhooks/{made['id']}")
    await desk.later(clock, 60_000)
    (row,) = await desk.deliveries()
    assert (row.status, len(desk.receiver.got)) == ("cancelled", 1)
    assert (await desk.call("POST", f"deliveries/{row.id}/replay")).status_code == 409


async def test_another_tenant_hears_and_sees_nothing(desk: Desk) -> None:
    made = await desk.webhook("webhook.ping")
    with pytest.raises(Exception, match="webhook_not_found"):
        await desk.site.platform.webhooks.get(TenantId("t2"), made["id"])
    ref = Ref(Delivery, tenant_id=TenantId("t2"), id="dlv_1_1")
    assert await desk.site.store.get(ref) is None


async def test_a_private_address_is_not_reached(
    sqlite_store: SqliteStore, clock: SettableClock
) -> None:
    """The egress guard stands before webhooks as before everything."""
    guarded = GuardedOutbound()
    site = await front(sqlite_store, clock, outbound=guarded)
    async with receiving() as receiver:
        made = await site.platform.webhooks.create(
            TENANT, {"url": receiver.url, "event_types": ["webhook.ping"]}, actor="operator"
        )
        await site.platform.webhooks.ping(TENANT, made.endpoint.id, actor="operator")
        await runner_of(site.platform).drain()
        assert receiver.got == []
    (row,) = await sqlite_store.find(Find(Delivery, {"tenant_id": TENANT}))
    assert (row.status, row.error) == ("pending", "insecure_url")
    await guarded.close()


async def test_secrets_survive_a_new_vault_key(desk: Desk) -> None:
    made = await desk.webhook("webhook.ping")
    p = desk.site.platform
    rotated = await p.vault_rotation.rotate(TENANT, actor="operator")
    assert rotated.resealed == 1
    assert (await p.vault_rotation.status(TENANT)).old_key == 0
    await desk.call("POST", f"webhooks/{made['id']}/ping")
    await desk.drain()
    (got,) = desk.receiver.got
    Webhook(made["secret"]).verify(got.body, got.headers)


async def test_a_clients_webhook_hears_of_its_users_only(desk: Desk) -> None:
    client = await desk.site.client()
    made = await desk.webhook("connection.*", client_id=client.id)
    assert made["client_id"] == client.id
    for client_id in (None, "cli_other"):
        await desk.move(
            await link(desk.site, desk.ann, client_id=client_id, account_key=str(client_id)),
            "degraded",
        )
    mine = await link(desk.site, desk.ann, client_id=client.id, account_key="mine")
    await desk.move(mine, "degraded")
    await desk.drain()
    assert [got.document["subject"] for got in desk.receiver.got] == [mine.id]
    body = {"url": desk.receiver.url, "event_types": ["*"], "client_id": "cli_unknown"}
    assert (await desk.call("POST", "webhooks", body)).status_code == 404
