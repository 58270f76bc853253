"""Addresses and numbers on the account page: added with a code, removed, made the first."""

import asyncio
from typing import Any

import httpx
import pytest
from tests.conftest import SettableClock
from tests.web.account.test_account import all_of, signed_in
from tests.web.account.told import mails
from tests.web.harness import PASSWORD, TENANT, Front, Outbox, Person, answer_of, front, snapshot
from tests.web.oauth2.test_reset import asked as reset_asked
from tests.web.oauth2.test_reset import set_new

from safeconduct.adapters.phones import KnownPhones
from safeconduct.adapters.store import PostgresStore, SqliteStore
from safeconduct.core.model import Event, Identifier
from safeconduct.core.own_identifiers import ASKS, MAX_IDENTIFIERS
from safeconduct.core.secret import Secret
from safeconduct.core.security_mail import SUBJECTS
from safeconduct.core.signup import SENDS, TRIES

PATH = "/account/identifiers"
OLD, NEW, OTHER = "ann@example.org", "ann@work.example", "bob@example.org"


@pytest.fixture
async def site(sqlite_store: SqliteStore, clock: SettableClock) -> Front:
    return await front(sqlite_store, clock)


@pytest.fixture
async def both(store: SqliteStore | PostgresStore, clock: SettableClock) -> Front:
    """On each engine in turn, for what the engine decides."""
    return await front(store, clock)


async def ask(person: Person, identifier: str, password: str = PASSWORD) -> int:
    """Have a code sent; the page for it is looked at next."""
    await person.get(PATH)
    answer = await person.press("identifier-submit", identifier=identifier, password=password)
    if answer.status_code == 303:
        await person.follow()
    return answer.status_code


async def type_code(person: Person, code: str) -> httpx.Response:
    return await person.press("identifier-code-submit", code=code)


async def add(site: Front, person: Person, identifier: str = NEW) -> None:
    assert await ask(person, identifier) == 303
    done = await type_code(person, site.outbox.code)
    assert (done.status_code, done.headers.get("location")) == (303, f"{PATH}?done=added")
    await person.follow()


async def change(person: Person, what: str, identifier: str, password: str = PASSWORD) -> int:
    """Press a button beside an address: `remove` or `first`."""
    await person.get(PATH)
    form, pressed = next(
        person.markup.form_with(button["id"])
        for form in person.markup.forms
        for button in form.buttons
        if (button.get("id") or "").startswith(f"{what}-")
        and form.fields.get("identifier") == identifier
    )
    data = {**form.fields, **pressed, "password": password}
    return (await person.post(form.action, data)).status_code


async def names(site: Front, email: str = OLD) -> list[str]:
    """What a user signs in with, in order."""
    user = await site.users.find(TENANT, email)
    assert user is not None
    return [row.value for row in await site.users.identifiers(TENANT, user.id)]


async def claims(site: Front, person: Person, scope: str = "openid email phone") -> dict[str, Any]:
    client = await site.client(scope=scope)
    await person.authorize(client, scope=scope)
    await person.follow()
    tokens = await site.redeem(client, answer_of(await person.press("consent-allow")))
    headers = {"authorization": f"Bearer {tokens.json()['access_token']}"}
    said: dict[str, Any] = (await person.http.get("/oauth2/userinfo", headers=headers)).json()
    return said


async def test_an_address_counts_once_it_is_proven(both: Front) -> None:
    site = both
    person = await signed_in(site)
    assert await ask(person, NEW) == 303
    assert await names(site) == [OLD]
    assert await site.users.find(TENANT, NEW) is None
    code = site.outbox.code
    assert site.outbox.sent[-1].to == NEW
    wrong = await type_code(person, "000000" if code != "000000" else "111111")
    assert wrong.status_code == 403
    assert (await type_code(person, code)).status_code == 303
    assert await names(site) == [OLD, NEW]
    page = await person.follow()
    assert "It is added" in page.text
    told = await mails(site)
    assert sorted(mail.to for mail in told[1:]) == [OLD, NEW]
    assert all(SUBJECTS["identifier.added"] in mail.text for mail in told[1:])
    assert all(f"What: {NEW}" in mail.text for mail in told[1:])
    added = [row for row in await all_of(site, Event) if row.type == "identifier.added"]
    assert [row.detail for row in added] == [{"kind": "email"}]
    await site.person().sign_in(NEW)  # it signs in, with the same password


@pytest.mark.attack("K4")
async def test_a_code_is_good_once_in_its_browser_for_its_user_and_its_purpose(
    site: Front,
) -> None:
    person = await signed_in(site)
    await ask(person, NEW)
    code, form = site.outbox.code, person.markup.form_with("identifier-code-submit")[0]
    eve = await signed_in(site, "eve@example.org")
    await eve.get(PATH)
    own = eve.markup.form_with("identifier-submit")[0].fields["csrf"]
    stolen = await eve.post(form.action, {**form.fields, "csrf": own, "code": code})
    assert stolen.status_code == 400  # the flow is sealed to the other browser
    login = await person.get(f"/signup/code?flow={form.fields['flow']}")
    assert login.status_code == 400  # nor is it one of signing in
    await person.get(PATH)
    await person.post(form.action, {**form.fields, "code": code})
    assert await names(site) == [OLD, NEW]
    assert await change(person, "remove", NEW) == 303
    again = await person.post(form.action, {**form.fields, "code": code})
    assert again.status_code in (400, 403)
    assert await names(site) == [OLD]


@pytest.mark.attack("K4")
async def test_a_code_ends_with_time_and_with_the_password(site: Front) -> None:
    person = await signed_in(site)
    await ask(person, NEW)
    site.clock.advance(10 * 60_000)
    assert (await type_code(person, site.outbox.code)).status_code == 400
    await ask(person, NEW)
    code, page = site.outbox.code, person.page
    user = await site.users.find(TENANT, OLD)
    assert user is not None
    site.clock.advance(1_000)
    await site.users.set_password(TENANT, user.id, Secret(PASSWORD), actor="operator")
    person.page = page
    assert (await type_code(person, code)).status_code in (401, 403)
    assert await names(site) == [OLD]


@pytest.mark.attack("K1")
async def test_who_asks_learns_nothing_about_whose_an_address_is(site: Front) -> None:
    """The page for a taken address is that for a free one, byte by byte but for what is chance."""
    await site.user(OTHER)
    person = await signed_in(site)
    pages = {}
    for identifier in ("cat@example.org", OTHER):
        assert await ask(person, identifier) == 303
        assert person.page is not None
        text = person.page.text.replace(identifier, "it")
        for name in ("csrf", "flow"):
            text = text.replace(
                person.markup.form_with("identifier-code-submit")[0].fields[name], name
            )
        pages[identifier] = (person.page.status_code, text, len(person.page.headers))
    free, taken = pages.values()
    assert free == taken
    letter = site.outbox.sent[-1]
    assert letter.to == OTHER
    assert "signs in with it already" in letter.text
    assert not [word for word in letter.text.split() if word.strip(".").isdigit()], "no code"
    for code in ("000000", "123456"):
        assert (await type_code(person, code)).status_code == 403
    assert await names(site, OTHER) == [OTHER]
    assert await names(site) == [OLD]


@pytest.mark.attack("K1")
async def test_two_who_prove_one_address_at_once(both: Front) -> None:
    """Both read its mailbox, and both codes are right: exactly one gets it."""
    site = both
    people = [await signed_in(site), await signed_in(site, OTHER)]
    codes = []
    for person in people:
        await ask(person, NEW)
        codes.append(site.outbox.code)
    answers = await asyncio.gather(
        *(type_code(person, code) for person, code in zip(people, codes, strict=True))
    )
    assert sorted(answer.status_code for answer in answers) == [303, 409]
    rows = [row for row in await all_of(site, Identifier) if row.value == NEW]
    assert len(rows) == 1
    winner = people[[answer.status_code for answer in answers].index(303)]
    assert NEW in (await winner.get(PATH)).text


@pytest.mark.attack("K1")
async def test_signing_up_with_it_meanwhile(site: Front) -> None:
    person = await signed_in(site)
    await ask(person, NEW)
    code, page = site.outbox.code, person.page
    stranger = site.person()
    await stranger.get("/signup")
    await stranger.press("signup-submit", identifier=NEW)
    await stranger.follow()
    await stranger.press("code-submit", code=site.outbox.code)
    person.page = page
    assert (await type_code(person, code)).status_code == 409
    assert await names(site) == [OLD]


async def test_each_change_takes_a_proof_of_who_asks(site: Front) -> None:
    person = await signed_in(site)
    await add(site, person)
    before = await snapshot(site.store)
    assert await ask(person, "more@example.org", "wrong") == 403
    assert await change(person, "remove", NEW, "wrong") == 403
    assert await change(person, "first", NEW, "wrong") == 403
    after = await snapshot(site.store)
    assert after["Identifier"] == before["Identifier"]
    coded = site.person()  # who has no password signs in again
    await coded.get("/signup")
    await coded.press("signup-submit", identifier="new@example.org")
    await coded.follow()
    await coded.press("code-submit", code=site.outbox.code)
    site.clock.advance(16 * 60_000)
    assert await ask(coded, "newer@example.org", "") == 403
    assert "sign in again" in coded.markup.by_id("problem").text  # type: ignore[union-attr]


@pytest.mark.attack("I2")
async def test_no_page_elsewhere_changes_any_of_it(site: Front) -> None:
    person = await signed_in(site)
    await add(site, person)
    before = await snapshot(site.store)
    data = {"identifier": NEW, "password": PASSWORD}
    for path in (PATH, f"{PATH}/code", f"{PATH}/remove", f"{PATH}/first"):
        assert (await person.post(path, data)).status_code == 403
        cross = {"origin": "https://evil.example", "sec-fetch-site": "cross-site"}
        await person.get(PATH)
        csrf = person.markup.form_with("identifier-submit")[0].fields["csrf"]
        forged = await person.post(path, {**data, "csrf": csrf}, headers=cross)
        assert forged.status_code == 403
        assert (await person.http.get(path, params=data)).status_code in (200, 400, 405)
    assert (await snapshot(site.store))["Identifier"] == before["Identifier"]
    assert await change(person, "remove", NEW) == 303


async def test_any_but_the_last_way_to_sign_in(site: Front) -> None:
    person = await signed_in(site)
    assert await change(person, "remove", OLD) == 409
    await add(site, person)
    await mails(site)
    assert await change(person, "remove", OLD) == 303
    assert await names(site, NEW) == [NEW]
    told = await mails(site)
    assert sorted(mail.to for mail in told) == [OLD, NEW]
    assert {mail.subject for mail in told} == {SUBJECTS["identifier.removed"]}
    assert await change(person, "remove", NEW) == 409
    free = site.person()  # what was removed is free again
    await free.get("/signup")
    await free.press("signup-submit", identifier=OLD)
    await free.follow()
    await free.press("code-submit", code=site.outbox.code)
    assert await names(site, OLD) == [OLD]


@pytest.mark.attack("K4")
async def test_a_removed_address_resets_no_password(site: Front) -> None:
    person = await signed_in(site)
    await add(site, person)
    late = await reset_asked(site, NEW)
    code = site.outbox.code
    assert await change(person, "remove", NEW) == 303
    assert await set_new(site, late, code) == 400
    await site.person().sign_in()  # the password is what it was


async def test_apps_are_told_of_the_first(both: Front) -> None:
    site = both
    person = await signed_in(site)
    await add(site, person)
    said = await claims(site, person)
    assert (said["email"], said["email_verified"]) == (OLD, True)
    await mails(site)
    assert await change(person, "first", NEW) == 303
    assert sorted(mail.to for mail in await mails(site)) == [OLD, NEW]
    site.clock.advance(1_000)
    said = await claims(site, person)
    assert said["email"] == NEW
    assert await names(site) == [NEW, OLD]
    assert await change(person, "first", OLD) == 303  # within the same millisecond, too
    assert (await claims(site, person))["email"] == OLD
    assert await change(person, "remove", OLD) == 303
    assert (await claims(site, person))["email"] == NEW


@pytest.mark.attack("I2")
async def test_what_belongs_to_others_is_not_there(site: Front) -> None:
    await site.user(OTHER)
    person = await signed_in(site)
    await add(site, person)
    before = await snapshot(site.store)
    await person.get(PATH)
    csrf = person.markup.form_with("identifier-submit")[0].fields["csrf"]
    for identifier in (OTHER, "nobody@example.org"):
        data = {"identifier": identifier, "password": PASSWORD, "csrf": csrf}
        for what in ("remove", "first"):
            assert (await person.post(f"{PATH}/{what}", data)).status_code == 404
    assert (await snapshot(site.store))["Identifier"] == before["Identifier"]


@pytest.mark.attack("K2")
async def test_nobody_writes_to_the_whole_world_or_guesses(site: Front) -> None:
    person = await signed_in(site)
    for _ in range(SENDS.tries):
        assert await ask(person, NEW) == 303
    assert await ask(person, NEW) == 429
    page = person.page
    await ask(person, "two@example.org")
    code = site.outbox.code
    for _ in range(TRIES.tries):
        await type_code(person, "000000" if code != "000000" else "111111")
    assert (await type_code(person, code)).status_code == 429
    sent = len(site.outbox.sent)
    for number in range(ASKS.tries):
        await ask(person, f"n{number}@example.org")
    assert page is not None
    assert len(site.outbox.sent) - sent == ASKS.tries - SENDS.tries - 2
    assert await names(site) == [OLD]


async def test_there_are_so_many_and_no_more(site: Front) -> None:
    person = await signed_in(site)
    user = await site.users.find(TENANT, OLD)
    assert user is not None
    own = site.platform.own_identifiers
    for number in range(MAX_IDENTIFIERS - 1):
        await own.add_for(TENANT, user.id, f"n{number}@example.org", actor="operator")
    page = await person.get(PATH)
    assert page.status_code == 200
    assert "identifier-submit" not in page.text
    csrf = person.markup.form_with("remove-1")[0].fields["csrf"]
    data = {"identifier": NEW, "password": PASSWORD, "csrf": csrf}
    assert (await person.post(PATH, data)).status_code == 409


async def test_a_phone_by_text_and_its_claims(
    sqlite_store: SqliteStore, clock: SettableClock
) -> None:
    texts = Outbox()
    site = await front(sqlite_store, clock, texts=texts, phones=KnownPhones())
    person = await signed_in(site)
    assert await ask(person, "+49 151 23456789") == 303
    text = texts.sent[-1]
    assert text.to == "+4915123456789"
    code = text.text.split()[0]
    assert text.text.endswith(f"@id.example #{code}")
    assert len(text.text) <= 160
    assert (await type_code(person, code)).status_code == 303
    said = await claims(site, person)
    assert (said["phone_number"], said["phone_number_verified"]) == ("+4915123456789", True)
    assert said["email"] == OLD
    assert await change(person, "remove", OLD) == 303  # a phone and a password are left
    assert await names(site, "+4915123456789") == ["+4915123456789"]


async def test_where_there_are_no_texts_a_phone_is_no_address(site: Front) -> None:
    person = await signed_in(site)
    assert await ask(person, "+49 151 23456789") == 400
    assert await ask(person, "nonsense") == 400
    assert await ask(person, OLD) == 409
