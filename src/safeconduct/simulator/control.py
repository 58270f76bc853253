"""`/_sim/…`: the ledger that judges, and the switches for faults, time and strictness."""

import asyncio
from dataclasses import asdict
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from safeconduct.core.secret import Secret
from safeconduct.core.upstream.inbound import usable
from safeconduct.simulator.exchanges import keys_of
from safeconduct.simulator.faults import BadFault
from safeconduct.simulator.options import LOOPBACK
from safeconduct.simulator.street import STREET, House, Street, read_json
from safeconduct.simulator.vitals import Spell
from safeconduct.simulator.webhooks import Sent, Subscription, send


def control_routes() -> list[web.RouteDef]:
    return [
        web.get("/_sim/ledger", ledger),
        web.post("/_sim/ledger/check", check),
        web.get("/_sim/faults", faults),
        web.post("/_sim/faults", add_fault),
        web.delete("/_sim/faults", clear_faults),
        web.get("/_sim/clock", clock),
        web.post("/_sim/clock", set_clock),
        web.get("/_sim/options", options),
        web.post("/_sim/options", set_options),
        web.get("/_sim/accounts", accounts),
        web.get("/_sim/keys", keys),
        web.post("/_sim/activity", add_activity),
        web.get("/_sim/vitals", vitals),
        web.post("/_sim/vitals", add_vitals),
        web.post("/_sim/webhooks", subscribe),
        web.post("/_sim/revoke", withdraw),
        web.post("/_sim/reset", reset),
    ]


async def ledger(request: web.Request) -> web.Response:
    """What each provider has seen. `?provider=` for one, `?tokens=0` without the tokens."""
    street = request.app[STREET]
    tokens = request.query.get("tokens") != "0"
    wanted = request.query.get("provider")
    shown = {
        id: house.grants.shown(tokens=tokens)
        for id, house in street.houses.items()
        if wanted in (None, id)
    }
    return web.json_response({"now": street.now(), "providers": shown})


async def check(request: web.Request) -> web.Response:
    """Does this very token still work? It is not counted as a use."""
    street = request.app[STREET]
    value = (await read_json(request)).get("token")
    if not isinstance(value, str):
        raise _bad("`token` is missing")
    for id, house in street.houses.items():
        token = house.grants.tokens.get(value)
        if token is not None:
            shown = token.shown(street.now())
            about = {"known": True, "provider": id, "grant": token.grant.id}
            return web.json_response(about | shown | {"usable": _usable(house, value)})
    return web.json_response({"known": False, "alive": False, "usable": False})


async def faults(request: web.Request) -> web.Response:
    return web.json_response({"faults": request.app[STREET].faults.shown()})


async def add_fault(request: web.Request) -> web.Response:
    """One fault, or a list of them under `faults`."""
    street, body = request.app[STREET], await read_json(request)
    asked = body.get("faults", [body])
    try:
        if not isinstance(asked, list) or not all(isinstance(one, dict) for one in asked):
            raise BadFault("`faults` is a list of objects")
        added = [street.faults.add(one) for one in asked]
    except BadFault as error:
        raise _bad(str(error)) from None
    return web.json_response({"added": [fault.id for fault in added]}, status=201)


async def clear_faults(request: web.Request) -> web.Response:
    cleared = request.app[STREET].faults.clear(
        id=request.query.get("id"), provider=request.query.get("provider")
    )
    return web.json_response({"cleared": cleared})


async def clock(request: web.Request) -> web.Response:
    street = request.app[STREET]
    return web.json_response({"now": street.now(), "shift_s": street.shift_s})


async def set_clock(request: web.Request) -> web.Response:
    """`shift_s` sets the distance to the real time, `advance_s` adds to it."""
    street, body = request.app[STREET], await read_json(request)
    if "shift_s" in body:
        street.shift_s = _number(body, "shift_s")
    if "advance_s" in body:
        street.shift_s += _number(body, "advance_s")
    return await clock(request)


async def options(request: web.Request) -> web.Response:
    houses = request.app[STREET].houses
    return web.json_response({id: asdict(house.options) for id, house in houses.items()})


async def set_options(request: web.Request) -> web.Response:
    """Change what is named, for one `provider` or for all."""
    street, body = request.app[STREET], await read_json(request)
    houses = _houses(street, body.pop("provider", None))
    for name, value in body.items():
        if name == "rotation" and value in ("strict", "grace", "none"):
            continue
        if name in ("refresh_lifetime_s", "refresh_idle_s") and value is None:
            continue
        if name not in asdict(houses[0].options) or name == "rotation":
            raise _bad(f"no such option, or no such value: {name}")
        _number(body, name)
    for house in houses:
        for name, value in body.items():
            setattr(house.options, name, value)
    return await options(request)


async def accounts(request: web.Request) -> web.Response:
    """The truth about a user's accounts, to compare with: `?provider=&user=`."""
    house = _house(request.app[STREET], request.query.get("provider"))
    activity = house.activity(request.query.get("user", "mira"))
    return web.json_response(
        {
            "account_id": activity.account_id,
            "accounts": [
                {
                    "id": holding.id,
                    "asset": holding.asset.code,
                    "balance": f"{holding.balance:f}",
                    "movements": len(holding.movements),
                }
                for holding in activity.holdings
            ],
            "movements": [
                {
                    "id": movement.id,
                    "account": movement.account,
                    "asset": movement.asset,
                    "kind": movement.kind,
                    "amount": f"{movement.amount:f}",
                    "fee": f"{movement.fee:f}",
                    "at": int(movement.at.timestamp() * 1000),
                    "group": movement.group,
                    "settled": movement.settled,
                }
                for movement in activity.movements()
            ],
        }
    )


async def keys(request: web.Request) -> web.Response:
    """What a user has made there to be read by: `?provider=&user=`, and `&mode=` where there are
    several ways.
    """
    house = _house(request.app[STREET], request.query.get("provider"))
    user, modes = request.query.get("user", "mira"), house.owners.modes
    if house.exchange is None:
        mode = request.query.get("mode") or (modes[0] if modes else "")
        if mode not in modes:
            raise _bad("`provider` has no keys of this kind: people sign in there")
        owner = await asyncio.to_thread(house.owners.of, user, mode)
        return web.json_response(owner.typed)
    made = keys_of(house.provider.id, user)
    wanted = house.provider.auth.api_key
    names = [field.name for field in wanted.fields] if wanted else []
    return web.json_response({name: getattr(made, name) for name in names})


async def add_activity(request: web.Request) -> web.Response:
    """Something new happens: {provider, user, kind, asset, amount, at?} (`at` in seconds)."""
    street, body = request.app[STREET], await read_json(request)
    house = _house(street, body.get("provider"))
    at = datetime.fromtimestamp(_number(body, "at") if "at" in body else street.now(), UTC)
    try:
        amount = Decimal(str(body.get("amount")))
        movement = house.activity(str(body.get("user", "mira"))).add(
            str(body.get("kind", "deposit")), str(body.get("asset")), amount, at
        )
    except InvalidOperation:
        raise _bad("`amount` is not a decimal number") from None
    except ValueError as error:
        raise _bad(f"that cannot happen: {error}") from None
    return web.json_response({"id": movement.id}, status=201)


async def vitals(request: web.Request) -> web.Response:
    """The truth about a user's nights and exercises: `?provider=&user=`."""
    house = _house(request.app[STREET], request.query.get("provider"))
    wearer = house.wearer(request.query.get("user", "mira"))
    return web.json_response({"spells": [_spell(spell) for spell in wearer.spells]})


async def add_vitals(request: web.Request) -> web.Response:
    """A night or an exercise is over: {provider, user, kind, at?}; subscribers are told."""
    street, body = request.app[STREET], await read_json(request)
    house, kind = _house(street, body.get("provider")), body.get("kind", "sleep")
    if kind not in ("sleep", "activity"):
        raise _bad("`kind` is sleep or activity")
    at = datetime.fromtimestamp(_number(body, "at") if "at" in body else street.now(), UTC)
    user = str(body.get("user", "mira"))
    spell = house.wearer(user).add(kind, at)
    sent = [await _tell(house, one, kind, user, street.now()) for one in house.subscriptions]
    return web.json_response(_spell(spell) | {"sent": [asdict(one) for one in sent]}, status=201)


async def subscribe(request: web.Request) -> web.Response:
    """{provider, url, secret, users?}: from now on webhooks go there; `users` are your ids of
    them, by user name. Only addresses of this machine are sent anything.
    """
    street, body = request.app[STREET], await read_json(request)
    house, url = _house(street, body.get("provider")), body.get("url")
    users = body.get("users", {})
    if house.provider.webhooks is None:
        raise _bad("this provider sends no webhooks")
    if not isinstance(url, str) or urlsplit(url).hostname not in LOOPBACK:
        raise _bad("`url` is no address of this machine")
    secret = Secret(str(body.get("secret", "")))
    if not usable(house.provider.webhooks.signature, secret):
        raise _bad("`secret` is none for such signatures")
    if not isinstance(users, dict):
        raise _bad("`users` is an object")
    named = {str(name): str(id) for name, id in users.items()}
    house.subscriptions.append(Subscription(url=url, secret=secret, users=named))
    return web.json_response({"subscribed": len(house.subscriptions)}, status=201)


async def _tell(house: House, to: Subscription, kind: str, user: str, now: float) -> Sent:
    how = house.provider.webhooks
    assert how is not None  # it has a subscription
    type = next((one.when[0] for one in how.triggers if one.capability == kind), "unlisted")
    account_id = house.activity(user).account_id
    return await send(how, to, type, user=user, account_id=account_id, now=now)


def _spell(spell: Spell) -> dict[str, Any]:
    return {
        "id": spell.id,
        "kind": spell.kind,
        "started_at": int(spell.start.timestamp() * 1000),
        "ended_at": int(spell.end.timestamp() * 1000),
        "figures": {name: f"{figure:f}" for name, figure in spell.figures.items()},
    }


async def withdraw(request: web.Request) -> web.Response:
    """The user takes consent back at the provider: {provider, grant?}; all without `grant`."""
    street, body = request.app[STREET], await read_json(request)
    ended = 0
    for house in _houses(street, body.get("provider")):
        for grant in house.grants.grants:
            if grant.ended is None and body.get("grant") in (None, grant.id):
                grant.end("user")
                ended += 1
    return web.json_response({"ended": ended})


async def reset(request: web.Request) -> web.Response:
    request.app[STREET].reset()
    return web.json_response({"reset": True})


def _usable(house: House, value: str) -> bool:
    """Whether the next use of it would be answered with tokens, or with data."""
    token = house.grants.tokens[value]
    return token.alive(house.grants.now()) or house.grants.graceful(token)


def _houses(street: Street, id: Any) -> list[House]:
    return [_house(street, id)] if id is not None else list(street.houses.values())


def _house(street: Street, id: Any) -> House:
    house = street.houses.get(id) if isinstance(id, str) else None
    if house is None:
        raise _bad("`provider` names none of the simulated providers")
    return house


def _number(body: dict[str, Any], name: str) -> float:
    value = body.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > 1e11:
        raise _bad(f"`{name}` is not a sensible number")
    return value


def _bad(text: str) -> web.HTTPException:
    body = web.json_response({"error": text}).text or ""
    return web.HTTPBadRequest(text=body, content_type="application/json")
