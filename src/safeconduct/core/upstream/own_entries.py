"""Entries that a tenant adds while the server runs: what is asked for, and the entry made of it.

    openid   an issuer, and what its metadata says
    oauth2   addresses, as the provider's documentation has them
    mcp      the address of an MCP server, and what it and its authorization server say
    entry    all of it, in the catalogue's own schema

All become the same kind of document, read by the lint of the catalogue's own (`read_provider`).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Literal
from urllib.parse import urlsplit

from safeconduct.core.errors import ApiError
from safeconduct.core.slugs import slug_of
from safeconduct.core.upstream.dialect import OPENID
from safeconduct.core.upstream.pointer import Terms
from safeconduct.core.upstream.provider import SUB, Provider, read_provider
from safeconduct.core.upstream.schema import InvalidEntry, read
from safeconduct.core.upstream.server_metadata import ServerMetadata, keys_at, origin_of
from safeconduct.core.upstream.template import Template

Document = dict[str, Any]

MAX_DEPTH = 16
MAX_PATTERN = 100
OFFLINE = "offline_access"

_QUANTIFIED = re.compile(r"[*+?{]")


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenId:
    """`endpoint_origins`: where endpoints may lie beside the issuer's own origin."""

    kind: Literal["openid"]
    id: str | None = None
    name: str | None = None
    issuer: str
    scopes: tuple[str, ...] | None = None
    api_base_url: Template | None = None
    endpoint_origins: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuth2:
    """`identity_url` is asked whose account it is; `account_id` points into its answer."""

    kind: Literal["oauth2"]
    id: str | None = None
    name: str | None = None
    authorize_url: Template
    token_url: Template
    revocation_url: Template | None = None
    identity_url: Template | None = None
    account_id: Terms | None = None
    account_name: Terms | None = None
    issuer: str | None = None
    jwks_uri: Template | None = None
    scopes: tuple[str, ...] | None = None
    scope_separator: str = " "
    pkce: Literal["S256", "none"] = "S256"
    token_auth: Literal["client_secret_basic", "client_secret_post"] = "client_secret_basic"
    api_base_url: Template | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class McpServer:
    kind: Literal["mcp"]
    id: str | None = None
    name: str | None = None
    url: str
    endpoint_origins: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    kind: Literal["entry"]
    entry: Mapping[str, object]


Asked = OpenId | OAuth2 | McpServer | Whole

_KINDS: Mapping[str, type[Any]] = {
    "openid": OpenId,
    "oauth2": OAuth2,
    "mcp": McpServer,
    "entry": Whole,
}
_SHOWS = {"entry": "entry", "url": "mcp", "authorize_url": "oauth2", "issuer": "openid"}
"""Which member gives the kind away, where it is not said."""


def read_asked(body: Mapping[str, Any]) -> Asked:
    """What somebody asks for; `invalid_provider` (400) names the member and the reason."""
    kind = body.get("kind") or next((word for name, word in _SHOWS.items() if name in body), None)
    if not isinstance(kind, str) or kind not in _KINDS:
        raise refused("kind", f"must be one of {', '.join(_KINDS)}")
    try:
        asked: Asked = read(_KINDS[kind], {**body, "kind": kind})
    except InvalidEntry as error:
        raise refused(error.field, error.reason) from None
    return asked


def read_own(document: Mapping[str, Any]) -> Provider:
    """The entry, by the catalogue's own lint, and within what a tenant may say.

    Connectors run programs of ours, and a regular expression runs for as long as it likes: both are
    for entries that were reviewed.
    """
    _shallow(document)
    api = document.get("api")
    if isinstance(api, Mapping) and ({"via", "own"} & api.keys()):
        raise refused("api", "must not name a connector: those are for the catalogue's entries")
    for pattern in _patterns(document):
        if not _quick(pattern):
            raise refused("pattern", "is not simple enough: no groups, and two quantifiers at most")
    try:
        return read_provider(document)
    except InvalidEntry as error:
        raise refused(error.field, error.reason) from None


def refuse_unjudged(provider: Provider) -> None:
    """Who asks an issuer for ID tokens reads them. Of an MCP server nobody asks who signed in."""
    code = provider.auth.oauth2_code
    if code is None or code.issuer is None or provider.mcp is not None:
        return
    if OPENID in code.scopes and code.id_token is None:
        why = f"is missing: with `issuer` and the scope `{OPENID}`, ID tokens are checked"
        raise refused("jwks_uri", why)


def refused(field: str, reason: str) -> ApiError:
    where = field or "the entry"
    return ApiError(400, "invalid_provider", f"{where}: {reason}.", field=field or None)


def openid_document(asked: OpenId, server: ServerMetadata, *, secret: bool, day: str) -> Document:
    """OpenID Connect Discovery §3: the account is the `sub` of the ID token, and the userinfo's."""
    scopes = asked.scopes or tuple(
        word for word in (OPENID, "profile", "email", OFFLINE) if _offered(word, server)
    )
    if OPENID not in scopes:
        scopes = (OPENID, *scopes)
    keys, algorithms = keys_at(server, asked.endpoint_origins)
    source = _measured(f"OpenID configuration of {asked.issuer}", day)
    code = _code(server, scopes, _authentication(server, secret=secret))
    code["id_token"] = {"jwks_uri": keys, "algorithms": list(algorithms)}
    made = _head(asked, _host(asked.issuer), {"oauth2_code": code}, source)
    if server.userinfo_endpoint is not None:
        made["identity"] = _identity(
            server.userinfo_endpoint, SUB, ["/email", "/preferred_username", "/name"]
        )
    return _finished(made, asked.api_base_url)


def oauth2_document(asked: OAuth2, *, secret: bool) -> Document:
    """What the provider's documentation says, as somebody has copied it."""
    if asked.account_id is not None and asked.identity_url is None:
        raise refused("account_id", "points into the answer of identity_url, which is missing")
    code: Document = {
        "authorize_url": str(asked.authorize_url),
        "token_url": str(asked.token_url),
        "scope_separator": asked.scope_separator,
        "pkce": asked.pkce,
        "token_auth": asked.token_auth if secret else "none",
        "refresh": {"grant": "refresh_token"},
    }
    if asked.scopes:
        code["scopes"] = list(asked.scopes)
    if asked.issuer is not None:
        code["issuer"] = asked.issuer
    if asked.jwks_uri is not None:
        code["id_token"] = {"jwks_uri": str(asked.jwks_uri)}
    if asked.revocation_url is not None:
        code["revocation"] = {"url": str(asked.revocation_url)}
    source = {"kind": "operator", "title": "Entered by an operator"}
    made = _head(asked, _host(asked.authorize_url), {"oauth2_code": code}, source)
    if asked.identity_url is not None:
        id, name = asked.account_id or (SUB, "/id"), asked.account_name or ("/email", "/name")
        made["identity"] = _identity(asked.identity_url, [*map(str, id)], [*map(str, name)])
    return _finished(made, asked.api_base_url)


def mcp_document(
    asked: McpServer,
    server: ServerMetadata,
    *,
    resource: str,
    scopes: Sequence[str],
    client: bool,
    secret: bool,
    day: str,
) -> Document:
    """`client`: an operator entered one, so that we need not become one there by ourselves."""
    source = _measured(f"Metadata of {asked.url} and {server.issuer}", day)
    # Many servers, the official SDK's among them, look for the client's id in the body alone
    how = "client_secret_post" if "client_secret_post" in server.authentications else None
    code = _code(server, scopes, how or _authentication(server, secret=secret or not client))
    if client and not secret:
        code["token_auth"] = "none"
    if not client:
        code |= _registering(server)
    code |= {"resource": resource}
    made = _head(asked, _host(asked.url), {"oauth2_code": code}, source)
    made["id"] = asked.id or mcp_id(asked.url)
    made["mcp"] = {"url": asked.url}
    return _finished(made, None)


def mcp_id(url: str) -> str:
    """One id for one address, whoever names it."""
    host = slug_of(_host(url))[:32].strip("-")
    return f"mcp-{host}-{sha256(url.encode()).hexdigest()[:12]}"


def _head(asked: OpenId | OAuth2 | McpServer, host: str, auth: Document, source: Document) -> Any:
    return {
        "id": asked.id or slug_of(asked.name or host),
        "name": asked.name or host,
        "category": "other",
        "auth": auth,
        "sources": {"made": source},
    }


def _finished(made: Document, api_base_url: Template | None) -> Document:
    if api_base_url is not None:
        made["api"] = {"base_url": str(api_base_url)}
    facts = [name for name in made if name not in ("id", "sources")]
    made["provenance"] = dict.fromkeys(facts, "made")
    return made


def _code(server: ServerMetadata, scopes: Sequence[str], authentication: str) -> Document:
    code: Document = {
        "authorize_url": server.authorization_endpoint,
        "token_url": server.token_endpoint,
        "issuer": server.issuer,
        "iss_parameter": server.iss_parameter,
        "pkce": "S256" if server.pkce else "none",
        "token_auth": authentication,
        "refresh": {"grant": "refresh_token"},
    }
    if scopes:
        code["scopes"] = list(scopes)
    if server.revocation_endpoint is not None:
        code["revocation"] = {"url": server.revocation_endpoint}
    return code


def _registering(server: ServerMetadata) -> Document:
    """A document of ours where that is enough; a registration leaves a row at a stranger's."""
    if server.client_documents:
        return {"token_auth": "none", "registering": {"by": "document"}}
    if server.registration_endpoint is None:
        raise refused("client_id", "is needed: the server registers nobody by itself")
    return {"registering": {"by": "dynamic", "url": server.registration_endpoint}}


def _authentication(server: ServerMetadata, *, secret: bool) -> str:
    if not secret:
        return "none"
    return next((name for name in server.authentications), "client_secret_basic")


def _identity(url: str, account_id: object, account_name: object) -> Document:
    parts = urlsplit(url)
    if parts.query:
        raise refused("identity_url", "must not have a query")
    return {
        "base_url": origin_of(url),
        "path": parts.path or "/",
        "account_id": account_id,
        "account_name": account_name,
    }


def _offered(word: str, server: ServerMetadata) -> bool:
    return word in server.scopes or (word == OPENID or (not server.scopes and word != OFFLINE))


def _measured(title: str, day: str) -> Document:
    return {"kind": "measured", "title": title, "seen": day}


def _host(url: str) -> str:
    return urlsplit(url).netloc.lower()


def _quick(pattern: str) -> bool:
    """No groups and two quantifiers at most: it ends in a time that the value's length bounds."""
    if len(pattern) > MAX_PATTERN or any(mark in pattern for mark in "()|"):
        return False
    return len(_QUANTIFIED.findall(re.sub(r"\[[^\]]*\]", "x", pattern))) <= 2


def _patterns(value: object) -> Iterator[str]:
    """Every regular expression of the document, wherever the schema has a place for one."""
    if isinstance(value, Mapping) and isinstance(value.get("pattern"), str):
        yield str(value["pattern"])
    for item in _inside(value):
        yield from _patterns(item)


def _shallow(document: object) -> None:
    """What is read by recursion must not be deeper than that may go."""
    level: list[object] = [document]
    for _ in range(MAX_DEPTH):
        level = [item for value in level for item in _inside(value)]
        if not level:
            return
    raise refused("", "is nested too deep")


def _inside(value: object) -> list[object]:
    if isinstance(value, Mapping):
        return list(value.values())
    return list(value) if isinstance(value, list) else []
