"""How a client wants what we tell it signed and encrypted (OpenID Connect Registration §2).

The three kinds share one grammar of names: `id_token_signed_response_alg`,
`userinfo_encrypted_response_alg`, `introspection_encrypted_response_enc` (RFC 9701 §6) and so on.
They lie in the client's metadata: nothing but the form of an answer depends on them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from safeconduct.core.id_token import ALGORITHMS
from safeconduct.core.jwk import ENCRYPTING
from safeconduct.core.model import Client

Kind = Literal["id_token", "userinfo", "introspection"]

KINDS: tuple[Kind, ...] = ("id_token", "userinfo", "introspection")
CONTENT = ("A128CBC-HS256", "A256CBC-HS512", "A128GCM", "A256GCM")
DEFAULT_CONTENT = "A128CBC-HS256"
"""What `…_enc` means where it is left out (OpenID Connect Registration §2)."""


@dataclass(frozen=True, slots=True)
class Protection:
    """`alg` signs, None by our usual key; `encryption` and `content` are None for a plain JWS."""

    alg: str | None = None
    encryption: str | None = None
    content: str | None = None


PLAIN = Protection()


def protection(client: Client, kind: Kind) -> Protection | None:
    """What the client's registration says about this kind; None when it says nothing."""
    said = client.metadata
    alg = said.get(f"{kind}_signed_response_alg")
    encryption = said.get(f"{kind}_encrypted_response_alg")
    if alg is None and encryption is None:
        return None
    content = said.get(f"{kind}_encrypted_response_enc", DEFAULT_CONTENT) if encryption else None
    return Protection(alg, encryption, content)


def authorization(client: Client) -> Protection:
    """JARM §3: the same of authorization responses, whose fields are columns."""
    encryption = client.authorization_encrypted_response_alg
    content = client.authorization_encrypted_response_enc or DEFAULT_CONTENT
    alg = client.authorization_signed_response_alg
    return Protection(alg, encryption, content if encryption else None)


def _maybe(choices: tuple[str, ...]) -> Callable[[Any], str | None]:
    def read(value: Any) -> str | None:
        if value is not None and value not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}")
        return None if value is None else str(value)

    return read


def signing_algs(metadata: Mapping[str, Any]) -> set[str]:
    """With what answers to this client are signed, where it is not the usual algorithm."""
    named = {metadata.get(f"{kind}_signed_response_alg") for kind in KINDS}
    return {alg for alg in named if isinstance(alg, str)}


FIELDS: Mapping[str, Callable[[Any], str | None]] = {
    **{f"{kind}_signed_response_alg": _maybe(ALGORITHMS) for kind in KINDS},
    **{f"{kind}_encrypted_response_alg": _maybe(tuple(ENCRYPTING)) for kind in KINDS},
    **{f"{kind}_encrypted_response_enc": _maybe(CONTENT) for kind in KINDS},
}


def response_trouble(metadata: Mapping[str, Any], *, has_keys: bool) -> tuple[str, str] | None:
    """The field that does not go with the others, and why."""
    for kind in KINDS:
        alg, enc = f"{kind}_encrypted_response_alg", f"{kind}_encrypted_response_enc"
        if alg in metadata and not has_keys:
            return alg, "needs jwks or jwks_uri"
        # OpenID Connect Registration §2: "When […]_enc is included, […]_alg MUST also be provided"
        if enc in metadata and alg not in metadata:
            return enc, f"needs {alg}"
    return None
