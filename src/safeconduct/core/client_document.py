"""draft-ietf-oauth-client-id-metadata-document: clients whose id is where they describe themselves.

Nobody registers such a client. It is what its document says, within what any client may say of
itself (`core.self_registration`); it becomes a row when somebody first consents, so that strangers
who invent addresses fill no table.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any
from urllib.parse import urlsplit

from safeconduct.core.errors import OAuthError
from safeconduct.core.events import event
from safeconduct.core.model import Client, TenantId, Words
from safeconduct.core.redirect_uri import web_refusal
from safeconduct.core.registration import new_client
from safeconduct.core.scopes import SCOPES
from safeconduct.core.self_registration import OFFERED, Allowance, self_described
from safeconduct.core.unit import Insert, Ref, Update, Write

MAX_DOCUMENT = 64 << 10
MINUTE_MS = 60_000
LEAST_MS, MOST_MS, USUAL_MS = MINUTE_MS, 24 * 60 * MINUTE_MS, 10 * MINUTE_MS
METHODS = ("none", "private_key_jwt")
SECRETS = frozenset({"client_secret", "client_secret_expires_at"})
READ = OFFERED | SECRETS | {"client_id"}
"""All members that say anything here; what else a document holds is not kept."""

_OURS = (
    "status",
    "verified",
    "not_before",
    "created_at",
    "updated_at",
    "resources",
    "security_profile",
)
_PATTERN = re.compile(r"(?=.{1,255}$)(?:\*\.)?[a-z0-9-]+(?:\.[a-z0-9-]+)*", re.IGNORECASE)
_MAX_AGE = re.compile(r"(?:^|[\s,])max-age=\"?([0-9]{1,9})", re.IGNORECASE)
_NO_KEEPING = re.compile(r"(?:^|[\s,])no-(?:store|cache)(?:$|[\s,=])", re.IGNORECASE)


def is_document_id(client_id: str) -> bool:
    """§3: https, a path, no dot segments, no fragment, no user. Ours are never of this form.

    http is for loopback addresses, and goes out only where the operator allows the address.
    """
    if not client_id.startswith(("https://", "http://")) or web_refusal(client_id) is not None:
        return False
    path = urlsplit(client_id).path
    # Written as %2e they are dots to whoever fetches (RFC 3986 §6.2.2.2)
    segments = path.replace("%2e", ".").replace("%2E", ".").split("/")
    return path.startswith("/") and len(path) > 1 and not {".", ".."} & set(segments)


def is_host_pattern(text: str) -> bool:
    """Whether this is a host name, as `host_allowed` compares them."""
    return _PATTERN.fullmatch(text) is not None


def host_allowed(client_id: str, allow: Sequence[str], deny: Sequence[str] = ()) -> bool:
    """Whether the operator lets this host describe clients. `*.example.com` is every name below
    example.com, and not example.com itself; names are compared whole, label by label.
    """
    host = (urlsplit(client_id).hostname or "").lower().rstrip(".")
    if any(_names(pattern, host) for pattern in deny):
        return False
    return not allow or any(_names(pattern, host) for pattern in allow)


def _names(pattern: str, host: str) -> bool:
    pattern = pattern.lower().rstrip(".")
    if pattern.startswith("*."):
        return host.endswith(pattern[1:]) and len(host) > len(pattern) - 1
    return host == pattern


def described(
    client_id: str,
    document: Mapping[str, Any],
    supported: Collection[str],
    scope: Words = frozenset(SCOPES),
) -> dict[str, Any]:
    """The columns of a client by its document; raises `OAuthError` for one that cannot be used."""
    # §4.1: "The client_id value […] MUST match the URL of the document using simple string
    # comparison", else anybody could host what another is meant to have said
    if document.get("client_id") != client_id:
        raise _unusable("its client_id is not its own address", "document.client_id")
    if SECRETS & document.keys():
        raise _unusable("it holds a secret, which everybody can read", "document.secret")
    method = document.get("token_endpoint_auth_method") or "none"
    if method not in METHODS:
        raise _unusable(f"its authentication must be {' or '.join(METHODS)}", "document.method")
    said = {**document, "token_endpoint_auth_method": method}
    return self_described(said, Allowance(scope=scope), supported)


def document_client(
    client_id: str, tenant_id: TenantId, columns: Mapping[str, Any], stored: Client | None, now: int
) -> Client:
    """The client as its document says it is now, and as operators have decided about it."""
    fresh = new_client(tenant_id, client_id, now, columns)
    if stored is None:
        # A row that was deleted may come back under the same id, but nothing that hung on it
        return replace(fresh, not_before=now)
    return replace(fresh, **{name: getattr(stored, name) for name in _OURS})


def adopted(
    stored: Client | None, seen: Client, event_id: str, now: int
) -> tuple[Client | None, tuple[Write, ...]]:
    """The client as a unit of work finds it, and how it is written down by a consent.

    It gets no entry in the directory: its id belongs to no tenant, and each may have a row of it.
    """
    if not is_document_id(seen.id):
        return stored, ()
    ref = Ref(Client, tenant_id=seen.tenant_id, id=seen.id)
    if stored is None:
        row = replace(seen, security_profile=None)  # the tenant's, which may choose another
        record = event(
            event_id,
            now,
            seen.tenant_id,
            "client.created",
            actor="system",
            client_id=seen.id,
            subject=seen.id,
            detail={"origin": "document"},
        )
        return seen, (Insert(row), Insert(record))
    client = replace(seen, **{name: getattr(stored, name) for name in _OURS})
    changed = {
        field.name: getattr(client, field.name)
        for field in fields(Client)
        if getattr(client, field.name) != getattr(stored, field.name)
    }
    return client, (Update(ref, {**changed, "updated_at": now}),) if changed else ()


def kept_for(headers: Mapping[str, str]) -> int:
    """§4.3: how long the document may be held, by its headers (RFC 9111 §5.2) and within bounds.

    The least is there so that nobody makes us knock at a door more than once a minute.
    """
    control = headers.get("cache-control", "")
    if _NO_KEEPING.search(control):
        return LEAST_MS
    found = _MAX_AGE.search(control)
    return min(max(int(found[1]) * 1000, LEAST_MS), MOST_MS) if found else USUAL_MS


def _unusable(why: str, rule: str) -> OAuthError:
    return OAuthError("invalid_client_metadata", f"the client's document: {why}", rule=rule)
