"""A provider's API: who the user is, their accounts and transactions, page by page."""

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from safeconduct.core.upstream.records import (
    AssetsCapability,
    HealthCapability,
    Pages,
    TransactionsCapability,
)
from safeconduct.simulator.activity import Activity
from safeconduct.simulator.delivery import Answer, deliver, edited, pause, put, replaced
from safeconduct.simulator.exchanges import Exchange
from safeconduct.simulator.exchanges._desk import Called
from safeconduct.simulator.grants import Grant
from safeconduct.simulator.oauth1 import signed_token
from safeconduct.simulator.programs import carries
from safeconduct.simulator.records import (
    account_record,
    health_record,
    identity_document,
    transaction_record,
)
from safeconduct.simulator.sites import filled_in
from safeconduct.simulator.street import STREET, House, house_of

Work = Callable[[web.Request, House, Grant], Answer]

DEFAULT_PAGE, LARGEST_PAGE = 25, 100


def api_routes() -> list[web.RouteDef]:
    """One route for each provider's API: what lies below is known to its entry."""
    return [web.route("*", "/{provider}/api{path:/.*}", _dispatch)]


async def _dispatch(request: web.Request) -> web.StreamResponse:
    """Find what the entry has at this path, check the token, answer."""
    house = house_of(request)
    if house.exchange is not None:
        return await _exchange(request, house, house.exchange)
    values, path = _below(house, request.match_info["path"])
    endpoint, scope, work = _place(house, path, request.method)
    street = request.app[STREET]
    house.grants.count(endpoint)
    fault = street.faults.take(house.provider.id, endpoint)
    await pause(fault)
    if fault is not None and fault.replaces:
        return await deliver(request, replaced(fault, street.now()), fault)
    grant = await _owned(request, house, values)
    value = "" if grant is not None else await _presented(request, house)
    answer = _limited(house) or (_refused(value, house, scope) if grant is None else None)
    if answer is None:
        if grant is not None:
            grant.api_calls += 1
        else:
            grant = house.grants.bearer(value)
            assert grant is not None
            if not (house.owners.at_home(grant, values) and grant.is_at(values)):
                return await deliver(request, _error(404, "not_found", "Not here."), fault)
        if fault is not None and fault.other_account:
            grant = Grant("other", f"{grant.user}.other", grant.scope, grant.created_at)
        answer = work(request, house, grant)
    if fault is not None:
        edited(fault, answer.document, {})
    return await deliver(request, answer, fault)


def _below(house: House, path: str) -> tuple[dict[str, str], str]:
    """What was filled into the base URL, and the path below it."""
    api, who = house.provider.api, house.provider.identity
    for base in (api and api.base_url, who and who.base_url):
        if base and path.startswith("/~"):
            values, rest = filled_in(base, path)
            if not rest.startswith("/~"):
                return values, rest
    return {}, path


async def _owned(request: web.Request, house: House, values: dict[str, str]) -> Grant | None:
    """The grant of whoever made what this request carries, where there is no token in it."""
    for mode in house.owners.modes:
        entry = house.provider.by(mode)
        for owner in house.owners.by(mode) if entry.dialect is None else ():
            if owner.grant.ended is None and await carries(request, entry, owner, values):
                return owner.grant
    return None


async def _exchange(request: web.Request, house: House, exchange: Exchange) -> web.StreamResponse:
    """An exchange looks at the whole request, for it is signed."""
    street = request.app[STREET]
    house.grants.count("api")
    fault = street.faults.take(house.provider.id, "api")
    await pause(fault)
    if fault is not None and fault.replaces:
        return await deliver(request, replaced(fault, street.now()), fault)
    called = Called(
        method=request.method,
        url=str(request.url),
        path=request.match_info["path"],
        query_string=request.rel_url.raw_query_string,
        headers=request.headers,
        body=await request.text(),
        now=street.now(),
    )
    answer = _limited(house) or exchange.answer(called, Activities(house))
    return await deliver(request, answer, fault)


class Activities(dict[str, Activity]):
    """A house's activities by user; who is new has one at once."""

    def __init__(self, house: House) -> None:
        super().__init__()
        self.house = house

    def __missing__(self, user: str) -> Activity:
        return self.house.activity(user)


def _place(house: House, path: str, method: str) -> tuple[str, str | None, Work]:
    """Which part of the entry this path belongs to."""
    oauth1 = house.provider.auth.oauth1
    yields = house.provider.auth.oauth2_yields_api_key
    ends = oauth1.revocation if oauth1 else yields.revocation if yields else None
    if ends is not None and method == ends.method and _match(ends.path, path) is not None:
        return "revoke", None, _end
    who, api = house.provider.identity, house.provider.api
    if who is not None and _match(who.path, path) is not None and method == who.method:
        return "identity", None, _identity
    known = api.capabilities if api else None
    assets = known.assets if known else None
    if assets is not None and path == assets.request.path:
        return "api", assets.needs_scope, lambda *a: _assets(assets, *a)
    for how in (known.sleep, known.activity) if known else ():
        if how is not None and path == how.request.path:
            return "api", how.needs_scope, partial(_spells, how)
    moves = known.transactions if known else None
    if moves is not None:
        slots = _match(moves.request.path, path)
        if slots is not None:
            return "api", moves.needs_scope, lambda *a: _transactions(moves, slots, *a)
    raise web.HTTPNotFound(text='{"errors":[{"id":"not_found"}]}', content_type="application/json")


def _end(request: web.Request, house: House, grant: Grant) -> Answer:
    """A call by which the caller's own grant is over."""
    grant.revocations += 1
    grant.end("revoked")
    return Answer(document={})


def _identity(request: web.Request, house: House, grant: Grant) -> Answer:
    return Answer(document=identity_document(house.provider, house.activity(grant.user)))


def _assets(
    capability: AssetsCapability, request: web.Request, house: House, grant: Grant
) -> Answer:
    holdings = house.activity(grant.user).holdings
    items = [(holding.id, account_record(capability, holding)) for holding in holdings]
    return _page(request, house, capability.pages, capability.items, items)


def _spells(
    capability: HealthCapability, request: web.Request, house: House, grant: Grant
) -> Answer:
    spells = house.wearer(grant.user).newest_first(capability.kind)
    items = [(spell.id, health_record(capability, spell)) for spell in spells]
    return _page(request, house, capability.pages, capability.items, items)


def _transactions(
    capability: TransactionsCapability,
    slots: dict[str, str],
    request: web.Request,
    house: House,
    grant: Grant,
) -> Answer:
    account = slots.get("account")
    activity = house.activity(grant.user)
    holdings = [one for one in activity.holdings if account in (None, one.id)]
    if not holdings:
        return _error(404, "not_found", "There is no such account.")
    movements = [movement for holding in holdings for movement in holding.newest_first]
    items = [(one.id, transaction_record(capability, one)) for one in movements]
    return _page(request, house, capability.pages, capability.items, items)


def _page(
    request: web.Request,
    house: House,
    pages: Pages,
    items_at: str,
    items: Sequence[tuple[str, dict[str, Any]]],
) -> Answer:
    """The part of a list behind the record that the request names."""
    named = request.query.get("limit", "")
    size = min(int(named), LARGEST_PAGE) if named.isdigit() and int(named) else DEFAULT_PAGE
    if pages.style == "none":
        size = len(items)
    parameter = pages.parameter or "starting_after"
    after = request.query.get(parameter)
    ids = [id for id, _ in items]
    start = ids.index(after) + 1 if after in ids else 0
    chosen = [record for _, record in items[start : start + size]]
    document: Any = {}
    if items_at:
        put(document, items_at, chosen)
    else:
        document = chosen
    if pages.pointer is not None and isinstance(document, dict):
        more = start + size < len(items)
        last = ids[start + size - 1] if more else None
        put(document, pages.pointer, _next(request, pages, parameter, last))
    return Answer(document=document)


def _next(request: web.Request, pages: Pages, parameter: str, last: str | None) -> str | None:
    if last is None or pages.style == "cursor":
        return last
    query = {name: value for name, value in request.query.items() if name != parameter}
    return f"{request.path}?{urlencode({**query, parameter: last})}"


def _bearer(request: web.Request, house: House) -> str:
    """RFC 6750 §2, where the entry says."""
    assert house.provider.api is not None
    place = house.provider.api.token
    if place.place == "query":
        return request.query.get(place.name, "")
    value = request.headers.get(place.name, "")
    return value.removeprefix(place.prefix) if value.startswith(place.prefix) else ""


async def _presented(request: web.Request, house: House) -> str:
    """The token of this call, as bearer or with a signature."""
    oauth1 = house.provider.auth.oauth1 is not None
    bearers = house.provider.auth.oauth2_code is not None
    if oauth1 and (not bearers or request.headers.get("Authorization", "").startswith("OAuth ")):
        return await signed_token(request, house)
    return _bearer(request, house)


def _refused(value: str, house: House, scope: str | None) -> Answer | None:
    """RFC 6750 §3.1."""
    token = house.grants.tokens.get(value)
    if token is None or token.kind != "access" or not token.alive(house.grants.now()):
        house.grants.refuse("invalid_token")
        return _error(401, "invalid_token", "The access token is invalid or has expired.")
    if scope is not None and scope not in token.grant.scope:
        house.grants.refuse("insufficient_scope")
        return _error(403, "invalid_scope", f"The scope {scope} is missing.")
    return None


def _limited(house: House) -> Answer | None:
    """A bucket of one second, when a rate is set."""
    rate = house.options.rate
    if rate <= 0:
        return None
    now = time.monotonic()
    house.calls[:] = [at for at in house.calls if at > now - 1]
    if len(house.calls) < rate:
        house.calls.append(now)
        return None
    house.grants.refuse("rate_limit_exceeded")
    answer = _error(429, "rate_limit_exceeded", "Too many requests.")
    answer.headers["Retry-After"] = "1"
    names = house.provider.api.rate_limit if house.provider.api else None
    if names is not None:
        for name, value in ((names.limit, rate), (names.remaining, 0), (names.reset, 1)):
            if name is not None:
                answer.headers[name] = str(int(value))
    return answer


def _error(status: int, id: str, message: str) -> Answer:
    return Answer(status=status, document={"errors": [{"id": id, "message": message}]})


def _match(template: str, path: str) -> dict[str, str] | None:
    """Which values a path has in the places of a template; None if it is another path."""
    wanted, given = template.split("/"), path.split("/")
    if len(wanted) != len(given):
        return None
    slots: dict[str, str] = {}
    for part, value in zip(wanted, given, strict=True):
        if part.startswith("{") and value:
            slots[part[1:-1]] = value
        elif part != value:
            return None
    return slots
