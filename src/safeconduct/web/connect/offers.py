"""Providers in people's words: what linking an account there lets us fetch."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from safeconduct.core.upstream.provider import Provider

_SLOT = re.compile(r"\{[a-z0-9_]+\}")

VERBS = {
    "api_key": "Enter keys of",
    "basic": "Enter a password of",
    "custom_form": "Enter a token of",
    "oauth2_client_credentials": "Enter your own app at",
    "service_account": "Enter a key file of",
    "wallet": "Enter an address of",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A provider as the pages show it. `fetches` are sentences' ends after "We fetch"."""

    id: str
    name: str
    host: str
    summary: str | None
    fetches: tuple[str, ...]
    lasting: bool  # goes on until it is ended, there or here
    asked: tuple[str, ...]  # the scopes, as the provider calls them
    verb: str = "Sign in at"  # what the button says, before the name
    by_device: bool = False  # can be linked on another screen, too
    at: str | None = None  # of an MCP server: its address
    by_form: bool = False  # or by what its user brings


def offer_of(provider: Provider) -> Offer:
    there, brings = provider.signs_in_at, provider.auth.brings
    if there is None:
        return Offer(
            id=provider.id,
            name=provider.name,
            host=urlsplit((brings and brings.where) or "").netloc,
            summary=provider.summary,
            fetches=tuple(_fetches(provider)),
            lasting=True,
            asked=(),
            verb=VERBS[provider.auth.modes[0]],
        )
    code = provider.auth.oauth2_code
    lasting = code is None or (
        code.refresh.possible and code.refresh.needs_scope in (None, *code.scopes)
    )
    return Offer(
        id=provider.id,
        name=provider.name,
        host=_SLOT.sub("…", urlsplit(there).netloc),
        summary=provider.summary,
        fetches=tuple(_fetches(provider)),
        lasting=lasting,
        asked=provider.asked,
        by_device=provider.auth.oauth2_device is not None,
        at=provider.mcp.url if provider.mcp else None,
        by_form=brings is not None,
    )


def _fetches(provider: Provider) -> list[str]:
    if provider.mcp is not None:
        return ["Nothing by ourselves: apps that you let in may use its tools"]
    found = ["Whose account it is there"]
    if provider.api is None:
        return found
    scopes, what = provider.asked, provider.api.capabilities
    if what.assets and what.assets.needs_scope in (None, *scopes):
        found.append("What you hold there, and what it is worth")
    if what.transactions and what.transactions.needs_scope in (None, *scopes):
        found.append(f"Your history there: {_history(what.transactions.lacks)}")
    return found


def _history(lacks: Sequence[str]) -> str:
    """What of it, and what cannot be read although it happens there."""
    if not lacks:
        return "purchases, sales, transfers and fees"
    told = [words for name, words in _TOLD.items() if name not in lacks]
    return f"{', '.join(told)}; not {' and '.join(_NAMED[name] for name in lacks)}"


_TOLD = {"trades": "purchases and sales", "deposits": "deposits", "withdrawals": "withdrawals"}
_NAMED = {
    **_TOLD,
    "high_frequency": "what a high-frequency account does",
    "earn": "what Earn products keep",
}
"""What may be lacking, those too that few have: nobody is told that these are read."""
