"""Accounts that are linked from another screen (RFC 8628), against a provider that watches how
often it is asked.
"""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from tests.conftest import SettableClock
from tests.connected import T1, USER, Bench, Killed, api_user, connecting, die, example

from safeconduct.adapters.clock import SystemMint
from safeconduct.core.errors import ApiError, ProviderError
from safeconduct.core.model import Attempt, Connection, Credential, DeviceLink, Job
from safeconduct.core.upstream.device import Device
from safeconduct.core.upstream.provider import Provider
from safeconduct.core.upstream.template import Template
from safeconduct.ports.store import Store
from safeconduct.services.connections import Linking
from safeconduct.services.failpoints import armed

ID, ODD = "exchangeExample", "odd"
SECOND = 1_000


def with_device(provider: Provider, **changes: Any) -> Provider:
    device = Device(device_url=Template.plain("https://login.example/device"), **changes)
    return replace(provider, auth=replace(provider.auth, oauth2_device=device))


@pytest.fixture
async def bench(store: Store, clock: SettableClock, mint: SystemMint) -> AsyncIterator[Bench]:
    # As a provider has it that says most things by the status alone, at an address of its own
    odd = with_device(
        replace(example(), id=ODD),
        token_url=Template.plain("https://login.example/device/token"),
        parameter="code",
        scopes=("wallet:user:read",),
        interval_s=3,
        says={
            "400": "authorization_pending",
            "429": "slow_down",
            "418": "access_denied",
            "410": "expired_token",
        },
    )
    async with connecting(store, clock, mint, with_device(example()), odd) as it:
        yield it


async def begun(bench: Bench, provider: str = ID, **more: Any) -> tuple[Attempt, DeviceLink]:
    made = await bench.device_links.begin(api_user(), provider, **more)
    assert made.link is not None
    return made.attempt, made.link


async def say(bench: Bench, link: DeviceLink, **more: Any) -> None:
    answer = await bench.sim.type_in(link.verification_uri, link.user_code, **more)
    assert answer.status_code == 200, answer.text


async def turn(bench: Bench, seconds: int) -> int:
    """So long passes, and what is due is done."""
    await bench.later(seconds * SECOND)
    return await bench.work()


async def seen(bench: Bench, attempt: Attempt, **more: Any) -> Linking:
    return await bench.device_links.show(api_user(**more), attempt.id)


async def refused(bench: Bench, provider: str = ID) -> dict[str, int]:
    return dict((await bench.sim.ledger(provider))["refused"])


@pytest.mark.rfc("8628#3")
@pytest.mark.invariant("V4")
@pytest.mark.parametrize("provider", [ID, ODD])
async def test_the_whole_journey(bench: Bench, provider: str) -> None:
    attempt, link = await begun(bench, provider)
    assert link.interval_s == (5 if provider == ID else 3)
    assert await turn(bench, link.interval_s - 1) == 0  # not before its time
    assert await turn(bench, 1) == 1
    assert await refused(bench, provider) == {"authorization_pending": 1}
    assert (await seen(bench, attempt)).link == link
    await say(bench, link)
    await turn(bench, link.interval_s)
    (row,) = await bench.rows(Connection)
    assert (row.auth_mode, row.status, row.user_id) == ("oauth2_device", "active", USER)
    over = await seen(bench, attempt)
    assert (over.link, over.attempt.outcome) == (None, "completed")
    assert (over.attempt.connection_id, over.attempt.code_verifier) == (row.id, None)
    # What follows is as it is with a code: renewed, given back
    assert (await bench.credential(row)).refreshable
    await bench.later(2 * 3_600_000)
    live = await bench.refresh.credential(T1, row.id)
    assert live.version == 2
    await bench.disconnect.delete(T1, row.id, actor="user:usr_1", user_id=USER)
    await bench.work()
    assert not await bench.sim.usable(live.access_token.reveal())
    ledger = await bench.sim.ledger(provider)
    assert (ledger["overlaps"], ledger["reuses"]) == (0, 0)
    assert not ledger["refused"].get("slow_down")


@pytest.mark.rfc("8628#3.5")
async def test_slower_when_the_provider_says_so_and_for_good(bench: Bench) -> None:
    attempt, link = await begun(bench)
    slow = {"status": 400, "error": "slow_down"}
    await bench.sim.sim("faults", endpoint="token", provider=ID, **slow)
    assert await turn(bench, 5) == 1
    assert (await bench.one(DeviceLink)).interval_s == 10
    assert await turn(bench, 9) == 0
    assert await turn(bench, 1) == 1
    # An outage says nothing of the user: half as often, and on it goes
    for kind in ("503", "lost_answer", "html200"):
        await bench.sim.fault(kind, "token", provider=ID)
        before = (await bench.one(DeviceLink)).interval_s
        assert await turn(bench, before) == 1
        assert (await bench.one(DeviceLink)).interval_s == min(2 * before, 120)
    await say(bench, link)
    assert await turn(bench, 80) == 1
    assert (await seen(bench, attempt)).attempt.outcome == "completed"
    assert not (await refused(bench)).get("slow_down")


@pytest.mark.rfc("8628#3.5")
@pytest.mark.parametrize("provider", [ID, ODD])
async def test_no_and_too_late_end_it(bench: Bench, provider: str) -> None:
    no, link = await begun(bench, provider)
    await say(bench, link, deny=True)
    await turn(bench, link.interval_s)
    assert (await seen(bench, no)).attempt.reason == "provider.access_denied"
    late, link = await begun(bench, provider)
    await turn(bench, 600)
    over = await seen(bench, late)
    assert (over.attempt.outcome, over.attempt.reason) == ("failed", "provider.expired_token")
    assert over.link is None
    assert await bench.jobs("attempt.poll") == []
    assert (await bench.sim.type_in(link.verification_uri, link.user_code)).status_code == 404
    assert await bench.rows(Connection) == []
    told = [event.rule for event in await bench.events("attempt.failed")]
    assert sorted(told) == ["provider.access_denied", "provider.expired_token"]


@pytest.mark.attack("L1")
@pytest.mark.attack("J5")
async def test_only_who_began_sees_the_code(bench: Bench) -> None:
    attempt, link = await begun(bench)
    for who in (
        api_user("usr_2"),
        api_user(client_id="client_2"),
        replace(api_user(), tenant_id="t2"),
    ):
        with pytest.raises(ApiError) as caught:
            await bench.device_links.show(who, attempt.id)
        assert caught.value.status == 404
    assert (await seen(bench, attempt)).link == link
    held = await bench.one(Attempt)
    (job,) = await bench.rows(Job)
    device_code = next(iter(bench.sim.simulator.street.houses[ID].waiting.codes))
    assert device_code.encode() not in held.code_verifier
    assert device_code not in repr((held, job, link, await bench.events()))


async def test_what_gives_no_code_is_told(bench: Bench) -> None:
    for fault, code, remedy in (
        ({"kind": "503"}, "server_error", "retry"),
        ({"kind": "invalid_client"}, "invalid_client", "misconfigured"),
        ({"kind": "garbage"}, "malformed_answer", "retry"),
        ({"set": {"/verification_uri": "javascript:alert(1)"}}, "malformed_answer", "retry"),
        ({"set": {"/user_code": "a\nb"}}, "malformed_answer", "retry"),
    ):
        more = {"status": 200, **fault} if "set" in fault else fault
        await bench.sim.sim("faults", endpoint="device", provider=ID, **more)
        with pytest.raises(ProviderError) as caught:
            await bench.device_links.begin(api_user(), ID)
        assert (caught.value.code, caught.value.remedy) == (code, remedy)
    assert {row.outcome for row in await bench.rows(Attempt)} == {"failed"}
    assert await bench.rows(Job) == []
    assert await begun(bench)


async def test_a_process_that_dies_leaves_nothing_hanging(bench: Bench) -> None:
    attempt, link = await begun(bench)
    await say(bench, link)
    await bench.later(5 * SECOND)
    (job,) = await bench.rows(Job)
    with armed("device.taken", die), pytest.raises(Killed):
        await bench.device_links.run(job)
    assert (await bench.one(Attempt)).outcome == "taken"
    assert await bench.device_links.run(job) is None
    assert (await seen(bench, attempt)).attempt.reason == "interrupted"
    assert await bench.rows(Credential) == []
    # A user who may not any more gets no connection, and the provider its tokens back
    again, link = await begun(bench)
    await say(bench, link)
    await bench.set_user(status="disabled")
    await turn(bench, 5)
    assert (await bench.one(Attempt, id=again.id)).reason == "user_gone"
    await bench.work()
    assert (await bench.grants())[-1]["alive"] is False
