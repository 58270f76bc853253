"""A merged provider as the document of a catalogue entry, and as YAML."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from safeconduct.catalog_build.claims import CODE, KEYS, WALLET
from safeconduct.catalog_build.merge import Fact
from safeconduct.catalog_build.overlay import Overlay
from safeconduct.catalog_build.packages import PACKAGES
from safeconduct.catalog_build.readings import of_exchange, of_wallet

MADE = "# Made by `safeconduct catalog build`; what is wrong here is put right in its overlay.\n"
_SLOT = re.compile(r"\{([a-z_]+)\}")
_PLACEHOLDERS: Mapping[str, Mapping[str, str]] = {
    "host": {
        "label": "Host name of the server",
        "pattern": r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+",
        "example": "auth.example.com",
    },
    "subdomain": {"label": "Subdomain of the account", "example": "acme"},
}


def document(provider: str, facts: Mapping[str, Fact], overlay: Overlay) -> dict[str, Any]:
    """One entry, every fact with its source; in the order in which a person reads it."""
    facts = {**facts, **_category(provider, facts, overlay), **_placeholders(facts.values())}
    facts = {**facts, **_readings(facts)}
    signs_in = any(path.startswith(f"{CODE}.") for path in facts)
    if signs_in and not any(path.startswith(f"{CODE}.refresh") for path in facts):
        facts[f"{CODE}.refresh"] = Fact({}, "rfc6749")
    made: dict[str, Any] = {"id": provider}
    for path in ("name", "category"):
        _put(made, path, facts[path].value)
    made["sources"] = {name: _source(name, overlay) for name in _named(facts.values())}
    made["provenance"] = {path: _key(fact.source) for path, fact in sorted(facts.items())}
    for path, fact in sorted(facts.items(), key=lambda item: _PLACE.get(item[0], 99)):
        if path not in ("name", "category"):
            _put(made, path, fact.value)
    return made


_PLACE = {
    path: place
    for place, path in enumerate(
        (
            "docs",
            "summary",
            f"{CODE}.authorize_url",
            f"{CODE}.token_url",
            f"{CODE}.scopes",
            f"{CODE}.scope_separator",
            f"{CODE}.pkce",
            f"{CODE}.token_auth",
        )
    )
}


def text(made: Mapping[str, Any]) -> str:
    return MADE + yaml.dump(
        made,
        Dumper=_Plain,
        sort_keys=False,
        allow_unicode=True,
        width=100,
        default_flow_style=False,
    )


class _Plain(yaml.SafeDumper):
    """What is the same twice is written twice: nobody reads anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _readings(facts: Mapping[str, Fact]) -> dict[str, Fact]:
    """What is read through a connector is in its words, whoever it asks."""
    if KEYS in facts:
        found = of_exchange({path: fact.value for path, fact in facts.items()})
    elif WALLET in facts:
        found = of_wallet({path: fact.value for path, fact in facts.items()})
    else:
        return {}
    return {path: Fact(value, "own") for path, value in found.items()}


def _category(provider: str, facts: Mapping[str, Fact], overlay: Overlay) -> dict[str, Fact]:
    if KEYS in facts or WALLET in facts:
        return {"category": Fact("exchange" if KEYS in facts else "wallet", "review")}
    for name, ids in overlay.categories.items():
        if provider in ids:
            return {"category": Fact(name, "review")}
    return {"category": Fact("other", "review")}


def _placeholders(facts: Iterable[Fact]) -> dict[str, Fact]:
    found = {name for fact in facts for name in _SLOT.findall(str(fact.value))}
    names = sorted(found & _PLACEHOLDERS.keys())  # others are filled in by the protocol
    return {
        f"placeholders.{name}.{key}": Fact(value, "review")
        for name in names
        for key, value in _PLACEHOLDERS[name].items()
    }


def _named(facts: Iterable[Fact]) -> list[str]:
    return sorted({_key(fact.source) for fact in facts})


def _key(source: str) -> str:
    """A source's name as a key of YAML that needs no quotes."""
    return re.sub(r"[^a-z0-9]+", "-", source.lower()).strip("-")


def _source(key: str, overlay: Overlay) -> Mapping[str, str]:
    for package in PACKAGES:
        if _key(package.name) == key:
            version = package.version if len(package.version) < 40 else package.version[:12]
            return {
                "kind": "library",
                "title": f"{package.title}, {version} ({package.licence})",
            }
    return overlay.sources[key]


def _put(made: dict[str, Any], path: str, value: Any) -> None:
    *above, last = path.split(".")
    for name in above:
        made = made.setdefault(name, {})
    made[last] = value
