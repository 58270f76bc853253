"""At which of a provider's many sites an account lies: what fills the placeholders of its URLs.

    operator  fixes a value for all ─┐
    user      gives the others ──────┴▶ {subdomain: acme} ─▶ attempt ─▶ connection

It is no secret, and part of whose account it is; it is kept as text, `subdomain=acme`. What a user
gives for a sign-in may only choose below a domain that the entry fixes: a whole host name would
choose who is sent our client's secret, and is the operator's to say.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode

from safeconduct.core.errors import ApiError, bad_request
from safeconduct.core.upstream.form import form_of
from safeconduct.core.upstream.keys import KeyField, unexpected
from safeconduct.core.upstream.provider import REGISTERED, Provider
from safeconduct.core.upstream.template import BadPlaceholder, Template
from safeconduct.core.wording import Sentence, worded

FIELD = "placeholders"
_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")

MAX_GIVEN = 512
"""Of a value as it is typed in, perhaps as a whole address."""


def written(values: Mapping[str, str]) -> str:
    return urlencode(sorted(values.items()))


def read_site(text: str) -> dict[str, str]:
    return dict(parse_qsl(text))


def read_given(body: Mapping[str, Any]) -> dict[str, str]:
    """`placeholders` of a request: short texts by name."""
    given = body.get(FIELD)
    if given is None:
        return {}
    if not isinstance(given, dict) or not all(
        _NAME.fullmatch(name) and isinstance(value, str) and len(value) <= MAX_GIVEN
        for name, value in given.items()
    ):
        raise bad_request(
            "invalid_placeholders", "placeholders is an object of short texts.", field=FIELD
        )
    return given


def slots(provider: Provider) -> tuple[str, ...]:
    """The placeholders of all that is asked when somebody signs in, in the order of the URLs."""
    return tuple(dict.fromkeys(name for url in _urls(provider) for name in url.names))


def withheld(provider: Provider) -> tuple[str, ...]:
    """Those that only an operator fills: each could lead our secret to anybody's host."""
    open_ended = [url for url in _urls(provider) if not _anchored(url)]
    return tuple(name for name in slots(provider) if any(_in_host(u, name) for u in open_ended))


def asked(provider: Provider, fixed: Mapping[str, str]) -> tuple[KeyField, ...]:
    """What somebody is asked before they are sent to sign in."""
    closed = {*fixed, *withheld(provider)}
    names = [name for name in slots(provider) if name not in closed]
    return form_of((), provider.placeholders, names)


def choose(
    provider: Provider, fixed: Mapping[str, str], given: Mapping[str, str]
) -> dict[str, str]:
    """The whole of it, with what the operator fixed; 400 names what is missing or ill-formed."""
    fields = {field.name: field for field in asked(provider, fixed)}
    for name, value in given.items():
        if name not in fields and fixed.get(name) != value:
            raise _wrong("unknown_placeholder", f"{name} is nothing that can be chosen here.", name)
    lacking = [name for name in withheld(provider) if name not in fixed]
    if lacking:
        title = "An operator has to say first at which server accounts are linked."
        raise ApiError(409, "placeholder_not_set", title, field=lacking[0])
    chosen = {name: _trimmed(provider, name, given.get(name, "")) for name in fields}
    for name, value in chosen.items():
        if not value:
            title = f"{fields[name].label} is needed{_such(fields[name])}."
            missing = worded("{field} is missing.", field=worded(fields[name].label))
            raise _wrong("placeholder_missing", title, name, missing)
    values = {**{name: fixed[name] for name in slots(provider) if name in fixed}, **chosen}
    _check(provider, values)
    return values


def _check(provider: Provider, values: Mapping[str, str]) -> None:
    """Whether each value is of the declared shape, and stays in its label or segment."""
    try:
        for _, url in provider.templates():
            if set(url.names) <= values.keys():
                url.fill(provider.placeholders, values)
    except BadPlaceholder as error:
        field = form_of((), provider.placeholders, (error.name,))[0]
        title = f"{field.label} is not of the expected form{_such(field)}."
        raise _wrong("invalid_placeholder", title, error.name, unexpected(field)) from None


def fixable(provider: Provider, given: Mapping[str, str]) -> dict[str, str]:
    """What an operator fixes for all; 400 for what no URL has, or what is ill-formed."""
    names = {name for _, url in provider.templates() for name in url.names}
    for name in given:
        if name not in names:
            raise _wrong("unknown_placeholder", f"No URL of this provider has {name}.", name)
    values = {name: _trimmed(provider, name, value) for name, value in given.items()}
    _check(provider, values)
    return values


def kept(site: str, given: Mapping[str, str]) -> str:
    """A connection that is linked again stays where it is; another site is another connection."""
    held = read_site(site)
    for name, value in given.items():
        if value.strip() not in ("", held.get(name)):
            title = "A connection stays at its site. Link the other one beside it."
            raise _wrong("placeholder_kept", title, name)
    return site


def of_fields(provider: Provider, fields: Mapping[str, str]) -> str:
    """The same of what somebody typed in, as far as it is no secret; of an entry of one mode."""
    hidden = {name for field in provider.form for name in field.hides}
    names = {name for _, url in provider.templates() for name in url.names} - hidden
    return written({name: fields[name] for name in names if name in fields})


def _urls(provider: Provider) -> Iterator[Template]:
    """Of an entry at which somebody signs in, those that we ask then and afterwards."""
    if set(provider.auth.modes) & set(REGISTERED):
        yield from (url for _, url in provider.only(REGISTERED).templates())


def _anchored(url: Template) -> bool:
    """Whether the end of its host is the entry's own: a domain, and not only its last label."""
    authority = _authority(url)
    tail = authority.rpartition("}")[2].partition(":")[0]
    return "{" not in authority or tail.count(".") > 1


def _in_host(url: Template, name: str) -> bool:
    return f"{{{name}}}" in _authority(url)


def _authority(url: Template) -> str:
    return url.partition("://")[2].partition("/")[0]


def _trimmed(provider: Provider, name: str, value: str) -> str:
    """People paste addresses: of `https://acme.example.com/`, where that is how the entry has it,
    `acme` is meant. Host names know no capitals.
    """
    value = value.strip()
    if len(value) > MAX_GIVEN:
        return value[:MAX_GIVEN]
    for _, url in provider.templates():
        if not _in_host(url, name):
            continue
        value = value.lower()
        before, _, after = _authority(url).partition(f"{{{name}}}")
        bare = value.removeprefix("https://").removesuffix("/")
        if bare.startswith(before) and bare.endswith(after):
            return bare[len(before) : len(bare) - len(after)]
    return value


def _such(field: KeyField) -> str:
    """The label alone tells nobody how it is written."""
    return f", such as {field.example}" if field.example else ""


def _wrong(code: str, title: str, name: str, told: Sentence | None = None) -> ApiError:
    return ApiError(400, code, title, words=told, field=name)
