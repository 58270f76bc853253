"""Claims of many packages made one entry for each provider, and the disagreements among them.

Addresses and dialect must be agreed on by all that state them, or settled in the overlay. Three
facts are chosen by rule, because packages choose them too: the name, the identity call (as a
whole, from one package), and the scopes (the shortest list that any package asks for).
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from safeconduct.catalog_build.claims import CODE, KEYS, SIGNED, WALLET, Claim
from safeconduct.catalog_build.overlay import Decision, Overlay

ORDER = (
    "django-allauth",
    "@auth/core",
    "social-auth-core",
    "SocialiteProviders",
    "arctic",
    "grant",
    "goth",
    "ccxt",
    "viem",
)
"""Whose word is taken where a rule chooses."""
IDENTITY = ("api.base_url", "identity.path", "identity.account_id")
SCOPES = f"{CODE}.scopes"
URLS = (f"{CODE}.authorize_url", f"{CODE}.token_url")
CHAINS = "viem"
EXPLORER_PACE = 5
"""Requests a second: what public explorers let anybody have without a key, halved."""
CONFIRMATIONS = 12
"""Blocks after which what happened on a chain is told: by then it no longer turns out otherwise."""
SIGNED_URLS = tuple(f"{SIGNED}.{name}" for name in ("request_url", "authorize_url", "token_url"))
WAYS = (URLS, SIGNED_URLS, (KEYS,), (WALLET,))
"""What must be known of a provider, so that an account there can be linked."""
_VERSION = re.compile(r"(-oauth2?|_oauth2?|oauth2)$")


@dataclass(frozen=True, slots=True)
class Fact:
    """A value and its source: the name of a package, or of a source of the overlay."""

    value: Any
    source: str


@dataclass(slots=True)
class Merged:
    """`entries`: provider → path → fact. `unsettled`: what the overlay has yet to decide."""

    entries: dict[str, dict[str, Fact]] = field(default_factory=dict)
    unsettled: list[str] = field(default_factory=list)


def canonical(name: str, overlay: Overlay, package: str = "") -> str:
    apart = overlay.apart.get(package, {})
    if name in apart:
        return apart[name]
    plain = re.sub(r"[^a-z0-9]", "", _VERSION.sub("", name.lower()))
    return overlay.same.get(plain, plain)


def merge(claims: Iterable[Claim], overlay: Overlay) -> Merged:
    stated: dict[str, dict[str, list[Claim]]] = defaultdict(lambda: defaultdict(list))
    chains = {chain for known in overlay.explorers.values() for chain in known}
    for claim in claims:
        if claim.package == CHAINS and claim.provider not in chains:
            continue
        provider = canonical(claim.provider, overlay, claim.package)
        stated[provider][claim.path].append(claim)
    merged, asked = Merged(), _explored(overlay)
    for provider in sorted({*stated, *overlay.settled} - set(overlay.left_out)):
        facts = _entry(provider, stated.get(provider, {}), overlay, merged.unsettled)
        facts |= asked.get(provider, {})
        if provider in overlay.ended or not all(path in facts for path in SIGNED_URLS):
            facts = {path: fact for path, fact in facts.items() if not path.startswith(SIGNED)}
        if any(all(path in facts for path in way) for way in WAYS):
            merged.entries[provider] = facts
    return merged


def _explored(overlay: Overlay) -> dict[str, dict[str, Fact]]:
    """What the overlay knows about where chains are asked; how they are is the same for all."""
    return {
        canonical(chain, overlay, CHAINS): {
            WALLET: Fact("evm", "own"),
            "auth.wallet.proof": Fact("eip4361", "own"),
            "api.base_url": Fact(url, source),
            "api.rate_limit.requests": Fact(EXPLORER_PACE, "review"),
            "api.rate_limit.per_s": Fact(1, "review"),
            "api.via.connector": Fact("evm", "own"),
            "api.via.settings.indexer": Fact("explorer", source),
            "api.via.settings.confirmations": Fact(CONFIRMATIONS, "review"),
            **_calls(overlay.calls.get(source)),
        }
        for source, known in overlay.explorers.items()
        for chain, url in known.items()
    }


def _calls(path: str | None) -> dict[str, Fact]:
    """Where contracts are called, if they can be (EIP-1271)."""
    if path is None:
        return {}
    return {
        "auth.wallet.contracts": Fact(True, "blockscout-rpc"),
        "api.via.settings.calls": Fact(path, "blockscout-rpc"),
    }


def _entry(
    provider: str,
    stated: Mapping[str, Sequence[Claim]],
    overlay: Overlay,
    unsettled: list[str],
) -> dict[str, Fact]:
    settled = overlay.settled.get(provider, {})
    facts: dict[str, Fact] = {"name": _name(provider, stated.get("name", ()), overlay)}
    chosen = () if {KEYS, WALLET} & {*stated, *settled} else IDENTITY
    for path, claims in stated.items():
        if path in settled or path == "name" or path in chosen:
            continue
        if path == SCOPES:
            facts[path] = _first(sorted(claims, key=lambda claim: len(claim.value)))
            continue
        values = _values(claims)
        if len(values) == 1:
            facts[path] = _first(claims)
        elif provider in overlay.ended and path.startswith(SIGNED):
            continue
        else:
            unsettled.append(f"{provider}: {path}: {_told(values)}")
    facts |= _identity(stated)
    for path, decision in settled.items():
        if decision.value is None:
            facts.pop(path, None)
        else:
            facts[path] = _decided(decision, stated.get(path, ()), f"{provider}: {path}", unsettled)
    return facts


def _first(claims: Sequence[Claim]) -> Fact:
    """The claim of whoever comes first in `ORDER`; a sort before decides among equals."""
    best = min(claims[:1] if len({str(c.value) for c in claims}) > 1 else claims, key=_rank)
    return Fact(best.value, best.package)


def _rank(claim: Claim) -> int:
    return ORDER.index(claim.package)


def _name(provider: str, claims: Sequence[Claim], overlay: Overlay) -> Fact:
    if provider in overlay.names:
        return Fact(overlay.names[provider], "review")
    if claims:
        best = min(claims, key=_rank)
        return Fact(best.value, best.package)
    return Fact(provider.capitalize(), "review")


def _identity(stated: Mapping[str, Sequence[Claim]]) -> dict[str, Fact]:
    whole = {
        claim.package
        for claim in stated.get(IDENTITY[2], ())
        if all(any(c.package == claim.package for c in stated.get(path, ())) for path in IDENTITY)
    }
    if not whole:
        return {}
    package = min(whole, key=ORDER.index)
    return {
        path: Fact(next(c.value for c in stated[path] if c.package == package), package)
        for path in IDENTITY
    }


def _decided(decision: Decision, claims: Sequence[Claim], at: str, unsettled: list[str]) -> Fact:
    if decision.source is not None:
        return Fact(decision.value, decision.source)
    agreeing = [claim for claim in claims if claim.value == decision.value]
    if not agreeing:
        unsettled.append(f"{at}: the overlay's {decision.value!r} has no source")
        return Fact(decision.value, "review")
    return Fact(decision.value, min(agreeing, key=_rank).package)


def _values(claims: Sequence[Claim]) -> dict[str, list[str]]:
    """Who says what; a slash at the end makes no difference."""
    found: dict[str, list[str]] = defaultdict(list)
    for claim in claims:
        found[str(claim.value).rstrip("/")].append(claim.package)
    return found


def _told(values: Mapping[str, Sequence[str]]) -> str:
    return "; ".join(f"{value} ({', '.join(names)})" for value, names in values.items())
