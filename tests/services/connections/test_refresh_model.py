"""The refresh engine against a model: random callers, faults, crashes, nodes and times.

The provider is the simulator's own book of grants, asked without HTTP, so that hundreds of
histories fit into seconds. What must hold after every step:

    V3  what was deleted stays deleted, and has no credential
    V4  while a connection is said to work, the token that we hold works, or the row says that an
        answer is missing
    V5  nothing overlapped at the provider, no spent token came again
    V6  no connection ends without a reason that ends one
"""

import asyncio
import json
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.conftest import SettableClock
from tests.connected import (
    T1,
    Bench,
    Killed,
    Node,
    api_user,
    die,
    example,
    node_of,
    returning,
    with_refresh,
)
from tests.connected import seed as seeded

from safeconduct.adapters.catalog import Catalog
from safeconduct.adapters.clock import SystemMint
from safeconduct.adapters.store import open_store
from safeconduct.core.errors import ProviderError
from safeconduct.core.model import Connection, Credential
from safeconduct.core.secret import Secret
from safeconduct.core.upstream.http import OutboundRequest, OutboundResponse
from safeconduct.ports.outbound import Announce
from safeconduct.services.connections import Completed
from safeconduct.services.failpoints import armed
from safeconduct.simulator import CLIENT_ID, CLIENT_SECRET
from safeconduct.simulator.grants import Denied, Grants
from safeconduct.simulator.options import Options

MINUTE = 60_000
LIFE_S = 3600

LATE = 60 * MINUTE - 30_000  # the access token lives, but not for long
AGES = st.sampled_from((LATE, LATE, 61 * MINUTE, 56 * MINUTE, 61_000, 31_000, 1_000))
FAULTS = st.sampled_from(
    (
        None,
        None,
        None,
        "lost",
        "lost",
        "invalid_grant",
        "503",
        "no_access_token",
        "refused",
        "429",
        "garbage",
        "invalid_client",
        "unreachable",
    )
)


class Book:
    """A provider without HTTP: the book of the simulator, and one fault at a time."""

    def __init__(self, clock: SettableClock, options: Options) -> None:
        self.grants = Grants(options, lambda: clock.at / 1000)
        self.fault: str | None = None
        self.lost = False  # an answer that changed something did not arrive

    async def send(
        self, request: OutboundRequest, about_to: Announce | None = None
    ) -> OutboundResponse:
        if request.form is None:
            return _json(200, {"data": {"id": "account-1", "name": "Mira"}})
        form = request.form
        if "token" in form:
            self.grants.revoke(form["token"])
            return OutboundResponse(200, {}, b"")
        if form["grant_type"] == "authorization_code":
            given = self.grants.redeem(
                form["code"], form["redirect_uri"], form["code_verifier"], refreshable=True
            )
            return _tokens(given)
        if self.fault == "unreachable":
            self.fault = None
            raise ProviderError("unreachable", remedy="retry", sent=False)
        if about_to is not None:
            await about_to()
        with self.grants.refreshing(form["refresh_token"]):
            await asyncio.sleep(0)  # others may come meanwhile, if anybody lets them
            return self._refresh(form["refresh_token"])

    def _refresh(self, token: str) -> OutboundResponse:
        fault, self.fault = self.fault, None
        match fault:
            case "429":
                return OutboundResponse(429, {"retry-after": "40"}, b"")
            case "503":
                return OutboundResponse(503, {}, b"<html>")
            case "garbage":
                return OutboundResponse(200, {}, b"\xff\xfe")
            case "invalid_grant":
                return _json(400, {"error": "invalid_grant"})
            case "invalid_client":
                return _json(401, {"error": "invalid_client"})
            case "refused":  # it did nothing, but nobody can know
                self.lost = True
                raise ProviderError("no_answer", remedy="retry")
        try:
            given = self.grants.refresh(token, "refresh")
        except Denied as denied:
            return _json(denied.status, {"error": denied.error})
        if fault == "lost":
            self.lost = True
            raise ProviderError("no_answer", remedy="retry")
        return _tokens(given, without="access_token" if fault == "no_access_token" else None)

    def usable(self, token: str) -> bool:
        found = self.grants.tokens[token]
        return found.alive(self.grants.now()) or self.grants.graceful(found)


def _json(status: int, body: Any) -> OutboundResponse:
    return OutboundResponse(status, {}, json.dumps(body).encode())


def _tokens(given: Any, without: str | None = None) -> OutboundResponse:
    body = {"access_token": given.access.value, "token_type": "bearer", "expires_in": LIFE_S}
    if given.refresh is not None and given.new_refresh:
        body["refresh_token"] = given.refresh.value
    return _json(200, {name: value for name, value in body.items() if name != without})


class RefreshMachine(RuleBasedStateMachine):
    """One user with one account, two nodes, and whatever can go wrong."""

    rotation: Any = "strict"
    grace_s = 0

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        # What is durable is judged elsewhere: here a disk in memory will do.
        memory = "/dev/shm" if Path("/dev/shm").is_dir() else None
        self.folder = tempfile.TemporaryDirectory(dir=memory)
        self.clock, self.mint = SettableClock(), SystemMint()
        self.excuse = False  # something happened that may end the connection
        self.denials = 0
        self.ended: list[Connection] = []
        self.partings = 0  # asked for: what a rule may do must not hang on how a race went
        self.highest = (0, 0)

    def teardown(self) -> None:
        if hasattr(self, "nodes"):
            self.runner.run(self._close())
        self.runner.close()
        self.folder.cleanup()

    async def _close(self) -> None:
        await self._comes_to_rest()
        for node in self.nodes:
            await node.refresh.close(1)
        await self.store.close()

    async def _comes_to_rest(self) -> None:
        """With the faults over and time to recover, a living connection works again."""
        self.book.fault = None
        for _ in range(8):
            self.clock.advance(20 * MINUTE)
            for node in self.nodes:
                await node.runner.drain()
        row = await self._row()
        if row is None:
            return
        held = await self.bench.connection(row)
        grant = self.book.grants.grants[-1]
        if held.status in ("active", "degraded"):
            assert grant.ended is None
            live = await self.nodes[0].refresh.credential(T1, row.id)
            assert self.book.usable(live.access_token.reveal())
        else:
            assert held.status == "needs_reauth", held.status
            assert self.excuse

    @initialize()
    def begin(self) -> None:
        self.runner.run(self._begin())

    async def _begin(self) -> None:
        url = f"sqlite:///{Path(self.folder.name)}/store.db"
        self.store = await open_store(url, clock=self.clock, serving=True, migrate=True)
        await seeded(self.store, self.clock, T1)
        entry = with_refresh(
            example(),
            grace_s=self.grace_s,
            rotates={"strict": True, "grace": True, "none": False}[self.rotation],
        )
        options = Options(rotation=self.rotation, grace_s=self.grace_s, access_lifetime_s=LIFE_S)
        self.book = Book(self.clock, options)
        self.catalog = Catalog.of([entry])
        self.nodes = [await self._node() for _ in range(2)]
        self.bench = Bench(**vars(self.nodes[0]), sim=None)  # type: ignore[arg-type]
        await self.nodes[0].providers.configure(
            T1, entry.id, client_id=CLIENT_ID, client_secret=Secret(CLIENT_SECRET), actor="operator"
        )
        await self._link()

    async def _link(self) -> None:
        begun = await self.nodes[0].start.start(api_user(), example().id)
        asked = {k: v[0] for k, v in parse_qs(urlsplit(begun.redirect_url).query).items()}
        code = self.book.grants.issue_code(
            redirect_uri=asked["redirect_uri"],
            scope=tuple(asked["scope"].split(",")),
            user="mira",
            challenge=asked["code_challenge"],
        )
        done = await self.nodes[0].complete.complete(
            returning({"state": asked["state"], "code": code})
        )
        assert isinstance(done, Completed)
        self.excuse, self.denials, self.book.lost = False, 0, False
        self.highest = (0, 0)

    async def _row(self) -> Connection | None:
        found = await self.bench.connections.of_user(T1, "usr_1")
        return found[0] if found else None

    # What happens

    @rule(age=AGES, fault=FAULTS, callers=st.lists(st.integers(0, 1), min_size=1, max_size=4))
    def call(self, age: int, fault: str | None, callers: list[int]) -> None:
        self._comes(age, fault)
        self.runner.run(self._call(callers))

    async def _call(self, callers: list[int]) -> None:
        row = await self._row()
        if row is None:
            return
        found = await asyncio.gather(
            *(self.nodes[node].refresh.credential(T1, row.id) for node in callers),
            return_exceptions=True,
        )
        for one in found:
            assert isinstance(one, ProviderError) or one.version >= 1, repr(one)

    @rule(age=AGES, fault=FAULTS, node=st.integers(0, 1))
    def work(self, age: int, fault: str | None, node: int) -> None:
        self._comes(age, fault)
        self.runner.run(self.nodes[node].runner.drain())

    @rule(fault=FAULTS)
    def api_says_401(self, fault: str | None) -> None:
        self._comes(10 * MINUTE, fault)
        self.runner.run(self._rejected())

    async def _rejected(self) -> None:
        row = await self._row()
        if row is None:
            return
        version = (await self.bench.credential(row)).version
        with suppress(ProviderError):
            await self.nodes[1].refresh.rejected(T1, row.id, version)

    def _comes(self, age: int, fault: str | None) -> None:
        """Time passes, and the next request to the provider will fail like this."""
        self.clock.advance(age)
        if fault is None:
            return
        self.book.fault = fault
        self.denials += fault == "invalid_grant"
        self.excuse = self.excuse or self.denials > 1

    @rule(
        age=AGES,
        fault=FAULTS,
        node=st.integers(0, 1),
        point=st.sampled_from(
            (
                "refresh.claimed",
                "refresh.sending",
                "refresh.intended",
                "refresh.answered",
                "refresh.written",
            )
        ),
    )
    def a_node_is_killed(self, age: int, fault: str | None, node: int, point: str) -> None:
        self._comes(age, fault)
        self.runner.run(self._killed(node, point))

    async def _killed(self, node: int, point: str) -> None:
        row = await self._row()
        if row is None:
            return
        with armed(point, die):
            try:
                await self.nodes[node].refresh.credential(T1, row.id)
            except Killed:
                self.excuse = self.excuse or point in ("refresh.intended", "refresh.answered")
            except ProviderError:
                pass
        self.nodes[node] = await self._node()

    async def _node(self) -> Node:
        made = await node_of(self.store, self.clock, self.mint, self.catalog, self.book)
        made.refresh.patience_s = 0.01  # time does not pass while somebody waits
        return made

    @rule()
    def the_user_withdraws_at_the_provider(self) -> None:
        self.book.grants.grants[-1].end("user")
        self.excuse = True

    @precondition(lambda self: self.partings < 2)
    @rule()
    def the_user_disconnects(self) -> None:
        self.partings += 1
        self.runner.run(self._disconnect())

    async def _disconnect(self) -> None:
        row = await self._row()
        if row is not None:
            await self.nodes[1].disconnect.delete(T1, row.id, actor="user:usr_1")
            self.ended.append(await self.bench.connection(row))

    @precondition(lambda self: self.partings < 3)
    @rule(fault=st.sampled_from((None, "lost", "no_access_token", "503")))
    def the_user_disconnects_while_the_provider_answers(self, fault: str | None) -> None:
        self.partings += 1
        self._comes(61 * MINUTE, fault)
        self.runner.run(self._disconnect_between())

    async def _disconnect_between(self) -> None:
        row = await self._row()
        if row is not None:
            with armed("refresh.answered", self._disconnect), suppress(ProviderError):
                await self.nodes[0].refresh.credential(T1, row.id)

    @rule()
    def the_user_links(self) -> None:
        self.runner.run(self._link())

    # What must hold

    @invariant()
    def it_holds(self) -> None:
        if hasattr(self, "nodes"):
            self.runner.run(self._holds())

    async def _holds(self) -> None:
        shown = self.book.grants.shown(tokens=False)
        assert (shown["overlaps"], shown["reuses"]) == (0, 0)  # V5
        rows = await self.bench.rows(Connection)
        secrets = {held.connection_id for held in await self.bench.rows(Credential)}
        for row in self.ended:  # V3
            assert row in rows
            assert row.id not in secrets
        live = [row for row in rows if row.ended_at is None]
        assert len(live) <= 1
        for row in rows:
            await self.bench.story(row)
        for row in live:
            await self._told(row)

    async def _told(self, row: Connection) -> None:
        held = await self.bench.credential(row)
        self.excuse = self.excuse or self.book.lost
        if row.status in ("uncertain", "needs_reauth"):
            assert self.excuse, (row.status, row.reason)  # V6
            return
        token = (await self.bench.tokens(row)).refresh_token
        assert token is not None
        withdrawn = self.book.grants.tokens[token.reveal()].grant.ended == "user"
        missing = held.intent_at is not None
        assert self.book.usable(token.reveal()) or withdrawn or missing  # V4
        assert (held.version, held.fence) >= self.highest
        self.highest = (held.version, held.fence)


class GraceMachine(RefreshMachine):
    """The same at a provider that takes a rotated token again for two minutes."""

    rotation = "grace"
    grace_s = 120


class LastingMachine(RefreshMachine):
    """The same at a provider that never rotates."""

    rotation = "none"


BUDGET = settings(
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # a history is its own explanation
    max_examples=25,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@pytest.mark.invariant("V3")
@pytest.mark.invariant("V4")
@pytest.mark.invariant("V5")
@pytest.mark.invariant("V6")
class TestStrict(RefreshMachine.TestCase):  # type: ignore[name-defined,misc]
    settings = BUDGET


class TestGrace(GraceMachine.TestCase):  # type: ignore[name-defined,misc]
    settings = BUDGET


class TestLasting(LastingMachine.TestCase):  # type: ignore[name-defined,misc]
    settings = BUDGET
