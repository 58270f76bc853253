"""Providers and connections in Calico's words, as pure functions.

Connection + catalogue entry ─▶ ConnectedProvidersMetadataV2.1
catalogue entry ─▶ IntegrationData
"""

from typing import Any

from safeconduct.core.model import Connection
from safeconduct.core.upstream.provider import Provider
from safeconduct.web.compat.calico.errors import REAUTHENTICATE

Document = dict[str, Any]

MODES = {
    "api_key": "api_key",
    **dict.fromkeys(("oauth2_code", "oauth2_yields_api_key", "oauth1"), "oauth2"),
    "wallet": "wallet",
}
"""Our auth modes in Calico's words: what is done by signing in there is one to it. A mode that is
not here cannot be told in this dialect.
"""

AUTH_TYPES = tuple(dict.fromkeys(MODES.values()))

KEYS = ("api_key", "secret_key", "passphrase")
"""What `APIConnection` carries, under the names that catalogue entries give their fields."""

CATEGORIES = ("exchange", "wallet", "custodian")

STATUSES = {
    "active": "connected",
    "degraded": "connected",
    "uncertain": "connected",
    "needs_reauth": "error",
    "revoked": "disconnected",
    "deleted": "disconnected",
}


def auth_types(entry: Provider) -> list[str]:
    """The ways to link that this dialect has the words for; none where a key needs other fields."""
    kinds = dict.fromkeys(MODES[mode] for mode in entry.auth.modes if mode in MODES)
    return [kind for kind in kinds if kind != "api_key" or set(_needed(entry)) <= {*KEYS}]


def connected(row: Connection, entry: Provider | None, refreshed_at: int | None) -> Document:
    """A connection, and what the catalogue says of its provider."""
    return {
        "provider_id": row.provider_id,
        "display_label": row.display_label,
        "auth_type": MODES.get(row.auth_mode, "oauth2"),
        "status": status(row),
        "connected_at": row.created_at,
        "last_refreshed_at": refreshed_at,
        "connection_id": row.id,
        "name": entry.name if entry else row.provider_id,
        "logo_url": entry.logo if entry else None,
        "category": category(entry) if entry else "other",
        "last_error": last_error(row),
    }


def status(row: Connection) -> str:
    if row.reason == "refresh.unreadable":  # ours to mend, but nothing can be read meanwhile
        return "error"
    return STATUSES[row.status]


def last_error(row: Connection) -> Document | None:
    match row.status:
        case "needs_reauth" | "uncertain":
            return {
                "provider_id": row.provider_id,
                "cause": "invalid_credentials",
                "message": "the account must be connected again",
                "code": REAUTHENTICATE,
            }
        case "degraded":
            return {
                "provider_id": row.provider_id,
                "cause": "provider_unavailable",
                "message": "provider did not answer",
            }
    return None


def integration(entry: Provider) -> Document:
    """A provider that can be linked, and what it takes."""
    document: Document = {
        "provider_id": entry.id,
        "name": entry.name,
        "logo_url": entry.logo,
        "category": category(entry),
        "auth": [auth(entry, kind) for kind in auth_types(entry)],
    }
    return document


def auth(entry: Provider, kind: str) -> Document:
    """AuthMetaData: what the connection object must hold for this way of linking."""
    if kind == "oauth2":
        return {"type": kind, "required_fields": [], "scopes": list(entry.asked)}
    needed = _needed(entry) if kind == "api_key" else ["address"]
    return {"type": kind, "required_fields": needed}


def category(entry: Provider) -> str:
    return entry.category if entry.category in CATEGORIES else "other"


def _needed(entry: Provider) -> list[str]:
    fields = entry.auth.api_key.fields if entry.auth.api_key else ()
    return [field.name for field in fields if not field.optional]
