"""One simulated provider: its entry, its users' accounts, what it granted, how strict it is."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from safeconduct.core.upstream.provider import Dialect, Provider
from safeconduct.simulator.activity import Activity
from safeconduct.simulator.exchanges import Exchange, exchange_for
from safeconduct.simulator.faults import Faults
from safeconduct.simulator.grants import Grants
from safeconduct.simulator.options import Options, Registered, options_for
from safeconduct.simulator.programs import Owners
from safeconduct.simulator.vitals import Vitals
from safeconduct.simulator.waiting import Waiting
from safeconduct.simulator.webhooks import Subscription


@dataclass(slots=True)
class House:
    """A provider's house: everything that it keeps."""

    provider: Provider
    registered: Registered
    options: Options
    grants: Grants
    owners: Owners
    exchange: Exchange | None = None
    activities: dict[str, Activity] = field(default_factory=dict)
    calls: list[float] = field(default_factory=list)
    vitals: dict[str, Vitals] = field(default_factory=dict)
    subscriptions: list[Subscription] = field(default_factory=list)
    waiting: Waiting = field(default_factory=Waiting)

    @property
    def speaks(self) -> Dialect:
        """How its token endpoint is asked, whatever the tokens are for."""
        auth = self.provider.auth
        signs_in = auth.oauth2_code or auth.oauth2_yields_api_key
        return self.provider.oauth2 if signs_in else self.provider.speaks

    def wearer(self, user: str) -> Vitals:
        """What this user's device has measured."""
        if user not in self.vitals:
            self.vitals[user] = Vitals(self.provider.id, user, self.grants.now())
        return self.vitals[user]

    def activity(self, user: str) -> Activity:
        if user not in self.activities:
            self.activities[user] = Activity(self.provider.id, user)
        return self.activities[user]


class Street:
    """All houses of one simulator, its clock and its faults."""

    def __init__(
        self,
        providers: tuple[Provider, ...],
        registered: Registered,
        access_lifetime_s: int | None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._providers = providers
        self._access_lifetime_s = access_lifetime_s
        self._clock = clock
        self.registered = registered
        self.shift_s = 0.0
        self.base_url = ""
        self.faults = Faults(lambda: tuple(self.houses))
        self.houses: dict[str, House] = {}
        self.reset()

    def now(self) -> float:
        return self._clock() + self.shift_s

    def reset(self) -> None:
        """As on the first day: no grants, no faults, the right time."""
        self.shift_s = 0.0
        self.faults.clear()
        self.houses.clear()
        for provider in self._providers:
            options = options_for(provider, self._access_lifetime_s)
            grants = Grants(options, self.now)
            owners, exchange = Owners(provider, grants), exchange_for(provider)
            house = House(provider, self.registered, options, grants, owners, exchange)
            self.houses[provider.id] = house


STREET: web.AppKey[Street] = web.AppKey("street", Street)


def house_of(request: web.Request) -> House:
    """The house that the path names, or 404."""
    house = request.app[STREET].houses.get(request.match_info["provider"])
    if house is None:
        raise web.HTTPNotFound(text="There is no such simulated provider.\n")
    signs_in = house.provider.signs_in_at is not None
    if house.exchange is not None and not signs_in and "path" not in request.match_info:
        raise web.HTTPNotFound(text="This provider is asked with keys; nobody signs in here.\n")
    return house


def oauth2_house(request: web.Request) -> House:
    """The house that the path names, or 404 for one that does not speak OAuth 2."""
    house = house_of(request)
    if not (house.provider.auth.oauth2_code or house.provider.auth.oauth2_yields_api_key):
        raise web.HTTPNotFound(text="This provider does not speak OAuth 2.\n")
    return house


def token_house(request: web.Request) -> House:
    """The house that the path names, or 404 for one that gives no tokens."""
    house = house_of(request)
    if house.provider.dialect is None and not house.provider.auth.oauth2_yields_api_key:
        raise web.HTTPNotFound(text="This provider gives no tokens.\n")
    return house


async def read_json(request: web.Request) -> dict[str, Any]:
    """The body of a control request: a JSON object, or none."""
    if not request.can_read_body:
        return {}
    try:
        body = await request.json()
    except ValueError:
        raise web.HTTPBadRequest(text="The body is not JSON.\n") from None
    if not isinstance(body, dict):
        raise web.HTTPBadRequest(text="The body is not a JSON object.\n")
    return body
