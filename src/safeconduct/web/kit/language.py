"""The language of a page, and what its words are in it.

A catalogue is one JSON file in `locales`, named by its language: the English sentence, as it stands
in the template or in the code, and what it is in that language. A sentence about a number has an
object there, by CLDR's plural categories. What a catalogue does not have is said in English. Dates,
durations and the direction of writing come from CLDR too, by Babel.

What somebody chose at the foot of a page counts first. OpenID Connect Core §3.1.2.1: then the app's
`ui_locales`, in order of preference; then what the browser prefers (RFC 9110 §12.5.4).
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import Any

from babel import Locale
from babel.dates import format_date, format_timedelta
from babel.lists import format_list
from babel.units import format_unit
from jinja2 import pass_context
from jinja2.runtime import Context
from markupsafe import Markup, escape
from starlette.requests import Request

from safeconduct.core.authorize_parameters import read_locales
from safeconduct.core.display import largest_unit, moment, whole_unit
from safeconduct.core.wording import Sentence, Worded
from safeconduct.core.wording import plural as counted
from safeconduct.web.kit.cookies import LANGUAGE, either

ENGLISH = "en"
MAX_HEADER = 500

Catalogue = Mapping[str, str | Mapping[str, str]]


def _read() -> dict[str, Catalogue]:
    found: dict[str, Catalogue] = {ENGLISH: {}}
    for file in sorted(files("safeconduct.web.kit").joinpath("locales").iterdir(), key=str):
        language, _, kind = file.name.partition(".")
        if kind == "json":
            found[language] = json.loads(file.read_text(encoding="utf-8"))
    return found


CATALOGUES: Mapping[str, Catalogue] = _read()
LANGUAGES = tuple(CATALOGUES)


# Which language


def ask_for(request: Request, ui_locales: str | None) -> None:
    """Remember what the app asked for, until the page is made."""
    request.state.ui_locales = read_locales(ui_locales)


def preferred(request: Request) -> str:
    """What whoever is there would read best, of the languages that there are."""
    chosen = either(request, LANGUAGE)
    asked: Sequence[str] = getattr(request.state, "ui_locales", ())
    first = (chosen,) if chosen in CATALOGUES else ()
    return choose((*first, *asked), request.headers.get("accept-language"))


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


@cache
def locale(language: str) -> Locale:
    """What CLDR knows of it. English has the day before the month, as in most of the world."""
    return Locale.parse("en_GB" if language == ENGLISH else language)


@cache
def own_names() -> Sequence[tuple[str, str]]:
    """Every language that there is, and what it calls itself."""
    return [(language, _own_name(language)) for language in LANGUAGES]


def _own_name(language: str) -> str:
    name = Locale.parse(language).get_language_name(language) or language
    return name[:1].upper() + name[1:]


# What is said in it


def say(language: str | None, text: Sentence, /, **values: Any) -> str:
    """A sentence as plain text: for messages."""
    said, known = _look_up(language or ENGLISH, text)
    given = {**known, **values}
    return said.format(**given) if given else said


def _look_up(language: str, text: Sentence) -> tuple[str, Mapping[str, Any]]:
    """The sentence with places for its values, and the values that came with it."""
    sentence = text if isinstance(text, Worded) else Worded(text)
    known = CATALOGUES[language].get(sentence.text)
    if known is None:
        return sentence.english, sentence.values
    if isinstance(known, str):
        return known, sentence.values
    category = locale(language).plural_form(sentence.values["n"])
    return known.get(category, known["other"]), sentence.values


@pass_context
def t(context: Context, text: Sentence, /, **values: Any) -> Markup:
    """The sentence in the language of the page; `{name}` in it stands for a value."""
    language = context["lang"]
    said, known = _look_up(language, text)
    given = {
        name: t(context, value) if isinstance(value, Worded) else value
        for name, value in {**known, **values}.items()
    }
    markup = Markup(escape(said))  # noqa: S704 (escaped)
    return markup.format(**given) if given else markup


@pass_context
def plural(context: Context, one: str, other: str, n: int, /, **values: Any) -> Markup:
    """The same about `n` things."""
    said: Markup = t(context, counted(one, other, n), **values)
    return said


@pass_context
def either_way(context: Context, text: Sentence) -> Markup:
    """Words of a provider's entry, which a catalogue may know. If it does not, they are English."""
    language, asked = context["lang"], text.text if isinstance(text, Worded) else text
    said: Markup = t(context, text)
    if language == ENGLISH or asked in CATALOGUES[language]:
        return said
    return Markup('<span lang="en" dir="ltr">{}</span>').format(said)


@pass_context
def listed(context: Context, several: Iterable[str]) -> str:
    """`trades, deposits and withdrawals`, each of them in the language of the page."""
    return format_list([str(t(context, one)) for one in several], locale=locale(context["lang"]))


# Times


@pass_context
def duration(context: Context, ms: int) -> str:
    """`15 minutes`, `30 Tage`."""
    number, unit = whole_unit(ms)
    return format_unit(number, f"duration-{unit}", locale=locale(context["lang"]))


@pass_context
def day(context: Context, at: int) -> Markup:
    """`23 November 2026`, `23. November 2026`, in UTC."""
    when = datetime.fromtimestamp(at / 1000, UTC)
    return _stamped(at, format_date(when, "long", locale=locale(context["lang"])))


def ago(language: str, at: int, now: int) -> Markup:
    """How long ago, in the largest whole unit: `3 days ago`, `il y a 3 jours`."""
    number, unit = largest_unit(max(0, now - at))
    if unit == "second":
        return _stamped(at, say(language, "just now"))
    past = -timedelta(**{f"{unit}s": number})
    words = format_timedelta(
        past, granularity=unit, threshold=math.inf, add_direction=True, locale=locale(language)
    )
    return _stamped(at, words)


def _stamped(at: int, words: str) -> Markup:
    return Markup('<time datetime="{}">{}</time>').format(moment(at), words)
