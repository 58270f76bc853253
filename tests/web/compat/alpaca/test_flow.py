"""What the end user sees and gives: accounts, scopes, and the approval for live ones."""

from typing import Any

import httpx
import pytest
from tests.web.compat.alpaca.desk import Desk
from tests.web.harness import TENANT, Person, answer_of, snapshot

from safeconduct.core.model import Code, TokenFamily
from safeconduct.core.pkce import challenge_of
from safeconduct.core.unit import Find


async def approve(desk: Desk, approved: bool = True) -> None:
    change = {"live_trading_approved": approved}
    await desk.site.clients.update(desk.app.tenant_id, desk.app.id, change, actor="operator")


async def signed_in(desk: Desk) -> Person:
    person = desk.site.person()
    await person.sign_in()
    return person


async def given(desk: Desk, done: httpx.Response) -> dict[str, Any]:
    """What the app gets of the accounts in the end."""
    tokens = (await desk.redeem(answer_of(done)["code"])).json()
    told = await desk.introspect(tokens["access_token"])
    return {name: told.get(name) for name in ("live_account", "paper_account")}


async def test_one_account_is_named_and_needs_no_choice(desk: Desk) -> None:
    person = await signed_in(desk)
    page = await desk.to_consent(person, scope="account:write trading")
    assert desk.paper.id in page.text
    assert "<select" not in page.text
    assert 'data-scope="trading"' in page.text
    done = await person.press("consent-allow")
    assert await given(desk, done) == {"live_account": None, "paper_account": desk.paper.id}


async def test_one_of_each_by_default_and_either_alone(desk: Desk) -> None:
    await approve(desk)
    live = await desk.account(desk.ann, "live")
    person = await signed_in(desk)
    for picks, expected in (
        ({}, (live.id, desk.paper.id)),
        ({"paper_account": ""}, (live.id, None)),
        ({"live_account": ""}, (None, desk.paper.id)),
    ):
        await desk.to_consent(person)
        done = await person.press("consent-allow", **picks)
        assert tuple((await given(desk, done)).values()) == expected
    for env, expected in (("live", (live.id, None)), ("paper", (None, desk.paper.id))):
        page = await desk.to_consent(person, env=env)
        assert ('id="consent-live"' in page.text) is (env == "live")
        done = await person.press("consent-allow")
        assert tuple((await given(desk, done)).values()) == expected


async def test_of_several_accounts_one_is_chosen(desk: Desk) -> None:
    second = await desk.account(desk.ann, "paper")
    person = await signed_in(desk)
    page = await desk.to_consent(person)
    assert page.text.count("<option") == 2
    done = await person.press("consent-allow", paper_account=second.id)
    assert (await given(desk, done))["paper_account"] == second.id
    await desk.to_consent(person)  # asked again, although this app was let in before
    done = await person.press("consent-allow", paper_account=desk.paper.id)
    assert (await given(desk, done))["paper_account"] == desk.paper.id


@pytest.mark.attack("L19")
async def test_an_account_that_was_not_offered_is_not_given(desk: Desk) -> None:
    bob = await desk.site.user("bob@example.org")
    his = await desk.account(bob, "paper")
    mine = await desk.account(desk.ann, "live")  # and the app has no approval
    person = await signed_in(desk)
    for picks in (
        {"paper_account": his.id},
        {"live_account": mine.id},
        {"paper_account": ""},
        {"paper_account": "x"},
    ):
        await desk.to_consent(person)
        before = await snapshot(desk.site.store)
        await person.press("consent-allow", **picks)
        page = await person.follow()
        assert 'id="consent-allow"' in page.text, "asked again"
        assert await snapshot(desk.site.store) == before
    done = await person.press("consent-allow")
    assert (await given(desk, done))["paper_account"] == desk.paper.id


async def test_without_such_an_account_the_app_is_told(desk: Desk) -> None:
    person = await signed_in(desk)
    for env, error in (("live", "access_denied"), ("both", "invalid_request")):
        answer = answer_of(await desk.send(person, env=env))
        assert (answer["error"], answer["state"]) == (error, "st~1")
    await desk.account(desk.ann, "live")
    assert answer_of(await desk.send(person, env="live"))["error"] == "access_denied"
    await approve(desk)
    assert (await desk.to_consent(person, env="live")).status_code == 200


async def test_nothing_is_remembered_so_nothing_is_silent(desk: Desk) -> None:
    person = await signed_in(desk)
    await desk.to_consent(person)
    await person.press("consent-allow")
    silent = answer_of(await desk.send(person, prompt="none"))
    assert silent["error"] == "consent_required"


async def test_an_approval_that_is_withdrawn_ends_live_access_at_once(desk: Desk) -> None:
    live = await desk.account(desk.ann, "live")
    refused = await desk.issue(account_id=live.id)
    assert refused.status_code == 422
    await approve(desk)
    token = await desk.token(account_id=live.id)
    code = (await desk.authorize(account_id=live.id)).json()["code"]
    assert (await desk.introspect(token))["live_account"] == live.id
    await approve(desk, False)
    assert "live_account" not in await desk.introspect(token)
    assert (await desk.redeem(code)).json()["error"] == "invalid_grant"
    await approve(desk)
    assert (await desk.introspect(token))["live_account"] == live.id


@pytest.mark.attack("B16")
async def test_no_scope_means_reading(desk: Desk) -> None:
    person = await signed_in(desk)
    page = await desk.to_consent(person)
    assert page.text.count("data-scope=") == 1
    done = await person.press("consent-allow")
    tokens = (await desk.redeem(answer_of(done)["code"])).json()
    assert tokens["scope"] == "general"
    wide = answer_of(await desk.send(person, scope="trading assets:read"))
    assert wide["error"] == "invalid_scope"


async def test_sixteen_live_tokens_for_each_set_of_accounts(desk: Desk) -> None:
    second = await desk.account(desk.ann, "paper")
    other = await desk.token(account_id=second.id)
    tokens = []
    for _ in range(17):
        desk.site.clock.advance(1)
        tokens.append(await desk.token())
    alive = [(await desk.introspect(token))["active"] for token in [*tokens, other]]
    assert alive == [False] + 17 * [True]
    assert (await desk.delete(tokens[5])).status_code == 204
    desk.site.clock.advance(1)
    await desk.token()
    assert (await desk.introspect(tokens[1]))["active"], "what was deleted does not count"


async def test_an_app_that_gives_its_token_back_has_a_place_again(desk: Desk) -> None:
    tokens = []
    for _ in range(16):
        desk.site.clock.advance(1)
        tokens.append(await desk.token())
    app = (desk.app.id, desk.site.secrets[desk.app.id])
    given = await desk.http.post("/oauth2/revoke", data={"token": tokens[7]}, auth=app)
    assert given.status_code == 200
    assert not (await desk.introspect(tokens[7]))["active"]
    desk.site.clock.advance(1)
    await desk.token()
    assert (await desk.introspect(tokens[0]))["active"]


async def test_what_never_expires_is_cleared_up_once_it_has_ended(desk: Desk) -> None:
    token = await desk.token()
    site = desk.site
    site.clock.advance(50 * 365 * 86_400_000)
    await site.platform.expiry.sweep(desk.app.tenant_id)
    assert (await desk.introspect(token))["active"]
    assert (await desk.delete(token)).status_code == 204
    site.clock.advance(31 * 86_400_000)
    await site.platform.expiry.sweep(desk.app.tenant_id)
    left = await snapshot(site.store)
    assert [left[name] for name in ("TokenFamily", "AccessToken", "Code")] == [(), (), ()]


@pytest.mark.attack("B6")
@pytest.mark.attack("B9")
@pytest.mark.attack("B10")
async def test_codes_of_brokers_are_codes(desk: Desk) -> None:
    async def code() -> str:
        return str((await desk.authorize()).json()["code"])

    used = await code()
    token = (await desk.redeem(used)).json()["access_token"]
    assert (await desk.redeem(used)).status_code == 400
    assert not (await desk.introspect(token))["active"], "reuse ends what the first use gave"
    for change in ({"redirect_uri": "http://localhost/"}, {"code_verifier": "v" * 43}):
        assert (await desk.redeem(await code(), **change)).status_code == 400
    late = await code()
    desk.site.clock.advance(599_000)
    assert (await desk.redeem(late)).status_code == 200
    late = await code()
    desk.site.clock.advance(600_000)
    assert (await desk.redeem(late)).status_code == 400
    stranger = await desk.site.client(profile="alpaca", scope="general")
    secret = desk.site.secrets[stranger.id]
    mine = {"client_id": stranger.id, "client_secret": secret}
    assert (await desk.redeem(await code(), **mine)).status_code == 400


@pytest.mark.attack("B1")
async def test_an_app_that_uses_pkce_is_held_to_it(desk: Desk) -> None:
    public = {"token_endpoint_auth_method": "none", "profile": "alpaca", "scope": "general"}
    phone = await desk.site.client(**public)
    assert (desk.app.require_pkce, phone.require_pkce) == (False, True)
    person = await signed_in(desk)
    challenge = {"code_challenge": challenge_of("w" * 43), "code_challenge_method": "S256"}
    await desk.to_consent(person, **challenge)
    done = await person.press("consent-allow")
    assert (await desk.redeem(answer_of(done)["code"])).json()["error"] == "invalid_grant"
    for broken in (
        {"code_challenge": challenge["code_challenge"]},
        {**challenge, "code_challenge": "short"},
    ):
        assert answer_of(await desk.send(person, **broken))["error"] == "invalid_request"


async def test_the_user_sees_and_takes_back_what_a_broker_gave(desk: Desk) -> None:
    token = await desk.token(scope="trading")
    (grant,) = await desk.site.platform.grants.of_user(desk.app.tenant_id, desk.ann.id)
    assert grant.scope == {"trading"}
    person = await signed_in(desk)
    assert "Place, change and cancel orders for you" in (await person.get("/account")).text
    await desk.site.platform.grants.revoke(desk.app.tenant_id, grant.id, actor="user")
    assert not (await desk.introspect(token))["active"]
    assert (await desk.delete(token)).status_code == 401
    assert await desk.site.store.find(Find(TokenFamily, {"revoked_at": None})) == ()
    (code,) = await desk.site.store.find(Find(Code, {}))
    assert code.session_id == ""


async def own(desk: Desk, user_id: str | None) -> None:
    await desk.site.clients.update(TENANT, desk.app.id, {"owner_id": user_id}, actor="operator")


async def test_an_app_may_always_use_its_own_developers_live_account(desk: Desk) -> None:
    """By the broker's word and by the developer's own; not those of others, and not for ever."""
    bob = await desk.site.user("bob@example.org")
    mine, theirs = await desk.account(desk.ann, "live"), await desk.account(bob, "live")
    assert (await desk.issue(account_id=mine.id)).status_code == 422
    await own(desk, desk.ann.id)
    token = await desk.token(account_id=mine.id)
    assert (await desk.introspect(token))["live_account"] == mine.id
    assert (await desk.issue(account_id=theirs.id)).status_code == 422
    assert (await desk.look_up()).json()["live_trading_approved"] is False
    person = desk.site.person()
    await person.sign_in()
    page = await desk.to_consent(person, env="live")
    assert 'id="consent-live"' in page.text
    other = desk.site.person()
    await other.sign_in("bob@example.org")
    assert answer_of(await desk.send(other, env="live"))["error"] == "access_denied"
    await own(desk, None)
    assert "live_account" not in await desk.introspect(token)
