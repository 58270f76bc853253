"""The first version's words, made from the second's: what a provider was called, and what an
answer did not have yet.
"""

from collections.abc import Sequence
from typing import Any

from safeconduct.core.amounts import plain
from safeconduct.core.model import Connection, Leg, Position, Transaction
from safeconduct.core.upstream.provider import Provider
from safeconduct.web.compat.calico import translate, translate_providers
from safeconduct.web.compat.calico.envelope import ErrorItem

Document = dict[str, Any]

SOURCE = ("crypto_source", "display_label", "auth_type", "status", "connected_at")


def renamed(document: Document) -> Document:
    """`provider_id` was `crypto_source`; the order of members stays."""
    return {
        "crypto_source" if name == "provider_id" else name: value
        for name, value in document.items()
    }


def asset(row: Position) -> Document:
    """OpenAPIAssetPosition."""
    return {
        "asset_symbol": row.asset,
        "asset_name": row.asset_name,
        "quantity": plain(row.quantity),
        "crypto_source": row.provider_id,
        "value": translate.worth(row.value_currency, row.value_amount),
        "updated_at": row.updated_at,
    }


def transaction(row: Transaction, legs: Sequence[Leg], connection: Connection | None) -> Document:
    """TransactionsData, in the same six shapes."""
    return translate.transaction(row, legs, connection, "crypto_source")


def source(row: Connection, entry: Provider | None, refreshed_at: int | None) -> Document:
    """CryptoSourceDescriptor."""
    document = renamed(translate_providers.connected(row, entry, refreshed_at))
    return {name: document[name] for name in (*SOURCE, "last_refreshed_at")}


def error(item: ErrorItem) -> Document:
    """CryptoSourceError, which knows no application code."""
    document = renamed(item.render())
    document.pop("code", None)
    return document
