"""Parameters of a request: application/x-www-form-urlencoded, read strictly.

RFC 6749 §3.1, §3.2: "Parameters sent without a value MUST be treated as if they were omitted from
the request. […] Request and response parameters MUST NOT be included more than once." Only
`resource` may repeat (RFC 8707 §2).
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_plus

from safeconduct.core.errors import invalid_request

MAX_FIELDS = 100
REPEATABLE = "resource"


class Form(dict[str, str]):
    """Each parameter by name, as first given; `repeated` names those that were given again,
    `blank` those that came without a value and count as omitted.

    A page answers a repeated parameter otherwise than the token endpoint does, so it is reported
    here and judged there.
    """

    __slots__ = ("blank", "repeated", "resources")

    def __init__(self) -> None:
        super().__init__()
        self.blank: frozenset[str] = frozenset()
        self.repeated: frozenset[str] = frozenset()
        self.resources: tuple[str, ...] = ()


def read_form(raw: bytes) -> Form:
    """`ValueError` for what is no form: not UTF-8, a NUL, or more fields than anybody needs."""
    form = Form()
    if not raw:
        return form
    pairs = raw.decode("utf-8").split("&")
    if len(pairs) > MAX_FIELDS:
        raise ValueError("too many parameters")
    seen = set()
    for pair in pairs:
        name, _, value = pair.partition("=")
        if "%" in name or "+" in name:
            name = unquote_plus(name, errors="strict")
        if "%" in value or "+" in value:
            value = unquote_plus(value, errors="strict")
        if "\0" in name or "\0" in value:
            raise ValueError("a parameter holds a NUL")
        if name == REPEATABLE:
            if value:
                form.resources += (value,)
        elif name in seen:
            form.repeated |= {name}
        elif name:
            seen.add(name)
            if value:
                form[name] = value
            else:
                form.blank |= {name}
    return form


def form_to_json(form: Form) -> dict[str, Any]:
    """A form that was found sound, to be kept or sealed."""
    return {"form": dict(form), "resources": list(form.resources)}


def form_from_json(data: Mapping[str, Any]) -> Form:
    form = Form()
    form.update(data["form"])
    form.resources = tuple(data["resources"])
    return form


def required(form: Form, name: str) -> str:
    value = form.get(name)
    if value is None:
        raise invalid_request(f"{name} is missing", rule=f"{name}.missing", rfc="6749#5.2")
    return value
