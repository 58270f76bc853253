"""Mail about changes to how somebody signs in."""

import re

import pytest
from tests.conftest import SettableClock
from tests.web.account.test_account import all_of, signed_in
from tests.web.account.told import mails
from tests.web.harness import PASSWORD, TENANT, Front, Outbox, Person, front
from tests.web.oauth2.test_passkeys import added
from tests.web.oauth2.test_reset import asked
from tests.web.oauth2.test_second_factor import with_app

from safeconduct.adapters.mail import NoMessenger
from safeconduct.adapters.phones import KnownPhones
from safeconduct.adapters.store import PostgresStore, SqliteStore
from safeconduct.core.model import Event, Job
from safeconduct.core.secret import Secret
from safeconduct.core.security_mail import MAILS, SUBJECTS, TEXTS

EMAIL = "ann@example.org"
NEW = "a new and longer one"


@pytest.fixture
async def site(sqlite_store: SqliteStore, clock: SettableClock) -> Front:
    return await front(sqlite_store, clock)


@pytest.fixture
async def both(store: SqliteStore | PostgresStore, clock: SettableClock) -> Front:
    """On each engine in turn, for what the engine decides."""
    return await front(store, clock)


async def change_password(person: Person, old: str, new: str, **more: str) -> int:
    await person.get("/account", headers=more)
    pressed = await person.press("password-submit", password=old, new_password=new)
    return pressed.status_code


async def subjects(site: Front) -> list[str]:
    return [message.subject for message in await mails(site)]


async def test_each_change_is_told_to_the_address_that_was_there(site: Front) -> None:
    person = await signed_in(site)
    assert await mails(site) == []  # neither being made nor signing in is a change
    assert await change_password(person, PASSWORD, NEW) == 303
    assert site.outbox.sent == [], "the request does not wait for the mail server"
    [mail] = await mails(site)
    assert (mail.to, mail.subject) == (EMAIL, "Your password was changed")
    assert "id.example/account" in mail.text
    assert re.search(r"When: \d{4}-\d\d-\d\d \d\d:\d\d UTC", mail.text)
    assert await mails(site) == [], "once"

    app, codes = await with_app(site, person, NEW)
    await person.get("/account/authenticator")
    await person.press("codes-submit", code=app.code())
    site.clock.advance(30_000)
    await person.get("/account/authenticator")
    await person.press("authenticator-remove", code=app.code())
    assert await subjects(site) == [
        SUBJECTS[what]
        for what in ("authenticator.added", "recovery_codes.renewed", "authenticator.removed")
    ]

    assert codes
    user = await site.users.find(TENANT, EMAIL)
    assert user is not None
    await site.users.set_password(TENANT, user.id, Secret(PASSWORD), actor="operator")
    assert await subjects(site) == [SUBJECTS["password.replaced"]]


async def test_passkeys_and_what_an_operator_takes_away(site: Front) -> None:
    person = await signed_in(site)
    await added(site, person)
    user = await site.users.find(TENANT, EMAIL)
    assert user is not None
    assert await subjects(site) == [SUBJECTS["passkey.added"]]
    await site.platform.second_factor.reset(user, actor="operator")
    assert await subjects(site) == [SUBJECTS["second_factor.reset"]]
    await site.platform.second_factor.reset(user, actor="operator")
    assert await mails(site) == [], "nothing was there to be taken away"


@pytest.mark.attack("K4")
async def test_a_reset_is_told_and_what_is_refused_is_not(site: Front) -> None:
    await site.user()
    person = await asked(site)
    [letter] = await mails(site)
    code = next(word for word in letter.text.split() if word.isdigit() and len(word) == 6)
    await person.press("reset-code-submit", code="000000", new_password=NEW)
    assert await mails(site) == []
    await person.press("reset-code-submit", code=code, new_password=NEW)
    [mail] = await mails(site)
    assert (mail.to, mail.subject) == (EMAIL, SUBJECTS["password.reset"])


async def test_nothing_in_it_lets_anybody_in(site: Front) -> None:
    person = await signed_in(site)
    _, codes = await with_app(site, person)
    await change_password(person, PASSWORD, NEW)
    for mail in await mails(site):
        links = re.findall(r"https?://\S+", mail.text)
        assert [link.rstrip(",.") for link in links] == ["https://id.example/account"]
        assert not re.search(r"\b\d{6}\b|code=|token|flow=", mail.text)
        assert NEW not in mail.text
        assert not [code for code in codes if code in mail.text]
    jobs = [row for row in await all_of(site, Job) if row.kind == "security.mail"]
    assert jobs
    assert not [row for row in jobs if NEW in str(row.payload)]
    told = str([row.detail for row in await all_of(site, Event)])
    assert EMAIL not in told


async def test_in_the_language_of_the_page(site: Front) -> None:
    person = await signed_in(site)
    german = {"accept-language": "de-AT,de;q=0.9"}
    await person.get("/account")
    form, pressed = person.markup.form_with("password-submit")
    typed = {**form.fields, **pressed, "password": PASSWORD, "new_password": NEW}
    await person.post(form.action, typed, headers=german)
    [mail] = await mails(site)
    assert mail.subject == "Ihr Passwort wurde geändert"
    assert "Wenn Sie das nicht waren" in mail.text


async def test_in_the_language_of_the_person_where_it_is_known(site: Front) -> None:
    """Whoever makes a change in a language of their own does not hide what the mail says."""
    user = await site.user()
    known = {"profile": {"locale": "fr-CA"}}
    await site.users.update(TENANT, user.id, known, actor="operator")
    person = await signed_in(site)
    await change_password(person, PASSWORD, NEW, **{"accept-language": "de"})
    await site.users.set_password(TENANT, user.id, Secret(PASSWORD), actor="operator")
    assert await subjects(site) == [
        "Votre mot de passe a été modifié",
        "L’administration a défini un nouveau mot de passe pour votre compte",
    ]


async def test_a_mail_server_that_is_down_loses_nothing_and_holds_up_nobody(site: Front) -> None:
    person = await signed_in(site)
    site.outbox.broken = True
    assert await change_password(person, PASSWORD, NEW) == 303
    assert await mails(site) == []
    site.outbox.broken = False
    site.clock.advance(5_000)
    assert await subjects(site) == [SUBJECTS["password.changed"]]
    site.outbox.broken = True
    assert await change_password(person, NEW, PASSWORD) == 303
    for _ in range(12):  # bounded: then it is a dead letter that an operator sees
        await mails(site)
        site.clock.advance(3_600_000)
    rows = [row for row in await all_of(site, Job) if row.kind == "security.mail"]
    assert sorted(row.status for row in rows) == ["dead", "done"]


async def test_without_a_mail_server_there_is_nothing_to_try_again(site: Front) -> None:
    person = await signed_in(site)
    site.platform.security_mail.messenger = NoMessenger()
    await change_password(person, PASSWORD, NEW)
    await mails(site)
    [row] = [row for row in await all_of(site, Job) if row.kind == "security.mail"]
    assert row.status == "done"


@pytest.mark.attack("K2")
async def test_nobodys_mailbox_is_flooded(both: Front) -> None:
    site = both
    ann, bob = await site.user(), await site.user("bob@example.org")
    for _ in range(MAILS.tries + 5):
        await site.users.set_password(TENANT, ann.id, Secret(PASSWORD), actor="operator")
    sent = await mails(site)
    assert len(sent) == MAILS.tries
    assert ["No more mail" in mail.text for mail in sent].count(True) == 1
    await site.users.set_password(TENANT, bob.id, Secret(PASSWORD), actor="operator")
    assert [mail.to for mail in await mails(site)] == ["bob@example.org"]
    site.clock.advance(MAILS.window)
    await site.users.set_password(TENANT, ann.id, Secret(PASSWORD), actor="operator")
    assert [mail.to for mail in await mails(site)] == [EMAIL]


@pytest.mark.attack("K1")
async def test_an_address_that_nobody_has_proven_is_told_nothing(site: Front) -> None:
    secret = Secret(PASSWORD)
    user = await site.users.create(TENANT, EMAIL, actor="operator", verified=False)
    await site.users.set_password(TENANT, user.id, secret, actor="operator")
    assert await mails(site) == []


async def test_who_has_no_address_is_told_by_text_where_there_are_texts(
    sqlite_store: SqliteStore, clock: SettableClock
) -> None:
    texts = Outbox()
    site = await front(sqlite_store, clock, texts=texts, phones=KnownPhones())
    user = await site.users.create(TENANT, "+4915123456789", actor="operator")
    await site.users.set_password(TENANT, user.id, Secret(PASSWORD), actor="operator")
    assert await mails(site) == []
    [text] = texts.sent
    assert text.to == "+4915123456789"
    assert "id.example" in text.text
    assert len(text.text) <= 160
    for _ in range(TEXTS.tries):  # texts cost something, and so they are fewer
        await site.users.set_password(TENANT, user.id, Secret(PASSWORD), actor="operator")
        await mails(site)
    assert len(texts.sent) == TEXTS.tries
    site.clock.advance(TEXTS.window)
    site.platform.security_mail.texts = None
    await site.users.set_password(TENANT, user.id, Secret(PASSWORD), actor="operator")
    assert await mails(site) == []
    assert len(texts.sent) == TEXTS.tries
