"""Alpaca's words for ours, and ours for Alpaca's."""

from collections.abc import Mapping
from typing import Any

from safeconduct.core.errors import bad_request, invalid_client
from safeconduct.core.model import Client
from safeconduct.core.scopes import format_scope
from safeconduct.services.delegation import Authorized, Delegated

Document = dict[str, Any]

RESPONSE_TYPES = ("code", "token")
MAX_TEXT = 2_000

PAGES = {"url": "client_uri", "terms_of_use": "tos_uri", "privacy_policy": "policy_uri"}
"""Alpaca's names for addresses of RFC 7591; one that a client does not have is empty."""


def check_lookup(asked: Mapping[str, Any]) -> None:
    """`redirect_uri` and `scope` are the broker's to show, whatever they are."""
    if asked.get("response_type", "code") not in RESPONSE_TYPES:
        # The contract knows one refusal at this place
        raise invalid_client("response_type is code or token", rule="broker.response_type")


def client(row: Client) -> Document:
    return {
        "client_id": row.id,
        "name": row.client_name,
        "description": row.metadata.get("description", ""),
        **{name: row.metadata.get(ours, "") for name, ours in PAGES.items()},
        "status": "ACTIVE" if row.status == "active" else "DISABLED",
        "redirect_uri": list(row.redirect_uris),
        "live_trading_approved": row.live_trading_approved,
    }


def read_request(body: Mapping[str, Any]) -> Delegated:
    """The body of both POSTs."""
    return Delegated(
        client_id=_text(body, "client_id"),
        client_secret=_text(body, "client_secret"),
        redirect_uri=_text(body, "redirect_uri"),
        scope=_scope(body),
        account_id=_text(body, "account_id"),
    )


def code(given: Authorized) -> Document:
    return {
        "code": given.code,
        "client_id": given.client.id,
        "redirect_uri": given.redirect_uri,
        "scope": format_scope(given.scope),
    }


def token(answer: Mapping[str, Any]) -> Document:
    """On this side `token_type` is capitalised; at the end users' endpoint it is not."""
    return {
        "access_token": answer["access_token"],
        "token_type": "Bearer",
        "scope": answer["scope"],
    }


def _text(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= MAX_TEXT:
        raise bad_request("invalid_body", f"{name} is missing or malformed", field=name)
    return value


def _scope(body: Mapping[str, Any]) -> str:
    """Text, or a number, which is the text of it; empty means what the client has by default."""
    value = body.get("scope")
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        raise bad_request("invalid_body", "scope is missing or malformed", field="scope")
    return value
