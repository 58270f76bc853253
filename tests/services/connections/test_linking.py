"""From the first click to a sealed credential, against a real provider, on both stores."""

from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.conftest import SettableClock
from tests.connected import (
    CLIENT,
    ISSUER,
    T1,
    T2,
    USER,
    Bench,
    Killed,
    api_user,
    connecting,
    die,
    example,
    returning,
)

from safeconduct.adapters.clock import SystemMint
from safeconduct.adapters.store import PostgresStore, SqliteStore
from safeconduct.core.attempts import MAX_OPEN, TTL_MS
from safeconduct.core.errors import ApiError
from safeconduct.core.model import Attempt, Connection, Credential, Job
from safeconduct.core.secret import Opaque
from safeconduct.core.upstream.answers import ONLY_ACCOUNT
from safeconduct.services.connections import Completed, NotCompleted, Starter
from safeconduct.services.failpoints import armed

BROWSER = "b" * 43


async def test_an_account_is_linked(bench: Bench) -> None:
    begun = await bench.begin(display_label="  Main\n account ")
    asked = {k: v[0] for k, v in parse_qs(urlsplit(begun.redirect_url).query).items()}
    assert asked["redirect_uri"] == f"{ISSUER}/oauth-success/cb"
    assert asked["scope"] == "wallet:accounts:read,wallet:transactions:read,offline_access"
    assert asked["response_type"] == "code"
    done = await bench.finish(await bench.approve(begun.redirect_url))
    assert isinstance(done, Completed)
    assert not done.again
    row = await bench.connection(done.connection)
    assert (row.status, row.version, row.user_id, row.client_id) == ("active", 1, USER, CLIENT)
    assert row.display_label == "Main account"
    assert row.account_key
    assert row.scope == {"wallet:accounts:read", "wallet:transactions:read", "offline_access"}
    assert await bench.story(row) == ["created"]
    kinds = {job.kind: job for job in await bench.rows(Job)}
    assert kinds.keys() == {"credential.refresh", "sync.assets", "sync.transactions"}
    assert {job.subject for job in kinds.values()} == {row.id}
    held = await bench.credential(row)
    assert kinds["credential.refresh"].due_at == held.refresh_at
    assert kinds["sync.assets"].due_at == bench.clock.now()
    await bench.judge(row)
    attempt = await bench.attempt(begun)
    assert (attempt.outcome, attempt.code_verifier) == ("completed", None)
    live = await bench.refresh.credential(T1, row.id)
    assert await bench.sim.usable(live.access_token.reveal())


@pytest.mark.attack("L14")
async def test_what_is_asked_is_never_asked_twice(bench: Bench) -> None:
    """S256, and a state, verifier and nonce of their own for every one of 10 000 attempts."""
    ready = await bench.providers.need(T1, "exchangeExample")
    states, challenges, nonces = set(), set(), set()
    for _ in range(10_000):
        started = bench.start._attempt(api_user(), ready, None, None)
        attempt, url = started.attempt, started.redirect_url
        asked = parse_qs(urlsplit(url).query)
        assert asked["code_challenge_method"] == ["S256"]
        states.add(asked["state"][0])
        challenges.add(asked["code_challenge"][0])
        nonces.add(attempt.nonce)
        assert attempt.scope == frozenset(ready.provider.oauth2.scopes)
    assert len(states) == len(challenges) == len(nonces) == 10_000
    assert min(len(state.rpartition(".")[2]) for state in states) == 43  # 256 bits


async def test_unfinished_attempts_are_few(bench: Bench) -> None:
    first = await bench.begin()
    for _ in range(MAX_OPEN):
        last = await bench.begin()
    kept = {row.id for row in await bench.rows(Attempt)}
    assert len(kept) == MAX_OPEN
    assert first.attempt.id not in kept
    assert last.attempt.id in kept


async def refused(bench: Bench, params: dict[str, str], **more: Any) -> None:
    """Nobody's attempt: 400, nothing changed, nothing sent."""
    before, asked = await bench.snapshot(), await bench.asked("token")
    with pytest.raises(ApiError) as caught:
        await bench.finish(params, **more)
    assert (caught.value.status, caught.value.code) == (400, "invalid_state")
    assert await bench.snapshot() == before
    assert await bench.asked("token") == asked


@pytest.mark.attack("L1")
@pytest.mark.rfc("6749#10.12")
async def test_a_state_that_is_not_ours(bench: Bench) -> None:
    begun = await bench.begin()
    params = await bench.approve(begun.redirect_url)
    state = params["state"]
    forged = [
        "",
        "x",
        "sc_st_t1..",
        state[:-1],
        state + "x",
        state.upper(),
        state.replace("sc_st_", "sc_ac_"),
        state.replace("_t1.", "_t2."),
        state.replace("_t1.", "_t9."),
        Opaque("st", T1, begun.attempt.id, bench.mint.secret()).encode(),
        Opaque("st", T1, bench.mint.id("att"), bench.mint.secret()).encode(),
        "sc_st_t1." + "a" * 600,
        "sc_st_t1.ü.secret",
    ]
    for other in forged:
        await refused(bench, {**params, "state": other})
    assert isinstance(await bench.finish(params), Completed)


@pytest.mark.attack("L1")
async def test_a_state_is_honoured_once(bench: Bench) -> None:
    begun = await bench.begin()
    params = await bench.approve(begun.redirect_url)
    assert isinstance(await bench.finish(params), Completed)
    await refused(bench, params)


@pytest.mark.attack("L1")
async def test_a_state_grows_old(bench: Bench, clock: SettableClock) -> None:
    begun = await bench.begin()
    await bench.later(TTL_MS - 1)
    params = await bench.approve(begun.redirect_url)
    clock.advance(1)
    await refused(bench, params)
    clock.advance(-1)
    assert isinstance(await bench.finish(params), Completed)


@pytest.mark.attack("L1")
@pytest.mark.parametrize(
    "other",
    [
        {"user_id": "usr_2"},
        {"user_id": None},
        {"client_id": "client_2"},
        {"client_id": None},
        {"provider_id": "another"},
        {"mode": "widget", "browser_id": BROWSER},
    ],
    ids=lambda other: next(iter(other)),
)
async def test_every_binding_counts(bench: Bench, other: dict[str, Any]) -> None:
    begun = await bench.begin()
    params = await bench.approve(begun.redirect_url)
    await refused(bench, params, **other)
    (denial,) = await bench.events("attempt.failed")
    assert (denial.outcome, denial.subject) == ("denied", begun.attempt.id)
    assert denial.rule is not None
    assert denial.rule.startswith("state.")
    assert isinstance(await bench.finish(params), Completed)


@pytest.mark.attack("L1")
async def test_a_browser_finishes_what_it_began(bench: Bench) -> None:
    who = Starter(tenant_id=T1, user_id=USER, client_id=None, browser_id=BROWSER)
    begun = await bench.begin(who)
    params = await bench.approve(begun.redirect_url)
    ours = {"mode": "widget", "client_id": None, "provider_id": None}
    await refused(bench, params, **ours, browser_id="c" * 43)
    await refused(bench, params, **ours, browser_id=None)
    await refused(bench, params)  # the interface cannot finish what a browser began
    done = await bench.finish(params, **ours, browser_id=BROWSER)
    assert isinstance(done, Completed)
    assert done.connection.client_id is None


@pytest.mark.attack("L8")
async def test_unknown_disabled_and_foreign_providers_look_the_same(bench: Bench) -> None:
    begun = await bench.begin()
    params = await bench.approve(begun.redirect_url)
    foreign = Starter(tenant_id=T2, user_id=USER, client_id=CLIENT)
    seen = []
    for who, provider in ((api_user(), "nothing"), (foreign, "exchangeExample")):
        with pytest.raises(ApiError) as caught:
            await bench.start.start(who, provider)
        seen.append(vars(caught.value))
    await bench.providers.switch(T1, "exchangeExample", on=False, actor="operator")
    with pytest.raises(ApiError) as caught:
        await bench.begin()
    seen.append(vars(caught.value))
    assert seen[0]["status"] == 404
    assert seen[0] == seen[1] == seen[2]
    with pytest.raises(ApiError) as caught:
        await bench.finish(params)
    assert caught.value.status == 404
    assert await bench.asked("token") == 0
    await bench.providers.switch(T1, "exchangeExample", on=True, actor="operator")
    assert isinstance(await bench.finish(params), Completed)


@pytest.mark.attack("L10")
@pytest.mark.rfc("6749#4.1.2.1")
async def test_the_provider_says_no(bench: Bench) -> None:
    begun = await bench.begin()
    params = await bench.approve(begun.redirect_url, deny=True)
    assert params["error"] == "access_denied"
    done = await bench.finish(params)
    assert isinstance(done, NotCompleted)
    assert done.reason == "provider.access_denied"
    assert (await bench.attempt(begun)).outcome == "failed"
    assert await bench.asked("token") == 0
    assert await bench.rows(Connection) == []
    (event,) = await bench.events("attempt.failed")
    assert event.rule == "provider.access_denied"
    await refused(bench, {**params, "code": "late"})


@pytest.mark.attack("L10")
@pytest.mark.parametrize(
    ("extra", "reason"),
    [
        ([("code", "second")], "callback.duplicate"),
        ([("error", "access_denied")], "callback.code_and_error"),
        ([("iss", "https://evil.example")], "iss.other"),
    ],
)
async def test_an_answer_that_contradicts_itself(
    bench: Bench, extra: list[tuple[str, str]], reason: str
) -> None:
    begun = await bench.begin()
    params = await bench.approve(begun.redirect_url)
    pairs = [(k, v) for k, v in params.items() if k != "iss"]
    done = await bench.complete.complete(returning([*pairs, *extra]))
    assert isinstance(done, NotCompleted)
    assert done.reason == reason
    assert await bench.asked("token") == 0
    assert await bench.rows(Connection) == []


@pytest.mark.attack("L16")
@pytest.mark.rfc("9700#4.4")
async def test_a_code_goes_to_the_endpoint_that_was_pinned(bench: Bench) -> None:
    """Between start and callback the entry points elsewhere; the code stays here."""
    begun = await bench.begin()
    params = await bench.approve(begun.redirect_url)
    await bench.set_setting(base_url="http://127.0.0.1:9")
    done = await bench.finish(params)
    assert isinstance(done, NotCompleted)
    assert done.reason == "endpoint_changed"
    assert await bench.asked("token") == 0
    await bench.set_setting(base_url=None)
    assert (await bench.link()).status == "active"


async def test_linking_the_same_account_again_heals_it(bench: Bench) -> None:
    row = await bench.link()
    old = await bench.tokens(row)
    again = await bench.link(display_label="Second name")
    assert again.id == row.id
    assert again.display_label == "Second name"
    assert len(await bench.rows(Connection)) == 1
    assert len(await bench.rows(Credential)) == 1
    held = await bench.credential(row)
    assert (held.version, held.fence) == (2, 1)
    assert (await bench.tokens(row)).access_token.reveal() != old.access_token.reveal()
    assert await bench.story(row) == ["created", "refreshed"]
    await bench.judge(row)
    assert len(await bench.jobs("credential.refresh")) == 1


async def test_another_account_is_another_connection(bench: Bench) -> None:
    first = await bench.link(account="mira", display_label="Mine")
    second = await bench.link(account="otto", display_label="His")
    assert first.id != second.id
    assert first.account_key != second.account_key
    assert {row.display_label for row in await bench.rows(Connection)} == {"Mine", "His"}


async def test_two_people_may_link_one_account(bench: Bench) -> None:
    first = await bench.link()
    second = await bench.link(who=api_user("usr_2"))
    assert first.account_key == second.account_key
    assert first.id != second.id


async def test_one_account_linked_twice_at_the_same_moment(bench: Bench) -> None:
    """Two browsers, one account: one connection, whoever comes first."""
    import asyncio

    begun = [await bench.begin() for _ in range(4)]
    params = [await bench.approve(one.redirect_url) for one in begun]
    done = await asyncio.gather(*(bench.finish(one) for one in params))
    assert all(isinstance(one, Completed) for one in done)
    row = await bench.one(Connection)
    assert (await bench.credential(row)).version == 4
    await bench.judge(row)


@pytest.mark.attack("L11")
async def test_linking_anew_takes_no_other_account(bench: Bench) -> None:
    row = await bench.link(account="mira")
    before = await bench.credential(row)
    begun = await bench.begin(connection_id=row.id)
    params = await bench.approve(begun.redirect_url, account="otto")
    done = await bench.finish(params)
    assert isinstance(done, NotCompleted)
    assert done.reason == "account_mismatch"
    assert await bench.credential(row) == before
    assert await bench.connection(row) == row
    await bench.judge(row)
    # What the other account gave is given back.
    assert await bench.work() >= 1
    assert [grant["ended"] for grant in await bench.grants()] == [None, "revoked"]
    begun = await bench.begin(connection_id=row.id)
    done = await bench.finish(await bench.approve(begun.redirect_url, account="mira"))
    assert isinstance(done, Completed)
    assert done.connection.id == row.id


@pytest.mark.attack("L11")
async def test_only_ones_own_connection_is_linked_anew(bench: Bench) -> None:
    row = await bench.link()
    for who, id in ((api_user("usr_2"), row.id), (api_user(), "con_nothing")):
        with pytest.raises(ApiError) as caught:
            await bench.begin(who, connection_id=id)
        assert caught.value.status == 404
    await bench.disconnect.delete(T1, row.id, actor="user:usr_1")
    with pytest.raises(ApiError):
        await bench.begin(connection_id=row.id)


@pytest.mark.parametrize("kind", ["500", "429", "garbage", "lost_answer", "invalid_grant"])
async def test_a_provider_that_fails_costs_one_more_try(bench: Bench, kind: str) -> None:
    begun = await bench.begin()
    params = await bench.approve(begun.redirect_url)
    await bench.sim.fault(kind, "token")
    done = await bench.finish(params)
    assert isinstance(done, NotCompleted)
    assert done.error is not None
    assert (await bench.attempt(begun)).outcome == "failed"
    assert await bench.rows(Connection) == []
    assert (await bench.setting()).status == "active"
    assert (await bench.link()).status == "active"


async def test_a_wrong_registration_is_the_operators_business(bench: Bench) -> None:
    await bench.sim.fault("invalid_client", "token")
    begun = await bench.begin()
    done = await bench.finish(await bench.approve(begun.redirect_url))
    assert isinstance(done, NotCompleted)
    assert done.reason == "invalid_client"
    assert (await bench.setting()).status == "misconfigured"
    assert len(await bench.events("provider.misconfigured")) == 1


@pytest.mark.parametrize("point", ["attempt.taken", "attempt.exchanged"])
async def test_a_crash_on_the_way_costs_one_more_try(bench: Bench, point: str) -> None:
    begun = await bench.begin()
    params = await bench.approve(begun.redirect_url)
    with armed(point, die), pytest.raises(Killed):
        await bench.finish(params)
    assert await bench.rows(Connection) == []
    assert await bench.rows(Credential) == []
    await refused(bench, params)
    assert (await bench.link()).status == "active"


async def test_a_disabled_person_links_nothing(bench: Bench) -> None:
    begun = await bench.begin()
    params = await bench.approve(begun.redirect_url)
    await bench.set_user(status="disabled")
    done = await bench.finish(params)
    assert isinstance(done, NotCompleted)
    assert done.reason == "user_gone"
    assert await bench.rows(Connection) == []
    await bench.work()
    assert [grant["ended"] for grant in await bench.grants()] == ["revoked"]
    with pytest.raises(ApiError):
        await bench.begin()


@pytest.mark.parametrize("label", ["x" * 65, "a\x00b", "a\u202eb"])
async def test_labels_are_for_people(bench: Bench, label: str) -> None:
    with pytest.raises(ApiError) as caught:
        await bench.begin(display_label=label)
    assert caught.value.field == "display_label"
    assert (await bench.begin(display_label="x" * 64)).attempt.display_label == "x" * 64


async def test_where_accounts_cannot_be_told_apart_a_user_has_one(
    store: SqliteStore | PostgresStore, clock: SettableClock, mint: SystemMint
) -> None:
    """An entry without an identity call, whose token answer names no account either."""
    anonymous = replace(example(), identity=None)
    async with connecting(store, clock, mint, anonymous) as bench:
        first = await bench.finish(await bench.approve((await bench.begin()).redirect_url))
        assert isinstance(first, Completed)
        assert first.connection.account_key == ONLY_ACCOUNT.id
        again = await bench.finish(await bench.approve((await bench.begin()).redirect_url))
        assert isinstance(again, Completed)
        assert (again.again, again.connection.id) == (True, first.connection.id)
        live = await bench.refresh.credential(T1, first.connection.id)
        assert await bench.sim.usable(live.access_token.reveal())
