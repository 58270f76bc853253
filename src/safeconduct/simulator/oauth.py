"""A provider's token, refresh and revocation endpoints, in the dialect of its entry.

It is strict where real providers are: the client must authenticate the very way the entry says,
and parameters may not repeat.
"""

from base64 import b64decode
from datetime import UTC, datetime
from hmac import compare_digest
from typing import Any
from urllib.parse import unquote_plus

from aiohttp import web

from safeconduct.core.upstream.dialect import OAuth2Code
from safeconduct.core.upstream.provider import Dialect
from safeconduct.simulator.delivery import Answer, deliver, edited, pause, put, replaced
from safeconduct.simulator.faults import Fault
from safeconduct.simulator.grants import Denied, Given, Token
from safeconduct.simulator.openid import id_token
from safeconduct.simulator.programs import TokenMode, program_of, token_for
from safeconduct.simulator.sites import site_at
from safeconduct.simulator.street import STREET, House, token_house


async def token(request: web.Request) -> web.StreamResponse:
    """RFC 6749 §4.1.3 and §6; §4.4 and RFC 7523 for programs."""
    street, house = request.app[STREET], token_house(request)
    refresh = house.speaks.refresh
    if request.method not in ("POST", refresh.method):
        raise web.HTTPMethodNotAllowed(request.method, ["POST"])  # §3.2
    try:
        asked = await parameters(request, house.speaks)
    except Denied as denied:
        house.grants.refuse(denied.error)
        return await deliver(request, _denied(house.speaks, denied), None)
    if (program := program_of(house.provider, asked)) is not None:
        return await _to_program(request, house, *program, asked)
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
            edited(fault, answer.document, _names(house.speaks))
        return await deliver(request, answer or Answer(), fault)


async def _to_program(
    request: web.Request, house: House, name: str, mode: TokenMode, asked: dict[str, str]
) -> web.StreamResponse:
    """A token for a client, or a key, that a user has made here."""
    street, owner, answer = request.app[STREET], None, Answer()
    house.grants.count("token")
    fault = street.faults.take(house.provider.id, "token")
    try:
        client = _presented(request, mode, asked) if mode.client_id else None
        values = site_at(request, mode.token_url)
        owner = token_for(request, house.owners, name, mode, asked, client, values)
    except Denied as denied:
        house.grants.refuse(denied.error)
        answer = _denied(mode, denied)
    with house.grants.busy(owner.grant if owner else None):
        await pause(fault)
        if owner is not None and (fault is None or fault.works):
            answer = _given(
                house, mode, house.grants.anew(owner.grant, fault.scope if fault else None)
            )
        if fault is not None and fault.replaces:
            answer = replaced(fault, street.now())
        elif fault is not None:
            edited(fault, answer.document, _names(mode))
        return await deliver(request, answer, fault)


async def revoke(request: web.Request) -> web.StreamResponse:
    """RFC 7009 §2."""
    street, house = request.app[STREET], token_house(request)
    speaks = house.speaks
    if (how := speaks.revocation) is None:
        raise web.HTTPNotFound()
    if request.method != how.method:
        raise web.HTTPMethodNotAllowed(request.method, [how.method])
    house.grants.count("revoke")
    fault = street.faults.take(house.provider.id, "revoke")
    await pause(fault)
    answer = replaced(fault, street.now()) if fault and fault.replaces else Answer()
    if fault is None or fault.works:
        try:
            asked = await parameters(request, house.speaks)
            value = asked.get(how.parameter, "")
            if how.place == "header":
                value = request.headers.get("Authorization", "").removeprefix("Bearer ")
            if how.auth == "client":
                authenticate(request, house, asked, value)
            if not house.grants.elsewhere(value, site_at(request, how.url)):
                house.grants.revoke(value, whole=how.ends == "grant")
        except Denied as denied:
            house.grants.refuse(denied.error)
            answer = _denied(speaks, denied)
    return await deliver(request, answer, fault)


def _exchange(
    request: web.Request, house: House, asked: dict[str, str], renewing: bool, fault: Fault | None
) -> Answer:
    code, refresh = house.provider.oauth2, house.provider.oauth2.refresh
    device, refreshes = house.provider.auth.oauth2_device, refresh.sends == "refresh_token"
    try:
        authenticate(request, house, asked)
        if renewing:
            value = asked.get(refresh.parameter, "")
            kind = "refresh" if refresh.sends == "refresh_token" else "access"
            _not_elsewhere(house, value, site_at(request, code.refresh_url))
            _not_too_early(house, value)
            given = house.grants.refresh(value, kind, fault.scope if fault else None)
        elif device is not None and asked.get("grant_type") == device.grant_type:
            code_given = asked.get(device.parameter, "")
            user, scope = house.waiting.redeem(code_given, house.grants.now())
            given = house.grants.begin(user, scope, refreshable=refresh.possible and refreshes)
            given.access.grant.is_at(site_at(request, device.token_url or code.token_url))
        elif asked.get("grant_type") == "authorization_code":
            known = house.grants.codes.get(asked.get("code", ""))
            wanted, site = refresh.needs_scope, site_at(request, code.token_url)
            _not_elsewhere(house, asked.get("code", ""), site)
            given = house.grants.redeem(
                asked.get("code", ""),
                asked.get("redirect_uri"),
                asked.get("code_verifier"),
                refreshable=refresh.possible
                and refreshes
                and (wanted is None or (known is not None and wanted in known.scope)),
            )
            given.access.grant.is_at(site)
        else:
            raise Denied("unsupported_grant_type", "this grant_type is not known here")
    except Denied as denied:
        house.grants.refuse(denied.error)
        return denial(house, denied)
    answer = _given(house, code, given)
    if not renewing and (signed := id_token(house, request.app[STREET].base_url, given, fault)):
        put(answer.document, code.answer.id_token, signed)
    return answer


def _not_elsewhere(house: House, value: str, site: dict[str, str]) -> None:
    if house.grants.elsewhere(value, site):
        raise Denied("invalid_grant", "it was given at another site")


def _not_too_early(house: House, value: str) -> None:
    """Some providers refuse while the access token has long to live."""
    earliest = house.provider.oauth2.refresh.earliest_s_before_expiry
    found = house.grants.tokens.get(value)
    if earliest is None or found is None:
        return
    newest = _newest_access(found)
    if newest is not None and (newest.expires_at or 0) - house.grants.now() > earliest:
        raise Denied("invalid_request", "it is too early to refresh")


def _given(house: House, code: Dialect, given: Given) -> Answer:
    names, access = code.answer, given.access
    if code.refresh.returns_same_token:
        access = _same(house, given.access)
    ends = access.expires_at or 0
    seconds = round(ends - house.grants.now())
    document: dict[str, Any] = {}
    put(document, names.access_token, access.value)
    put(document, names.token_type, names.token_types[0] if names.token_types else "bearer")
    told = {
        "s": seconds,
        "ms": seconds * 1000,
        "epoch_s": round(ends),
        "iso8601": datetime.fromtimestamp(ends, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    put(document, names.expires_in, told[names.expires_unit])
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
    return Answer(document=document, form=names.format == "form")


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


def denial(house: House, denied: Denied) -> Answer:
    """In the words of the entry; some providers say by the status alone what others write."""
    device = house.provider.auth.oauth2_device
    word = next((k for k, v in device.says.items() if v == denied.error), None) if device else None
    if word is not None and word.isdigit():
        return Answer(status=int(word))
    if word is not None:
        denied = Denied(word, denied.description, denied.status)
    return _denied(house.speaks, denied)


def _denied(code: Dialect, denied: Denied) -> Answer:
    names = code.answer
    document: dict[str, Any] = {}
    put(document, names.error, denied.error)
    put(document, names.error_description, denied.description)
    headers = {"WWW-Authenticate": "Basic"} if denied.error == "invalid_client" else {}
    return Answer(status=denied.status, document=document, headers=headers)


async def parameters(request: web.Request, code: Dialect) -> dict[str, str]:
    """What was sent, in the query of a GET, else in the body the entry says."""
    if request.method != "POST":
        pairs = list(request.query.items())
    elif code.body == "json" and request.content_type == "application/json":
        try:
            body = await request.json()
        except ValueError:
            body = None
        if not isinstance(body, dict) or not all(isinstance(v, str) for v in body.values()):
            raise Denied("invalid_request", "the body must be a JSON object of strings")
        pairs = list(body.items())
    elif code.body == "form" and request.content_type == "application/x-www-form-urlencoded":
        pairs = [(name, str(value)) for name, value in (await request.post()).items()]
    else:
        raise Denied("invalid_request", f"the body must be {code.body}")
    names = [name for name, _ in pairs]
    if len(set(names)) != len(names):
        raise Denied("invalid_request", "a parameter is given twice")
    return dict(pairs)


def authenticate(
    request: web.Request, house: House, asked: dict[str, str], given: str = ""
) -> None:
    """RFC 6749 §2.3.1, the way the entry says and no other. `given`: a token of the client."""
    speaks, registered = house.speaks, house.registered
    client_id, secret = _presented(request, speaks, asked)
    if not isinstance(speaks, OAuth2Code):
        token = house.grants.tokens.get(given)
        if token is None or house.owners.client_of(token.grant) != (client_id, secret):
            raise _stranger()
        return
    if speaks.token_auth == "none":
        good = secret is None
    else:
        expected = registered.client_secret.reveal().encode()
        good = secret is not None and compare_digest(secret.encode(), expected)
    if not good or client_id != registered.client_id:
        raise _stranger()


def _presented(
    request: web.Request, code: Dialect, asked: dict[str, str]
) -> tuple[str, str | None]:
    """Client and secret, in the place of the entry; a secret anywhere else is refused."""
    header = request.headers.get("Authorization", "")
    if code.token_auth != "client_secret_basic":
        if header.startswith("Basic "):
            raise _stranger()
        return asked.get(code.client_id_parameter, ""), asked.get(code.client_secret_parameter)
    try:
        pair = b64decode(header.removeprefix("Basic "), validate=True).decode()
    except ValueError:
        pair = ""
    client_id, _, secret = pair.partition(":")
    if code.basic_encoding == "form":
        client_id, secret = unquote_plus(client_id), unquote_plus(secret)
    if code.client_secret_parameter in asked:
        raise _stranger()
    return client_id, secret


def _stranger() -> Denied:
    return Denied("invalid_client", "the client is unknown or its secret is wrong", 401)


def _names(code: Dialect) -> dict[str, str]:
    """The plain names of token answers, as pointers of this provider."""
    answer = code.answer
    names = ("access_token", "refresh_token", "expires_in", "scope", "token_type", "id_token")
    return {name: getattr(answer, name) for name in names}
