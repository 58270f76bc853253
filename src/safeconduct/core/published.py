"""The events that receivers outside are told of, and what each of them is told.

Data is put together member by member from the event's row. Its `detail` is for operators and never
goes out as a whole, so nothing that a receiver did not subscribe to can slip in.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from safeconduct.core.connections import TOLD
from safeconduct.core.model import Event

Json = Mapping[str, Any]
Told = Callable[[Event], dict[str, Any]]

_TEXT: Json = {"type": "string"}
_TEXT_OR_NULL: Json = {"type": ["string", "null"]}
_COUNT: Json = {"type": "integer", "minimum": 0}
_STATUS_OF: Mapping[str, str] = {
    "connection.created": "active",
    **{str(type): str(status) for status, type in TOLD.items()},
}


@dataclass(frozen=True, slots=True)
class Published:
    """One type: what it means, what its data looks like, and how that is read off an event."""

    summary: str
    properties: Json
    data: Told

    def schema(self, type: str) -> dict[str, Any]:
        """The JSON Schema of `data`."""
        return {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": type,
            "description": self.summary,
            "type": "object",
            "properties": self.properties,
            "required": [*self.properties],
            "additionalProperties": False,
        }


def _whose(row: Event) -> dict[str, Any]:
    return {"user_id": row.user_id, "client_id": row.client_id}


def _connection(row: Event) -> dict[str, Any]:
    return {"connection_id": row.subject, **_whose(row), "version": row.version or 0}


def _status(row: Event) -> dict[str, Any]:
    return {
        **_connection(row),
        "status": _STATUS_OF[row.type],
        "previous_status": row.detail.get("from"),
        "reason": row.detail.get("reason"),
    }


def _data(row: Event) -> dict[str, Any]:
    counts = {name: int(row.detail.get(name, 0)) for name in ("added", "changed", "removed")}
    run = int(row.detail.get("run", 0))
    return {"connection_id": row.subject, **_whose(row), "run": run, **counts}


def _grant(row: Event) -> dict[str, Any]:
    return {"grant_id": row.subject, **_whose(row)}


def _user(row: Event) -> dict[str, Any]:
    return {"user_id": row.subject}


def _client(row: Event) -> dict[str, Any]:
    return {"client_id": row.subject}


_WHOSE: Json = {"user_id": _TEXT_OR_NULL, "client_id": _TEXT_OR_NULL}
_CONNECTION: Json = {
    "connection_id": _TEXT,
    **_WHOSE,
    "version": {**_COUNT, "description": "Rises with every event of the connection"},
}
_MOVED: Json = {
    **_CONNECTION,
    "status": {"enum": sorted(set(_STATUS_OF.values()))},
    "previous_status": _TEXT_OR_NULL,
    "reason": _TEXT_OR_NULL,
}
_CHANGED: Json = {
    "connection_id": _TEXT,
    **_WHOSE,
    "run": {**_COUNT, "description": "Rises with every reading of the connection"},
    "added": _COUNT,
    "changed": _COUNT,
    "removed": _COUNT,
}
_GRANT: Json = {"grant_id": _TEXT, **_WHOSE}
_USER: Json = {"user_id": _TEXT}
_CLIENT: Json = {"client_id": _TEXT}


def _like(properties: Json, data: Told, **summaries: str) -> dict[str, Published]:
    """Types of one shape; a keyword's first underscore is the type's dot."""
    return {
        name.replace("_", ".", 1): Published(summary, properties, data)
        for name, summary in summaries.items()
    }


PUBLISHED: Mapping[str, Published] = {
    **_like(
        _MOVED,
        _status,
        connection_created="An account was linked.",
        connection_healed="It works again.",
        connection_degraded="The provider fails; the last good data is served.",
        connection_uncertain="An answer of the provider was lost.",
        connection_needs_reauth="The user must connect again.",
        connection_revoked="An administrator ended it.",
        connection_deleted="The user ended it.",
    ),
    **_like(
        {**_CONNECTION, "ends_at": {**_COUNT, "description": "Milliseconds since the epoch"}},
        lambda row: {**_connection(row), "ends_at": int(row.detail.get("ends_at", 0))},
        connection_expiring="It will end unless the user connects again before.",
    ),
    **_like(
        _CONNECTION,
        _connection,
        connection_scope_changed="The provider grants more or less than before.",
        connection_account_changed="It is another account now.",
    ),
    **_like(
        _CHANGED,
        _data,
        assets_updated="What is held has changed.",
        transactions_updated="There are new or changed transactions.",
    ),
    **_like(
        _GRANT,
        _grant,
        grant_created="A user let an app in.",
        grant_updated="A user allowed an app more.",
        grant_revoked="An app's access was taken back.",
    ),
    **_like(
        _USER,
        _user,
        user_created="An operator or a client made a user.",
        user_signup="Somebody signed up.",
        user_updated="A user's particulars changed.",
        user_disabled="A user was disabled.",
        user_enabled="A user was enabled again.",
        user_deleted="A user is gone.",
    ),
    **_like(
        _CLIENT,
        _client,
        client_disabled="An app was disabled.",
        client_enabled="An app was enabled again.",
        client_deleted="An app is gone.",
    ),
    **_like({}, lambda row: {}, webhook_ping="Sent when somebody tries a webhook out."),
}
"""By type. What is not here stays inside."""

SPREAD: frozenset[str] = frozenset(PUBLISHED) - {"webhook.ping"}
"""What everybody hears who asked for it. A ping goes to the one that it is to try out."""


def is_pattern(text: str) -> bool:
    """`*`, a type, or the types of one subject (`connection.*`)."""
    if text == "*" or text in PUBLISHED:
        return True
    return text.endswith(".*") and any(type.startswith(text[:-1]) for type in PUBLISHED)


def wanted(patterns: tuple[str, ...], type: str) -> bool:
    """Whether one of the patterns means this type."""
    return any(
        pattern in ("*", type) or (pattern.endswith(".*") and type.startswith(pattern[:-1]))
        for pattern in patterns
    )
