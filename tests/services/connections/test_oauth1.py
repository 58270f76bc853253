"""Accounts at a provider of OAuth 1.0a, from the first signature to the last, against one that
checks every one of them.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl, urlsplit

import pytest
from tests.conftest import SettableClock
from tests.connected import CLIENT, T1, USER, Bench, api_user, connecting
from tests.signed import ID, judging, signed_entry

from safeconduct.adapters.clock import SystemMint
from safeconduct.core.errors import ApiError, ProviderError
from safeconduct.core.model import Attempt, Connection, Credential, Job, TenantId
from safeconduct.core.upstream.api import api_request
from safeconduct.core.upstream.keys import unpack
from safeconduct.core.upstream.template import Template
from safeconduct.ports.store import Store
from safeconduct.services.connections import (
    Caller,
    Completed,
    Forward,
    LiveCredential,
    NotCompleted,
    Proxy,
    Refresh,
    Started,
)
from safeconduct.simulator import CLIENT_ID, CLIENT_SECRET, signatures

DAY = 86_400_000


@pytest.fixture
async def bench(store: Store, clock: SettableClock, mint: SystemMint) -> AsyncIterator[Bench]:
    other = replace(signed_entry(lifetime_s=86_400), id="other")
    async with connecting(store, clock, mint, signed_entry(), other) as it:
        yield it


async def begun(bench: Bench, provider: str = ID) -> tuple[Started, dict[str, str]]:
    start = await bench.begin(provider=provider)
    return start, await bench.approve(start.redirect_url)


async def finish(bench: Bench, params: dict[str, str], **more: object) -> Completed | NotCompleted:
    return await bench.finish(params, **{"provider_id": ID, **more})


async def linked(bench: Bench, provider: str = ID) -> Connection:
    _, params = await begun(bench, provider)
    done = await finish(bench, params, provider_id=provider)
    assert isinstance(done, Completed)
    return done.connection


async def requests(bench: Bench) -> dict[str, int]:
    return dict((await bench.sim.ledger(ID))["requests"])


@pytest.mark.rfc("5849#2")
@pytest.mark.invariant("V4")
async def test_the_whole_journey(bench: Bench) -> None:
    start, params = await begun(bench)
    asked = dict(parse_qsl(urlsplit(start.redirect_url).query))
    assert asked["scope"] == "read,write"
    assert asked["lang"] == "en"
    assert set(params) == {"state", "oauth_token", "oauth_verifier"}
    done = await finish(bench, params)
    assert isinstance(done, Completed)
    row = done.connection
    assert (row.auth_mode, row.account_name, row.status) == ("oauth1", "Mira", "active")
    live = await bench.refresh.credential(T1, row.id)
    assert live.token_type == "OAuth"
    said = await bench.outbound.send(
        api_request(live.provider, live.registration, live.access_token, path="/me")
    )
    assert said.status == 200
    held = unpack(live.access_token)
    assert set(held) == {"oauth_token", "oauth_token_secret"}
    credential = await bench.credential(row)
    for secret in held.values():
        assert secret.encode() not in credential.sealed
    assert not credential.refreshable
    # Linked again: the same account, the same connection, another secret
    again = await linked(bench)
    assert again.id == row.id
    assert unpack((await bench.tokens(row)).access_token) != held
    token = unpack((await bench.tokens(row)).access_token)["oauth_token"]
    await bench.disconnect.delete(T1, row.id, actor="user:usr_1", user_id=USER)
    assert await bench.rows(Credential) == []
    await bench.work()
    assert not await bench.sim.usable(token)
    told = [event.type for event in await bench.events("provider_grant.revoked")]
    assert told == ["provider_grant.revoked"]
    (job,) = [job for job in await bench.rows(Job) if job.kind == "provider.revoke"]
    assert "sealed" not in job.payload


@pytest.mark.rfc("5849#3.4.1.3.1")
@pytest.mark.attack("N6")
async def test_the_proxy_signs_what_it_passes_on(bench: Bench) -> None:
    """With the user's token: the query, and forms, however they come; and nothing comes back."""
    row = await linked(bench)
    held = unpack((await bench.tokens(row)).access_token)
    who = Caller(actor="client:c", client_id=CLIENT)

    async def slowly(body: bytes) -> AsyncIterator[bytes]:
        for at in range(0, len(body), 1_000):
            yield body[at : at + 1_000]

    form = {"content-type": "application/x-www-form-urlencoded"}
    async with judging() as judge:
        proxy = Proxy(
            store=bench.store,
            keys=bench.keys,
            credentials=Turned(bench.refresh, judge.url),  # type: ignore[arg-type]
            checking=bench.checking,
            outbound=bench.outbound,
            clock=bench.clock,
            mint=bench.mint,
        )
        body = b"text=caf%C3%A9&tag=a&tag=b+c" + b"&more=" + b"x" * 5_000
        for ask in (
            Forward(method="GET", path="/posts", query="tag=a&tag=b%20c&empty="),
            Forward(method="POST", path="/posts", headers=form, body=body),
            Forward(method="POST", path="/posts", headers=form, parts=slowly(body)),
            Forward(
                method="PUT",
                path="/photo",
                headers={"content-type": "image/png"},
                parts=slowly(b"\x89PNG" * 999),
            ),
        ):
            async with proxy.send(row, who, ask) as answer:
                assert answer.status == 200
                shown = b"".join([chunk async for chunk in answer.chunks])
            for secret in held.values():
                assert secret.encode() not in shown
        for one in judge.seen:
            signatures.check(
                one,
                wanted="HMAC-SHA1",
                client_key=CLIENT_ID,
                client_secret=CLIENT_SECRET,
                token_secret=held["oauth_token_secret"],
            )
            assert one.oauth["oauth_token"] == held["oauth_token"]
        assert judge.bodies[1:] == [body, body, b"\x89PNG" * 999]
        assert ("text", "café") in judge.seen[1].rest
        large = Forward(method="POST", path="/", headers=form, parts=slowly(b"x" * (1 << 21)))
        with pytest.raises(ApiError) as caught:
            async with proxy.send(row, who, large):
                pass
        assert caught.value.status == 413
        theirs = Forward(method="GET", path="/posts", query="oauth_token=mine")
        with pytest.raises(ProviderError):
            async with proxy.send(row, who, theirs):
                pass
        assert len(judge.seen) == 4


@dataclass
class Turned:
    """Credentials whose API is elsewhere."""

    real: Refresh
    url: str

    async def credential(self, tenant_id: TenantId, connection_id: str) -> LiveCredential:
        live = await self.real.credential(tenant_id, connection_id)
        assert live.provider.api is not None
        api = replace(live.provider.api, base_url=Template.plain(self.url))
        return replace(live, provider=replace(live.provider, api=api))


@pytest.mark.attack("L1")
@pytest.mark.rfc("5849#2.2")
async def test_a_callback_of_another_flow_is_refused(bench: Bench) -> None:
    """Each detail of it is bound to the pending flow; what is refused leaves the flow as it was."""
    mine, params = await begun(bench)
    _, others = await begun(bench)
    _, elsewhere = await begun(bench, "other")
    before = await requests(bench)
    for mixed in (
        {**params, "oauth_token": others["oauth_token"]},
        {**others, "state": params["state"]},
        {**params, "state": others["state"]},
        {**params, "oauth_token": "x"},
        {**elsewhere, "state": params["state"]},
        elsewhere,
        {**params, "state": params["state"][:-1] + "x"},
    ):
        with pytest.raises(ApiError) as caught:
            await finish(bench, mixed)
        assert caught.value.code == "invalid_state"
    for who in ({"user_id": "usr_2"}, {"client_id": "client_2"}, {"mode": "widget"}):
        with pytest.raises(ApiError):
            await finish(bench, params, **who)
    assert await requests(bench) == before
    assert (await bench.attempt(mine)).consumed_at is None
    assert isinstance(await finish(bench, params), Completed)
    # Replayed
    after = await requests(bench)
    with pytest.raises(ApiError):
        await finish(bench, params)
    assert await requests(bench) == after
    denied = {event.rule for event in await bench.events("attempt.failed")}
    assert {"oauth1.token", "state.user", "state.used"} <= denied


@pytest.mark.attack("L10")
async def test_no_and_nonsense_end_the_attempt(bench: Bench) -> None:
    for change, reason in (
        ("deny", "provider.access_denied"),
        ({"denied": "x"}, "callback.code_and_error"),
        ({"oauth_problem": "user_refused", "oauth_verifier": ""}, "provider.access_denied"),
        ({"oauth_verifier": ""}, "callback.no_code"),
        ({"oauth_verifier": "a\nb"}, "callback.malformed_code"),
        ({"oauth_verifier": "x" * 4_000}, "callback.malformed_code"),
    ):
        start = await bench.begin(provider=ID)
        params = await bench.approve(start.redirect_url, deny=change == "deny")
        if isinstance(change, dict):
            params |= change
        asked = await requests(bench)
        over = await finish(bench, params)
        assert isinstance(over, NotCompleted)
        assert over.reason == reason
        assert await requests(bench) == asked
        row = await bench.attempt(start)
        assert (row.outcome, row.reason, row.code_verifier) == ("failed", reason, None)
    assert await bench.rows(Connection) == []


async def test_an_app_that_knows_only_of_a_code_brings_both_in_it(bench: Bench) -> None:
    _, params = await begun(bench)
    code = f"oauth_token={params['oauth_token']}&oauth_verifier={params['oauth_verifier']}"
    _, others = await begun(bench)
    mixed = f"oauth_token={others['oauth_token']}&oauth_verifier={others['oauth_verifier']}"
    with pytest.raises(ApiError):
        await finish(bench, {"code": mixed, "state": params["state"]})
    done = await finish(bench, {"code": code, "state": params["state"]})
    assert isinstance(done, Completed)


FAULTS = (
    ("request", {"kind": "503"}, "server_error", "retry"),
    ("request", {"kind": "lost_answer"}, "no_answer", "retry"),
    ("request", {"kind": "html200"}, "malformed_answer", "retry"),
    ("request", {"kind": "unauthorized"}, "unauthorized", "misconfigured"),
    ("request", {"kind": "gzip_bomb"}, "answer_too_large", "retry"),
    (
        "request",
        {"kind": "custom", "set": {"/oauth_callback_confirmed": "false"}},
        "callback_not_confirmed",
        "broken",
    ),
    ("token", {"kind": "429"}, "rate_limited", "retry"),
    ("token", {"kind": "garbage"}, "malformed_answer", "retry"),
    ("token", {"kind": "custom", "drop": ["/oauth_token_secret"]}, "malformed_answer", "retry"),
    ("identity", {"kind": "500"}, "server_error", "retry"),
)


async def test_what_a_provider_does_wrong_is_told_and_nothing_is_kept(bench: Bench) -> None:
    for number, (endpoint, fault, code, remedy) in enumerate(FAULTS):
        await bench.sim.sim("faults", **fault, endpoint=endpoint, provider=ID)
        if endpoint == "request":
            with pytest.raises(ProviderError) as caught:
                await bench.begin(provider=ID)
            error = caught.value
        else:
            _, params = await begun(bench)
            over = await finish(bench, params)
            assert isinstance(over, NotCompleted)
            assert over.error is not None
            error = over.error
        assert (error.code, error.remedy) == (code, remedy)
        rows = sorted(await bench.rows(Attempt), key=lambda row: row.id)
        assert len(rows) == number + 1
        assert (rows[-1].outcome, rows[-1].reason) == ("failed", code)
        assert rows[-1].code_verifier is None
        assert await bench.rows(Credential) == []
    setting = next(row for row in await bench.providers.settings(T1) if row.provider_id == ID)
    assert setting.status == "active"  # none of this says that our client is unknown
    assert await linked(bench)  # and then it works


async def test_a_key_that_the_provider_does_not_know_marks_the_integration(bench: Bench) -> None:
    await bench.providers.configure(
        T1,
        ID,
        client_id="nobody",
        client_secret=(await bench.providers.need(T1, ID)).registration.client_secret,
        actor="operator",
    )
    with pytest.raises(ProviderError) as caught:
        await bench.begin(provider=ID)
    assert (caught.value.code, caught.value.remedy) == ("invalid_client", "misconfigured")
    setting = next(row for row in await bench.providers.settings(T1) if row.provider_id == ID)
    assert setting.status == "misconfigured"


async def test_credentials_that_end_are_told_of_and_nothing_renews_them(bench: Bench) -> None:
    row = await linked(bench, "other")
    credential = await bench.credential(row)
    assert credential.ends_at == credential.obtained_at + DAY
    await bench.later(DAY + 1_000)
    await bench.work()
    assert (await bench.connection(row)).status == "needs_reauth"
    with pytest.raises(ProviderError) as caught:
        await bench.refresh.credential(T1, row.id)
    assert caught.value.remedy == "reconnect"


async def test_only_a_user_who_may_link_makes_the_provider_be_asked(bench: Bench) -> None:
    await bench.set_user(status="disabled")
    with pytest.raises(ApiError):
        await bench.begin(provider=ID)
    assert await requests(bench) == {}
    await bench.set_user(status="active")
    with pytest.raises(ApiError):
        await bench.start.start(api_user(client_id=CLIENT), ID, connection_id="con_none")
    with pytest.raises(ApiError):
        await bench.start.start(api_user(), ID, auth_mode="oauth2_code")
    assert await requests(bench) == {}
    assert (await bench.begin(provider=ID)).redirect_url
