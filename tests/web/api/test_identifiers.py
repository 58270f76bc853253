"""/api/v1/users/{user_id}/identifiers: an operator sets what somebody signs in with."""

from typing import Any

import httpx
import pytest
from tests.conftest import SettableClock
from tests.web.account.told import mails
from tests.web.harness import ISSUER, TENANT, Front, front

from safeconduct.adapters.store import SqliteStore
from safeconduct.core.model import Event
from safeconduct.core.security_mail import SUBJECTS
from safeconduct.core.unit import Find

OLD, NEW = "ann@example.org", "ann@work.example"


@pytest.fixture
async def site(sqlite_store: SqliteStore, clock: SettableClock) -> Front:
    return await front(sqlite_store, clock)


async def call(site: Front, scope: str, method: str, path: str, **more: Any) -> httpx.Response:
    _, key = await site.platform.api_keys.create(
        TENANT, name="CI", scope=frozenset(scope.split()), actor="operator"
    )
    transport = httpx.ASGITransport(app=site.app)
    async with httpx.AsyncClient(transport=transport, base_url=ISSUER) as http:
        headers = {"authorization": f"Bearer {key.reveal()}"}
        return await http.request(method, path, headers=headers, **more)


async def test_an_operator_sets_them_and_the_user_is_told(site: Front) -> None:
    user, _ = await site.user(), await site.user("bob@example.org")
    path = f"/api/v1/users/{user.id}/identifiers"
    new, old = {"identifier": NEW}, {"identifier": OLD}
    assert (await call(site, "users:read", "POST", path, json=new)).status_code == 403
    added = await call(site, "users:write", "POST", path, json=new)
    assert added.json()["data"] == [
        {"kind": "email", "value": OLD, "verified": True, "first": True},
        {"kind": "email", "value": NEW, "verified": True, "first": False},
    ]
    assert {mail.subject for mail in await mails(site)} == {SUBJECTS["identifier.added"]}
    first = await call(site, "users:write", "POST", f"{path}/first", json=new)
    assert [row["value"] for row in first.json()["data"] if row["first"]] == [NEW]
    left = await call(site, "users:write", "POST", f"{path}/remove", json=old)
    assert [row["value"] for row in left.json()["data"]] == [NEW]
    assert (await call(site, "users:read", "GET", path)).json() == left.json()
    events = await site.store.find(Find(Event, {"subject": user.id}, order=("id",)))
    done = [row for row in events if row.type.startswith("identifier.")]
    assert [row.type.partition(".")[2] for row in done] == ["added", "preferred", "removed"]
    assert not [row for row in done if row.actor == f"user:{user.id}"]


async def test_what_is_wrong_changes_nothing(site: Front) -> None:
    user, _ = await site.user(), await site.user("bob@example.org")
    path = f"/api/v1/users/{user.id}/identifiers"
    for at, body, status in (
        (path, {"identifier": "bob@example.org"}, 409),
        (path, {"identifier": OLD}, 409),
        (path, {"identifier": "nonsense"}, 400),
        (path, {"identifier": 7}, 400),
        (path, {"identifier": NEW, "verified": "yes"}, 400),
        (f"{path}/remove", {"identifier": OLD}, 409),
        (f"{path}/remove", {"identifier": "bob@example.org"}, 404),
        (f"{path}/first", {"identifier": NEW}, 404),
        ("/api/v1/users/usr_none/identifiers", {"identifier": NEW}, 404),
    ):
        answer = await call(site, "users:write", "POST", at, json=body)
        assert answer.status_code == status, (at, body, answer.text)
        assert answer.headers["content-type"] == "application/problem+json"
    kept = await call(site, "users:read", "GET", path)
    assert [row["value"] for row in kept.json()["data"]] == [OLD]
    assert await mails(site) == []
