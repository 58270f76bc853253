"""Every fault does what it says, is used up, and leaves the right traces in the ledger."""

import time
from typing import Any

import pytest
from tests.simulator.conftest import Client

from safeconduct.core.errors import ProviderError
from safeconduct.core.upstream.answers import api_failure


async def faulty(client: Client, kind: str, **more: Any) -> ProviderError:
    """Refresh once under a fault, then once without it, which must work."""
    tokens = await client.tokens()
    await client.it.fault(kind, "refresh", **more)
    caught = await client.refused(tokens)
    assert (await client.refresh(tokens)).refresh_token is not None
    assert (await client.it.ledger())["reuses"] == 0
    return caught


@pytest.mark.invariant("V6")
@pytest.mark.parametrize(
    ("kind", "code", "remedy"),
    [
        ("429", "rate_limited", "retry"),
        ("500", "server_error", "retry"),
        ("502", "server_error", "retry"),
        ("503", "server_error", "retry"),
        ("html200", "malformed_answer", "retry"),
        ("garbage", "malformed_answer", "retry"),
        ("truncated", "malformed_answer", "retry"),
        ("array", "malformed_answer", "retry"),
        ("empty", "malformed_answer", "retry"),
        ("ok_false", "malformed_answer", "retry"),
        ("error200", "temporarily_unavailable", "retry"),
        ("redirect", "redirected", "retry"),
        ("huge", "answer_too_large", "retry"),
        ("gzip_bomb", "answer_too_large", "retry"),
        ("refused", "no_answer", "retry"),
        ("unauthorized", "refused", "retry"),
        ("temporarily_unavailable", "temporarily_unavailable", "retry"),
        ("invalid_client", "invalid_client", "misconfigured"),
        ("invalid_grant", "invalid_grant", "reconnect"),
    ],
)
async def test_a_fault_before_the_work_leaves_the_token_as_it_was(
    client: Client, kind: str, code: str, remedy: str
) -> None:
    caught = await faulty(client, kind)
    assert (caught.code, caught.remedy) == (code, remedy)


async def test_retry_after_in_all_its_forms(client: Client) -> None:
    assert (await faulty(client, "429")).retry_after == 1.0
    assert (await faulty(client, "429", retry_after=7)).retry_after == 7.0
    assert (await faulty(client, "429", retry_after=None)).retry_after is None
    in_a_minute = (await faulty(client, "503", retry_after="date:60")).retry_after
    assert in_a_minute is not None
    assert 58 <= in_a_minute <= 61


@pytest.mark.invariant("V4")
@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("lost_answer", {}),
        ("cut", {}),
        ("500", {"work": True}),
        ("garbage", {"work": True}),
        ("html200", {"work": True}),
    ],
)
async def test_an_answer_lost_after_the_work_costs_the_grant(
    client: Client, kind: str, more: dict[str, Any]
) -> None:
    tokens = await client.tokens()
    await client.it.fault(kind, "refresh", **more)
    caught = await client.refused(tokens)
    assert (caught.remedy, caught.sent) == ("retry", True)
    assert (await client.it.ledger())["grants"][0]["refreshes"] == 1
    # Strict: whoever tries the old token now ends the grant. With a grace they are saved.
    assert (await client.refused(tokens)).remedy == "reconnect"
    assert (await client.it.ledger())["reuses"] == 1
    await client.it.sim("options", rotation="grace", grace_s=30)
    tokens = await client.tokens()
    await client.it.fault(kind, "refresh", **more)
    await client.refused(tokens)
    await client.refresh(tokens)
    assert (await client.it.ledger())["grants"][1]["graced"] == 1


@pytest.mark.invariant("V4")
@pytest.mark.parametrize(
    "kind", ["omit_refresh_token", "empty_refresh_token", "null_refresh_token"]
)
async def test_an_answer_without_a_refresh_token(client: Client, kind: str) -> None:
    await client.it.sim("options", rotation="none")
    tokens = await client.tokens()
    await client.it.fault(kind, "refresh")
    assert (await client.refresh(tokens)).refresh_token is None
    await client.refresh(tokens)


@pytest.mark.parametrize("kind", ["omit_access_token", "newline_token"])
async def test_an_answer_without_an_access_token_still_brings_the_refresh_token(
    client: Client, kind: str
) -> None:
    tokens = await client.tokens()
    await client.it.fault(kind, "refresh")
    caught = await client.refused(tokens)
    assert caught.code == "malformed_answer"
    saved = caught.refresh_token  # type: ignore[attr-defined]
    assert await client.it.usable(saved.reveal())


@pytest.mark.parametrize("value", ["3600", -1, 0, 1e12, None, 3599.5])
async def test_any_lifetime(client: Client, value: Any) -> None:
    tokens = await client.tokens()
    await client.it.fault("expires_in", "refresh", value=value)
    seconds = 3599 if value == 3599.5 else 3600  # what cannot be is the catalogue's figure
    assert (await client.refresh(tokens)).expires_at == client.now + seconds * 1000


async def test_a_scope_that_shrinks_at_refresh(client: Client) -> None:
    tokens = await client.tokens()
    await client.it.fault("narrow_scope", "refresh", scope=["wallet:accounts:read"])
    tokens = await client.refresh(tokens)
    assert tokens.scope == {"wallet:accounts:read"}
    holding = (await client.it.sim("accounts?provider=exchangeExample"))["accounts"][0]
    answer = await client.get(tokens, f"/v2/accounts/{holding['id']}/transactions")
    assert answer.status == 403


async def test_another_account(client: Client) -> None:
    tokens = await client.tokens()
    before = await client.identity(tokens)
    await client.it.fault("other_account", "identity")
    other = await client.identity(tokens)
    assert other.id != before.id
    assert await client.identity(tokens) == before


async def test_slow_and_drip_take_their_time(client: Client) -> None:
    tokens = await client.tokens()
    for kind, more in (
        ("slow", {"delay_s": 0.3}),
        ("drip", {"pace_s": 0.001}),
    ):
        await client.it.fault(kind, "refresh", **more)
        began = time.monotonic()
        tokens = await client.refresh(tokens)
        assert time.monotonic() - began > 0.2


async def test_a_fault_waits_for_its_turn_and_its_place(client: Client) -> None:
    tokens = await client.tokens()
    await client.it.fault("500", "refresh", skip=1, times=2)
    tokens = await client.refresh(tokens)  # skipped
    await client.identity(tokens)  # another endpoint
    for _ in range(2):
        assert (await client.refused(tokens)).code == "server_error"
    await client.refresh(tokens)
    (shown,) = (await client.it.sim("faults"))["faults"]
    assert (shown["left"], shown["taken"]) == (0, 2)


async def test_an_outage_lasts_until_it_is_lifted(client: Client) -> None:
    tokens = await client.tokens()
    await client.it.sim("faults", kind="503", times=None, provider="exchangeExample")
    for _ in range(3):
        assert (await client.refused(tokens)).remedy == "retry"
    with pytest.raises(ProviderError, match="server_error"):
        await client.identity(tokens)
    url = f"{client.it.base_url}/_sim/faults"
    assert (await client.it.http.delete(url)).json() == {"cleared": 1}
    await client.refresh(tokens)


@pytest.mark.parametrize("endpoint", ["identity", "api"])
async def test_the_api_has_faults_too(client: Client, endpoint: str) -> None:
    tokens = await client.tokens()
    path = "/v2/user" if endpoint == "identity" else "/v2/accounts"
    for kind, status in (("429", 429), ("500", 500), ("unauthorized", 401), ("html200", 200)):
        await client.it.fault(kind, endpoint)
        answer = await client.get(tokens, path)
        assert answer.status == status
        if status == 429:
            assert api_failure(status, answer.headers, client.now).retry_after == 1.0
    assert (await client.get(tokens, path)).status == 200


async def test_faults_of_the_authorize_page(client: Client) -> None:
    await client.it.sim("faults", endpoint="authorize", error="temporarily_unavailable")
    location = await client.it.approve(client.url())
    assert "error=temporarily_unavailable" in location
    await client.it.fault("503", "authorize")
    assert (await client.it.http.get(client.url())).status_code == 503
    assert "code=" in await client.it.approve(client.url())


async def test_several_at_once_are_taken_in_order(client: Client) -> None:
    await client.it.sim(
        "faults",
        faults=[{"kind": "500", "endpoint": "refresh"}, {"kind": "429", "endpoint": "refresh"}],
    )
    tokens = await client.tokens()
    assert (await client.refused(tokens)).code == "server_error"
    assert (await client.refused(tokens)).code == "rate_limited"
    await client.refresh(tokens)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ({"kind": "explode"}, "there is no kind explode"),
        ({"kind": "500", "endpoint": "tokens"}, "endpoint must be one of"),
        ({"kind": "500", "times": "2"}, "times has the wrong type"),
        ({"kind": "500", "times": True}, "times has the wrong type"),
        ({"kind": "500", "tims": 2}, "a fault has no tims"),
        ({"kind": "500", "provider": "nobody"}, "there is no provider nobody"),
        ({"status": 99}, "status must be from 200 to 599"),
        ({"kind": "narrow_scope"}, "needs `scope`"),
        ({"faults": [1]}, "a list of objects"),
    ],
)
async def test_a_wrong_fault_is_refused_with_a_sentence(
    client: Client, fault: dict[str, Any], message: str
) -> None:
    answer = await client.it.http.post(f"{client.it.base_url}/_sim/faults", json=fault)
    assert answer.status_code == 400
    assert message in answer.json()["error"]
    assert await client.it.sim("faults") == {"faults": []}
