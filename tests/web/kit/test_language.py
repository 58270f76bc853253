"""Pages in the language of whoever reads them: OpenID Connect Core §3.1.2.1, RFC 9110 §12.5.4."""

import re
from importlib.resources import files
from typing import Any

import pytest
from jinja2 import Environment, nodes
from tests.web.harness import Front, Person

from safeconduct.core.authorization_details import tell
from safeconduct.core.detail_types import BUILT_IN, CONNECTIONS
from safeconduct.core.scopes import SCOPES
from safeconduct.core.security_mail import SUBJECTS
from safeconduct.services import authorize, requests, security_mail
from safeconduct.web.kit import entering, page_error
from safeconduct.web.kit.language import _TRANSLATED, CATALOGUES, ENGLISH, LANGUAGES, choose
from safeconduct.web.oauth2 import login, second

TEMPLATES = files("safeconduct.web.kit").joinpath("templates")
OTHERS = [language for language in LANGUAGES if language != ENGLISH]

MAIL = ("NOTHING", "NOT_YOU", "NEVER", "MANY", "SHORT", "WHEN", "WHERE", "ABOUT")


def words_of(template: str) -> set[str]:
    """Every text that a template takes from the catalogue."""
    tree = Environment().parse(TEMPLATES.joinpath(template).read_text(encoding="utf-8"))
    calls = [call for call in tree.find_all(nodes.Call) if getattr(call.node, "name", "") == "t"]
    return {arg.value for call in calls for arg in call.args[:1] if isinstance(arg, nodes.Const)}


def spoken() -> set[str]:
    templates = {*_TRANSLATED, "base.html", "_macros.html"}
    named = set().union(*(words_of(template) for template in templates))
    pages = {authorize.OVER.message, requests.GONE.message}
    advice = {*page_error.advise("unknown_client", 400), *page_error.advise("x", 503)}
    units = {f"{{n}} {unit}{s}" for unit in ("year", "day", "hour", "minute") for s in ("", "s")}
    known = CONNECTIONS.fields.values()
    words = {word for field in known for word in field.words.values()}
    details = {CONNECTIONS.says, *words, *(field.label for field in known)}
    return {
        *named,
        *pages,
        *advice,
        *units,
        *details,
        *(SCOPES[scope] for scope in ("openid", "profile", "email", "phone", "offline_access")),
        *SUBJECTS.values(),
        *(getattr(security_mail, name) for name in MAIL),
        login.MISMATCH,
        login.NO_PASSKEY,
        entering.WRONG_CODE,
        second.WRONG,
        page_error.forged().message,
        page_error.restart().message,
    }


@pytest.mark.parametrize("language", OTHERS)
def test_a_catalogue_has_every_word_and_no_other_gaps(language: str) -> None:
    catalogue = CATALOGUES[language]
    assert spoken() - catalogue.keys() == set()
    for english, said in catalogue.items():
        assert said.strip(), english
        assert set(re.findall(r"\{\w+\}", english)) == set(re.findall(r"\{\w+\}", said)), english
    assert catalogue.keys() == CATALOGUES[OTHERS[0]].keys()


@pytest.mark.rfc("9110#12.5.4")
@pytest.mark.parametrize(
    ("asked", "header", "language"),
    [
        ((), None, "en"),
        ((), "de", "de"),
        ((), "de-AT,de;q=0.9,en;q=0.8", "de"),
        ((), "en;q=0.5, fr-CA;q=0.9", "fr"),
        ((), "it, xx;q=1", "en"),
        ((), "de;q=0, fr;q=0.1", "fr"),
        ((), "de;q=x,;;,*,,fr", "fr"),
        ((), "fr," * 9_000, "fr"),
        (("fr",), "de", "fr"),
        (("it", "de-CH"), "fr", "de"),
        (("it",), "fr", "fr"),
        (("../../etc/passwd",), None, "en"),
    ],
)
def test_what_is_asked_for_comes_first(
    asked: tuple[str, ...], header: str | None, language: str
) -> None:
    assert choose(asked, header) == language


def lang(person: Person) -> str:
    assert person.page is not None
    found = re.search(r'<html lang="(\w+)">', person.page.text)
    assert found is not None
    assert person.page.headers["content-language"] == found[1]
    return found[1]


GERMAN: dict[str, Any] = {"headers": {"accept-language": "de-DE,de;q=0.9,en;q=0.5"}}


@pytest.mark.rfc("OIDC#3.1.2.1")
async def test_the_whole_way_in_the_language_that_the_app_asks_for(site: Front) -> None:
    client, person = await site.client(), site.person()
    await site.user()
    await person.authorize(client, ui_locales="xx fr-CA de")
    page = await person.follow()
    assert lang(person) == "fr"
    assert "Mot de passe" in page.text
    page = await person.press("login-submit", username="ann@example.org", password="wrong")
    assert lang(person) == "fr"
    assert "ne vont pas ensemble" in page.text
    await person.press("login-submit", username="ann@example.org", password="correct horse battery")
    page = await person.follow()
    assert lang(person) == "fr"
    assert "Voir votre adresse e-mail" in page.text
    assert "<bdi>Harbour</bdi>" in page.text
    assert "jusqu’à 1 an" in page.text or "15 minutes" in page.text
    await person.get("/signup")
    assert lang(person) == "en"


async def test_errors_and_pages_of_ours_follow_the_browser(site: Front) -> None:
    person = site.person()
    page = await person.get("/oauth2/authorize?client_id=nobody", **GERMAN)
    assert lang(person) == "de"
    assert "Diese App ist hier nicht registriert." in page.text
    page = await person.get("/oauth2/authorize?client_id=nobody&ui_locales=fr", **GERMAN)
    assert lang(person) == "fr"
    for path, words in (
        ("/login", "Passwort"),
        ("/signup", "Code per E-Mail schicken"),
        ("/oauth2/logout", "Sie sind abgemeldet"),
        ("/nowhere", "Unter dieser Adresse gibt es nichts."),
    ):
        page = await person.get(path, **GERMAN)
        assert lang(person) == "de", path
        assert words in page.text, path


async def test_a_page_that_is_english_says_so(site: Front) -> None:
    person = site.person()
    await person.get("/", **GERMAN)
    assert lang(person) == "en"


async def test_names_do_not_break_out_of_a_sentence(site: Front) -> None:
    client = await site.client(client_name="<b>{app} & {0}</b>")
    person = site.person()
    await person.authorize(client, ui_locales="de")
    page = await person.follow()
    assert "<b>" not in page.text.replace("<bdi>", "")
    assert "&lt;b&gt;{app} &amp; {0}&lt;/b&gt;" in page.text


async def test_metadata_names_the_languages(site: Front) -> None:
    metadata = (await site.person().get("/.well-known/openid-configuration")).json()
    assert metadata["ui_locales_supported"] == list(LANGUAGES)
    assert {"en", "de", "fr"} <= set(LANGUAGES)


def test_details_are_told_in_words_of_the_catalogue() -> None:
    detail = '{"actions":["read"],"datatypes":["assets"],"type":"connections"}'
    (told,) = tell((detail,), BUILT_IN, {})
    assert {told.says, *(label for label, _ in told.lines)} <= CATALOGUES["de"].keys()
