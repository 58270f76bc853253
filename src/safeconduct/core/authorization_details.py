"""Rich Authorization Requests (RFC 9396): what a scope can only name, a detail says in data.

A detail is kept as canonical JSON text, so that two that say the same are the same. What was
granted can only shrink: a token request may leave details out and shorten their lists (§6).
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from safeconduct.core.detail_types import CONNECTIONS, DetailType, Types
from safeconduct.core.errors import OAuthError
from safeconduct.core.jws import json_value

Details = tuple[str, ...]

MOST = 20
MOST_REMEMBERED = 100


def read_details(text: str | None, types: Types, allowed: Collection[str]) -> Details:
    """§5: every detail is understood and allowed, or `invalid_authorization_details`.

    `allowed` are the types of the client (§10); a client that lists none may ask for none.
    """
    if text is None:
        return ()
    return tuple(dict.fromkeys(_one(detail, types, allowed) for detail in _array(text)))


def _one(detail: Mapping[str, Any], types: Types, allowed: Collection[str]) -> str:
    name = detail.get("type")
    if not isinstance(name, str):
        raise _refused("each detail has a type", "shape")
    known = types.get(name)
    if known is None:
        raise _refused("a type is unknown here", "type")
    if name not in allowed:
        raise _refused(f"this client may not ask for {name}", "type.client")
    if detail.keys() - known.fields.keys() - {"type"}:
        raise _refused(f"{name} has a field that is unknown here", "field")
    for field_name, form in known.fields.items():
        if field_name not in detail:
            if form.required:
                raise _refused(f"{name} needs the field {field_name}", "field.missing")
        elif not form.accepts(detail[field_name]):
            raise _refused(f"{field_name} of {name} has a value that does not fit", "field.value")
    return canonical(detail)


def canonical(detail: Mapping[str, Any]) -> str:
    """One text for each meaning: members in order, lists of texts sorted, no blanks."""
    ordered = {
        name: sorted(set(value)) if _is_texts(value) else value for name, value in detail.items()
    }
    text = json.dumps(ordered, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise _refused("half a character is no text", "shape") from None
    return text


def parsed(details: Iterable[str]) -> list[dict[str, Any]]:
    """As they stand in tokens and answers."""
    return [json.loads(text) for text in details]


def narrowed(asked: str | None, granted: Details) -> Details:
    """§6: what a token request asks for, out of what was granted."""
    if asked is None:
        return granted
    data, wide = _array(asked), parsed(granted)
    if not all(any(_within(one, other) for other in wide) for one in data):
        raise _refused("it exceeds what was granted", "exceeds")
    return tuple(dict.fromkeys(map(canonical, data)))


def _within(asked: Mapping[str, Any], granted: Mapping[str, Any]) -> bool:
    """The same members, lists of texts equal or shorter, everything else equal."""
    if asked.keys() != granted.keys():
        return False
    return all(
        set(value) <= set(granted[name])
        if _is_texts(value) and _is_texts(granted[name])
        else value == granted[name] and type(value) is type(granted[name])
        for name, value in asked.items()
    )


def lasting(details: Details, types: Types) -> Details:
    """Those to which a yes counts for another time too."""
    return tuple(text for text in details if types[json.loads(text)["type"]].remembered)


def remember(remembered: Details, more: Details) -> Details:
    """What a grant remembers after one more yes; of too many the oldest are forgotten."""
    return tuple(dict.fromkeys((*remembered, *more)))[-MOST_REMEMBERED:]


@dataclass(frozen=True, slots=True)
class Told:
    """A detail in words: a sentence, and what it is about, line by line."""

    says: str
    lines: Sequence[tuple[str, Sequence[str]]]


def tell(details: Details, types: Types, names: Mapping[str, str]) -> list[Told]:
    """§12: everything that a detail says is shown, nothing is left to its type's name.

    `names` are those of the accounts that a person has linked, by id.
    """
    return [_told(detail, _known(detail["type"], types), names) for detail in parsed(details)]


def _known(name: str, types: Types) -> DetailType:
    """The type; one that an operator took away meanwhile is told by its bare words."""
    return types.get(name) or DetailType(name=name, says=name)


def _told(detail: Mapping[str, Any], known: DetailType, names: Mapping[str, str]) -> Told:
    lines = [
        (_label(known, name), _shown(value, {**names, **_words(known, name)}))
        for name, value in detail.items()
        if name != "type"
    ]
    return Told(known.says, lines)


def _label(known: DetailType, name: str) -> str:
    form = known.fields.get(name)
    return (form.label if form else "") or name


def _words(known: DetailType, name: str) -> Mapping[str, str]:
    form = known.fields.get(name)
    return form.words if form else {}


def _shown(value: Any, words: Mapping[str, str]) -> Sequence[str]:
    several = value if _is_texts(value) else [value]
    return [
        words.get(one, one) if isinstance(one, str) else json.dumps(one, ensure_ascii=False)
        for one in several
    ]


_SCOPE_OF = {
    ("read", "connections"): "connections:read",
    ("write", "connections"): "connections:write",
    ("read", "assets"): "assets:read",
    ("read", "transactions"): "transactions:read",
}


def permits(details: Iterable[Mapping[str, Any]], scope: str, connection_id: str | None) -> bool:
    """Whether a detail of our own type allows what this scope would, for one linked account.

    `connection_id` None: for all of them.
    """
    return any(
        detail.get("type") == CONNECTIONS.name
        and detail.get("identifier") in (None, connection_id)
        and any(
            _SCOPE_OF.get((action, kind)) == scope
            for action in detail["actions"]
            for kind in detail["datatypes"]
        )
        for detail in details
    )


def _array(text: str) -> list[dict[str, Any]]:
    try:
        data = json_value(text.encode())
    except ValueError:
        data = None
    if not isinstance(data, list) or not 0 < len(data) <= MOST:
        raise _refused(f"it must be a JSON array of 1 to {MOST} objects", "shape")
    if not all(isinstance(one, dict) for one in data):
        raise _refused("each detail is an object", "shape")
    return data


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, str) for one in value)


def _refused(why: str, rule: str) -> OAuthError:
    return OAuthError(
        "invalid_authorization_details",
        f"authorization_details: {why}",
        rule=f"authorization_details.{rule}",
        rfc="9396#5",
    )
