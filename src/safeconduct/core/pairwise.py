"""OpenID Connect Core §8: what a user is called at a client, so that clients cannot compare.

A `public` subject is the user's id. A `pairwise` one is a keyed hash of the client's sector and
the user's id: always the same within the sector, without meaning outside of it.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from safeconduct.core.jwk import b64url
from safeconduct.core.mac import mac
from safeconduct.core.model import Client
from safeconduct.core.redirect_uri import web_refusal

SUBJECT_TYPES = ("public", "pairwise")


def is_pairwise(client: Client) -> bool:
    return client.metadata.get("subject_type") == "pairwise"


def subject_name(client: Client, user_id: str, key: bytes) -> str:
    """The `sub` of this user at this client; `key` is the tenant's key for subjects."""
    if not is_pairwise(client):
        return user_id
    where = sector(client.metadata, client.redirect_uris) or client.id
    return b64url(mac(key, f"pairwise\0{where}\0{user_id}".encode()))


def sector(metadata: Mapping[str, Any], redirect_uris: Sequence[str]) -> str | None:
    """§8.1: the host of `sector_identifier_uri`, else of the redirect URIs; None if there is none.

    `ValueError` where the redirect URIs have several hosts and nothing says which is meant.
    """
    named = metadata.get("sector_identifier_uri")
    hosts = {urlsplit(uri).hostname or uri for uri in ((named,) if named else redirect_uris)}
    if len(hosts) > 1:
        raise ValueError("must be given, because the redirect URIs have several hosts")
    return next(iter(hosts), None)


def subject_trouble(
    metadata: Mapping[str, Any], redirect_uris: Sequence[str]
) -> tuple[str, str] | None:
    """The field that does not go with the others, and why."""
    if metadata.get("subject_type") != "pairwise":
        return None
    try:
        sector(metadata, redirect_uris)
    except ValueError as error:
        return "sector_identifier_uri", str(error)
    return None


def _subject_type(value: Any) -> str | None:
    if value is not None and value not in SUBJECT_TYPES:
        raise ValueError(f"must be one of {', '.join(SUBJECT_TYPES)}")
    return None if value is None else str(value)


def _sector_uri(value: Any) -> str | None:
    """§5: "the URI MUST use the https scheme" (or be on this machine, for those who try)."""
    if value is None:
        return None
    reason = web_refusal(value) if isinstance(value, str) else "it must be a string"
    if reason:
        raise ValueError(f"cannot be used: {reason}")
    return str(value)


FIELDS: Mapping[str, Callable[[Any], str | None]] = {
    "subject_type": _subject_type,
    "sector_identifier_uri": _sector_uri,
}


def sector_trouble(document: Any, redirect_uris: Sequence[str]) -> str | None:
    """OpenID Connect Registration §5: the document lists "all of the redirect_uri values"."""
    if not isinstance(document, list) or not all(isinstance(item, str) for item in document):
        return "leads to no JSON array of strings"
    missing = [uri for uri in redirect_uris if uri not in document]
    return f"does not list {missing[0]}" if missing else None
