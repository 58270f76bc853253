"""Pages in the language of whoever reads them: OpenID Connect Core §3.1.2.1, RFC 9110 §12.5.4."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from jinja2 import Environment, nodes
from tests.web.harness import Front, Person
from tests.web.kit import sentences

from safeconduct.core.authorization_details import tell
from safeconduct.core.detail_types import BUILT_IN
from safeconduct.core.wording import plural, worded
from safeconduct.web.kit import language as languages
from safeconduct.web.kit.language import CATALOGUES, ENGLISH, LANGUAGES, choose, locale, say

OTHERS = [language for language in LANGUAGES if language != ENGLISH]


def test_no_template_has_words_of_its_own() -> None:
    assert sentences.bare_words() == {}


def test_no_part_that_says_something_is_imported_without_the_language() -> None:
    """A macro that is imported without the context of the page does not know its language."""
    for path in sorted(sentences.TEMPLATES.rglob("*.html")):
        tree = Environment().parse(path.read_text(encoding="utf-8"))
        for part in tree.find_all(nodes.FromImport):
            assert isinstance(part.template, nodes.Const)
            speaks = _speaking(sentences.TEMPLATES / part.template.value)
            names = {name if isinstance(name, str) else name[0] for name in part.names}
            assert part.with_context or not names & speaks, path.name


def _speaking(path: Path) -> set[str]:
    tree = Environment().parse(path.read_text(encoding="utf-8"))
    return {
        macro.name
        for macro in tree.find_all(nodes.Macro)
        if {getattr(call.node, "name", "") for call in macro.find_all(nodes.Call)} & {"t", "plural"}
    }


@pytest.mark.parametrize("language", OTHERS)
def test_a_catalogue_has_every_sentence(language: str) -> None:
    assert len(sentences.spoken()) > 300
    assert sentences.spoken() - CATALOGUES[language].keys() == set()


@pytest.mark.parametrize("language", OTHERS)
def test_a_catalogue_has_no_sentence_that_nobody_says(language: str) -> None:
    left = CATALOGUES[language].keys() - sentences.spoken()
    assert {one for one in left if not sentences.of_providers(one)} == set()
    assert left < CATALOGUES[language].keys()


@pytest.mark.parametrize("language", OTHERS)
def test_the_places_of_a_sentence_are_the_same_in_every_language(language: str) -> None:
    for english, told in CATALOGUES[language].items():
        forms = told if isinstance(told, Mapping) else {"other": told}
        assert "other" in forms, english
        assert forms.keys() <= {*locale(language).plural_form.tags, "other"}, english
        for said in forms.values():
            assert said.strip() + english[len(english.rstrip()) :] == said != "", english
            assert places(said) == places(english), english


def places(sentence: str) -> set[str]:
    return set(re.findall(r"\{\w+\}", sentence))


def test_a_sentence_about_a_number_takes_the_form_that_its_language_has_for_it() -> None:
    def left(language: str, n: int) -> str:
        return say(
            language, plural("{n} recovery code is left.", "{n} recovery codes are left.", n)
        )

    assert left("en", 1) == "1 recovery code is left."
    assert left("en", 2) == "2 recovery codes are left."
    assert left("de", 1) == "1 Wiederherstellungscode ist übrig."
    assert left("de", 0) == "0 Wiederherstellungscodes sind übrig."
    assert left("fr", 0) == "Il reste 0 code de récupération."
    assert left("fr", 3) == "Il reste 3 codes de récupération."


def test_a_language_with_more_forms_has_each_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    polish = {"{n} files": {"one": "{n} plik", "few": "{n} pliki", "other": "{n} plików"}}
    monkeypatch.setattr(languages, "CATALOGUES", {**CATALOGUES, "pl": polish})
    files = [say("pl", plural("{n} file", "{n} files", n)) for n in (1, 3, 5, 22)]
    assert files == ["1 plik", "3 pliki", "5 plików", "22 pliki"]


def test_what_no_catalogue_has_is_said_in_english() -> None:
    assert say("de", worded("Nobody has put {this} into words.", this="it")) == (
        "Nobody has put it into words."
    )


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
    found = re.search(r'<html lang="(\w+)" dir="ltr">', person.page.text)
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


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/", "Geleit für Ihre Daten"),
        ("/account", "Verknüpfte Konten"),
        ("/account/passkeys", "Sie haben noch keinen."),
        ("/account/authenticator", "Sechsstelliger Code der App"),
        ("/account/requests", "Nichts wartet auf Sie."),
        ("/connect", "Wo ist Ihr Konto?"),
        ("/device", "Tippen Sie den Code ein"),
        ("/device?user_code=BCDF-GHJK", "Kein Gerät wartet mit diesem Code."),
        ("/device/done?deny", "Es wurde nichts erlaubt"),
    ],
)
async def test_every_page_of_ours(site: Front, path: str, words: str) -> None:
    await site.user()
    person = site.person()
    await person.sign_in("ann@example.org")
    page = await person.get(path, **GERMAN)
    assert lang(person) == "de"
    assert words in page.text
    page = await person.get(path)
    assert lang(person) == "en"
    assert words not in page.text


async def test_times_are_written_as_the_language_writes_them(site: Front) -> None:
    await site.user()
    person = site.person()
    await person.sign_in("ann@example.org")
    client = await site.client()
    await person.authorize(client)
    await person.follow()
    await person.press("consent-allow")
    site.clock.advance(3 * 3_600_000)
    assert "3 hours ago" in (await person.get("/account")).text
    page = await person.get("/account", **GERMAN)
    assert "vor 3 Stunden" in page.text
    assert re.search(r"seit <time[^>]+>\d+\. [A-ZÄ-]\w+ 20\d\d</time>", page.text)
    page = await person.get("/account", headers={"accept-language": "fr"})
    assert "il y a 3 heures" in page.text or "il y a 3 heures" in page.text


async def test_a_language_is_chosen_at_the_foot_and_stays(site: Front) -> None:
    client, person = await site.client(), site.person()
    await site.user()
    await person.authorize(client, ui_locales="fr")
    await person.follow()
    assert lang(person) == "fr"
    await person.press("language-de")
    page = await person.follow()
    assert lang(person) == "de"
    page = await person.press("login-submit", username="ann@example.org", password="wrong")
    assert "gehören nicht zusammen" in page.text
    await person.press("language-en")  # the page of a form that was refused: back to the form
    page = await person.follow()
    assert (page.status_code, lang(person)) == (200, "en")
    await person.press("language-de")
    await person.follow()
    await person.press("login-submit", username="ann@example.org", password="correct horse battery")
    page = await person.follow()
    assert "Ihre E-Mail-Adresse sehen" in page.text
    await person.get("/account", headers={"accept-language": "fr"})
    assert lang(person) == "de"


async def test_a_choice_leads_back_to_our_own_pages_only(site: Front) -> None:
    person = site.person()
    for back in ("https://evil.example/", "//evil.example/", "/\\evil.example", "\t//evil.example"):
        answer = await person.post("/language", {"language": "de", "back": back})
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
    answer = await person.post("/language", {"language": "de", "back": "/signup?next=/device"})
    assert answer.headers["location"] == "/signup?next=/device"
    answer = await person.post("/language", {"language": "xx", "back": "/signup"})
    assert "set-cookie" not in answer.headers
    elsewhere = {"headers": {"sec-fetch-site": "cross-site"}}
    answer = await person.post("/language", {"language": "fr", "back": "/"}, **elsewhere)
    assert answer.status_code == 403


async def test_codes_that_are_shown_once_are_not_lost_to_another_language(site: Front) -> None:
    await site.user()
    person = site.person()
    await person.sign_in("ann@example.org")
    assert 'id="language-de"' in (await person.get("/account")).text
    template = (sentences.TEMPLATES / "recovery_codes.html").read_text(encoding="utf-8")
    assert "{% block languages %}{% endblock %}" in template


async def test_mail_with_a_code_speaks_the_language_of_the_page(site: Front) -> None:
    await site.user()
    person = site.person()
    for path, button, subject, text in (
        ("/signup", "signup-submit", "Ihr Anmeldecode", "Er gilt 10 Minuten lang"),
        ("/reset", "reset-submit", "Ihr Code für ein neues Passwort", "Niemand von uns"),
    ):
        await person.get(path, **GERMAN)
        await person.press("language-de")
        await person.follow()
        await person.press(button, identifier="ann@example.org")
        mail = site.outbox.sent[-1]
        assert mail.subject == subject
        assert text in mail.text
        assert re.search(r"\n    \d{6}\n", mail.text)


def test_the_documentation_lists_the_languages() -> None:
    page = (Path(__file__).parents[3] / "docs/languages.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `(\w+)` \| (\w+) \|$", page, re.MULTILINE)
    assert listed == list(languages.own_names())
    example = re.search(r"```json\n(.*?)```", page, re.DOTALL)
    assert example is not None
    assert json.loads(example[1]).items() <= CATALOGUES["de"].items()


def test_direction_comes_from_the_language() -> None:
    assert {locale(language).text_direction for language in LANGUAGES} == {"ltr"}
    assert locale("ar").text_direction == "rtl"


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
