"""A second step by authenticator app: RFC 6238, as a person meets it."""

import asyncio
import re

import pyotp
import pytest
from tests.web.account.test_account import all_of, signed_in
from tests.web.harness import PASSWORD, TENANT, Front, Person, snapshot
from tests.web.oauth2.test_step_up import EMAIL, allowed, by_code, claims_of

from safeconduct.core.acr import MULTI, SINGLE
from safeconduct.core.model import Authenticator, Event, RecoveryCode, Session
from safeconduct.core.totp import STEP

COOKIE = "__Host-sc_session"


class App:
    """An authenticator app on somebody's phone."""

    def __init__(self, site: Front, secret: str) -> None:
        self.site, self.totp = site, pyotp.TOTP(secret.replace(" ", ""))

    def code(self, steps: int = 0) -> str:
        return self.totp.generate_otp(self.site.clock.now() // STEP + steps)

    @property
    def wrong(self) -> str:
        """Six digits that are the code of no moment near."""
        near = {self.code(steps) for steps in (-1, 0, 1)}
        return next(text for text in ("000000", "111111", "222222", "333333") if text not in near)


async def with_app(site: Front, person: Person, password: str = PASSWORD) -> tuple[App, list[str]]:
    """Add an app in the account page; then time goes on, so that its next code is a new one."""
    await person.get("/account/authenticator")
    key = person.markup.by_id("secret")
    assert key is not None
    app = App(site, key.text)
    page = await person.press("authenticator-submit", code=app.code(), password=password)
    assert page.status_code == 200, page.text
    codes = re.findall(r"<li>([a-z2-7-]{19})</li>", page.text)
    site.clock.advance(STEP)
    return app, codes


async def first_step(site: Front, **typed: str) -> Person:
    """Somebody in another browser who knows the password."""
    person = site.person()
    await person.get("/login")
    await person.press("login-submit", **{"username": EMAIL, "password": PASSWORD, **typed})
    await person.follow()
    return person


def is_in(person: Person) -> bool:
    return COOKIE in person.http.cookies


@pytest.mark.rfc("6238#4")
@pytest.mark.attack("K3")
async def test_a_password_alone_is_half_a_login(site: Front) -> None:
    app, codes = await with_app(site, await signed_in(site))
    assert len(set(codes)) == 10
    sessions = len(await all_of(site, Session))
    person = await first_step(site)
    assert person.page is not None
    assert person.page.url.path == "/login/second"
    assert not is_in(person)
    assert len(await all_of(site, Session)) == sessions
    assert (await person.press("second-submit", code=app.wrong)).status_code == 403
    assert not is_in(person)
    assert (await person.press("second-submit", code=app.code())).status_code == 303
    assert is_in(person)
    assert (await person.get("/account")).status_code == 200


@pytest.mark.rfc("6238#5.2")
@pytest.mark.attack("K3")
async def test_a_code_is_good_once_and_near_its_time(site: Front) -> None:
    first = await signed_in(site)
    app, _ = await with_app(site, first)
    code = app.code()
    person = await first_step(site)
    assert (await person.press("second-submit", code=code)).status_code == 303
    other = await first_step(site)
    assert (await other.press("second-submit", code=code)).status_code == 403
    assert (await other.press("second-submit", code=app.code(-1))).status_code == 403
    assert (await other.press("second-submit", code=app.code(2))).status_code == 403
    assert (await other.press("second-submit", code=app.code(1))).status_code == 303  # fast clock


@pytest.mark.rfc("6238#5.2")
async def test_the_code_that_added_the_app_signs_nobody_in(site: Front) -> None:
    person = await signed_in(site)
    await person.get("/account/authenticator")
    key = person.markup.by_id("secret")
    assert key is not None
    app = App(site, key.text)
    code = app.code()
    await person.press("authenticator-submit", code=code, password=PASSWORD)
    other = await first_step(site)
    assert (await other.press("second-submit", code=code)).status_code == 403
    assert (await other.press("second-submit", code=app.code(1))).status_code == 303


@pytest.mark.attack("K3")
async def test_thirty_two_guesses_at_once_are_five(site: Front) -> None:
    app, _ = await with_app(site, await signed_in(site))
    person = await first_step(site)
    form, _ = person.markup.form_with("second-submit")

    async def guess(code: str) -> int:
        sent = await person.http.post(form.action, data={**form.fields, "code": code})
        return sent.status_code

    near = {app.code(steps) for steps in (-1, 0, 1)}
    wrong = [f"{number:06d}" for number in range(40) if f"{number:06d}" not in near][:32]
    told = await asyncio.gather(*map(guess, wrong))
    assert sorted(told) == [403] * 5 + [429] * 27
    assert await guess(app.code()) == 429  # the right one too, for whoever has guessed
    denied = [e for e in await all_of(site, Event) if e.rule == "factor.mismatch"]
    assert len(denied) == 5
    site.clock.advance(15 * 60_000)
    later = await first_step(site)
    assert (await later.press("second-submit", code=app.code())).status_code == 303


@pytest.mark.attack("K3")
@pytest.mark.attack("A21")
async def test_no_step_is_skipped(site: Front) -> None:
    app, codes = await with_app(site, await signed_in(site))
    before = await snapshot(site.store)
    stranger = site.person()
    assert (await stranger.get("/login/second")).status_code == 400  # no first step
    await stranger.get("/login")
    csrf = stranger.markup.forms[0].fields["csrf"]
    for code in (app.code(), codes[0]):
        sent = await stranger.post("/login/second", {"csrf": csrf, "code": code})
        assert sent.status_code == 400
        sent = await stranger.post(
            "/login", {"csrf": csrf, "username": EMAIL, "password": "wrong", "code": code}
        )
        assert sent.status_code == 403
    assert await snapshot(site.store) == before
    # half a login belongs to the browser that began it
    person = await first_step(site)
    form, _ = person.markup.form_with("second-submit")
    taken = {**form.fields, "csrf": csrf, "code": app.code()}
    assert (await stranger.post("/login/second", taken)).status_code == 400
    assert (await person.press("second-submit", code=app.code())).status_code == 303


@pytest.mark.attack("K3")
async def test_half_a_login_ends_with_its_time_its_use_and_the_password(site: Front) -> None:
    first = await signed_in(site)
    app, _ = await with_app(site, first)
    late = await first_step(site)
    form, _ = late.markup.form_with("second-submit")
    site.clock.advance(10 * 60_000)
    assert (await late.press("second-submit", code=app.code())).status_code == 403
    used = await first_step(site)
    form, _ = used.markup.form_with("second-submit")
    assert (await used.press("second-submit", code=app.code())).status_code == 303
    site.clock.advance(STEP)
    used.http.cookies.delete(COOKIE)
    again = await used.post(form.action, {**form.fields, "code": app.code()})
    assert again.status_code == 403
    assert 'data-code="login_expired"' in again.text
    parked = await first_step(site)
    await first.get("/account")
    changed = {"password": PASSWORD, "new_password": "another long one"}
    assert (await first.press("password-submit", **changed)).status_code == 303
    site.clock.advance(STEP)
    assert (await parked.press("second-submit", code=app.code())).status_code == 403
    fresh = await first_step(site, password="another long one")
    assert (await fresh.press("second-submit", code=app.code())).status_code == 303


@pytest.mark.attack("K3")
async def test_recovery_codes_are_good_once_and_not_stored(site: Front) -> None:
    app, codes = await with_app(site, await signed_in(site))
    rows = await all_of(site, RecoveryCode)
    assert len(rows) == 10
    assert not any(code.replace("-", "") in repr(rows) for code in codes)
    one = await first_step(site)
    typed = codes[3].upper().replace("-", " ")  # as people type
    assert (await one.press("second-submit", code=typed)).status_code == 303
    two = await first_step(site)
    assert (await two.press("second-submit", code=codes[3])).status_code == 403
    assert (await two.press("second-submit", code=codes[4])).status_code == 303
    used = [e.detail for e in await all_of(site, Event) if e.type == "recovery_code.used"]
    assert used == [{"left": 9}, {"left": 8}]
    await two.get("/account/authenticator")
    page = await two.press("codes-submit", code=app.code())
    fresh = re.findall(r"<li>([a-z2-7-]{19})</li>", page.text)
    three = await first_step(site)
    assert (await three.press("second-submit", code=codes[5])).status_code == 403
    assert (await three.press("second-submit", code=fresh[0])).status_code == 303


@pytest.mark.attack("K3")
async def test_an_open_browser_neither_adds_nor_removes_an_app(site: Front) -> None:
    person = await signed_in(site)
    await person.get("/account/authenticator")
    key = person.markup.by_id("secret")
    assert key is not None
    app = App(site, key.text)
    before = await snapshot(site.store)
    for typed in (
        {"code": app.code(), "password": "wrong password"},
        {"code": app.wrong, "password": PASSWORD},
    ):
        assert (await person.press("authenticator-submit", **typed)).status_code in (400, 403)
    assert await snapshot(site.store) == before
    codes = await person.press("authenticator-submit", code=app.code(), password=PASSWORD)
    assert codes.status_code == 200
    (row,) = await all_of(site, Authenticator)
    assert key.text.replace(" ", "").encode() not in row.sealed
    site.clock.advance(STEP)
    for button in ("authenticator-remove", "codes-submit"):
        await person.get("/account/authenticator")
        assert (await person.press(button, code=app.wrong)).status_code == 400
    assert await all_of(site, Authenticator) == (row,)
    # nor does a token of theirs: there is no such thing in the API
    await person.get("/account/authenticator")
    assert (await person.press("authenticator-remove", code=app.code())).status_code == 303
    assert await all_of(site, Authenticator) == ()
    assert await all_of(site, RecoveryCode) == ()
    assert is_in(await first_step(site))
    told = [e.type for e in await all_of(site, Event) if e.type.startswith("second_factor")]
    assert told == ["second_factor.added", "second_factor.removed"]


@pytest.mark.rfc("9470#4")
async def test_two_steps_are_two_factors_to_apps(site: Front) -> None:
    client = await site.client()
    app, _ = await with_app(site, await signed_in(site))
    person = site.person()
    await person.authorize(client, acr_values=MULTI)
    await person.follow()
    await person.press("login-submit", username=EMAIL, password=PASSWORD)
    page = await person.follow()
    assert page.url.path == "/login/second"
    await person.press("second-submit", code=app.code())
    assert (await person.follow()).url.path == "/oauth2/consent"
    said = await claims_of(site, client, await person.press("consent-allow"))
    assert (said["acr"], said["amr"]) == (MULTI, ["otp", "pwd", "mfa"])


@pytest.mark.rfc("9470#4")
async def test_an_app_steps_up_a_session_from_before(site: Front) -> None:
    client, old = await site.client(), await signed_in(site)
    app, _ = await with_app(site, await signed_in(site))
    await old.authorize(client, acr_values=MULTI)
    assert (await old.follow()).url.path == "/login/second"
    before = old.http.cookies[COOKIE]
    await old.press("second-submit", code=app.code())
    assert old.http.cookies[COOKIE] != before
    assert (await old.follow()).url.path == "/oauth2/consent"
    said = await claims_of(site, client, await old.press("consent-allow"))
    assert said["acr"] == MULTI


async def test_a_mailed_code_needs_the_app_too_and_is_of_the_same_kind(site: Front) -> None:
    client = await site.client()
    app, _ = await with_app(site, await signed_in(site))
    person = site.person()
    await person.get("/signup")
    page = await by_code(site, person)
    assert page.url.path == "/login/second"
    assert not is_in(person)
    await person.press("second-submit", code=app.code())
    said = await claims_of(site, client, await allowed(person, client))
    assert (said["acr"], said["amr"]) == (SINGLE, ["otp"])  # two things to have, none to know


async def test_an_operator_takes_a_lost_app_away(site: Front) -> None:
    await with_app(site, await signed_in(site))
    user = await site.users.find(TENANT, EMAIL)
    assert user is not None
    reset = site.platform.second_factor.reset
    assert await reset(user, actor="operator")
    assert not await reset(user, actor="operator")
    assert is_in(await first_step(site))
    (told,) = [e for e in await all_of(site, Event) if e.type == "second_factor.removed"]
    assert told.actor == "operator"


async def test_the_vault_may_get_a_new_key(site: Front) -> None:
    app, _ = await with_app(site, await signed_in(site))
    (before,) = await all_of(site, Authenticator)
    await site.platform.vault_rotation.rotate(TENANT, actor="operator")
    (after,) = await all_of(site, Authenticator)
    assert before.sealed != after.sealed
    person = await first_step(site)
    assert (await person.press("second-submit", code=app.code())).status_code == 303
