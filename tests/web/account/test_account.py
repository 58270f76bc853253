"""The account page: what a person sees, and ends, of their own."""

from typing import Any

import pytest
from tests.web.harness import PASSWORD, TENANT, Front, Person, answer_of, link, snapshot

from safeconduct.core.model import Client, Connection, Event, Grant, Session
from safeconduct.core.secret import Secret
from safeconduct.core.unit import Find

COOKIE = "__Host-sc_session"


async def all_of(site: Front, record: type[Any]) -> tuple[Any, ...]:
    return await site.store.find(Find(record, {}, limit=1000))


async def signed_in(site: Front, email: str = "ann@example.org") -> Person:
    if await site.users.find(TENANT, email) is None:
        await site.user(email)
    person = site.person()
    await person.sign_in(email)
    return person


async def with_app(site: Front, person: Person, **data: Any) -> tuple[Client, dict[str, Any]]:
    """An app that got its tokens."""
    client = await site.client(**data)
    await person.authorize(client)
    await person.follow()
    answer = answer_of(await person.press("consent-allow"))
    redeemed = await site.redeem(client, answer)
    assert redeemed.status_code == 200, redeemed.text
    return client, redeemed.json()


async def knows(site: Front, tokens: dict[str, Any]) -> int:
    """What userinfo answers to an access token."""
    headers = {"authorization": f"Bearer {tokens['access_token']}"}
    return (await site.person().http.get("/oauth2/userinfo", headers=headers)).status_code


async def test_strangers_sign_in_first(site: Front) -> None:
    person = site.person()
    response = await person.get("/account")
    assert (response.status_code, response.headers["location"]) == (303, "/login")


@pytest.mark.attack("C9")
async def test_ending_an_apps_access(site: Front) -> None:
    person = await signed_in(site)
    client, tokens = await with_app(site, person)
    kept, kept_tokens = await with_app(site, person, client_name="Lighthouse")
    assert await knows(site, tokens) == 200
    page = await person.get("/account")
    assert "Harbour" in page.text
    assert "See your e-mail address" in page.text
    response = await person.press(f"revoke-{client.id}")
    assert response.status_code == 303
    assert await knows(site, tokens) == 401
    assert await knows(site, kept_tokens) == 200
    page = await person.follow()
    assert person.markup.by_id("notice") is not None
    assert "Harbour" not in page.text
    assert "Lighthouse" in page.text
    live = [grant for grant in await all_of(site, Grant) if grant.revoked_at is None]
    assert [grant.client_id for grant in live] == [kept.id]
    ended = [event for event in await all_of(site, Event) if event.type == "grant.revoked"]
    assert len(ended) == 1
    again = await person.authorize(client)
    assert again.headers["location"].startswith("/oauth2/consent")


@pytest.mark.attack("I2")
async def test_what_belongs_to_others_does_not_exist(site: Front) -> None:
    ann, bob = await signed_in(site), await signed_in(site, "bob@example.org")
    await with_app(site, ann)
    (grant,) = await all_of(site, Grant)
    anns = next(s for s in await all_of(site, Session) if s.user_id == grant.user_id)
    await bob.get("/account")
    form = bob.markup.forms[0]
    csrf = {"csrf": form.fields["csrf"]}
    before = await snapshot(site.store)
    for path in (
        f"/account/apps/{grant.id}/revoke",
        f"/account/sessions/{anns.id}/end",
        "/account/connections/con_1/disconnect",
    ):
        assert (await bob.post(path, csrf)).status_code == 404
    assert await snapshot(site.store) == before
    await ann.get("/account")
    assert (await ann.press(f"revoke-{grant.client_id}")).status_code == 303


@pytest.mark.attack("I2")
@pytest.mark.attack("I14")
async def test_nothing_ends_by_get_by_forgery_or_after_logout(site: Front) -> None:
    ann, bob = await signed_in(site), await signed_in(site, "bob@example.org")
    client, _ = await with_app(site, ann)
    (grant,) = await all_of(site, Grant)
    path = f"/account/apps/{grant.id}/revoke"
    await ann.get("/account")
    own, _ = ann.markup.form_with(f"revoke-{client.id}")
    await bob.get("/account")
    foreign = bob.markup.forms[0].fields["csrf"]
    before = await snapshot(site.store)
    for other in (
        "/account/password",
        "/account/end-other-sessions",
        "/oauth2/logout/confirm",
        path,
    ):
        got = await ann.http.get(other)
        assert (got.status_code, 'data-code="method_not_allowed"' in got.text) == (405, True)
    for data in ({}, {"csrf": "x"}, {"csrf": foreign}):
        assert (await ann.http.post(path, data=data)).status_code == 403
    cross = await ann.http.post(path, data=own.fields, headers={"origin": "https://evil.test"})
    assert cross.status_code == 403
    stranger = await site.person().http.post(path, data=own.fields)
    assert stranger.status_code == 403
    assert await snapshot(site.store) == before

    tab = ann.http.cookies[COOKIE]
    await ann.get("/oauth2/logout")
    await ann.press("logout-confirm")
    assert (await ann.http.post(path, data=own.fields)).status_code == 403
    ann.http.cookies.set(COOKIE, tab, domain="id.example")
    dead = await ann.http.post(path, data=own.fields)
    assert dead.status_code == 401
    assert 'data-code="login_required"' in dead.text
    (grant,) = await all_of(site, Grant)
    assert grant.revoked_at is None


async def test_unlinking_an_account(site: Front) -> None:
    ann, bob = await signed_in(site), await signed_in(site, "bob@example.org")
    user = await site.users.find(TENANT, "ann@example.org")
    assert user is not None
    savings = await link(site, user)
    broken = await link(
        site, user, account_key="acc-2", account_name="<b>Old</b>", status="needs_reauth"
    )
    page = await ann.get("/account")
    assert "Savings" in page.text
    assert "&lt;b&gt;Old" in page.text
    assert 'data-status="needs_reauth"' in page.text
    assert "Savings" not in (await bob.get("/account")).text
    csrf = {"csrf": bob.markup.forms[0].fields["csrf"]}
    assert (
        await bob.post(f"/account/connections/{savings.id}/disconnect", csrf)
    ).status_code == 404
    response = await ann.press(f"disconnect-{savings.id}")
    assert (response.status_code, response.headers["location"]) == (
        303,
        "/account?done=disconnected",
    )
    page = await ann.follow()
    assert "Savings" not in page.text
    assert broken.id in page.text
    rows = {row.id: row for row in await all_of(site, Connection)}
    assert rows[savings.id].status == "deleted"
    assert rows[broken.id].status == "needs_reauth"


async def test_browsers_that_are_signed_in(site: Front) -> None:
    here, there, elsewhere = [await signed_in(site) for _ in range(3)]
    page = await here.get("/account")
    assert page.text.count("Another browser") == 2
    assert page.text.count("This browser") == 1
    current = await site.sessions.current(there.http.cookies[COOKIE])
    assert current is not None
    assert (await here.press(f"end-{current.session_id}")).status_code == 303
    assert (await there.get("/account")).status_code == 303
    assert (await elsewhere.get("/account")).status_code == 200
    await here.get("/account")
    assert (await here.press("end-others")).status_code == 303
    assert (await elsewhere.get("/account")).status_code == 303
    assert (await here.get("/account")).status_code == 200
    ended = [event for event in await all_of(site, Event) if event.type == "session.ended"]
    assert len(ended) == 2


async def test_a_user_has_so_many_sessions_and_no_more(site: Front) -> None:
    people = [await signed_in(site) for _ in range(22)]
    live = [session for session in await all_of(site, Session) if session.revoked_at is None]
    assert len(live) == 20
    assert (await people[-1].get("/account")).status_code == 200


async def test_sessions_end_by_themselves(site: Front) -> None:
    person = await signed_in(site)
    site.clock.advance(14 * 86_400_000 - 1)
    assert (await person.get("/account")).status_code == 200
    site.clock.advance(1)
    assert (await person.get("/account")).status_code == 303


@pytest.mark.attack("C7")
async def test_a_disabled_user_is_out_at_once_and_stays_out(site: Front) -> None:
    person = await signed_in(site)
    user = await site.users.find(TENANT, "ann@example.org")
    assert user is not None
    await site.users.disable(TENANT, user.id, actor="operator")
    assert (await person.get("/account")).status_code == 303
    await site.users.enable(TENANT, user.id, actor="operator")
    assert (await person.get("/account")).status_code == 303
    await person.sign_in()
    assert (await person.get("/account")).status_code == 200


# Passwords


@pytest.mark.attack("C7")
async def test_changing_the_password(site: Front) -> None:
    here, there = await signed_in(site), await signed_in(site)
    _, tokens = await with_app(site, here)
    old = here.http.cookies[COOKIE]
    new = "a new and longer one"
    await here.get("/account")
    wrong = await here.press("password-submit", password="not it", new_password=new)
    assert wrong.status_code == 403
    assert "not your password now" in wrong.text
    weak = await here.press("password-submit", password=PASSWORD, new_password="password123")
    assert weak.status_code == 400
    response = await here.press("password-submit", password=PASSWORD, new_password=new)
    assert (response.status_code, response.headers["location"]) == (303, "/account?done=password")
    assert here.http.cookies[COOKIE] != old
    assert await site.sessions.current(old) is None
    assert (await there.get("/account")).status_code == 303
    assert (await here.follow()).status_code == 200
    assert await knows(site, tokens) == 401
    login = site.platform.login.by_password
    assert await login(TENANT, "ann@example.org", Secret(PASSWORD), replaces=None) is None
    assert await login(TENANT, "ann@example.org", Secret(new), replaces=None) is not None


async def test_a_first_password_needs_a_recent_login(site: Front) -> None:
    person = site.person()
    await person.get("/signup")
    await person.press("signup-submit", identifier="new@example.org")
    await person.follow()
    await person.press("code-submit", code=site.outbox.code)
    page = await person.follow()
    assert "Set a password" in page.text
    site.clock.advance(16 * 60_000)
    await person.get("/account")
    late = await person.press("password-submit", new_password=PASSWORD)
    assert late.status_code == 403
    assert "sign in again" in late.text
    await person.get("/signup")
    await person.press("signup-submit", identifier="new@example.org")
    await person.follow()
    await person.press("code-submit", code=site.outbox.code)
    await person.follow()
    assert (await person.press("password-submit", new_password=PASSWORD)).status_code == 303
    await site.person().sign_in("new@example.org")


@pytest.mark.attack("K2")
async def test_the_password_cannot_be_guessed_from_an_open_session(site: Front) -> None:
    person = await signed_in(site)
    await person.get("/account")
    form, _ = person.markup.form_with("password-submit")
    codes = []
    for number in range(12):
        data = {**form.fields, "password": f"guess {number}", "new_password": "long enough one"}
        codes.append((await person.http.post("/account/password", data=data)).status_code)
    assert codes == [403] * 10 + [429] * 2


@pytest.mark.attack("I8")
async def test_what_the_query_says_is_not_shown(site: Front) -> None:
    person = await signed_in(site)
    page = await person.get("/account?done=<b>x</b>")
    assert "<b>x" not in page.text
    assert person.markup.by_id("notice") is None
    await person.get("/account?done=revoked")
    assert person.markup.by_id("notice") is not None


@pytest.mark.rfc("OIDC#4")
async def test_an_app_can_be_opened_from_here(site: Front) -> None:
    """Third-party-initiated login: the app is told by whom, and asks for the rest itself."""
    await site.user()
    client = await site.client(initiate_login_uri="https://app.example/start?from=us")
    other = await site.client(client_name="Other")
    person = site.person()
    await person.sign_in()
    for one in (client, other):
        await person.authorize(one)
        await person.follow()
        await person.press("consent-allow")
    page = await person.get("/account")
    link = person.markup.by_id(f"open-{client.id}")
    assert link is not None
    assert "https://app.example/start?from=us&amp;iss=https%3A%2F%2Fid.example" in page.text
    assert person.markup.by_id(f"open-{other.id}") is None
