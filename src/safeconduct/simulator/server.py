"""The simulator as a server on loopback: every provider of a catalogue, over real HTTP."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from ipaddress import ip_address

from aiohttp import web

from safeconduct.core.secret import Secret
from safeconduct.core.upstream.provider import Provider
from safeconduct.simulator import device, minting, oauth, oauth1, openid, pages
from safeconduct.simulator.api import api_routes
from safeconduct.simulator.control import control_routes
from safeconduct.simulator.exchanges import exchange_for
from safeconduct.simulator.options import CLIENT_ID, CLIENT_SECRET, LOOPBACK, Registered
from safeconduct.simulator.sites import FILLED
from safeconduct.simulator.street import STREET, Street

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def speaks(provider: Provider) -> bool:
    """Whether it can be simulated: who asks it through a connector, in a protocol of its own, only
    where that is known down to its signatures.
    """
    if provider.signs_in_at is not None or exchange_for(provider) is not None:
        return True
    # What a connector carries is spoken by the simulators above only
    return provider.auth.brings is not None and (provider.api is None or provider.api.via is None)


class Simulator:
    """Providers to talk to: `await start()`, use `base_url`, `await stop()`."""

    def __init__(
        self,
        providers: Iterable[Provider],
        *,
        client_id: str = CLIENT_ID,
        client_secret: Secret | str = CLIENT_SECRET,
        redirect_uris: Sequence[str] = (),
        access_lifetime_s: int | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        registered = Registered(
            client_id=client_id,
            client_secret=Secret(str.__str__(client_secret)),
            redirect_uris=tuple(redirect_uris),
        )
        spoken = tuple(one for one in providers if speaks(one))
        self.street = Street(spoken, registered, access_lifetime_s, clock)
        self._runner: web.AppRunner | None = None

    @property
    def base_url(self) -> str:
        return self.street.base_url

    @property
    def port(self) -> int:
        return int(self.base_url.rpartition(":")[2])

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> int:
        """Listen; port 0 takes a free one. Which it is."""
        if not ip_address(host).is_loopback:
            raise ValueError("the simulator listens on loopback only")
        runner = web.AppRunner(self._app(), access_log=None, shutdown_timeout=0.5)
        await runner.setup()
        site = web.TCPSite(runner, host, port)
        try:
            await site.start()
        except OSError:
            await runner.cleanup()
            raise
        self._runner = runner
        bound: int = runner.addresses[0][1]
        shown = f"[{host}]" if ":" in host else host
        self.street.base_url = f"http://{shown}:{bound}"
        return bound

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def _app(self) -> web.Application:
        app = web.Application(middlewares=[_only_loopback])
        app[STREET] = self.street
        app[oauth1.DESKS] = {}
        app.add_routes(
            [
                web.get("/", pages.index),
                web.get("/_sim/simulator.css", pages.stylesheet),
                *control_routes(),
                web.get("/{provider}/authorize" + FILLED, pages.authorize),
                web.post("/{provider}/authorize" + FILLED, pages.decide),
                web.get("/{provider}/login", pages.login),
                web.post("/{provider}/login", pages.login),
                web.route("*", "/{provider}/token" + FILLED, oauth.token),
                web.route("*", "/{provider}/refresh" + FILLED, oauth.token),
                web.route("*", "/{provider}/revoke" + FILLED, oauth.revoke),
                *oauth1.routes(),
                *device.routes(),
                *minting.routes(),
                *openid.routes(),
                *api_routes(),
            ]
        )
        return app


async def serve_simulator(
    providers: Iterable[Provider],
    host: str,
    port: int,
    ready: Callable[[int], None],
    *,
    client_id: str = CLIENT_ID,
    client_secret: Secret | str = CLIENT_SECRET,
    redirect_uris: Sequence[str] = (),
    access_lifetime_s: int | None = None,
) -> None:
    """Serve until cancelled; `ready` is told the port as soon as requests are answered."""
    simulator = Simulator(
        providers,
        client_id=client_id,
        client_secret=client_secret,
        redirect_uris=redirect_uris,
        access_lifetime_s=access_lifetime_s,
    )
    try:
        ready(await simulator.start(host, port))
        await asyncio.Event().wait()
    finally:
        await simulator.stop()


@web.middleware
async def _only_loopback(request: web.Request, handler: Handler) -> web.StreamResponse:
    """A foreign page whose name was pointed at this machine gets nothing (DNS rebinding)."""
    host = request.url.host
    if host not in LOOPBACK:
        raise web.HTTPMisdirectedRequest(text="The simulator answers to loopback names only.\n")
    return await handler(request)
