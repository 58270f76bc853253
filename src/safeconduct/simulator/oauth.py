"""A provider's token, refresh and revocation endpoints, in the dialect of its entry.

It is strict where real providers are: the client must authenticate the very way the entry says,
and parameters may not repeat.
"""

from base64 import b64decode
from hmac import compare_digest
from typing import Any
from urllib.parse import unquote_plus

from aiohttp import web

from safeconduct.core.upstream.provider import Provider
from safeconduct.simulator.delivery import Answer, deliver, edited, pause, put, replaced
from safeconduct.simulator.faults import Fault
from safeconduct.simulator.grants import Denied, Given, Token
from safeconduct.simulator.street import STREET, House, oauth2_house


async def token(request: web.Request) -> web.StreamResponse:
    """RFC 6749 §4.1.3 and §6."""
    street, house = request.app[STREET], oauth2_house(request)
    refresh = house.provider.oauth2.refresh
    if request.method not in ("POST", refresh.method):
        raise web.HTTPMethodNotAllowed(request.method, ["POST"])  # §3.2
    try:
        asked = await _parameters(request, house.provider)
    except Denied as denied:
        house.grants.refuse(denied.error)
        return await deliver(request, _denied(house, denied), None)
    renewing = asked.get("grant_type") == refresh.grant
    endpoint = "refresh" if renewing else "token"
    house.grants.count(endpoint)
    fault = street.faults.take(house.provider.id, endpoint)
    with house.grants.refreshing(asked.get(refresh.parameter, "") if renewing else ""):
        await pause(fault)
        answer = replaced(fault, street.now()) if fault and fault.replaces else None
        if fault is None or fault.works:
            done = _exchange(request, house, asked, renewing, fault)
            answer = answer or done
        if fault is not None and answer is not None and not fault.replaces:
            edited(fault, answer.document, _names(house.provider))
        return await deliver(request, answer or Answer(), fault)


async def revoke(request: web.Request) -> web.StreamResponse:
    """RFC 7009 §2."""
    street, house = request.app[STREET], oauth2_house(request)
    how = house.provider.oauth2.revocation
    if how is None:
        raise web.HTTPNotFound()
    if request.method != how.method:
        raise web.HTTPMethodNotAllowed(request.method, [how.method])
    house.grants.count("revoke")
    fault = street.faults.take(house.provider.id, "revoke")
    await pause(fault)
    answer = replaced(fault, street.now()) if fault and fault.replaces else Answer()
    if fault is None or fault.works:
        try:
            asked = await _parameters(request, house.provider)
            if how.auth == "client":
                _authenticate(request, house, asked)
            house.grants.revoke(asked.get(how.parameter, ""), whole=how.ends == "grant")
        except Denied as denied:
            house.grants.refuse(denied.error)
            answer = _denied(house, denied)
    return await deliver(request, answer, fault)


def _exchange(
    request: web.Request, house: House, asked: dict[str, str], renewing: bool, fault: Fault | None
) -> Answer:
    code, refresh = house.provider.oauth2, house.provider.oauth2.refresh
    try:
        _authenticate(request, house, asked)
        if renewing:
            value = asked.get(refresh.parameter, "")
            kind = "refresh" if refresh.sends == "refresh_token" else "access"
            _not_too_early(house, value)
            given = house.grants.refresh(value, kind, fault.scope if fault else None)
        elif asked.get("grant_type") == "authorization_code":
            known = house.grants.codes.get(asked.get("code", ""))
            wanted = refresh.needs_scope
            given = house.grants.redeem(
                asked.get("code", ""),
                asked.get("redirect_uri"),
                asked.get("code_verifier"),
                refreshable=refresh.possible
                and refresh.sends == "refresh_token"
                and (wanted is None or (known is not None and wanted in known.scope)),
            )
        else:
            raise Denied("unsupported_grant_type", "this grant_type is not known here")
    except Denied as denied:
        house.grants.refuse(denied.error)
        return _denied(house, denied)
    return _given(house, given, form=code.answer.format == "form")


def _not_too_early(house: House, value: str) -> None:
    """Some providers refuse while the access token has long to live."""
    earliest = house.provider.oauth2.refresh.earliest_s_before_expiry
    found = house.grants.tokens.get(value)
    if earliest is None or found is None:
        return
    newest = _newest_access(found)
    if newest is not None and (newest.expires_at or 0) - house.grants.now() > earliest:
        raise Denied("invalid_request", "it is too early to refresh")


def _given(house: House, given: Given, *, form: bool) -> Answer:
    code = house.provider.oauth2
    names, access = code.answer, given.access
    if code.refresh.returns_same_token:
        access = _same(house, given.access)
    seconds = round((access.expires_at or 0) - house.grants.now())
    document: dict[str, Any] = {}
    put(document, names.access_token, access.value)
    put(document, names.token_type, names.token_types[0] if names.token_types else "bearer")
    put(document, names.expires_in, seconds * (1000 if names.expires_unit == "ms" else 1))
    put(document, names.scope, names.scope_separator.join(given.scope))
    if given.refresh is not None and given.new_refresh:
        put(document, names.refresh_token, given.refresh.value)
    activity = house.activity(given.access.grant.user)
    for terms, value in (
        (names.account_id, activity.account_id),
        (names.account_name, activity.user),
    ):
        if terms is not None:
            put(document, next(term for term in terms if term.startswith("/")), value)
    return Answer(document=document, form=form)


def _same(house: House, fresh: Token) -> Token:
    """The access token that still lives, instead of the new one."""
    for known in fresh.grant.tokens:
        if known is not fresh and known.kind == "access" and known.alive(house.grants.now()):
            fresh.state = "dead"
            return known
    return fresh


def _newest_access(token: Token) -> Token | None:
    known = [one for one in token.grant.tokens if one.kind == "access"]
    return known[-1] if known else None


def _denied(house: House, denied: Denied) -> Answer:
    names = house.provider.oauth2.answer
    document: dict[str, Any] = {}
    put(document, names.error, denied.error)
    put(document, names.error_description, denied.description)
    headers = {"WWW-Authenticate": "Basic"} if denied.error == "invalid_client" else {}
    return Answer(status=denied.status, document=document, headers=headers)


async def _parameters(request: web.Request, provider: Provider) -> dict[str, str]:
    """What was sent, in the query of a GET, else in the body the entry says."""
    if request.method != "POST":
        pairs = list(request.query.items())
    elif provider.oauth2.body == "json" and request.content_type == "application/json":
        try:
            body = await request.json()
        except ValueError:
            body = None
        if not isinstance(body, dict) or not all(isinstance(v, str) for v in body.values()):
            raise Denied("invalid_request", "the body must be a JSON object of strings")
        pairs = list(body.items())
    elif (
        provider.oauth2.body == "form"
        and request.content_type == "application/x-www-form-urlencoded"
    ):
        pairs = [(name, str(value)) for name, value in (await request.post()).items()]
    else:
        raise Denied("invalid_request", f"the body must be {provider.oauth2.body}")
    names = [name for name, _ in pairs]
    if len(set(names)) != len(names):
        raise Denied("invalid_request", "a parameter is given twice")
    return dict(pairs)


def _authenticate(request: web.Request, house: House, asked: dict[str, str]) -> None:
    """RFC 6749 §2.3.1, the way the entry says and no other."""
    code, registered = house.provider.oauth2, house.registered
    header = request.headers.get("Authorization", "")
    secret: str | None
    if code.token_auth == "client_secret_basic":
        try:
            pair = b64decode(header.removeprefix("Basic "), validate=True).decode()
        except ValueError:
            pair = ""
        client_id, _, secret = pair.partition(":")
        if code.basic_encoding == "form":
            client_id, secret = unquote_plus(client_id), unquote_plus(secret)
        in_body = code.client_secret_parameter in asked
    else:
        client_id = asked.get(code.client_id_parameter, "")
        secret = asked.get(code.client_secret_parameter)
        in_body = False
    if code.token_auth == "none":
        good = secret is None
    else:
        expected = registered.client_secret.reveal().encode()
        good = secret is not None and compare_digest(secret.encode(), expected)
    stray = header.startswith("Basic ") and code.token_auth != "client_secret_basic"
    if not good or client_id != registered.client_id or in_body or stray:
        raise Denied("invalid_client", "the client is unknown or its secret is wrong", 401)


def _names(provider: Provider) -> dict[str, str]:
    """The plain names of token answers, as pointers of this provider."""
    answer = provider.oauth2.answer
    names = ("access_token", "refresh_token", "expires_in", "scope", "token_type", "id_token")
    return {name: getattr(answer, name) for name in names}
