"""What was really said over HTTP, kept for people to read, with every secret masked.

A masked secret keeps its first characters, which say what it is, and a fingerprint, which says
whether it is the same as another.
"""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qsl, urlsplit

SECRETS = frozenset(
    {
        "access_token",
        "client_secret",
        "code",
        "code_verifier",
        "flow",
        "id_token",
        "password",
        "refresh_token",
        "state",
        "token",
    }
)
"""Parameters and members whose values are never shown whole."""

_LONG = 100


def mask(name: str, value: Any) -> Any:
    """The value as it may be shown. Redirect addresses are masked inside."""
    if isinstance(value, Mapping):
        return {key: mask(key, inner) for key, inner in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [mask(name, inner) for inner in value]
    if isinstance(value, str) and name in SECRETS and value:
        return _cut(value)
    if isinstance(value, str) and value.startswith(("http://", "https://")):
        return mask_url(value)
    return value


def mask_url(url: str) -> str:
    """The address with the values of secret query parameters masked; readable, not encoded."""
    parts = urlsplit(url)
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    query = "&".join(f"{name}={_short(name, value)}" for name, value in pairs)
    plain = f"{parts.scheme}://{parts.netloc}{parts.path}" if parts.netloc else parts.path
    return plain + ("?" + query if query else "")


def _short(name: str, value: str) -> str:
    if name in SECRETS and value:
        return _cut(value)
    return value if len(value) <= _LONG else value[:_LONG] + "…"


def _cut(secret: str) -> str:
    return f"{secret[:6]}…#{sha256(secret.encode()).hexdigest()[:6]}"


def mask_form(body: bytes) -> dict[str, Any]:
    """A form body as it may be shown."""
    pairs = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)
    return {name: mask(name, value) for name, value in pairs}
