"""Signing in: by password, by code, and what an attacker learns and gets (groups I and K)."""

import asyncio
import re
from typing import Any

import httpx
import pytest
from tests.web.harness import ISSUER, PASSWORD, TENANT, Front, answer_of, snapshot

from safeconduct.core.model import Counter, Event, Identifier, Session, User
from safeconduct.core.secret import Secret
from safeconduct.core.unit import Find

COOKIE = "__Host-sc_session"


async def all_of(site: Front, record: type[Any]) -> tuple[Any, ...]:
    return await site.store.find(Find(record, {}, limit=1000))


def shape(response: httpx.Response, *names: str) -> tuple[Any, ...]:
    """What somebody can tell apart: status, headers and text, but for what was typed and sealed."""
    text = response.text
    for name in names:
        text = text.replace(name, "NAME")
    lines = [
        line for line in text.splitlines() if 'name="csrf"' not in line and "flow=" not in line
    ]
    fresh = ('name="flow"', 'name="ceremony"', "data-options")
    lines = [line for line in lines if not any(part in line for part in fresh)]
    headers = [name for name in response.headers if name != "content-length"]
    return response.status_code, headers, lines


# By password


async def test_by_password(site: Front) -> None:
    user, person = await site.user(), site.person()
    await person.get("/login")
    response = await person.press("login-submit", username=" ANN@Example.org ", password=PASSWORD)
    assert (response.status_code, response.headers["location"]) == (303, "/account")
    (session,) = await all_of(site, Session)
    assert (session.user_id, session.amr) == (user.id, ("pwd",))
    assert session.digest not in person.http.cookies[COOKIE].encode()


@pytest.mark.attack("K1")
async def test_known_and_unknown_users_look_alike(site: Front) -> None:
    await site.user()
    await site.user("codes@example.org", password=None)
    gone = await site.user("gone@example.org")
    await site.users.disable(TENANT, gone.id, actor="operator")
    names = ["ann@example.org", "nobody@example.org", "codes@example.org", "gone@example.org"]
    seen = []
    for name in names:
        person = site.person()
        await person.get("/login")
        typed = PASSWORD if name == "gone@example.org" else "a wrong password"
        seen.append(shape(await person.press("login-submit", username=name, password=typed), name))
        assert COOKIE not in person.http.cookies
    assert all(one == seen[0] for one in seen)
    assert seen[0][0] == 403


@pytest.mark.attack("K2")
async def test_guessing_ends_whoever_seems_to_guess(site: Front) -> None:
    await site.user()
    await site.user("bob@example.org")
    person = site.person()
    await person.get("/login")
    form, _ = person.markup.form_with("login-submit")
    wrong = {**form.fields, "username": "ann@example.org", "password": "wrong"}

    async def guess(number: int) -> int:
        headers = {"x-forwarded-for": f"198.51.100.{number}", "forwarded": f"for=10.0.0.{number}"}
        return (await person.http.post("/login", data=wrong, headers=headers)).status_code

    answers = [await guess(number) for number in range(12)]
    assert answers == [403] * 10 + [429] * 2
    right = {**wrong, "password": PASSWORD}
    refused = await person.http.post("/login", data=right)
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) > 0
    await site.person().sign_in("bob@example.org")
    site.clock.advance(15 * 60_000)
    await site.person().sign_in()


@pytest.mark.attack("K1")
async def test_unknown_names_are_throttled_too(site: Front) -> None:
    person = site.person()
    await person.get("/login")
    for expected in [403] * 10 + [429]:
        await person.get("/login")
        got = await person.press("login-submit", username="nobody@example.org", password="x")
        assert got.status_code == expected


@pytest.mark.attack("K2")
async def test_guesses_at_once_are_guesses(site: Front) -> None:
    await site.user()
    answers = await asyncio.gather(
        *(
            site.platform.login.by_password(
                TENANT, "ann@example.org", Secret(f"wrong {n}"), replaces=None
            )
            for n in range(20)
        ),
        return_exceptions=True,
    )
    assert sum(answer is None for answer in answers) == 10
    assert len(await all_of(site, Counter)) == 1


async def test_right_passwords_are_no_guesses(site: Front) -> None:
    await site.user()
    for _ in range(15):
        assert await site.platform.login.by_password(
            TENANT, "ann@example.org", Secret(PASSWORD), replaces=None
        )


async def test_failures_of_real_accounts_are_on_record_once(site: Front) -> None:
    user = await site.user()
    for name in ("ann@example.org", "nobody@example.org", "not even an address"):
        await site.platform.login.by_password(TENANT, name, Secret("x"), replaces=None)
    denied = [event for event in await all_of(site, Event) if event.outcome == "denied"]
    assert [(event.type, event.user_id) for event in denied] == [("user.login", user.id)]


NOT_OURS: tuple[dict[str, str], ...] = (
    {"origin": "https://evil.test"},
    {"origin": "null"},
    {"origin": "http://id.example"},
    {"origin": "https://id.example.evil.test"},
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site", "origin": ISSUER},
    {"sec-fetch-site": "none"},
    {"sec-fetch-site": "cross-site", "origin": "null"},
)


@pytest.mark.attack("I1")
async def test_login_from_elsewhere(site: Front) -> None:
    await site.user()
    person = site.person()
    await person.get("/login")
    form, _ = person.markup.form_with("login-submit")
    data = {**form.fields, "username": "ann@example.org", "password": PASSWORD}
    before = await snapshot(site.store)
    for headers in NOT_OURS:
        refused = await person.http.post("/login", data=data, headers=headers)
        assert refused.status_code == 403, headers
        assert 'data-code="form_expired"' in refused.text
        assert COOKIE not in person.http.cookies
    assert await snapshot(site.store) == before
    ours = {"origin": "null", "sec-fetch-site": "same-origin"}
    assert (await person.http.post("/login", data=data, headers=ours)).status_code == 303


@pytest.mark.attack("I1")
@pytest.mark.attack("I2")
async def test_forms_that_are_not_ours(site: Front) -> None:
    await site.user()
    eve, person = site.person(), site.person()
    await eve.get("/login")
    foreign, _ = eve.markup.form_with("login-submit")
    await person.get("/login")
    own, _ = person.markup.form_with("login-submit")
    typed = {"username": "ann@example.org", "password": PASSWORD}
    for csrf in (None, "", "x", foreign.fields["csrf"], own.fields["csrf"][:-2]):
        data = {**typed, **({} if csrf is None else {"csrf": csrf})}
        assert (await person.http.post("/login", data=data)).status_code == 403
    as_json = await person.http.post("/login", json={**own.fields, **typed})
    as_text = await person.http.post(
        "/login", content=b'{"csrf":"="}', headers={"content-type": "text/plain"}
    )
    twice = await person.http.post("/login", data={**typed, "csrf": [own.fields["csrf"]] * 2})
    assert (as_json.status_code, as_text.status_code, twice.status_code) == (403, 403, 400)
    assert (await person.http.post("/login", data={**own.fields, **typed})).status_code == 303
    again = await person.http.post("/login", data={**own.fields, **typed})
    assert again.status_code == 403, "the form is from before the login"


@pytest.mark.attack("I5")
async def test_a_session_is_new_at_each_login(site: Front) -> None:
    await site.user()
    await site.user("bob@example.org")
    person = site.person()
    person.http.cookies.set(COOKIE, "sc_ses_t1.ses_planted.secret", domain="id.example")
    await person.sign_in()
    first = person.http.cookies[COOKIE]
    assert "planted" not in first
    assert await site.sessions.current("sc_ses_t1.ses_planted.secret") is None
    response = await person.get("/login")
    assert response.status_code == 303, "who is signed in has nothing to do here"
    client = await site.client()
    await person.authorize(client, prompt="login")
    await person.follow()
    await person.press("login-submit", username="bob@example.org", password=PASSWORD)
    second = person.http.cookies[COOKIE]
    assert second != first
    assert await site.sessions.current(first) is None
    now = await site.sessions.current(second)
    assert now is not None
    bob = await site.users.find(TENANT, "bob@example.org")
    assert bob is not None
    assert now.user_id == bob.id


@pytest.mark.attack("I6")
async def test_cookies(site: Front) -> None:
    await site.user()
    person = site.person()
    page = await person.get("/login")
    login = await person.press("login-submit", username="ann@example.org", password=PASSWORD)
    cookies = page.headers.get_list("set-cookie") + login.headers.get_list("set-cookie")
    assert len(cookies) == 2
    for cookie in cookies:
        name, _, rest = cookie.partition("=")
        flags = {part.strip().lower() for part in rest.split(";")[1:]}
        assert name.startswith("__Host-sc_")
        assert {"secure", "httponly", "samesite=lax", "path=/"} <= flags
        assert not any(flag.startswith("domain") for flag in flags)


@pytest.mark.attack("I6")
async def test_a_tossed_cookie_without_the_prefix_is_not_looked_at(site: Front) -> None:
    await site.user()
    person, victim = site.person(), site.person()
    await person.sign_in()
    client = await site.client()
    victim.http.cookies.set("sc_session", person.http.cookies[COOKIE], domain="id.example")
    response = await victim.authorize(client)
    assert response.headers["location"].startswith("/login")


@pytest.mark.attack("I3")
@pytest.mark.attack("I8")
@pytest.mark.attack("I11")
@pytest.mark.attack("I12")
async def test_headers_of_every_page(site: Front) -> None:
    client = await site.client()
    await site.user()
    person = site.person()
    pages = [await person.get("/login"), await person.get("/signup")]
    pages += [await person.authorize(client), await person.follow()]
    await person.press("login-submit", username="ann@example.org", password=PASSWORD)
    pages += [await person.follow(), await person.press("consent-deny")]
    pages += [await person.get("/oauth2/logout"), await person.get("/nowhere")]
    pages += [await person.get("/oauth2/authorize?client_id=x"), await person.post("/login", {})]
    for page in pages:
        headers = page.headers
        assert headers["cache-control"] == "no-store"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert "access-control-allow-origin" not in headers
        if page.status_code == 303:
            continue
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "base-uri 'none'" in policy
        assert "unsafe" not in policy
        scripts = re.findall(r"<script[^>]*>", page.text)
        assert all(re.fullmatch(r'<script type="module" src="/static/[^"]*">', s) for s in scripts)
        assert bool(scripts) == ("script-src 'self'" in policy)
        assert " style=" not in page.text
        assert " onclick" not in page.text
        for link in ("src=", "href="):
            for part in page.text.split(link)[1:]:
                assert part.startswith('"/') or part.startswith('"#'), (
                    "nothing comes from elsewhere"
                )


@pytest.mark.attack("I8")
@pytest.mark.attack("G7")
async def test_names_are_shown_as_text_and_without_tricks(site: Front) -> None:
    evil = '<b onclick="x">Goo\u202egle\u200b</b>'
    client = await site.client(client_name=evil)
    await site.user()
    person = site.person()
    await person.authorize(client, login_hint='"><script>alert(1)</script>')
    page = await person.follow()
    assert "<script>" not in page.text
    assert "&lt;script&gt;" in page.text
    await person.press("login-submit", username="ann@example.org", password=PASSWORD)
    page = await person.follow()
    assert "<b " not in page.text
    assert "\u202e" not in page.text
    assert "\u200b" not in page.text
    assert "Google&lt;/b&gt;" in page.text
    assert person.markup.by_id("unverified") is not None
    host = person.markup.by_id("consent-host")
    assert host is not None
    assert host.text == "app.example"


@pytest.mark.attack("G7")
async def test_a_client_that_an_operator_vouches_for_has_no_warning(site: Front) -> None:
    client = await site.client(verified=True)
    await site.user()
    person = site.person()
    await person.sign_in()
    await person.authorize(client)
    await person.follow()
    assert person.markup.by_id("unverified") is None
    assert person.markup.by_id("consent-allow") is not None


# By code


async def sent_code(site: Front, email: str = "new@example.org") -> Any:
    person = site.person()
    await person.get("/signup")
    await person.press("signup-submit", identifier=email)
    await person.follow()
    return person


async def test_sign_up_and_sign_in_by_code_are_one_journey(site: Front) -> None:
    person = await sent_code(site)
    assert await all_of(site, User) == ()
    code = site.outbox.code
    response = await person.press("code-submit", code=f" {code[:3]}-{code[3:]} ")
    assert (response.status_code, response.headers["location"]) == (303, "/account")
    (user,) = await all_of(site, User)
    (name,) = await all_of(site, Identifier)
    assert (user.number, user.role, user.password_hash) == (1, "user", None)
    assert (name.value, name.user_id) == ("new@example.org", user.id)
    assert name.verified_at == site.clock.now()
    again = await sent_code(site, "NEW@example.org")
    assert (await again.press("code-submit", code=site.outbox.code)).status_code == 303
    assert len(await all_of(site, User)) == 1
    types = sorted(event.type for event in await all_of(site, Event) if event.user_id == user.id)
    assert types == ["user.login", "user.login", "user.signup"]


async def test_a_new_user_goes_on_to_consent(site: Front) -> None:
    client, person = await site.client(), site.person()
    await person.authorize(client)
    await person.follow()
    link = person.markup.by_id("signup-link")
    assert link is not None
    await person.get(link.attributes["href"])
    await person.press("signup-submit", identifier="new@example.org")
    await person.follow()
    await person.press("code-submit", code=site.outbox.code)
    assert (await person.follow()).url.path == "/oauth2/consent"
    assert "code" in answer_of(await person.press("consent-allow"))


@pytest.mark.attack("K1")
async def test_who_asks_for_a_code_learns_nothing(site: Front) -> None:
    await site.user()
    seen = []
    for email in ("ann@example.org", "nobody@example.org"):
        person = site.person()
        await person.get("/signup")
        sent = await person.press("signup-submit", identifier=email)
        page = await person.follow()
        seen.append((shape(page, email), sent.status_code, sent.headers["location"][:20]))
        text = site.outbox.sent[-1].text.replace(site.outbox.code, "CODE")
        seen[-1] += (text, site.outbox.sent[-1].subject)
    assert seen[0] == seen[1]


async def test_no_row_before_the_code_is_right(site: Front) -> None:
    before = await snapshot(site.store)
    person = await sent_code(site)
    assert (await person.press("code-submit", code="000000x")).status_code == 403
    assert await snapshot(site.store) == before


@pytest.mark.attack("K2")
async def test_five_tries_a_code(site: Front) -> None:
    person = await sent_code(site)
    code = site.outbox.code
    wrong = "111111" if code != "111111" else "222222"
    form, _ = person.markup.form_with("code-submit")

    async def guess(code: str) -> int:
        data = {**form.fields, "code": code}
        return (await person.http.post("/signup/code", data=data)).status_code

    answers = await asyncio.gather(*(guess(wrong) for _ in range(8)))
    assert sorted(answers) == [403] * 5 + [429] * 3
    assert await guess(code) == 429
    assert await all_of(site, User) == ()
    other = await sent_code(site)
    assert (await other.press("code-submit", code=site.outbox.code)).status_code == 303


async def test_a_code_works_once_and_only_in_its_browser(site: Front) -> None:
    person, eve = await sent_code(site), site.person()
    code = site.outbox.code
    form, _ = person.markup.form_with("code-submit")
    await eve.get("/login")
    eve_form, _ = eve.markup.form_with("login-submit")
    stolen = {**form.fields, "csrf": eve_form.fields["csrf"], "code": code}
    assert 'data-code="flow_expired"' in (await eve.http.post("/signup/code", data=stolen)).text
    answers = await asyncio.gather(
        *(person.http.post("/signup/code", data={**form.fields, "code": code}) for _ in range(4))
    )
    assert sorted(answer.status_code for answer in answers) == [303, 400, 400, 400]
    assert len(await all_of(site, User)) == 1
    assert len(await all_of(site, Session)) == 1


async def test_a_code_of_another_address_does_not_fit(site: Front) -> None:
    ann = await sent_code(site, "ann@example.org")
    anns = site.outbox.code
    eve = await sent_code(site, "eve@example.org")
    if site.outbox.code != anns:
        assert (await eve.press("code-submit", code=anns)).status_code == 403
    assert (await ann.press("code-submit", code=anns)).status_code == 303


async def test_a_code_grows_old(site: Front) -> None:
    person = await sent_code(site)
    site.clock.advance(10 * 60_000)
    response = await person.press("code-submit", code=site.outbox.code)
    assert 'data-code="code_expired"' in response.text
    assert await all_of(site, User) == ()


async def test_a_mailbox_is_not_flooded(site: Front) -> None:
    for _ in range(5):
        await sent_code(site)
    person = site.person()
    await person.get("/signup")
    refused = await person.press("signup-submit", identifier="new@example.org")
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) > 0
    assert len(site.outbox.sent) == 5
    await sent_code(site, "other@example.org")
    site.clock.advance(15 * 60_000)
    await sent_code(site)
    assert len(site.outbox.sent) == 7


async def test_send_another_code(site: Front) -> None:
    person = await sent_code(site)
    first = site.outbox.code
    await person.press("code-resend")
    await person.follow()
    assert len(site.outbox.sent) == 2
    if site.outbox.code != first:
        assert (await person.press("code-submit", code=first)).status_code == 403
    assert (await person.press("code-submit", code=site.outbox.code)).status_code == 303


async def test_mail_that_cannot_be_sent_is_said(site: Front) -> None:
    person = site.person()
    site.outbox.broken = True
    await person.get("/signup")
    response = await person.press("signup-submit", identifier="new@example.org")
    assert response.status_code == 503
    assert "could not be sent" in response.text
    for wrong in ("", "no address", "+436601234567", "a@b", "a\x00@example.org"):
        await person.get("/signup")
        assert (await person.press("signup-submit", identifier=wrong)).status_code == 400


async def test_a_disabled_user_is_told_so_once_the_code_was_right(site: Front) -> None:
    user = await site.user()
    await site.users.disable(TENANT, user.id, actor="operator")
    person = await sent_code(site, "ann@example.org")
    response = await person.press("code-submit", code=site.outbox.code)
    assert response.status_code == 403
    assert 'data-code="account_disabled"' in response.text
    assert await all_of(site, Session) == ()


async def test_two_browsers_sign_up_the_same_address_at_once(site: Front) -> None:
    people, codes = [], []
    for _ in range(3):
        people.append(await sent_code(site))
        codes.append(site.outbox.code)
    answers = await asyncio.gather(
        *(
            person.press("code-submit", code=code)
            for person, code in zip(people, codes, strict=True)
        )
    )
    assert [answer.status_code for answer in answers] == [303] * 3
    assert len(await all_of(site, User)) == 1
    assert len(await all_of(site, Session)) == 3
