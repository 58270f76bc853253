"""Passkeys, from the account page to a login with nothing to type: Web Authentication Level 3."""

from dataclasses import replace

import pytest
from tests.authenticator import PRESENT, VERIFIED, SoftPasskey
from tests.conftest import SettableClock
from tests.web.account.test_account import all_of, signed_in
from tests.web.harness import ISSUER, PASSWORD, TENANT, Front, Person, front, snapshot
from tests.web.live import chromium, listen, serve
from tests.web.oauth2.test_authorize_page import is_red
from tests.web.oauth2.test_second_factor import first_step, is_in, with_app
from tests.web.oauth2.test_step_up import EMAIL, allowed, claims_of
from tests.web.screens import press

from safeconduct.adapters.store import SqliteStore
from safeconduct.core.acr import MULTI, PHISHING_RESISTANT
from safeconduct.core.model import Event, Passkey

COOKIE = "__Host-sc_session"


def options(person: Person) -> str:
    """What the page would ask of the browser."""
    form = person.markup.by_id("passkey-form")
    assert form is not None
    return form.attributes["data-options"]


async def added(site: Front, person: Person, key: SoftPasskey | None = None) -> SoftPasskey:
    key = key or SoftPasskey(site.issuer)
    await person.get("/account/passkeys")
    answer = key.create(options(person))
    done = await person.press("passkey-submit", answer=answer, label="Phone", password=PASSWORD)
    assert done.status_code == 303, done.text
    return key


async def enter(site: Front, key: SoftPasskey, **changed: str) -> Person:
    """Somebody else's browser, which has the passkey."""
    person = site.person()
    await person.get("/login")
    await person.press("passkey-submit", answer=key.get(options(person), **changed))
    return person


@pytest.mark.attack("K3")
async def test_a_passkey_signs_in_and_is_two_factors(site: Front) -> None:
    client, owner = await site.client(), await signed_in(site)
    key = await added(site, owner)
    key.count += 1
    person = await enter(site, key)
    assert is_in(person)
    assert (await person.follow()).url.path == "/account"
    said = await claims_of(site, client, await allowed(person, client, acr_values=MULTI))
    assert (said["acr"], said["amr"]) == (PHISHING_RESISTANT, ["pop", "user", "mfa"])


@pytest.mark.attack("K3")
async def test_answers_that_are_not_right(site: Front) -> None:
    owner, eve = await signed_in(site), await signed_in(site, "eve@example.org")
    key = await added(site, owner)
    eves = await added(site, eve)
    key.count += 1
    before = await snapshot(site.store)
    for wrong, changed in (
        (replace(key, origin="https://id.example.evil.test"), {}),  # a page that looks like ours
        (key, {"rp": "evil.test"}),
        (key, {"challenge": "A" * 43}),
        (key, {"user": eves.user}),
        (replace(key, flags=PRESENT), {}),  # nobody was verified
        (replace(key, flags=VERIFIED), {}),  # nobody was there
        (replace(key, key=eves.key), {}),
        (replace(key, id=b"another-one-here"), {}),
        (replace(key, count=1), {}),  # a copy
    ):
        assert not is_in(await enter(site, wrong, **changed))
    for nothing in ("", "{}", "[]", "null", "x", '{"id":1}', "[" * 20_000, "9" * 40_000):
        person = site.person()
        await person.get("/login")
        told = await person.press("passkey-submit", answer=nothing)
        assert told.status_code == 403
    assert await snapshot(site.store) == before
    assert is_in(await enter(site, key))
    denied = [e for e in await all_of(site, Event) if e.rule == "factor.passkey"]
    assert len(denied) == 7  # of those that named a passkey of ours, and its owner


@pytest.mark.attack("K3")
@pytest.mark.attack("I5")
async def test_a_challenge_is_good_once_in_its_browser_and_for_a_while(site: Front) -> None:
    owner = await signed_in(site)
    key = await added(site, owner)
    key.count += 1
    person, other = site.person(), site.person()
    await person.get("/login")
    form, _ = person.markup.form_with("passkey-submit")
    answer = key.get(options(person))
    await other.get("/login")
    foreign, _ = other.markup.form_with("passkey-submit")
    taken = {**foreign.fields, "ceremony": form.fields["ceremony"], "answer": answer}
    assert (await other.post("/login/passkey", taken)).status_code == 403
    assert (
        await other.post("/login/passkey", {**foreign.fields, "answer": answer})
    ).status_code == 403
    person.http.cookies.set(COOKIE, "planted", domain="id.example")
    await person.get("/login")
    form, _ = person.markup.form_with("passkey-submit")
    answer = key.get(options(person))
    sent = {**form.fields, "answer": answer}
    assert (await person.post("/login/passkey", sent)).status_code == 303
    assert person.http.cookies.get(COOKIE, domain="id.example") != "planted"
    again = site.person()
    again.http.cookies = person.http.cookies
    await again.get("/account")
    csrf = again.markup.forms[0].fields["csrf"]
    twice = {**sent, "csrf": csrf, "answer": answer}
    assert (await again.post("/login/passkey", twice)).status_code == 403
    late = site.person()
    await late.get("/login")
    key.count += 1
    answer = key.get(options(late))
    site.clock.advance(5 * 60_000)
    assert (await late.press("passkey-submit", answer=answer)).status_code == 403
    assert is_in(await enter(site, key))


async def test_a_passkey_takes_no_second_step_and_a_password_still_does(site: Front) -> None:
    owner = await signed_in(site)
    await with_app(site, owner)
    key = await added(site, owner)
    key.count += 1
    assert is_in(await enter(site, key))
    assert not is_in(await first_step(site))


@pytest.mark.attack("I2")
@pytest.mark.attack("K3")
async def test_only_the_owner_adds_and_removes_with_a_password(site: Front) -> None:
    owner, eve = await signed_in(site), await signed_in(site, "eve@example.org")
    key = SoftPasskey(ISSUER)
    await owner.get("/account/passkeys")
    answer = key.create(options(owner))
    wrong = await owner.press("passkey-submit", answer=answer, label="x", password="wrong")
    assert wrong.status_code == 403
    assert await all_of(site, Passkey) == ()
    await added(site, owner, key)
    await owner.get("/account/passkeys")
    again = await owner.press(
        "passkey-submit", answer=key.create(options(owner)), label="", password=PASSWORD
    )
    assert again.status_code == 409
    (row,) = await all_of(site, Passkey)
    await eve.get("/account/passkeys")
    csrf = eve.markup.forms[0].fields["csrf"]
    path = f"/account/passkeys/{row.id}/remove"
    assert (await eve.post(path, {"csrf": csrf, "password": PASSWORD})).status_code == 404
    await owner.get("/account/passkeys")
    assert (await owner.press("remove-1", password="wrong")).status_code == 403
    await owner.get("/account/passkeys")
    assert (await owner.press("remove-1", password=PASSWORD)).status_code == 303
    key.count += 1
    assert not is_in(await enter(site, key))
    told = [e.type for e in await all_of(site, Event) if e.type.startswith("passkey")]
    assert told == ["passkey.added", "passkey.removed"]


@pytest.mark.rfc("9470#4")
async def test_an_app_may_want_what_cannot_be_phished(site: Front) -> None:
    client, owner = await site.client(), await signed_in(site)
    response = await owner.authorize(client, acr_values=PHISHING_RESISTANT)
    assert is_red(response, "unmet_authentication_requirements")
    key = await added(site, owner)
    key.count += 1
    await owner.authorize(client, acr_values=PHISHING_RESISTANT)
    assert (await owner.follow()).url.path == "/login"
    await owner.press("passkey-submit", answer=key.get(options(owner)))
    assert (await owner.follow()).url.path == "/oauth2/consent"
    said = await claims_of(site, client, await owner.press("consent-allow"))
    assert said["acr"] == PHISHING_RESISTANT


async def test_a_disabled_user_and_a_lost_device(site: Front) -> None:
    owner = await signed_in(site)
    key = await added(site, owner)
    user = await site.users.find(TENANT, EMAIL)
    assert user is not None
    key.count += 1
    await site.users.disable(TENANT, user.id, actor="operator")
    assert not is_in(await enter(site, key))
    await site.users.enable(TENANT, user.id, actor="operator")
    assert is_in(await enter(site, key))
    assert await site.platform.second_factor.reset(user, actor="operator")
    key.count += 1
    assert not is_in(await enter(site, key))


async def test_where_the_server_has_no_name_there_are_none(
    store: SqliteStore, clock: SettableClock
) -> None:
    site = await front(store, clock, "http://127.0.0.1:8400")
    person = site.person()
    await person.get("/login")
    assert person.markup.by_id("passkey-form") is None
    metadata = (await person.get("/.well-known/openid-configuration")).json()
    assert PHISHING_RESISTANT not in metadata["acr_values_supported"]


@pytest.mark.browser
async def test_a_browser_adds_a_passkey_and_signs_in_with_it(
    sqlite_store: SqliteStore, clock: SettableClock
) -> None:
    listener, origin = listen()
    origin = origin.replace("127.0.0.1", "localhost")
    site = await front(sqlite_store, clock, origin)
    await site.user()
    async with serve(site.app, listener), chromium() as context:
        page = await context.new_page()
        said: list[str] = []
        page.on("console", lambda message: said.append(message.text))
        devices = await context.new_cdp_session(page)
        await devices.send("WebAuthn.enable")
        device = {
            "protocol": "ctap2",
            "transport": "internal",
            "hasResidentKey": True,
            "hasUserVerification": True,
            "isUserVerified": True,
            "automaticPresenceSimulation": True,
        }
        await devices.send("WebAuthn.addVirtualAuthenticator", {"options": device})
        await page.goto(f"{origin}/login")
        await page.fill("#username", EMAIL)
        await page.fill("#password", PASSWORD)
        await press(page, "#login-submit")
        await press(page, "#passkeys-link")
        await page.fill("#label", "Phone")
        await page.fill("#password", PASSWORD)
        await press(page, "#passkey-submit")
        assert await page.inner_text("#notice") == "The passkey is added."
        await context.clear_cookies()
        await page.goto(f"{origin}/login")
        await press(page, "#passkey-submit")
        assert page.url == f"{origin}/account"
        assert [line for line in said if "Content Security Policy" in line] == []
    (row,) = await all_of(site, Passkey)
    assert (row.label, row.last_used_at is not None) == ("Phone", True)
