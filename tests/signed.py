"""An invented provider that speaks OAuth 1.0a, in every way that the vocabulary knows."""

from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from safeconduct.core.upstream.provider import Provider, read_provider

ID = "signed"
METHODS = ("HMAC-SHA1", "HMAC-SHA256", "RSA-SHA1", "PLAINTEXT")


def signed_entry(**changes: Any) -> Provider:
    """`changes` are below `auth.oauth1`; None takes one away."""
    oauth1: dict[str, Any] = {
        "request_url": "https://signed.example/request",
        "authorize_url": "https://signed.example/authorize",
        "authorize_parameters": {"lang": "en"},
        "token_url": "https://signed.example/token",
        "scopes": ["read", "write"],
        "revocation": {"path": "/tokens/{oauth_token}", "method": "DELETE"},
        **changes,
    }
    return read_provider(
        {
            "id": ID,
            "name": "Signed",
            "category": "other",
            "sources": {"test": {"kind": "invented", "title": "made up"}},
            "provenance": dict.fromkeys(("name", "category", "auth", "identity", "api"), "test"),
            "auth": {"oauth1": {k: v for k, v in oauth1.items() if v is not None}},
            "identity": {"path": "/me", "account_id": "/id", "account_name": "/name"},
            "api": {"base_url": "https://api.signed.example"},
        }
    )


@cache
def private_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    made = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return made.decode()
