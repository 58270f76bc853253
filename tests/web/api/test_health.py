"""Health devices over the platform API: from the link to the records, and from a webhook on."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import httpx
import pytest
from tests.conftest import SettableClock
from tests.contracts.server import bearer
from tests.web.compat.loop.desk import SLEPT, Desk, desk_of, listen
from tests.web.connect.stage import DEVICE
from tests.web.harness import TENANT, snapshot

from safeconduct.adapters.store import SqliteStore
from safeconduct.core.model import Event, HealthRecord, Job, Spent, Sync
from safeconduct.core.unit import Done, Find, Insert
from safeconduct.core.upstream import health_records
from safeconduct.core.upstream.records import METRICS
from safeconduct.services import ledger

PATH = "/api/v1/health-records"
DAY = 86_400_000


@pytest.fixture
async def desk(sqlite_store: SqliteStore, clock: SettableClock) -> AsyncIterator[Desk]:
    async with desk_of(sqlite_store, clock) as it:
        yield it


async def listed(desk: Desk, **query: Any) -> list[dict[str, Any]]:
    """All pages."""
    rows: list[dict[str, Any]] = []
    cursor = None
    while True:
        more = {"cursor": cursor} if cursor else {}
        page = await get(desk, PATH, limit="40", **query, **more)
        rows += page.json()["data"]
        cursor = page.json()["next_cursor"]
        if cursor is None:
            return rows


async def get(desk: Desk, path: str, **query: Any) -> httpx.Response:
    answer = await desk.server.http.get(path, params=query, headers=desk.headers)
    assert answer.status_code == 200, answer.text
    return answer


async def test_what_the_device_measured_is_what_is_served(desk: Desk) -> None:
    made = await desk.connect()
    await desk.work()
    truth = (await desk.server.stage.sim.sim(f"vitals?provider={DEVICE}&user=mira"))["spells"]
    rows = await listed(desk)
    assert [row["started_at"] for row in rows] == sorted(
        (row["started_at"] for row in rows), reverse=True
    )
    assert {row["ref"] for row in rows} == {one["id"] for one in truth}
    figures = {one["id"]: one for one in truth}
    for row in rows:
        known = figures[row["ref"]]
        assert (row["kind"], row["connection_id"]) == (known["kind"], made["id"])
        assert row["ended_at"] // 1000 == known["ended_at"] // 1000
        assert row["metrics"]
        for metric in row["metrics"]:
            assert metric["unit"] == METRICS[metric["name"]]
            assert Decimal(metric["value"]) == Decimal(known["figures"][metric["name"]])
    nights = await listed(desk, kinds="sleep")
    assert {row["kind"] for row in nights} == {"sleep"}
    assert 0 < len(nights) < len(rows)
    since = nights[3]["started_at"]
    assert len(await listed(desk, kinds="sleep", since=str(since))) == 4
    bad = await desk.server.http.get(PATH, params={"kinds": "assets"}, headers=desk.headers)
    assert bad.status_code == 400


async def test_reading_again_changes_nothing_and_corrections_come_through(desk: Desk) -> None:
    await desk.connect()
    await desk.work()
    stage = desk.server.stage
    before = await stage.rows(HealthRecord)
    stage.site.clock.advance(2 * 3_600_000)
    await desk.work()
    assert await stage.rows(HealthRecord) == before
    told = [one for one in await stage.rows(Event) if one.type == "health.updated"]
    assert {one.detail["kind"] for one in told} == {"sleep", "activity"}
    assert len(told) == 2, "one event for each run that changed something"
    await stage.sim.sim("vitals", provider=DEVICE, kind="activity")
    stage.site.clock.advance(2 * 3_600_000)
    await desk.work()
    assert len(await stage.rows(HealthRecord)) == len(before) + 1


async def test_records_are_bounded_by_age_and_by_number(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger, "MOST_KEPT", 10)
    await desk.connect()
    await desk.work()
    stage = desk.server.stage
    nights = [row for row in await stage.rows(HealthRecord) if row.kind == "sleep"]
    assert len(nights) == 10
    stage.site.clock.advance(health_records.KEPT_MS)
    assert await listed(desk_with(desk, await fresh(desk))) == [], "too old to be served"


async def fresh(desk: Desk) -> dict[str, str]:
    issued = await desk.platform.issuing.issue(
        TENANT, desk.app.id, desk.user_id, None, actor="operator"
    )
    return bearer(str(issued["access_token"]))


def desk_with(desk: Desk, headers: dict[str, str]) -> Desk:
    return Desk(desk.server, desk.app, headers)


async def test_records_are_not_served_after_the_end_and_leave_the_disk(desk: Desk) -> None:
    made = await desk.connect()
    await desk.work()
    gone = await desk.call("deleteConnection", id=made["id"], params={"userId": desk.user_id})
    assert gone.status_code == 200
    assert await listed(desk) == []
    await desk.work()
    assert await desk.server.stage.rows(HealthRecord) == []


@pytest.mark.attack("P5")
async def test_it_takes_the_scope_for_it(desk: Desk) -> None:
    weak = await desk.platform.issuing.issue(
        TENANT, desk.app.id, desk.user_id, frozenset({"connections:read"}), actor="operator"
    )
    head = bearer(str(weak["access_token"]))
    assert (await desk.server.http.get(PATH, headers=head)).status_code == 403
    assert (await desk.server.http.get(PATH)).status_code == 401
    assert (await desk.server.http.get(PATH, headers=desk.headers)).status_code == 200


async def test_a_run_is_asked_for_and_looked_at(desk: Desk) -> None:
    made = await desk.connect()
    await desk.work()
    at = f"/api/v1/connections/{made['id']}/syncs"
    http = desk.server.http
    desk.server.stage.site.clock.advance(60_000)
    begun = await http.post(at, headers=desk.headers)
    assert begun.status_code == 202
    run = begun.json()["run"]
    assert run["status"] == "running"
    await desk.work()
    over = (await get(desk, f"{at}/{run['id']}")).json()
    assert (over["status"], over["errors"]) == ("completed", [])
    assert 0 < over["processed"] <= len(await desk.server.stage.rows(HealthRecord))
    assert (await http.post(at, headers=desk.headers)).status_code == 429
    for wrong in ("run_x", f"run_{made['id']}_x", f"run_con_x_{run['requested_at']}"):
        answer = await http.get(f"{at}/{wrong}", headers=desk.headers)
        assert answer.status_code == 404


# Webhooks in


async def effects(desk: Desk) -> dict[str, Any]:
    """What a webhook could move."""
    rows = await snapshot(desk.server.stage.site.store)
    return {record.__name__: rows[record.__name__] for record in (Job, Sync, HealthRecord)}


@pytest.mark.attack("O9")
@pytest.mark.invariant("V7")
@pytest.mark.invariant("F20")
async def test_a_thousand_copies_have_one_effect(desk: Desk) -> None:
    await desk.connect()
    await desk.work()
    await listen(desk)
    told = {**SLEPT, "client_user_id": desk.user_id}
    for _ in range(20):  # in gulps, so that neither side runs out of connections
        answers = await asyncio.gather(*(desk.send(told) for _ in range(50)))
        assert {one.status_code for one in answers} == {202}
    stage = desk.server.stage
    events = [one for one in await stage.rows(Event) if one.type == "webhook.received"]
    assert len(events) == 1
    spent = [one for one in await stage.rows(Spent) if one.kind == "webhook.in"]
    assert len(spent) == 1
    due = [job for job in await stage.rows(Job) if job.kind == "sync.sleep" and not job.settled_at]
    assert len(due) == 1


@pytest.mark.attack("O9")
@pytest.mark.invariant("V7")
@pytest.mark.invariant("F20")
async def test_out_of_order_late_and_replayed(desk: Desk) -> None:
    """The body is no data, so no order of deliveries can bring an old state back."""
    await desk.connect()
    await desk.work()
    await listen(desk)
    stage = desk.server.stage
    before = await stage.rows(HealthRecord)
    told = {**SLEPT, "client_user_id": desk.user_id}
    now_s = desk.platform.clock.now() // 1000
    for id, at_s in (("msg_2", now_s), ("msg_1", now_s - 120), ("msg_2", now_s)):
        assert (await desk.send(told, id=id, at_s=at_s)).status_code == 202
    events = [one for one in await stage.rows(Event) if one.type == "webhook.received"]
    assert len(events) == 2
    await desk.work()
    assert await stage.rows(HealthRecord) == before
    assert (await desk.send(told, id="msg_0", at_s=now_s - 3_600)).status_code == 401
    stage.site.clock.advance(2 * 3_600_000)
    assert (await desk.send(told, id="msg_2", at_s=now_s)).status_code == 401
    assert (await desk.send(told, id="msg_2")).status_code == 202  # sent anew: known still
    events = [one for one in await stage.rows(Event) if one.type == "webhook.received"]
    assert len(events) == 2


@pytest.mark.attack("O9")
async def test_whoever_is_not_meant_is_not_moved(desk: Desk) -> None:
    await desk.connect()
    await desk.work()
    await listen(desk)
    before = await effects(desk)
    for number, told in enumerate(
        (
            {**SLEPT, "client_user_id": "usr_other"},
            {**SLEPT, "user_id": "another-account"},
            {**SLEPT, "client_user_id": desk.user_id, "user_id": "another-account"},
            {**SLEPT},
            {"event_type": "daily.data.steps.created", "client_user_id": desk.user_id},
            b"[]",
            b"not json",
        )
    ):
        answer = await desk.send(told, id=f"msg_{number}")
        assert answer.status_code == 202
    assert await effects(desk) == before
    assert (
        await desk.send({**SLEPT, "client_user_id": desk.user_id}, id="msg_x")
    ).status_code == 202
    assert await effects(desk) != before


async def test_the_same_at_the_platforms_own_address(desk: Desk) -> None:
    at, http = f"/api/v1/inbound/{DEVICE}", desk.server.http
    head = {"content-type": "application/json"}
    assert (await http.post(at, content=b"{}", headers=head)).status_code == 412
    assert (await http.post("/api/v1/inbound/zoom", content=b"{}", headers=head)).status_code == 412
    await listen(desk)
    forged = await http.post(at, content=b"{}", headers=head)
    assert (forged.status_code, forged.json()["code"]) == (401, "invalid_signature")
    sim = desk.server.stage.sim
    await sim.set_clock(desk.platform.clock.now())  # what is signed at another time is refused
    made = await desk.connect()
    await desk.work()
    await sim.sim(
        "webhooks",
        provider=DEVICE,
        url=f"{desk.server.url}{at}",
        secret="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    )
    before = len(await desk.server.stage.rows(HealthRecord))
    told = await sim.sim("vitals", provider=DEVICE, kind="sleep", user="mira")
    assert [one["status"] for one in told["sent"]] == [202]
    await desk.work()
    rows = await desk.server.stage.rows(HealthRecord)
    assert len(rows) == before + 1, "routed by the provider's account, without an id of ours"
    assert {row.connection_id for row in rows} == {made["id"]}


async def test_a_tenant_takes_no_webhook_of_anothers(desk: Desk) -> None:
    await listen(desk)
    tenants = desk.platform.tenants
    await tenants.create({"name": "Acme", "slug": "acme"}, actor="operator")
    head = {"content-type": "application/json"}
    for path in (f"/t/acme/api/v1/inbound/{DEVICE}", "/t/acme/v1/stream/webhooks"):
        answer = await desk.server.http.post(path, content=b"{}", headers=head)
        assert answer.status_code == 412, path


async def test_old_rows_make_no_second_page(desk: Desk) -> None:
    """A cursor is bound to its filters."""
    row = HealthRecord(
        tenant_id=TENANT,
        connection_id="con_gone",
        kind="sleep",
        ref="r",
        id="hea_1",
        user_id=desk.user_id,
        provider_id=DEVICE,
        started_at=desk.platform.clock.now() - DAY,
        ended_at=None,
        metrics={},
        updated_at=0,
    )
    await desk.platform.store.run((), lambda facts: Done(None, (Insert(row),)))
    assert await listed(desk) == [], "its connection is not there"
    await desk.connect()
    await desk.work()
    page = (await get(desk, PATH, limit="1")).json()
    other = await desk.server.http.get(
        PATH, params={"cursor": page["next_cursor"], "kinds": "sleep"}, headers=desk.headers
    )
    assert other.status_code == 400
    assert await desk.platform.store.find(Find(HealthRecord, {"connection_id": "con_gone"}))
