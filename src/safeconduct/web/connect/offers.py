"""Providers in people's words: what linking an account there lets us fetch."""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from safeconduct.core.display import display_name
from safeconduct.core.upstream.provider import Provider
from safeconduct.core.wording import Sentence, worded

_SLOT = re.compile(r"\{[a-z0-9_]+\}")

SIGN_IN = "Sign in at {provider}"
VERBS = {
    "api_key": "Enter keys of {provider}",
    "basic": "Enter a password of {provider}",
    "custom_form": "Enter a token of {provider}",
    "oauth2_client_credentials": "Enter your own app at {provider}",
    "service_account": "Enter a key file of {provider}",
    "wallet": "Enter an address of {provider}",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A provider as the pages show it. `fetches` are sentences' ends after "We fetch"; of its
    `history` there may be parts that cannot be read although they happen there: it `lacks` them.
    """

    id: str
    name: str
    host: str
    summary: Sentence | None
    fetches: tuple[Sentence, ...]
    lasting: bool  # goes on until it is ended, there or here
    asked: tuple[str, ...]  # the scopes, as the provider calls them
    history: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()
    verb: str = SIGN_IN  # what the button says
    by_device: bool = False  # can be linked on another screen, too
    at: str | None = None  # of an MCP server: its address
    by_form: bool = False  # or by what its user brings


def offer_of(provider: Provider) -> Offer:
    history, lacks = _history(provider)
    there, brings = provider.signs_in_at, provider.auth.brings
    if there is None:
        return Offer(
            id=provider.id,
            name=provider.name,
            host=urlsplit((brings and brings.where) or "").netloc,
            summary=_summary(provider),
            fetches=tuple(_fetches(provider)),
            history=history,
            lacks=lacks,
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
        summary=_summary(provider),
        fetches=tuple(_fetches(provider)),
        history=history,
        lacks=lacks,
        lasting=lasting,
        asked=provider.asked,
        by_device=provider.auth.oauth2_device is not None,
        at=provider.mcp.url if provider.mcp else None,
        by_form=brings is not None,
    )


def _summary(provider: Provider) -> Sentence | None:
    """Many entries say the same, each with its own name in it. Others are written by who knows
    whom: what has braces is never a sentence with places in it.
    """
    if provider.summary is None:
        return None
    told = display_name(provider.summary, 200)
    if provider.name not in told or "{" in told or "}" in told:
        return told
    return worded(told.replace(provider.name, "{name}"), name=provider.name)


def _fetches(provider: Provider) -> list[Sentence]:
    if provider.mcp is not None:
        return [worded("Nothing by ourselves: apps that you let in may use its tools")]
    found: list[Sentence] = [worded("Whose account it is there")]
    if provider.api is None:
        return found
    scopes, what = provider.asked, provider.api.capabilities
    if what.assets and what.assets.needs_scope in (None, *scopes):
        found.append(worded("What you hold there, and what it is worth"))
    return found


def _history(provider: Provider) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What of it, and what cannot be read although it happens there."""
    what = provider.api.capabilities.transactions if provider.api else None
    if what is None or what.needs_scope not in (None, *provider.asked):
        return (), ()
    if not what.lacks:
        return _ALL, ()
    told = tuple(words for name, words in _TOLD.items() if name not in what.lacks)
    return told, tuple(_NAMED[name] for name in what.lacks)


_ALL = ("purchases", "sales", "transfers", "fees")
_TOLD = {"trades": "purchases and sales", "deposits": "deposits", "withdrawals": "withdrawals"}
_NAMED = {
    **_TOLD,
    "high_frequency": "what a high-frequency account does",
    "earn": "what Earn products keep",
}
"""What may be lacking, those too that few have: nobody is told that these are read."""
