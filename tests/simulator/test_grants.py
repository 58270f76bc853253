"""Codes, tokens and rotation: the simulator is as strict as the strictest provider."""

import asyncio
from dataclasses import replace
from typing import Any

import httpx
import pytest
from tests.simulator.conftest import CALLBACK, OURS, Client

from safeconduct.core.errors import ProviderError
from safeconduct.core.secret import Secret
from safeconduct.core.upstream import flow
from safeconduct.core.upstream.http import OutboundRequest


def revealed(token: Secret | None) -> str:
    assert token is not None
    return token.reveal()


async def test_the_whole_journey(client: Client) -> None:
    tokens = await client.tokens()
    assert tokens.scope == set(client.provider.oauth2.scopes)
    assert tokens.expires_at == client.now + 3_600_000
    account = await client.identity(tokens)
    assert account.name == "Mira"
    later = await client.refresh(tokens)
    assert later.access_token != tokens.access_token
    assert later.refresh_token != tokens.refresh_token
    assert await client.identity(later) == account
    ledger = await client.it.ledger()
    (grant,) = ledger["grants"]
    assert (grant["refreshes"], grant["overlaps"], grant["reuses"]) == (1, 0, 0)
    assert (grant["live_refresh_tokens"], grant["alive"]) == (1, True)
    assert ledger["requests"] == {"authorize": 1, "token": 1, "identity": 2, "refresh": 1}
    text = str(ledger)
    for token in (tokens.access_token, tokens.refresh_token, later.refresh_token):
        assert revealed(token) not in text


async def test_every_user_has_an_account_of_their_own(client: Client) -> None:
    mira = await client.identity(await client.tokens())
    jonas = await client.identity(await client.tokens(user="jonas"))
    assert mira.id != jonas.id
    assert jonas.name == "Jonas"


@pytest.mark.rfc("6749#4.1.3")
async def test_a_code_works_once_and_its_reuse_ends_the_grant(client: Client) -> None:
    code = await client.code()
    tokens = await client.redeem(code)
    await client.identity(tokens)
    with pytest.raises(ProviderError, match="invalid_grant"):
        await client.redeem(code)
    with pytest.raises(ProviderError, match="unauthorized"):
        await client.identity(tokens)
    assert (await client.it.ledger())["grants"][0]["ended"] == "code_reuse"


@pytest.mark.rfc("7636#4.6")
async def test_the_verifier_must_fit_and_a_failure_does_not_burn_the_code(client: Client) -> None:
    code = await client.code()
    with pytest.raises(ProviderError, match="invalid_grant"):
        await client.redeem(code, verifier="w" * 43)
    with pytest.raises(ProviderError, match="invalid_grant"):
        await client.redeem(code, verifier="")
    await client.redeem(code)


async def test_a_code_is_bound_to_its_redirect_uri_and_its_time(client: Client) -> None:
    code = await client.code()
    request = flow.token_request(
        client.provider, OURS, code=code, redirect_uri=f"{CALLBACK}/", code_verifier="v" * 43
    )
    with pytest.raises(ProviderError, match="invalid_grant"):
        await client.judged(request)
    await client.it.sim("clock", advance_s=61)
    with pytest.raises(ProviderError, match="invalid_grant"):
        await client.redeem(code)
    await client.it.sim("clock", shift_s=0)
    await client.redeem(code)


async def test_the_client_must_be_who_it_says(client: Client) -> None:
    code = await client.code()
    for wrong in (
        flow.Registration(OURS.client_id, Secret("wrong")),
        flow.Registration(OURS.client_id, None),
        flow.Registration("nobody", OURS.client_secret),
    ):
        client.ours = wrong
        with pytest.raises(ProviderError, match="invalid_client") as caught:
            await client.redeem(code)
        assert caught.value.remedy == "misconfigured"
    client.ours = OURS
    await client.redeem(code)
    assert (await client.it.ledger())["refused"] == {"invalid_client": 3}


async def test_without_offline_access_there_is_no_refresh_token(client: Client) -> None:
    tokens = await client.tokens(scopes={"wallet:accounts:read"})
    assert tokens.refresh_token is None
    assert tokens.scope == {"wallet:accounts:read"}
    assert (await client.get(tokens, "/v2/accounts")).status == 200
    account = (await client.it.sim("accounts?provider=exchangeExample"))["accounts"][0]["id"]
    assert (await client.get(tokens, f"/v2/accounts/{account}/transactions")).status == 403


@pytest.mark.invariant("V5")
async def test_a_refresh_token_works_once_and_its_reuse_ends_the_grant(client: Client) -> None:
    first = await client.tokens()
    second = await client.refresh(first)
    assert not await client.it.usable(revealed(first.refresh_token))
    assert await client.it.usable(revealed(second.refresh_token))
    caught = await client.refused(first)
    assert caught.remedy == "reconnect"
    assert (await client.refused(second)).remedy == "reconnect"
    (grant,) = (await client.it.ledger())["grants"]
    assert (grant["reuses"], grant["ended"], grant["refreshes"]) == (1, "reuse", 1)
    # Trying again what was answered invalid_grant is making sure, not reuse.
    await client.refused(first)
    assert (await client.it.ledger())["reuses"] == 1


@pytest.mark.invariant("V5")
async def test_two_refreshes_at_once_are_seen(client: Client) -> None:
    tokens = await client.tokens()
    await client.it.fault("slow", "refresh", delay_s=0.2, times=2)
    results = await asyncio.gather(
        client.refresh(tokens), client.refresh(tokens), return_exceptions=True
    )
    assert [isinstance(result, ProviderError) for result in results].count(True) == 1
    ledger = await client.it.ledger()
    assert (ledger["overlaps"], ledger["reuses"]) == (1, 1)
    # One after the other is no overlap.
    again = await client.tokens()
    for _ in range(3):
        again = await client.refresh(again)
    assert (await client.it.ledger())["overlaps"] == 1


async def test_a_grace_accepts_the_last_token_again(client: Client) -> None:
    await client.it.sim("options", rotation="grace", grace_s=30)
    first = await client.tokens()
    lost = await client.refresh(first)
    assert await client.it.usable(revealed(first.refresh_token))
    found = await client.refresh(first)
    # What the first use gave is void; the new one goes on.
    assert not await client.it.usable(revealed(lost.refresh_token))
    third = await client.refresh(found)
    # Its successor has been used: the first token is too old even within the time.
    assert not await client.it.usable(revealed(first.refresh_token))
    assert (await client.refused(first)).code == "invalid_grant"
    (grant,) = (await client.it.ledger())["grants"]
    assert (grant["graced"], grant["reuses"], grant["ended"]) == (1, 1, "reuse")
    assert (await client.refused(third)).code == "invalid_grant"


async def test_a_grace_ends(client: Client) -> None:
    await client.it.sim("options", rotation="grace", grace_s=30)
    first = await client.tokens()
    await client.refresh(first)
    await client.it.sim("clock", advance_s=31)
    await client.refused(first)
    assert (await client.it.ledger())["reuses"] == 1


async def test_without_rotation_the_token_stays(client: Client) -> None:
    await client.it.sim("options", rotation="none")
    tokens = await client.tokens()
    for _ in range(2):
        again = await client.refresh(tokens)
        assert again.refresh_token is None
    assert (await client.it.ledger())["reuses"] == 0


@pytest.mark.rfc("7009#2.1")
async def test_revocation_ends_the_grant(client: Client) -> None:
    tokens = await client.tokens()
    request = flow.revocation_request(
        client.provider,
        OURS,
        access_token=tokens.access_token,
        refresh_token=tokens.refresh_token,
    )
    answer = await client.send(request)
    flow.read_revocation(client.provider, answer.status, answer.headers, answer.body, client.now)
    with pytest.raises(ProviderError, match="unauthorized"):
        await client.identity(tokens)
    await client.refused(tokens)
    (grant,) = (await client.it.ledger())["grants"]
    assert (grant["ended"], grant["revocations"], grant["reuses"]) == ("revoked", 1, 0)
    assert (await client.send(request)).status == 200  # §2.2: also a second time


async def test_a_wrong_client_revokes_nothing(client: Client) -> None:
    tokens = await client.tokens()
    request = flow.revocation_request(
        client.provider,
        flow.Registration(OURS.client_id, Secret("wrong")),
        access_token=None,
        refresh_token=tokens.refresh_token,
    )
    assert (await client.send(request)).status == 401
    await client.refresh(tokens)


async def test_the_user_may_take_it_back(client: Client) -> None:
    tokens = await client.tokens()
    assert await client.it.sim("revoke", provider="exchangeExample") == {"ended": 1}
    caught = await client.refused(tokens)
    assert (caught.remedy, (await client.it.ledger())["reuses"]) == ("reconnect", 0)


async def test_tokens_end_with_time(client: Client) -> None:
    tokens = await client.tokens()
    await client.it.sim("clock", advance_s=3601)
    with pytest.raises(ProviderError, match="unauthorized"):
        await client.identity(tokens)
    tokens = await client.refresh(tokens)
    await client.identity(tokens)
    await client.it.sim("clock", advance_s=47_304_001)  # a year and a half
    assert (await client.refused(tokens)).remedy == "reconnect"


@pytest.mark.parametrize(
    ("content_type", "body", "error"),
    [
        ("application/json", '{"grant_type": "refresh_token"}', "invalid_request"),
        ("text/plain", "grant_type=refresh_token", "invalid_request"),
        (
            "application/x-www-form-urlencoded",
            "grant_type=refresh_token&grant_type=refresh_token",
            "invalid_request",
        ),
        ("application/x-www-form-urlencoded", "grant_type=password", "invalid_client"),
    ],
)
async def test_a_malformed_request_is_refused(
    client: Client, content_type: str, body: str, error: str
) -> None:
    async with httpx.AsyncClient() as http:
        answer = await http.post(
            str(client.provider.oauth2.token_url),
            content=body,
            headers={"content-type": content_type},
        )
    assert answer.json()["error"] == error


@pytest.mark.rfc("6749#3.2")
async def test_tokens_are_asked_for_with_post(client: Client) -> None:
    tokens = await client.tokens()
    request = flow.refresh_request(client.provider, OURS, refresh_token=tokens.refresh_token)
    query = httpx.QueryParams(dict(request.form or {}))
    for url in (request.url, str(client.provider.oauth2.revocation.url)):  # type: ignore[union-attr]
        answer = await client.send(OutboundRequest("GET", f"{url}?{query}"))
        assert answer.status == 405
    await client.refresh(tokens)


async def test_an_unknown_grant_type_is_refused(client: Client) -> None:
    form: Any = {"grant_type": "password", "client_id": OURS.client_id}
    form["client_secret"] = revealed(OURS.client_secret)
    url = str(client.provider.oauth2.token_url)
    answer = await client.send(OutboundRequest("POST", url, form=form))
    assert b"unsupported_grant_type" in answer.body


async def test_reset_forgets_everything(client: Client) -> None:
    tokens = await client.tokens()
    await client.it.fault("500", "refresh", times=None)
    await client.it.sim("reset", now=True)
    assert (await client.it.ledger())["grants"] == []
    assert (await client.it.sim("faults")) == {"faults": []}
    assert (await client.refused(replace(tokens))).code == "invalid_grant"
