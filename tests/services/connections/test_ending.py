"""The end of a connection: the secret is gone at once, the provider takes back what it gave."""

import asyncio
import json
from typing import Any

import pytest
from tests.connected import HOUR, T1, T2, Bench, Killed, connecting, die, example, with_refresh
from tests.simulator_fixture import EXAMPLE

from safeconduct.core.errors import ApiError, ProviderError
from safeconduct.core.model import Connection, Credential, Job
from safeconduct.services.connections.giving_back import PATIENCE_MS
from safeconduct.services.failpoints import armed

ACTOR = "user:usr_1"


async def test_the_secret_goes_at_once_and_the_provider_takes_it_back(bench: Bench) -> None:
    row = await bench.link()
    tokens = await bench.tokens(row)
    ended = await bench.disconnect.delete(T1, row.id, actor=ACTOR, user_id="usr_1")
    assert (ended.status, ended.ended_at) == ("deleted", bench.clock.now())
    assert await bench.rows(Credential) == []
    assert await bench.story(row) == ["created", "deleted"]
    assert await bench.connections.of_user(T1, "usr_1") == ()
    assert await bench.work() >= 1
    assert not await bench.sim.usable(tokens.access_token.reveal())
    (grant,) = await bench.grants()
    assert (grant["ended"], grant["revocations"]) == ("revoked", 1)
    (told,) = await bench.events("provider_grant.revoked")
    assert (told.subject, told.user_id) == (row.id, "usr_1")
    assert told.detail == {"provider": EXAMPLE, "how": "revoked"}
    (job,) = await bench.rows(Job, kind="provider.revoke")
    assert job.status == "done"
    assert "sealed" not in job.payload


async def test_an_administrators_end_is_told_as_one(bench: Bench) -> None:
    row = await bench.link()
    assert (await bench.disconnect.revoke(T1, row.id, actor="operator")).status == "revoked"
    assert await bench.story(row) == ["created", "revoked"]
    assert await bench.rows(Credential) == []


async def test_an_end_is_final(bench: Bench) -> None:
    row = await bench.link()
    await bench.disconnect.delete(T1, row.id, actor=ACTOR)
    for again in (
        bench.disconnect.delete(T1, row.id, actor=ACTOR),
        bench.disconnect.revoke(T1, row.id, actor="operator"),
        bench.connections.get(T1, row.id),
    ):
        with pytest.raises(ApiError) as caught:
            await again
        assert (caught.value.status, caught.value.code) == (404, "connection_not_found")
    with pytest.raises(ProviderError):
        await bench.refresh.credential(T1, row.id)
    again_linked = await bench.link()
    assert again_linked.id != row.id
    assert again_linked.account_key == row.account_key
    await bench.judge(again_linked)


@pytest.mark.attack("L19")
async def test_absent_foreign_and_ended_are_one(bench: Bench) -> None:
    row = await bench.link()
    for tenant_id, id, user_id in (
        (T1, "con_nothing", None),
        (T2, row.id, None),
        (T1, row.id, "usr_2"),
    ):
        with pytest.raises(ApiError) as caught:
            await bench.disconnect.delete(tenant_id, id, actor=ACTOR, user_id=user_id)
        assert caught.value.code == "connection_not_found"
    assert (await bench.connection(row)).status == "active"
    await bench.judge(row)


@pytest.mark.attack("L20")
async def test_deleted_while_the_provider_answers(bench: Bench) -> None:
    """The rotated token arrives for a connection that is gone: it is given back, not kept."""
    row = await bench.link()
    await bench.later(HOUR + 1)
    reached, go = asyncio.Event(), asyncio.Event()

    async def stand_still() -> None:
        reached.set()
        await go.wait()

    with armed("refresh.answered", stand_still):
        asking = asyncio.create_task(bench.refresh.credential(T1, row.id))
        await reached.wait()
        await bench.disconnect.delete(T1, row.id, actor=ACTOR)
        go.set()
        with pytest.raises(ProviderError) as caught:
            await asking
    assert caught.value.code == "connection_gone"
    assert await bench.rows(Credential) == []
    assert (await bench.connection(row)).status == "deleted"
    assert len(await bench.jobs("provider.revoke")) == 2
    await bench.work()
    (grant,) = await bench.grants()
    assert grant["live_refresh_tokens"] == grant["live_access_tokens"] == 0
    assert grant["revocations"] == 2
    assert (await bench.connection(row)).status == "deleted"


@pytest.mark.attack("L20")
async def test_deleting_and_refreshing_at_the_same_moment(bench: Bench) -> None:
    for _ in range(5):
        row = await bench.link()
        await bench.later(HOUR + 1)
        await asyncio.gather(
            bench.refresh.credential(T1, row.id),
            bench.disconnect.delete(T1, row.id, actor=ACTOR),
            return_exceptions=True,
        )
        await bench.refresh.close()
        assert (await bench.connection(row)).status == "deleted"
        assert await bench.rows(Credential) == []
        await bench.work()
    assert {grant["live_refresh_tokens"] for grant in await bench.grants()} == {0}


@pytest.mark.parametrize("kind", ["503", "lost_answer", "invalid_client", "garbage_500"])
async def test_a_provider_that_is_away_is_asked_again(bench: Bench, kind: str) -> None:
    row = await bench.link()
    fault: dict[str, Any] = {"kind": kind}
    if kind == "garbage_500":
        fault = {"kind": "custom", "status": 500, "body": "garbage"}
    await bench.sim.fault(**fault, endpoint="revoke", times=3)
    await bench.disconnect.delete(T1, row.id, actor=ACTOR)
    for _ in range(12):
        await bench.work()
        await bench.later(5_000)
    assert [grant["ended"] for grant in await bench.grants()] == ["revoked"]
    assert len(await bench.events("provider_grant.revoked")) == 1
    assert await bench.jobs("provider.revoke") == []


async def test_patience_ends_and_says_so(bench: Bench) -> None:
    row = await bench.link()
    await bench.sim.fault("503", "revoke", times=None)
    await bench.disconnect.delete(T1, row.id, actor=ACTOR)
    for _ in range(20):
        await bench.work()
        await bench.later(PATIENCE_MS // 16)
    (job,) = await bench.rows(Job, kind="provider.revoke")
    assert job.status == "dead"
    assert "sealed" not in job.payload
    (told,) = await bench.events("provider_grant.revocation_failed")
    assert told.subject == row.id
    assert len(await bench.events("job.dead")) == 1


async def test_a_provider_without_revocation(store: Any, clock: Any, mint: Any) -> None:
    from dataclasses import replace

    entry = example()
    code = replace(entry.oauth2, revocation=None)
    entry = replace(entry, auth=replace(entry.auth, oauth2_code=code))
    async with connecting(store, clock, mint, entry) as bench:
        row = await bench.link()
        await bench.disconnect.delete(T1, row.id, actor=ACTOR)
        await bench.work()
        (told,) = await bench.events("provider_grant.revoked")
        assert told.detail["how"] == "not_offered"
        assert await bench.asked("revoke") == 0


@pytest.mark.parametrize("point", ["revoke.claimed", "revoke.answered"])
async def test_a_crash_while_giving_back(bench: Bench, point: str) -> None:
    row = await bench.link()
    await bench.disconnect.delete(T1, row.id, actor=ACTOR)
    (job,) = await bench.jobs("provider.revoke")
    with armed(point, die), pytest.raises(Killed):
        await bench.giving_back.run(job)
    assert await bench.work() >= 1
    assert [grant["ended"] for grant in await bench.grants()] == ["revoked"]
    assert len(await bench.events("provider_grant.revoked")) == 1


async def test_a_disabled_provider_takes_back_what_it_gave(bench: Bench) -> None:
    row = await bench.link()
    await bench.providers.switch(T1, EXAMPLE, on=False, actor="operator")
    await bench.disconnect.delete(T1, row.id, actor=ACTOR)
    await bench.work()
    assert [grant["ended"] for grant in await bench.grants()] == ["revoked"]


async def test_data_is_erased_by_a_job(bench: Bench) -> None:
    row = await bench.link()
    await bench.disconnect.delete(T1, row.id, actor=ACTOR)
    (job,) = await bench.rows(Job, kind="data.erase")
    assert job.subject == row.id


async def test_a_deleted_connection_stays_deleted_for_every_job(bench: Bench) -> None:
    """V3: everything that was queued for it comes to nothing."""
    row = await bench.link()
    await bench.disconnect.delete(T1, row.id, actor=ACTOR)
    before = await bench.connection(row)
    for _ in range(3):
        await bench.later(HOUR)
        await bench.work()
    assert await bench.connection(row) == before
    assert await bench.rows(Connection) == [before]
    assert "access_token" not in json.dumps([dict(j.payload) for j in await bench.rows(Job)])


async def test_refreshing_needs_the_words_of_the_entry(store: Any, clock: Any, mint: Any) -> None:
    """A provider that cannot renew has nothing to give back but its access token."""
    entry = with_refresh(example(), grant="none", needs_scope=None, rotates=None)
    async with connecting(store, clock, mint, entry) as bench:
        row = await bench.link()
        tokens = await bench.tokens(row)
        assert tokens.refresh_token is None
        await bench.disconnect.delete(T1, row.id, actor=ACTOR)
        await bench.work()
        assert not await bench.sim.usable(tokens.access_token.reveal())
