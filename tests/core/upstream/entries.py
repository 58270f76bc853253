"""Catalogue entries made for tests: the smallest that is valid, and changes to it."""

import copy
from typing import Any

from safeconduct.core.upstream.provider import Provider, read_provider

MINIMAL: dict[str, Any] = {
    "id": "acme",
    "name": "Acme",
    "category": "other",
    "sources": {"test": {"kind": "invented", "title": "made up"}},
    "provenance": {"name": "test", "category": "test", "auth": "test", "identity": "test"}
    | {"api": "test"},
    "auth": {
        "oauth2_code": {
            "authorize_url": "https://login.acme.example/authorize",
            "token_url": "https://login.acme.example/token",
            "scopes": ["read", "write"],
            "refresh": {"rotates": True},
        }
    },
    "identity": {"path": "/me", "account_id": "/id"},
    "api": {"base_url": "https://api.acme.example/v1"},
}


def document(**changes: Any) -> dict[str, Any]:
    """The minimal document; `auth__oauth2_code__pkce="S256"` sets a nested key, None removes it."""
    made = copy.deepcopy(MINIMAL)
    for path, value in changes.items():
        *groups, name = path.split("__")
        here = made
        for group in groups:
            here = here.setdefault(group, {})
        if value is None:
            here.pop(name, None)
        else:
            here[name] = value
    return made


def entry(**changes: Any) -> Provider:
    return read_provider(document(**changes))


def code(**changes: Any) -> Provider:
    """An entry with changes below `auth.oauth2_code`."""
    return entry(**{f"auth__oauth2_code__{path}": value for path, value in changes.items()})
