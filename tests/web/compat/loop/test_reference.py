"""The reference text of the callback, field by field; and golden exchanges with what they store."""

from typing import Any

import pytest
from tests.web.compat.loop.desk import Desk
from tests.web.connect.stage import DEVICE

from safeconduct.core.model import Attempt, Connection, Event, Job

FIELDS = {
    "id": str,
    "userId": str,
    "providerId": str,
    "providerSlug": str,
    "status": str,
    "lastSyncAt": (str, type(None)),
    "createdAt": str,
}


async def test_201_connection_created(desk: Desk) -> None:
    answer = await desk.call("connectionCallback", json=await desk.begin())
    assert answer.status_code == 201
    assert list(answer.json()) == ["connection"]
    made = answer.json()["connection"]
    assert list(made) == list(FIELDS), "every field, in the order of the text"
    assert all(isinstance(made[name], kind) for name, kind in FIELDS.items())
    assert made["createdAt"].endswith("Z")


@pytest.mark.parametrize("name", ["provider", "code", "state", "redirectUri"])
async def test_400_every_member_is_required_and_text(desk: Desk, name: str) -> None:
    back = await desk.begin()
    for body in (
        {n: v for n, v in back.items() if n != name},
        back | {name: None},
        back | {name: 7},
    ):
        answer = await desk.call("connectionCallback", json=body)
        assert answer.status_code == 400
        error_body(answer.json())
    assert (await desk.call("connectionCallback", json=back)).status_code == 201


async def test_404_and_500(desk: Desk) -> None:
    back = await desk.begin()
    answer = await desk.call("connectionCallback", json=back | {"provider": "oura"})
    assert (answer.status_code, answer.json()["message"]) == (404, "provider not found")
    error_body(answer.json())


def error_body(body: dict[str, Any]) -> None:
    assert list(body) == ["error", "message"]
    assert all(isinstance(text, str) and text for text in body.values())


async def test_what_a_link_stores(desk: Desk) -> None:
    """Golden: request, answer, stored effect."""
    stage = desk.server.stage
    back = await desk.begin()
    (attempt,) = await stage.rows(Attempt)
    assert (attempt.mode, attempt.provider_id, attempt.return_to) == (
        "api",
        DEVICE,
        back["redirectUri"],
    )
    assert attempt.client_id == desk.app.id
    made = (await desk.call("connectionCallback", json=back)).json()["connection"]
    (row,) = await stage.rows(Connection)
    assert (row.id, row.user_id, row.provider_id, row.status) == (
        made["id"],
        made["userId"],
        made["providerSlug"],
        "active",
    )
    jobs = {job.kind for job in await stage.rows(Job) if job.subject == row.id}
    assert jobs == {"sync.sleep", "sync.activity", "credential.refresh"}
    types = [one.type for one in await stage.rows(Event) if one.user_id == desk.user_id]
    assert types.count("connection.created") == types.count("attempt.completed") == 1
    gone = await desk.call("deleteConnection", id=row.id, params={"userId": desk.user_id})
    assert gone.json() == {"success": True}
    (row,) = await stage.rows(Connection)
    assert row.status == "deleted"
    assert await stage.credentials() == [], "the secret is destroyed"
    await desk.work()
    ledger = await stage.sim.ledger(DEVICE)
    assert ledger["grants"][0]["ended"], "and taken back at the provider"
