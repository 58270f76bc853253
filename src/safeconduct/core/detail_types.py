"""RFC 9396 §2, §9: the types of authorization details, what each may hold, and how it is told.

A type is registered with the fields that it may have and the sentence that consent shows: what
cannot be put into words cannot be consented to. One type is ours; an operator adds others.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

Kind = Literal["text", "texts", "number", "flag", "object"]

MOST_CHOICES = 50
MOST_TYPES = 50
_OF_FIELDS = frozenset({"kind", "label", "choices", "required", "words"})
_LONGEST = 500
_NAME = re.compile(r"[!#-\[\]-~]{1,128}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One member of a detail. `label` introduces it on the consent page, `words` are for people
    what its values are for programs.
    """

    kind: Kind = "text"
    label: str = ""
    choices: tuple[str, ...] = ()
    required: bool = False
    words: Mapping[str, str] = field(default_factory=dict)

    def accepts(self, value: Any) -> bool:
        match self.kind:
            case "text":
                return self._text(value)
            case "texts":
                return isinstance(value, list) and bool(value) and all(map(self._text, value))
            case "number":
                return type(value) in (int, float)
            case "flag":
                return isinstance(value, bool)
            case _:
                return isinstance(value, dict)

    def _text(self, value: Any) -> bool:
        short = isinstance(value, str) and 0 < len(value) <= _LONGEST and value.isprintable()
        return short and (not self.choices or value in self.choices)


@dataclass(frozen=True, slots=True, kw_only=True)
class DetailType:
    """`says` is the sentence for people. `remembered`: what was allowed once need not be asked
    again; a payment must be, the reading of an account need not.
    """

    name: str
    says: str
    fields: Mapping[str, Field] = field(default_factory=dict)
    remembered: bool = False


Types = Mapping[str, DetailType]

CONNECTIONS = DetailType(
    name="connections",
    says="Use accounts that you have linked",
    fields={
        "actions": Field(
            kind="texts",
            label="May",
            choices=("read", "write"),
            required=True,
            words={"read": "see", "write": "link and unlink"},
        ),
        "datatypes": Field(
            kind="texts",
            label="What",
            choices=("connections", "assets", "transactions"),
            required=True,
            words={
                "connections": "which accounts are linked",
                "assets": "what they hold",
                "transactions": "their history",
            },
        ),
        "identifier": Field(label="Only this account"),
        "locations": Field(kind="texts", label="At"),
    },
    remembered=True,
)
"""The platform API's own: what `connections:read` and its neighbours allow, or less of it."""

CONNECTION_REQUESTS = DetailType(
    name="connection_requests",
    says="Make requests in your name at services where you have linked an account",
    fields={
        "methods": Field(
            kind="texts",
            label="Requests",
            choices=("GET", "POST", "PUT", "PATCH", "DELETE"),
            required=True,
        ),
        "paths": Field(kind="texts", label="To", required=True),
        "fields": Field(kind="texts", label="Seeing only"),
        "identifier": Field(label="Only with this account"),
        "provider": Field(label="Only at"),
        "locations": Field(kind="texts", label="At"),
    },
    remembered=True,
)
"""A policy of the proxy: which requests, to which paths, and what of the answers is shown.

In a path `*` stands for one segment, and `/**` at its end for everything below.
"""

BUILT_IN: Types = {each.name: each for each in (CONNECTIONS, CONNECTION_REQUESTS)}


def types_document(types: Types) -> dict[str, Any]:
    """As they were registered; `types_from` reads it again."""
    return {
        name: {
            "says": one.says,
            "fields": {
                field_name: {
                    "kind": form.kind,
                    "label": form.label,
                    "choices": list(form.choices),
                    "required": form.required,
                    "words": dict(form.words),
                }
                for field_name, form in one.fields.items()
            },
            "remembered": one.remembered,
        }
        for name, one in types.items()
    }


def types_from(data: Any) -> dict[str, DetailType]:
    """Types that an operator registers, by name; `ValueError` in words for what is none."""
    if not isinstance(data, Mapping):
        raise ValueError("it must be a table of types by name")
    if len(data) > MOST_TYPES:
        raise ValueError(f"there are at most {MOST_TYPES} types")
    return {str(name): _type_from(str(name), about) for name, about in data.items()}


def _type_from(name: str, about: Any) -> DetailType:
    if not _NAME.fullmatch(name) or name in BUILT_IN:
        raise ValueError(f"{name!r} cannot be the name of a type")
    if not isinstance(about, Mapping) or about.keys() - {"says", "fields", "remembered"}:
        raise ValueError(f"{name} has says, fields and remembered, and nothing else")
    says, known = about.get("says"), about.get("fields", {})
    if not isinstance(says, str) or not 0 < len(says) <= 200:
        raise ValueError(f"{name} needs `says`, a sentence for the consent page")
    if not isinstance(known, Mapping) or "type" in known:
        raise ValueError(f"{name}.fields is a table of fields by name")
    return DetailType(
        name=name,
        says=says,
        fields={str(one): _field_from(f"{name}.{one}", more) for one, more in known.items()},
        remembered=about.get("remembered") is True,
    )


def _field_from(where: str, about: Any) -> Field:
    if not isinstance(about, Mapping) or about.keys() - _OF_FIELDS:
        raise ValueError(f"{where} has {', '.join(sorted(_OF_FIELDS))}, and nothing else")
    kind, choices = about.get("kind", "text"), about.get("choices", [])
    if kind not in get_args(Kind):
        raise ValueError(f"{where}.kind is one of {', '.join(get_args(Kind))}")
    if not isinstance(choices, list) or not all(isinstance(one, str) for one in choices):
        raise ValueError(f"{where}.choices is a list of texts")
    words = about.get("words", {})
    if not isinstance(words, Mapping):
        raise ValueError(f"{where}.words is a table of words by value")
    return Field(
        kind=kind,
        label=str(about.get("label", ""))[:60],
        choices=tuple(choices[:MOST_CHOICES]),
        required=about.get("required") is True,
        words={str(value): str(word) for value, word in words.items()},
    )
