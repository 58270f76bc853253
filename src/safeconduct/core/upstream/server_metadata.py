"""RFC 8414 and OpenID Connect Discovery in the client's role: a server by its own words, judged.

metadata_urls ──▶ outbound ──▶ read_server_metadata      the issuer and every endpoint are checked

An endpoint on another origin than the issuer's is where a poisoned document would send our codes
and secrets. Some real servers have one; whoever adds such a server names the origin.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from safeconduct.core.errors import ApiError, bad_request
from safeconduct.core.jwk import SIGNING
from safeconduct.core.scopes import parse_scope
from safeconduct.core.upstream.template import Template

OAUTH = "/.well-known/oauth-authorization-server"
OPENID = "/.well-known/openid-configuration"
MAX_METADATA = 64 << 10
MAX_SCOPES = 50
MAX_ADDRESS = 1_000

_AUTHENTICATIONS = ("client_secret_basic", "client_secret_post", "none")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerMetadata:
    """What matters of a server's metadata. `authentications` are those that we can do, in the order
    in which we would.
    """

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    revocation_endpoint: str | None = None
    registration_endpoint: str | None = None
    userinfo_endpoint: str | None = None
    jwks_uri: str | None = None
    id_token_algorithms: tuple[str, ...] = ("RS256",)
    iss_parameter: bool = False
    pkce: bool = False
    client_documents: bool = False
    scopes: tuple[str, ...] = ()
    authentications: tuple[str, ...] = ("client_secret_basic",)


def checked_address(text: object, field: str) -> str:
    """An address that somebody gave us: https (http on a loopback address), plain and whole."""
    try:
        url = Template.read(text)
    except ValueError as error:
        raise bad_request("invalid_url", f"{field} {error}.", field=field) from None
    if url.query or url.names or len(url) > MAX_ADDRESS:
        why = f"must not have a query, nor more than {MAX_ADDRESS} characters"
        raise bad_request("invalid_url", f"{field} {why}.", field=field)
    climbing = {part.replace("%2e", ".").replace("%2E", ".") for part in url.split("/")[3:]}
    if climbing & {".", ".."}:
        raise bad_request("invalid_url", f"{field} must not have dot segments.", field=field)
    return str(url)


def metadata_urls(issuer: str) -> tuple[str, ...]:
    """RFC 8414 §3.1 and §5: the well-known part between host and path, or behind the path."""
    parts = urlsplit(issuer)
    origin, path = f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/")
    if not path:
        return (origin + OAUTH, origin + OPENID)
    return (origin + OAUTH + path, origin + OPENID + path, origin + path + OPENID)


def read_server_metadata(
    issuer: str, document: Mapping[str, Any], origins: Collection[str] = ()
) -> ServerMetadata:
    """`discovery_failed` (400) for a document that is not this issuer's, or sends us elsewhere."""
    # RFC 8414 §3.3: "The issuer value returned MUST be identical to the authorization server's
    # issuer identifier value into which the well-known URI string was inserted"
    if document.get("issuer") != issuer:
        raise undiscovered("the metadata is another issuer's")
    allowed = {origin_of(issuer), *map(origin_of, origins)}

    def endpoint(name: str) -> str | None:
        return _endpoint(name, document.get(name), allowed)

    authorize, token = endpoint("authorization_endpoint"), endpoint("token_endpoint")
    if authorize is None or token is None:
        raise undiscovered("it has no authorization_endpoint or no token_endpoint")
    supported = _words(document.get("response_types_supported"))
    if supported and "code" not in supported:
        raise undiscovered("it does not give authorization codes")
    said = _words(document.get("token_endpoint_auth_methods_supported"))
    known = said or ("client_secret_basic",)  # RFC 8414 §2: the default
    return ServerMetadata(
        issuer=issuer,
        authorization_endpoint=authorize,
        token_endpoint=token,
        revocation_endpoint=endpoint("revocation_endpoint"),
        registration_endpoint=endpoint("registration_endpoint"),
        userinfo_endpoint=endpoint("userinfo_endpoint"),
        jwks_uri=_text(document.get("jwks_uri")),  # judged by `keys_at`, where it is needed
        id_token_algorithms=_words(document.get("id_token_signing_alg_values_supported"))
        or ("RS256",),  # OpenID Connect Discovery §3: every issuer can
        iss_parameter=document.get("authorization_response_iss_parameter_supported") is True,
        pkce="S256" in _words(document.get("code_challenge_methods_supported")),
        client_documents=document.get("client_id_metadata_document_supported") is True,
        scopes=usable_scopes(_words(document.get("scopes_supported"))),
        authentications=tuple(name for name in _AUTHENTICATIONS if name in known),
    )


def keys_at(server: ServerMetadata, origins: Collection[str] = ()) -> tuple[str, tuple[str, ...]]:
    """Where an OpenID issuer publishes its keys, and what it signs ID tokens with that we take.

    Only asymmetric algorithms: whoever signs with our secret is taken at an operator's word alone.
    """
    allowed = {origin_of(server.issuer), *map(origin_of, origins)}
    address = _endpoint("jwks_uri", server.jwks_uri, allowed)
    if address is None:
        raise undiscovered("it publishes no keys (jwks_uri) to check ID tokens with")
    known = tuple(alg for alg in server.id_token_algorithms if alg in SIGNING)
    if not known:
        raise undiscovered("it signs ID tokens with no algorithm that is taken")
    return address, known


def undiscovered(why: str) -> ApiError:
    """What a server says of itself cannot be used; one code for every reason."""
    return bad_request("discovery_failed", f"The server cannot be used: {why}.")


def origin_of(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.netloc}".lower()


def usable_scopes(found: Collection[str]) -> tuple[str, ...]:
    """Those that keep to the grammar of RFC 6749 §3.3, and not too many."""
    return tuple(word for word in found if parse_scope(word) == frozenset({word}))[:MAX_SCOPES]


def _endpoint(name: str, value: object, allowed: Collection[str]) -> str | None:
    if value is None:
        return None
    try:
        url = Template.read(value)
    except ValueError as error:
        raise undiscovered(f"its {name} {error}") from None
    if url.names:
        raise undiscovered(f"its {name} has a placeholder")
    if origin_of(url) not in allowed:
        raise undiscovered(f"its {name} lies on another origin, {origin_of(url)}")
    return str(url)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _words(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        return ()
    return tuple(dict.fromkeys(word for word in value if isinstance(word, str)))
