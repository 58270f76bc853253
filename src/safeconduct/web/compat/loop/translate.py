"""Loop's words for ours, and ours for Loop's."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from safeconduct.core.errors import bad_request
from safeconduct.core.model import Connection
from safeconduct.core.times import rfc3339
from safeconduct.core.upstream.provider import Provider
from safeconduct.core.upstream.site import read_given
from safeconduct.services.sync_runs import SyncRun

Document = dict[str, Any]

MAX_TEXT = 4_096
PROVIDER_ID = "prv_"
"""What a provider's id has before its slug."""

STATUSES: Mapping[str, str] = {
    "active": "connected",
    "degraded": "connected",  # what it gave is served, and it heals by itself
    "uncertain": "error",
    "needs_reauth": "error",
    "revoked": "disconnected",
    "deleted": "disconnected",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorize:
    provider: str
    redirect_uri: str
    placeholders: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Callback:
    provider: str
    given: Mapping[str, str] = field(repr=False)
    state: str = field(repr=False)
    redirect_uri: str


def read_authorize(body: Mapping[str, Any]) -> Authorize:
    return Authorize(
        provider=_text(body, "provider"),
        redirect_uri=_text(body, "redirectUri"),
        placeholders=read_given(body),
    )


def read_callback(body: Mapping[str, Any]) -> Callback:
    return Callback(
        provider=_text(body, "provider"),
        given=_given(body),
        state=_text(body, "state"),
        redirect_uri=_text(body, "redirectUri"),
    )


def _given(body: Mapping[str, Any]) -> Mapping[str, str]:
    """A code; or the two values of a provider that speaks OAuth 1.0a, under their own names."""
    both = ("oauth_token", "oauth_verifier")
    names = both if "oauth_verifier" in body and "code" not in body else ("code",)
    return {name: _text(body, name) for name in names}


def connection(row: Connection, last_sync_at: int | None) -> Document:
    return {
        "id": row.id,
        "userId": row.user_id,
        "providerId": PROVIDER_ID + row.provider_id,
        "providerSlug": row.provider_id,
        "status": STATUSES[row.status],
        "lastSyncAt": None if last_sync_at is None else rfc3339(last_sync_at),
        "createdAt": rfc3339(row.created_at),
    }


def provider(entry: Provider, *, on: bool) -> Document:
    return {
        "id": PROVIDER_ID + entry.id,
        "slug": entry.id,
        "name": entry.name,
        "authType": "oauth2",
        "status": "active" if on else "disabled",
    }


def sync_run(run: SyncRun) -> Document:
    return {
        "id": run.id,
        "connectionId": run.connection_id,
        "status": run.status,
        "recordsProcessed": run.processed,
        "errors": list(run.errors),
        "completedAt": None if run.completed_at is None else rfc3339(run.completed_at),
    }


def _text(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name)
    if value is None:
        raise bad_request("invalid_body", f"{name} is required", field=name)
    if not isinstance(value, str) or not 0 < len(value) <= MAX_TEXT:
        raise bad_request("invalid_body", f"{name} must be text", field=name)
    return value
