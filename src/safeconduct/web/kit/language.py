"""The language of a page, and what its words are in it.

A catalogue is one JSON file in `locales`, named by its language: the English text, as it stands in
the template, and the text in that language. What a catalogue does not have is said in English.

OpenID Connect Core §3.1.2.1: the app's `ui_locales` come first, in order of preference; then what
the browser prefers (RFC 9110 §12.5.4).
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from typing import Any

from jinja2 import pass_context
from jinja2.runtime import Context
from markupsafe import Markup, escape
from starlette.requests import Request

from safeconduct.core.authorize_parameters import read_locales
from safeconduct.core.display import duration as plain_duration

ENGLISH = "en"
MAX_HEADER = 500


def _read() -> dict[str, Mapping[str, str]]:
    found: dict[str, Mapping[str, str]] = {ENGLISH: {}}
    for file in sorted(files("safeconduct.web.kit").joinpath("locales").iterdir(), key=str):
        language, _, kind = file.name.partition(".")
        if kind == "json":
            found[language] = json.loads(file.read_text(encoding="utf-8"))
    return found


CATALOGUES: Mapping[str, Mapping[str, str]] = _read()
LANGUAGES = tuple(CATALOGUES)

_TRANSLATED = frozenset(
    {
        "code.html",
        "consent.html",
        "error.html",
        "form_post.html",
        "identifier_code.html",
        "identifiers.html",
        "left.html",
        "login.html",
        "logout.html",
        "refusal.html",
        "reset.html",
        "reset_code.html",
        "second.html",
        "signup.html",
    }
)
"""Pages that take their words from a catalogue; all others are English, and say so."""


def ask_for(request: Request, ui_locales: str | None) -> None:
    """Remember what the app asked for, until the page is made."""
    request.state.ui_locales = read_locales(ui_locales)


def language_of(request: Request, template: str) -> str:
    if template not in _TRANSLATED:
        return ENGLISH
    return preferred(request)


def preferred(request: Request) -> str:
    """What whoever is there would read best, of the languages that there are."""
    asked: Sequence[str] = getattr(request.state, "ui_locales", ())
    return choose(asked, request.headers.get("accept-language"))


def say(language: str | None, text: str) -> str:
    """The text in a language, as plain text: for mail."""
    return CATALOGUES.get(language or ENGLISH, {}).get(text, text)


def choose(asked: Iterable[str], header: str | None) -> str:
    """The first language wanted that there is; `de-AT` is content with `de` (RFC 4647 §3.4)."""
    for tag in (*asked, *_accepted(header or "")):
        language = tag.lower().partition("-")[0]
        if language in CATALOGUES:
            return language
    return ENGLISH


def _accepted(header: str) -> list[str]:
    """RFC 9110 §12.5.4: languages by their weight; what makes no sense is passed over."""
    wanted = []
    for place, part in enumerate(header[:MAX_HEADER].split(",")):
        tag, _, weight = part.partition(";")
        try:
            q = float(weight.strip().removeprefix("q=") or "1")
        except ValueError:
            continue
        if 0 < q <= 1:
            wanted.append((-q, place, tag.strip()))
    return [tag for _, _, tag in sorted(wanted)]


@pass_context
def t(context: Context, text: str, /, **values: Any) -> Markup:
    """The text in the language of the page; `{name}` in it stands for a value."""
    known: Mapping[str, str] = CATALOGUES[context.get("lang", ENGLISH)]
    said = Markup(escape(known.get(text, text)))  # noqa: S704 (escaped)
    return said.format(**values) if values else said


@pass_context
def duration(context: Context, ms: int) -> Markup:
    """`15 minutes`, `30 Tage`."""
    number, _, unit = plain_duration(ms).partition(" ")
    said: Markup = t(context, "{n} " + unit, n=number)
    return said
