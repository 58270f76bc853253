"""Requests to a provider's API: the access token leaves only towards the entry's base URL."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import quote, urlencode, urljoin, urlsplit

from safeconduct.core.errors import ProviderError
from safeconduct.core.secret import Secret
from safeconduct.core.upstream.http import OutboundRequest, Signature, Through
from safeconduct.core.upstream.keys import unpack
from safeconduct.core.upstream.placing import members, placed, with_members, with_query
from safeconduct.core.upstream.provider import Provider
from safeconduct.core.upstream.served import Api, Via
from safeconduct.core.upstream.template import BadPlaceholder, Template

BODY_TYPES = {"json": "application/json", "form": "application/x-www-form-urlencoded"}

TOKEN, TOKEN_SECRET = "oauth_token", "oauth_token_secret"
"""The fields of token credentials (RFC 5849 §2.3), as they lie in the vault."""


@dataclass(frozen=True, slots=True)
class Registration:
    """Our client at a provider, and what was filled into the placeholders of its URLs."""

    client_id: str
    client_secret: Secret | None = None
    values: Mapping[str, str] = field(default_factory=dict, repr=False)


def filled(provider: Provider, template: Template, values: Mapping[str, str]) -> str:
    """A URL of the entry; a missing or ill-formed placeholder is the operator's to mend."""
    try:
        return template.fill(provider.placeholders, values)
    except BadPlaceholder as error:
        raise ProviderError(
            "bad_placeholder", remedy="misconfigured", sent=False, detail=str(error)
        ) from None


def api_request(
    provider: Provider,
    registration: Registration,
    access_token: Secret,
    *,
    path: str,
    base_url: Template | None = None,
    method: str = "GET",
    query: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    slots: Mapping[str, str] | None = None,
) -> OutboundRequest:
    """A call below the base URL: the API's, or one that the entry gives for this call alone.

    `slots` fill the path's placeholders, each as one segment.
    """
    if base_url is not None:
        provider = replace(provider, api=Api(base_url=base_url))
    api = _api(provider)
    base = filled(provider, api.base_url, registration.values)
    for name, value in (slots or {}).items():
        path = path.replace(f"{{{name}}}", _segment(value))
    url = f"{base}{path}"
    if query:
        url = f"{url}?{urlencode(query, quote_via=quote, safe='')}"
    made = {**api.headers, **(headers or {})}
    return _authorized(provider, registration, method, url, made, access_token)


def forwarded_request(
    provider: Provider,
    registration: Registration,
    access_token: Secret,
    *,
    method: str,
    path: str,
    query: str = "",
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
) -> OutboundRequest:
    """A caller's request, path and query as they were checked, with the credential put in."""
    api = _api(provider)
    base = filled(provider, api.base_url, registration.values)
    url = f"{base}{path}{'?' if query else ''}{query}"
    if api.via is not None or not _below(base, url.partition("?")[0]):
        raise ProviderError("no_api", remedy="broken", sent=False, detail=provider.id)
    made = {**(headers or {}), **api.headers}
    return _authorized(provider, registration, method, url, made, access_token, body)


def mcp_request(
    provider: Provider,
    access_token: Secret,
    *,
    method: str,
    headers: Mapping[str, str] | None = None,
) -> OutboundRequest:
    """A message to an MCP server: it has one address, and no path or query is the caller's."""
    if provider.mcp is None:
        raise ProviderError("no_api", remedy="broken", sent=False, detail=provider.id)
    bearer = {"authorization": f"Bearer {access_token.reveal()}"}
    return OutboundRequest(method, provider.mcp.url, {**(headers or {}), **bearer}, lasting=True)


def next_request(
    provider: Provider,
    registration: Registration,
    access_token: Secret,
    *,
    current: str,
    next_uri: str,
    headers: Mapping[str, str] | None = None,
) -> OutboundRequest:
    """The page that the answer to `current` named (RFC 3986 §5).

    An answer may not send the token elsewhere: the page lies below the base URL, or is refused.
    """
    api = _api(provider)
    base = filled(provider, api.base_url, registration.values)
    if not next_uri.isascii() or any(c <= " " or c in '\\"<>^`{|}\x7f' for c in next_uri):
        raise _elsewhere()
    url = urljoin(current, next_uri)
    if not _below(base, url):
        raise _elsewhere()
    made = {**api.headers, **(headers or {})}
    return _authorized(provider, registration, "GET", url, made, access_token)


def _below(base: str, url: str) -> bool:
    """The same scheme and authority as strings, and a path inside, with nothing to climb out."""
    ours, theirs = urlsplit(base), urlsplit(url)
    if (ours.scheme, ours.netloc.lower()) != (theirs.scheme, theirs.netloc.lower()):
        return False
    path = theirs.path.lower()
    climbs = any(part.replace("%2e", ".") in (".", "..") for part in path.split("/"))
    hidden = "%2f" in path or "%5c" in path
    return not climbs and not hidden and theirs.path.startswith(f"{ours.path}/")


def signature(
    provider: Provider, registration: Registration, credentials: Secret | None = None
) -> Signature:
    """How our client signs there (RFC 5849 §3), alone or with somebody's token credentials."""
    how, held = provider.oauth1, unpack(credentials) if credentials is not None else {}
    return Signature(
        method=how.signature,
        client_key=registration.client_id,
        client_secret=registration.client_secret,
        token=held.get(TOKEN),
        token_secret=Secret(held[TOKEN_SECRET]) if held else None,
        realm=how.realm,
    )


def _authorized(
    provider: Provider,
    registration: Registration,
    method: str,
    url: str,
    headers: Mapping[str, str],
    access_token: Secret,
    body: bytes | None = None,
) -> OutboundRequest:
    api = _api(provider)
    if api.via is not None:
        base = filled(provider, api.base_url, registration.values)
        return _through(api, api.via, base, method, url, access_token)
    headers = {"accept": "application/json", **{k.lower(): v for k, v in headers.items()}}
    if provider.dialect is None and provider.auth.oauth1 is not None:
        signed_by = signature(provider, registration, access_token)
        return OutboundRequest(method, url, headers, body=body, signature=signed_by)
    puts = placed(provider, api, access_token)
    headers |= {put.name.lower(): put.value for put in puts if put.place == "header"}
    if added := members(puts, method):
        form = provider.auth.custom_form
        headers["content-type"] = BODY_TYPES[form.body if form else "json"]
        body = with_members(provider, body, added)
    return OutboundRequest(method, with_query(url, puts), headers, body=body)


def _through(
    api: Api, via: Via, base: str, method: str, url: str, secret: Secret
) -> OutboundRequest:
    """The same request, for a connector to carry out."""
    limit = api.rate_limit
    through = Through(
        connector=via.connector,
        base_url=base,
        settings=via.settings,
        fields=unpack(secret),
        hosts=via.hosts,
        pace=(limit.requests, limit.per_s) if limit.requests and limit.per_s else None,
    )
    return OutboundRequest(method, url, through=through)


def _segment(value: str) -> str:
    quoted = quote(value, safe="")
    if not value or value in (".", ".."):
        raise ProviderError(
            "malformed_answer", remedy="retry", detail="an id is not a path segment"
        )
    return quoted


def _api(provider: Provider) -> Api:
    if provider.api is None:
        raise ProviderError("no_api", remedy="broken", sent=False, detail=provider.id)
    return provider.api


def _elsewhere() -> ProviderError:
    return ProviderError("malformed_answer", remedy="retry", detail="the next page lies elsewhere")
