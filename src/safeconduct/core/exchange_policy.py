"""What a client may do by token exchange, as an operator registers it; without it, very little.

    own tokens, fewer scopes, same audience     every client that has the grant type
    another client's tokens                     subject_clients
    another audience                            audiences
    without naming itself as actor              impersonation
    the provider's own token of a connection    connection_tokens

Scopes never grow, whatever is registered here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from safeconduct.core.model import Client

MOST = 50
_LISTS = ("subject_clients", "audiences", "connection_tokens")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangePolicy:
    """`*` in a list means all."""

    subject_clients: tuple[str, ...] = ()
    audiences: tuple[str, ...] = ()
    connection_tokens: tuple[str, ...] = ()  # ids of providers
    impersonation: bool = False
    may_act: str | None = None  # who may act for this client's users: `may_act` of its tokens


NOTHING = ExchangePolicy()


def exchange_policy(client: Client) -> ExchangePolicy:
    said = client.token_exchange
    if not said:
        return NOTHING
    lists = {name: tuple(said.get(name, ())) for name in _LISTS}
    return ExchangePolicy(
        **lists, impersonation=said.get("impersonation", False), may_act=said.get("may_act")
    )


def allows(allowed: tuple[str, ...], one: str | None) -> bool:
    return "*" in allowed or (one is not None and one in allowed)


def read_policy(value: Any) -> dict[str, Any] | None:
    """A field of a client's registration; `ValueError` says what is wrong with it."""
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise ValueError("must be an object")
    if unknown := sorted(value.keys() - {*_LISTS, "impersonation", "may_act"}):
        raise ValueError(f"has no member {unknown[0]}")
    for name in _LISTS:
        entries = value.get(name, [])
        if not isinstance(entries, list | tuple) or len(entries) > MOST:
            raise ValueError(f"{name} must be a list of at most {MOST}")
        if not all(isinstance(entry, str) and 0 < len(entry) <= 2_000 for entry in entries):
            raise ValueError(f"{name} must hold strings")
    if not isinstance(value.get("impersonation", False), bool):
        raise ValueError("impersonation must be true or false")
    if not isinstance(value.get("may_act"), str | None):
        raise ValueError("may_act must be the id of a client")
    return {
        name: list(entry) if isinstance(entry, tuple) else entry for name, entry in value.items()
    }
