"""A provider that makes an API key for whoever has signed in (`auth.oauth2_yields_api_key`).

The key works until its grant is over, whatever becomes of the token that it was made with.
"""

from typing import Any

from aiohttp import web

from safeconduct.core.upstream.minted import YieldsApiKey
from safeconduct.simulator.delivery import Answer, deliver, edited, pause, put, replaced
from safeconduct.simulator.exchanges import keys_of
from safeconduct.simulator.grants import Grant
from safeconduct.simulator.sites import FILLED
from safeconduct.simulator.street import STREET, House, house_of


def routes() -> list[web.RouteDef]:
    return [
        web.route("*", "/{provider}/key" + FILLED, key),
        web.get("/{provider}/userinfo" + FILLED, userinfo),
    ]


async def key(request: web.Request) -> web.StreamResponse:
    """Make a key, for a token that may."""
    house, how = _spoken(request)
    if request.method != how.key.method:
        raise web.HTTPMethodNotAllowed(request.method, [how.key.method])
    asked = await request.json() if request.can_read_body else None
    if asked != how.key.json:
        raise web.HTTPBadRequest(text="This is not what the entry asks for.\n")
    return await _answered(request, house, "key", lambda grant: _made(house, how, grant))


async def userinfo(request: web.Request) -> web.StreamResponse:
    house, how = _spoken(request)
    return await _answered(request, house, "identity", lambda grant: _told(house, how, grant))


async def _answered(
    request: web.Request, house: House, endpoint: str, work: Any
) -> web.StreamResponse:
    street = request.app[STREET]
    house.grants.count(endpoint)
    fault = street.faults.take(house.provider.id, endpoint)
    await pause(fault)
    answer = replaced(fault, street.now()) if fault and fault.replaces else None
    if fault is None or fault.works:
        header = request.headers.get("Authorization", "")
        grant = house.grants.bearer(header.removeprefix("Bearer "))
        if grant is None:
            house.grants.refuse("invalid_token")
            answer = answer or Answer(status=401, document={"error": "invalid_token"})
        else:
            done = Answer(document=work(grant))
            answer = answer or done
    if fault is not None and answer is not None and not fault.replaces:
        edited(fault, answer.document, {})
    return await deliver(request, answer or Answer(), fault)


def _made(house: House, how: YieldsApiKey, grant: Grant) -> dict[str, Any]:
    """Of a simulated exchange, the keys that it knows this user by; else one of its own."""
    document: dict[str, Any] = {}
    known = keys_of(house.provider.id, grant.user) if house.exchange is not None else None
    made = None if known else house.grants.begin(grant.user, grant.scope, refreshable=False).access
    if made is not None:
        made.expires_at = None
    sent = house.provider.api.token.field if house.provider.api else None
    for name, pointer in how.key.fields.items():
        own = made.value if made is not None and name == sent else f"sim_{name}_{grant.id}"
        put(document, pointer, getattr(known, name) if known is not None else own)
    return document


def _told(house: House, how: YieldsApiKey, grant: Grant) -> dict[str, Any]:
    document: dict[str, Any] = {}
    activity = house.activity(grant.user)
    if how.identity is not None:
        for terms, value in (
            (how.identity.account_id, activity.account_id),
            (how.identity.account_name, activity.user.title()),
        ):
            if terms is not None:
                put(document, next(term for term in terms if term.startswith("/")), value)
    return document


def _spoken(request: web.Request) -> tuple[House, YieldsApiKey]:
    house = house_of(request)
    how = house.provider.auth.oauth2_yields_api_key
    if how is None:
        raise web.HTTPNotFound(text="Nobody gets a key by signing in here.\n")
    return house, how
