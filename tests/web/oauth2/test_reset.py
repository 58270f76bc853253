"""A forgotten password, and a new one by mail."""

import pytest
from tests.web.account.test_account import all_of, knows, signed_in, with_app
from tests.web.harness import PASSWORD, TENANT, Front, Person, snapshot
from tests.web.oauth2.test_second_factor import is_in
from tests.web.oauth2.test_second_factor import with_app as with_authenticator

from safeconduct.core.model import Event, Identifier
from safeconduct.core.secret import Secret
from safeconduct.core.unit import Done, Ref, Update

EMAIL = "ann@example.org"
NEW = "a new long password"


async def asked(site: Front, email: str = EMAIL) -> Person:
    """Somebody who has asked for a code, and looks at the page for it."""
    person = site.person()
    await person.get("/login")
    link = person.markup.by_id("reset-link")
    assert link is not None
    await person.get(link.attributes["href"])
    assert (await person.press("reset-submit", identifier=email)).status_code == 303
    await person.follow()
    return person


async def set_new(site: Front, person: Person, code: str | None = None, new: str = NEW) -> int:
    code = site.outbox.code if code is None else code
    return (await person.press("reset-code-submit", code=code, new_password=new)).status_code


async def lets_in(site: Front, password: str, email: str = EMAIL) -> bool:
    person = site.person()
    await person.get("/login")
    page = await person.press("login-submit", username=email, password=password)
    return page.status_code == 303


@pytest.mark.attack("K4")
@pytest.mark.attack("C7")
async def test_a_new_password_ends_what_was_before(site: Front) -> None:
    thief = await signed_in(site)
    _, tokens = await with_app(site, thief)
    assert await knows(site, tokens) == 200
    person = await asked(site)
    assert await set_new(site, person) == 303
    assert is_in(person)
    assert (await person.follow()).url.path == "/account"
    assert (await thief.get("/account")).headers["location"] == "/login"
    assert await knows(site, tokens) == 401
    assert not await lets_in(site, PASSWORD)
    assert await lets_in(site, NEW)
    (told,) = [e for e in await all_of(site, Event) if e.type == "user.password_changed"]
    assert told.detail == {"by": "mail"}


@pytest.mark.attack("K4")
async def test_a_code_is_good_once_for_its_user_and_in_its_browser(site: Front) -> None:
    await site.user()
    await site.user("bob@example.org")
    person = await asked(site)
    code = site.outbox.code
    form, _ = person.markup.form_with("reset-code-submit")
    other = await asked(site, "bob@example.org")  # Ann's code in Bob's reset
    assert await set_new(site, other, code) == 403
    foreign, _ = other.markup.form_with("reset-code-submit")
    taken = {**form.fields, "csrf": foreign.fields["csrf"], "code": code, "new_password": NEW}
    assert (await other.post(form.action, taken)).status_code == 400  # Ann's flow in Bob's browser
    assert await set_new(site, person, code) == 303
    await person.get("/account")
    csrf = person.markup.forms[0].fields["csrf"]
    twice = {**form.fields, "csrf": csrf, "code": code, "new_password": "yet another one"}
    again = await person.post(form.action, twice)
    assert again.status_code == 400
    assert 'data-code="code_expired"' in again.text
    assert await lets_in(site, NEW)
    assert await lets_in(site, PASSWORD, "bob@example.org")


@pytest.mark.attack("K4")
async def test_a_code_ends_when_the_address_or_the_password_changes(site: Front) -> None:
    ann, bob = await site.user(), await site.user("bob@example.org")
    parked = await asked(site)
    code = site.outbox.code
    await site.users.set_password(TENANT, ann.id, Secret("by the operator"), actor="operator")
    assert await set_new(site, parked, code) == 400
    assert await lets_in(site, "by the operator")
    moved = await asked(site)
    ref = Ref(Identifier, tenant_id=TENANT, kind="email", value=EMAIL)
    await site.store.run((ref,), lambda _: Done(None, (Update(ref, {"user_id": bob.id}),)))
    assert await set_new(site, moved) == 400
    assert await lets_in(site, PASSWORD, "bob@example.org")
    fresh = await asked(site)  # whose address it is now
    assert await set_new(site, fresh) == 303


@pytest.mark.attack("K4")
async def test_a_code_for_one_thing_is_not_good_for_another(site: Front) -> None:
    await site.user()
    person = await asked(site)
    reset, _ = person.markup.form_with("reset-code-submit")
    code = site.outbox.code
    sent = {"csrf": reset.fields["csrf"], "flow": reset.fields["flow"], "code": code}
    assert (await person.post("/signup/code", sent)).status_code == 400
    assert not is_in(person)
    await person.get("/signup")
    await person.press("signup-submit", identifier=EMAIL)
    await person.follow()
    signup, _ = person.markup.form_with("code-submit")
    crossed = {**signup.fields, "code": site.outbox.code, "new_password": NEW}
    assert (await person.post("/reset/code", crossed)).status_code == 400
    assert await lets_in(site, PASSWORD)
    assert await set_new(site, await asked(site)) == 303


@pytest.mark.attack("A18")
@pytest.mark.attack("K4")
async def test_letters_name_the_issuer_whatever_the_request_says(site: Front) -> None:
    await site.user()
    person = site.person()
    poison = {"x-forwarded-host": "evil.test", "forwarded": "host=evil.test"}
    await person.get("/reset", headers=poison)
    form, _ = person.markup.form_with("reset-submit")
    sent = {**form.fields, "identifier": EMAIL}
    assert (await person.post("/reset", sent, headers=poison)).status_code == 303
    assert "id.example" in site.outbox.sent[-1].text
    assert "evil" not in site.outbox.sent[-1].text
    await person.follow()
    assert await set_new(site, person) == 303


@pytest.mark.attack("K1")
async def test_known_and_unknown_addresses_look_alike(site: Front) -> None:
    await site.user()
    pages = []
    for email in (EMAIL, "nobody@example.org"):
        before = len(site.outbox.sent)
        person = await asked(site, email)
        assert len(site.outbox.sent) == before + 1
        page = await person.press("reset-code-submit", code="x", new_password=NEW)
        text = page.text.replace(email, "~")
        for field in person.markup.form_with("reset-code-submit")[0].fields.values():
            text = text.replace(field, "~")
        pages.append(
            (page.status_code, [line for line in text.splitlines() if "flow=" not in line])
        )
    assert pages[0] == pages[1]
    known, nobody = site.outbox.sent
    assert not any(word.isdigit() for word in nobody.text.split())
    assert any(word.isdigit() for word in known.text.split())


@pytest.mark.attack("K4")
async def test_guesses_and_letters_are_counted(site: Front) -> None:
    await site.user()
    person = await asked(site)
    right = site.outbox.code
    wrong = [f"{number:06d}" for number in range(7) if f"{number:06d}" != right]
    told = [await set_new(site, person, code) for code in wrong[:5]]
    assert told == [403] * 5
    before = await snapshot(site.store)
    form = person.markup.form_with("reset-code-submit")[0]
    late = await person.post(form.action, {**form.fields, "code": right, "new_password": NEW})
    assert late.status_code == 429
    assert await snapshot(site.store) == before
    for _ in range(4):
        await asked(site)
    more = site.person()
    await more.get("/reset")
    assert (await more.press("reset-submit", identifier=EMAIL)).status_code == 429


@pytest.mark.attack("K3")
async def test_the_mailbox_is_one_factor_and_the_app_is_asked_too(site: Front) -> None:
    app, _ = await with_authenticator(site, await signed_in(site))
    person = await asked(site)
    assert await set_new(site, person) == 303
    assert (await person.follow()).url.path == "/login/second"
    assert not is_in(person)
    await person.press("second-submit", code=app.code())
    assert is_in(person)


async def test_a_weak_password_costs_no_code(site: Front) -> None:
    await site.user()
    person = await asked(site)
    code = site.outbox.code
    for weak in ("short", EMAIL, "aaaaaaaaaaaa"):
        assert await set_new(site, person, code, weak) == 400
    assert await set_new(site, person, code) == 303
