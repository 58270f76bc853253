"""npm `grant` (MIT): addresses in JSON, quirks in code."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from safeconduct.catalog_build.claims import CODE, SIGNED, Claim, claims

PACKAGE = "grant"
_PLAINTEXT = re.compile(
    r"if \(provider\.(\w+)\) \{\s*options\.oauth\.signature_method = 'PLAINTEXT'"
)
_NAMES = re.compile(r"/([a-z|]+)/\.test\(provider\.name\)\s*\|\| provider\.token_endpoint_auth")


def extract(folder: Path) -> Iterator[Claim]:
    addresses = json.loads((folder / "config" / "oauth.json").read_text())
    code = (folder / "lib" / "flow" / "oauth2.js").read_text()
    signed = (folder / "lib" / "flow" / "oauth1.js").read_text()
    basic, plain = _basic(code), frozenset(_PLAINTEXT.findall(signed))
    for name, stated in addresses.items():
        if stated["oauth"] == 2:
            auth = {f"{CODE}.token_auth": "client_secret_basic"} if name in basic else {}
            yield from claims(PACKAGE, name, {**_addresses(stated), **auth})
        elif stated["oauth"] == 1:
            how = {f"{SIGNED}.signature": "PLAINTEXT"} if name in plain else {}
            yield from claims(PACKAGE, name, {**_signed(stated), **how})


def _addresses(stated: dict[str, Any]) -> dict[str, Any]:
    return {
        f"{CODE}.authorize_url": _placeholders(stated["authorize_url"]),
        f"{CODE}.token_url": _placeholders(stated["access_url"]),
        f"{CODE}.scope_separator": stated.get("scope_delimiter"),
    }


def _signed(stated: dict[str, Any]) -> dict[str, Any]:
    return {
        f"{SIGNED}.request_url": _placeholders(stated["request_url"]),
        f"{SIGNED}.authorize_url": _placeholders(stated["authorize_url"]),
        f"{SIGNED}.token_url": _placeholders(stated["access_url"]),
        f"{SIGNED}.scope_separator": stated.get("scope_delimiter"),
    }


def _placeholders(url: str) -> str:
    """`[subdomain]` alone is a whole host; before a dot it is a part of one."""
    url = re.sub(r"(?<=://)\[subdomain\](?=/)", "{host}", url)
    return url.replace("[subdomain]", "{subdomain}")


def _basic(code: str) -> frozenset[str]:
    """The providers that its code sends HTTP Basic to."""
    found = _NAMES.search(code)
    return frozenset(found[1].split("|")) if found else frozenset()
