"""What the example exchange holds, fetched page by page over real HTTP, on both stores."""

import asyncio
from collections import Counter
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from tests.services.linked import DATA, EXCHANGE, Linked

from safeconduct.core.errors import ProviderError
from safeconduct.core.jobs import Reschedule
from safeconduct.core.model import Leg, Position, RawRecord, Sync, Transaction
from safeconduct.core.upstream.ledger import balances
from safeconduct.core.upstream.provider import Provider
from safeconduct.core.upstream.records import KINDS, TransactionsCapability
from safeconduct.services import sync as sync_module
from safeconduct.services.sync import EVERY_MS


async def whole(linked: Linked, row: Any, capability: str, turns: int = 20) -> int:
    """Sync until the run is over; how many turns it took."""
    for turn in range(1, turns):
        outcome = await linked.sync(row, capability)
        assert isinstance(outcome, Reschedule), outcome
        if outcome.due_at > linked.clock.now():
            return turn
    raise AssertionError("it does not come to an end")


async def test_balances_are_what_the_exchange_says(linked: Linked) -> None:
    row = await linked.link()
    outcome = await linked.sync(row, "assets")
    assert isinstance(outcome, Reschedule)
    assert EVERY_MS <= outcome.due_at - linked.clock.now() <= EVERY_MS * 1.1
    truth = {one["id"]: one for one in (await linked.truth())["accounts"]}
    held = await linked.rows(Position)
    assert {(p.account, p.asset, p.quantity) for p in held} == {
        (id, one["asset"], Decimal(one["balance"])) for id, one in truth.items()
    }
    assert {(p.user_id, p.provider_id, p.connection_id) for p in held} == {
        ("usr_1", EXCHANGE, row.id)
    }
    assert [p.value_currency for p in held] == ["USD"] * 6
    (event,) = await linked.events("assets.updated")
    assert (event.subject, event.user_id) == (row.id, "usr_1")
    assert event.detail == {"added": 6, "changed": 0, "removed": 0, "run": 1}


async def test_every_movement_is_there_once_and_it_all_adds_up(linked: Linked) -> None:
    row = await linked.link()
    await whole(linked, row, "transactions")
    truth = await linked.truth()
    moved = [m for m in truth["movements"] if m["settled"]]
    transactions = await linked.rows(Transaction)
    assert {t.ref for t in transactions} == {m["group"] or m["id"] for m in moved}
    assert len(await linked.rows(RawRecord, kind="transaction")) == len(truth["movements"])
    kinds = {m["group"] or m["id"]: m["kind"] for m in moved}
    assert {t.ref: t.kind for t in transactions} == kinds
    assert all(t.category == KINDS[t.kind] for t in transactions)
    assert len(transactions) >= 90
    found = balances(await linked.rows(Position), await linked.rows(Leg))
    assert {b.account: b.closing for b in found} == {
        one["id"]: Decimal(one["balance"]) for one in truth["accounts"]
    }
    assert [b.gap for b in found] == [0] * 6
    legs = await linked.rows(Leg)
    fees = {m["id"]: Decimal(m["fee"]) for m in moved if Decimal(m["fee"])}
    assert sorted(-leg.amount for leg in legs if leg.role == "fee" and leg.kind != "fee") == sorted(
        fees.values()
    )
    assert Counter(leg.role for leg in legs)["reward"] > 10


async def test_syncing_again_changes_nothing_and_says_nothing(linked: Linked) -> None:
    row = await linked.link()
    await whole(linked, row, "transactions")
    before = {record: await linked.rows(record) for record in (Transaction, Leg, RawRecord)}
    told = len(await linked.events("assets.updated", "transactions.updated"))
    linked.clock.advance(EVERY_MS)
    await whole(linked, row, "assets")
    await whole(linked, row, "transactions")
    for record, rows in before.items():
        after = await linked.rows(record)
        if record is RawRecord:
            assert [(r.ref, r.body) for r in after] == [(r.ref, r.body) for r in rows]
        else:
            assert after == rows
    assert len(await linked.events("assets.updated", "transactions.updated")) == told == 2
    state = await linked.state(row, "transactions")
    assert (state.status, state.cursor, state.run) == ("idle", None, 2)


async def test_the_second_run_reads_only_what_is_new(linked: Linked) -> None:
    row = await linked.link()
    await whole(linked, row, "transactions")
    first = await linked.requests()
    assert first > 8  # six accounts, some with several pages
    linked.clock.advance(EVERY_MS)
    await linked.it.sim(
        "activity", provider=EXCHANGE, user="mira", kind="deposit", asset="BTC", amount="0.5"
    )
    before = {t.ref for t in await linked.rows(Transaction)}
    await whole(linked, row, "transactions")
    assert await linked.requests() - first <= 9  # the accounts, a page of each, and one more
    (made,) = [t for t in await linked.rows(Transaction) if t.ref not in before]
    assert (made.kind, made.category) == ("deposit", "receive")
    assert [b.gap for b in balances(await linked.rows(Position), await linked.rows(Leg))] == [0] * 6
    newest = (await linked.events("transactions.updated"))[-1]
    assert newest.detail == {"added": 1, "changed": 0, "removed": 0, "run": 2}


async def test_what_the_provider_no_longer_lists_is_removed(linked: Linked) -> None:
    row = await linked.link()
    await whole(linked, row, "assets")
    holdings = linked.it.simulator.street.houses[EXCHANGE].activity("mira").holdings
    closed = holdings.pop(0)
    linked.clock.advance(1)
    await whole(linked, row, "assets")
    assert closed.id not in {p.account for p in await linked.rows(Position)}
    assert closed.id not in {r.ref for r in await linked.rows(RawRecord, kind="account")}
    assert len(await linked.rows(Position)) == 5
    event = (await linked.events("assets.updated"))[-1]
    assert event.detail == {"added": 0, "changed": 0, "removed": 1, "run": 2}


@pytest.mark.invariant("V7")
async def test_a_turn_ends_and_the_next_goes_on(
    linked: Linked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync_module._Turn, "__init__", _short_turn)
    row = await linked.link()
    assert await whole(linked, row, "transactions") > 4
    assert [b.gap for b in balances(await linked.rows(Position), await linked.rows(Leg))] == [0] * 6
    assert len(await linked.events("transactions.updated")) == 1


def _short_turn(self: Any, job: Any) -> None:
    self.job, self.pages, self.may_force = job, 2, True


@pytest.mark.invariant("V7")
async def test_a_run_that_fails_at_any_page_resumes_there(linked: Linked) -> None:
    row = await linked.link()
    await whole(linked, row, "assets")
    failed = 0
    for _ in range(40):
        before = await linked.requests()
        await linked.it.fault("500", "api", skip=1)
        outcome = await linked.sync(row, "transactions")
        state = await linked.state(row, "transactions")
        await linked.it.http.delete(f"{linked.it.base_url}/_sim/faults")
        if state.status == "idle":
            break
        failed += 1
        assert await linked.requests() - before == 2  # one page, and the one that failed
        assert isinstance(outcome, Reschedule)
        assert outcome.due_at > linked.clock.now()
        assert (state.status, state.error) == ("failed", "server_error")
        linked.clock.advance(60_000)
    assert failed > 6
    assert [b.gap for b in balances(await linked.rows(Position), await linked.rows(Leg))] == [0] * 6
    assert len(await linked.rows(Transaction)) >= 90
    assert len(await linked.events("transactions.updated")) == 1


@pytest.mark.invariant("V6")
async def test_an_outage_degrades_and_the_next_good_answer_heals(linked: Linked) -> None:
    row = await linked.link()
    await whole(linked, row, "assets")
    held = await linked.rows(Position)
    await linked.it.fault("503", "api", times=3)
    waits = []
    for _ in range(3):
        outcome = await linked.sync(row, "assets")
        waits.append(outcome.due_at - linked.clock.now())
    assert waits == sorted(waits)
    assert waits[0] >= 1000
    assert await linked.rows(Position) == held
    (degraded,) = await linked.events("connection.degraded")
    assert (degraded.version, degraded.detail["reason"]) == (2, "api.server_error")
    assert len(await linked.events("sync.failed")) == 1
    assert (await linked.state(row, "assets")).failures == 3
    await whole(linked, row, "assets")
    (healed,) = await linked.events("connection.healed")
    assert healed.version == 3
    state = await linked.state(row, "assets")
    assert (state.status, state.failures, state.error) == ("idle", 0, None)


@pytest.mark.parametrize(
    "kind",
    [
        *("html200", "garbage", "truncated", "array", "empty", "huge", "gzip_bomb", "redirect"),
        *("502", "lost_answer", "refused", "cut"),
    ],
)
@pytest.mark.invariant("V6")
async def test_no_answer_ends_a_connection_or_harms_what_is_there(
    linked: Linked, kind: str
) -> None:
    row = await linked.link()
    await whole(linked, row, "assets")
    held = {record: await linked.rows(record) for record in DATA}
    # A GET whose answer was lost is sent once more by the way out, so lose that one too.
    await linked.it.fault(kind, "api", times=2)
    outcome = await linked.sync(row, "assets")
    await linked.it.http.delete(f"{linked.it.base_url}/_sim/faults")
    assert isinstance(outcome, Reschedule)
    assert outcome.due_at > linked.clock.now()
    assert {record: await linked.rows(record) for record in DATA} == held
    assert (await linked.state(row, "assets")).status == "failed"
    assert len(await linked.events("connection.degraded")) == 1
    await whole(linked, row, "assets")
    assert len(await linked.rows(Position)) == 6


@pytest.mark.parametrize(("said", "seconds"), [("7", 7), ("date:90", 90)])
async def test_a_pause_that_the_provider_asks_for_is_kept(
    linked: Linked, said: str, seconds: int
) -> None:
    row = await linked.link()
    await linked.it.fault("429", "api", retry_after=said)
    outcome = await linked.sync(row, "assets")
    assert isinstance(outcome, Reschedule)
    assert outcome.held
    assert abs(outcome.due_at - linked.clock.now() - seconds * 1000) <= 2000
    assert await linked.events("connection.degraded") == []
    assert (await linked.state(row, "assets")).error == "rate_limited"


async def test_too_many_requests_without_a_time_back_off(linked: Linked) -> None:
    row = await linked.link()
    await linked.it.fault("429", "api", retry_after=None)
    outcome = await linked.sync(row, "assets")
    assert isinstance(outcome, Reschedule)
    assert not outcome.held
    assert outcome.due_at - linked.clock.now() >= 1000


@pytest.mark.invariant("V4")
async def test_a_401_in_mid_sync_forces_one_refresh_and_goes_on(linked: Linked) -> None:
    row = await linked.link()
    await linked.it.fault("unauthorized", "api", skip=3)
    await whole(linked, row, "transactions")
    assert linked.held.rejections == [(row.id, 1)]
    assert [b.gap for b in balances(await linked.rows(Position), await linked.rows(Leg))] == [0] * 6
    assert await linked.events("sync.failed") == []


async def test_a_second_401_is_a_failure_and_no_loop(linked: Linked) -> None:
    row = await linked.link()
    await linked.it.fault("unauthorized", "api", times=None)
    before = await linked.requests()
    outcome = await linked.sync(row, "assets")
    assert isinstance(outcome, Reschedule)
    assert await linked.requests() - before == 2
    assert len(linked.held.rejections) == 1
    assert (await linked.state(row, "assets")).error == "unauthorized"
    assert len(await linked.events("sync.failed")) == 1


async def test_a_credential_that_must_be_renewed_by_the_user_waits(linked: Linked) -> None:
    row = await linked.link()
    linked.held.trouble = ProviderError("invalid_grant", remedy="reconnect")
    outcome = await linked.sync(row, "assets")
    assert isinstance(outcome, Reschedule)
    assert outcome.due_at - linked.clock.now() >= EVERY_MS
    assert await linked.events("connection.degraded") == []
    await linked.change(row, status="needs_reauth")
    before = await linked.requests()
    assert isinstance(await linked.sync(row, "assets"), Reschedule)
    assert await linked.requests() == before


async def test_what_was_not_granted_is_not_asked_for(linked: Linked) -> None:
    row = await linked.link(scope=frozenset({"wallet:accounts:read"}))
    assert await linked.sync(row, "transactions") is None
    assert (await linked.state(row, "transactions")).error == "missing_scope"
    assert isinstance(await linked.sync(row, "assets"), Reschedule)


async def test_a_page_that_the_provider_forgot_starts_the_run_again(linked: Linked) -> None:
    row = await linked.link()
    await whole(linked, row, "assets")
    accounts = (await linked.truth())["accounts"]
    pages = [-(-one["movements"] // 25) for one in sorted(accounts, key=lambda one: one["id"])]
    long = next(number for number, count in enumerate(pages) if count > 1)
    await linked.it.fault("custom", "api", status=410, skip=sum(pages[:long]) + 1)
    await linked.sync(row, "transactions")
    state = await linked.state(row, "transactions")
    assert (state.error, state.cursor, state.mark) == ("page_gone", None, None)
    await whole(linked, row, "transactions")
    assert [b.gap for b in balances(await linked.rows(Position), await linked.rows(Leg))] == [0] * 6


async def test_nothing_is_written_for_a_connection_that_has_ended(linked: Linked) -> None:
    row = await linked.link()

    async def ending(tenant_id: Any, connection_id: str) -> Any:
        await linked.change(row, ended_at=linked.clock.now(), status="deleted")
        return await original(tenant_id, connection_id)

    original, linked.held.credential = linked.held.credential, ending  # type: ignore[method-assign]
    assert await linked.sync(row, "assets") is None
    for record in (*DATA, Sync):
        assert await linked.rows(record) == []
    assert await linked.sync(row, "assets") is None


async def test_two_at_once_end_in_one_history(linked: Linked) -> None:
    row = await linked.link()
    await asyncio.gather(
        linked.sync(row, "transactions"),
        linked.sync(row, "transactions"),
        linked.sync(row, "assets"),
    )
    await whole(linked, row, "transactions")
    assert [b.gap for b in balances(await linked.rows(Position), await linked.rows(Leg))] == [0] * 6
    assert len({t.ref for t in await linked.rows(Transaction)}) >= 90


async def test_two_users_of_one_exchange_have_their_own(linked: Linked) -> None:
    mira = await linked.link("mira", owner="usr_1")
    jonas = await linked.link("jonas", owner="usr_2")
    for row in (mira, jonas):
        await whole(linked, row, "transactions")
    for row, user in ((mira, "mira"), (jonas, "jonas")):
        truth = await linked.truth(user)
        held = await linked.rows(Position, connection_id=row.id)
        assert {(p.account, p.quantity) for p in held} == {
            (one["id"], Decimal(one["balance"])) for one in truth["accounts"]
        }
        assert {p.user_id for p in held} == {row.user_id}


async def test_new_rules_are_applied_to_what_is_kept(linked: Linked) -> None:
    row = await linked.link()
    await whole(linked, row, "transactions")
    assert (await linked.state(row, "transactions")).rule_version == 1
    fees = [t for t in await linked.rows(Transaction) if t.kind == "fee"]
    assert len(fees) == 4
    requests = await linked.requests()
    linked.held.client.provider = _reruled(linked.held.client.provider)
    linked.clock.advance(1000)
    await whole(linked, row, "transactions")
    state = await linked.state(row, "transactions")
    assert state.rule_version == 2
    changed = {t.ref: t for t in await linked.rows(Transaction)}
    assert {changed[t.ref].kind for t in fees} == {"lost"}
    assert {changed[t.ref].id for t in fees} == {t.id for t in fees}
    assert {t.rule_version for t in changed.values()} == {2}
    legs = [leg for leg in await linked.rows(Leg) if leg.ref in {t.ref for t in fees}]
    assert {(leg.kind, leg.role) for leg in legs} == {("lost", "principal")}
    assert [b.gap for b in balances(await linked.rows(Position), await linked.rows(Leg))] == [0] * 6
    assert await linked.requests() - requests <= 7  # a page of each account, nothing again
    told = [e.detail for e in await linked.events("transactions.updated")][1:]
    assert sum(detail["changed"] for detail in told) == len(changed)
    assert await linked.syncing.rereading.reread(row, _capability(linked)) is False


def _capability(linked: Linked) -> TransactionsCapability:
    api = linked.held.client.provider.api
    assert api is not None
    assert api.capabilities.transactions is not None
    return api.capabilities.transactions


def _reruled(provider: Provider) -> Provider:
    """The entry with a later version of its rules: fees are losses now."""
    assert provider.api is not None
    known = provider.api.capabilities
    assert known.transactions is not None
    how = known.transactions.transaction
    rules = tuple(
        replace(rule, kind="lost", role=None) if rule.kind == "fee" else rule for rule in how.rules
    )
    how = replace(how, rules=rules, rule_version=2)
    known = replace(known, transactions=replace(known.transactions, transaction=how))
    return replace(provider, api=replace(provider.api, capabilities=known))
