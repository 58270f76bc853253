"""The surfaces on top of a platform: one ASGI application, and the hot endpoints beside it."""

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from safeconduct.app.api import api
from safeconduct.app.news import News
from safeconduct.app.pages import pages_of
from safeconduct.app.platform import Platform
from safeconduct.core.authorize_parameters import PROMPTS
from safeconduct.core.realm import hosts_of
from safeconduct.settings import SettingsError
from safeconduct.web.api import proxy as proxy_api
from safeconduct.web.compat import discover
from safeconduct.web.kit import health
from safeconduct.web.kit.browser import Browser
from safeconduct.web.kit.errors import EXCEPTIONS
from safeconduct.web.kit.hosts import ByHost, at_issuer
from safeconduct.web.kit.http import Handler, asgi
from safeconduct.web.kit.media import FormRoute
from safeconduct.web.kit.metrics import Metrics
from safeconduct.web.kit.pages import Pages
from safeconduct.web.kit.request_log import RequestLog, on_failure
from safeconduct.web.kit.routing import ShortWay, application
from safeconduct.web.kit.tenancy import Tenancy
from safeconduct.web.oauth2 import routes as oauth2
from safeconduct.web.oauth2.back_channel import nothing_here


@dataclass(frozen=True, slots=True)
class Web:
    """What a server serves: `hot` paths without Starlette, all others through `app`."""

    app: ASGIApp
    hot: Mapping[str, Handler]


def web_of(
    platform: Platform, surface_hosts: Mapping[str, str] = {}, metrics: Metrics | None = None
) -> Web:
    """All surfaces of a platform on its one origin; `surface_hosts` gives some a name besides."""
    browser = Browser(
        realms=platform.realms,
        keys=platform.keys,
        sessions=platform.sessions,
        clock=platform.clock,
        mint=platform.mint,
        watched=platform.requests.rules.session_management,
    )
    pages = Pages(browser=browser, clock=platform.clock)
    routes = [
        *pages_of(platform, browser, pages),
        *api(platform),
        *(route for surface in discover().values() for route in surface.routes(platform)),
    ]
    hot = _hot(platform, routes)
    # What the server cannot cut short (a pipelined request, an absolute URL) comes this way.
    mounted = [Route(path, asgi(handler)) for path, handler in hot.items()]
    mounted.append(FormRoute(oauth2.SHARED_TOKEN_PATH, asgi(hot[oauth2.COMMON_TOKEN_PATH])))
    mounted.append(Route(oauth2.COMMON_TOKEN_PATH + "/{rest:path}", asgi(nothing_here)))
    app = application(
        [*mounted, *routes], {**EXCEPTIONS, **pages.exceptions(), Exception: on_failure}
    )
    app.state.denials = platform.denials
    log = RequestLog(platform.mint, metrics)
    news = News(
        platform.store,
        clients=platform.clients,
        keys=platform.keys,
        resources=platform.resources,
    )
    proxy = next(one for one in routes if isinstance(one, Route) and one.path == proxy_api.PROXY)
    bound = ByHost(_bound(platform, surface_hosts, platform.issuer), ShortWay(proxy, app))
    mutual = _hosts(platform.proofs.mtls_origin)
    tenancy = Tenancy(platform.realms, [*surface_hosts, *mutual])
    probes = health.handlers(platform.store.healthy)

    def placed(path: str, handler: Handler) -> Handler:
        if path in probes:  # a probe asks by address, whatever the name of the server is
            return handler
        also = [host for host, name in surface_hosts.items() if path in discover()[name].shared]
        also += mutual
        return Tenancy(platform.realms, also).handler(handler)

    return Web(
        log.app(news.app(tenancy.app(bound))),
        {path: log.handler(news.handler(placed(path, one)), path) for path, one in hot.items()},
    )


def _hosts(origin: str | None) -> list[str]:
    """The host names of an origin, as requests may spell them."""
    return [] if origin is None else sorted(hosts_of(origin))


def _hot(platform: Platform, routes: list[BaseRoute]) -> dict[str, Handler]:
    p = platform
    return {
        **health.handlers(p.store.healthy),
        **oauth2.hot(
            keys=p.keys,
            realms=p.realms,
            authentication=p.authentication,
            tokens=p.tokens,
            devices=p.devices,
            ciba=p.ciba,
            access=p.access,
            introspection=p.introspection,
            revocation=p.revocation,
            userinfo=p.userinfo,
            denials=p.denials,
            pages={route.path for route in routes if isinstance(route, Route)},
            requests=p.requests,
            prompts=PROMPTS,
            client_documents=p.clients.known.documents is not None,
        ),
    }


def _bound(platform: Platform, hosts: Mapping[str, str], issuer: str) -> dict[str, ASGIApp]:
    """What is served at the host names of surfaces: each its own routes and no other's.

    People's pages stay at the issuer, where their cookies are.
    """
    surfaces = discover()
    unknown = sorted(set(hosts.values()) - set(surfaces))
    if unknown:
        raise SettingsError(
            *(f"surface_hosts: there is no surface {name!r}." for name in unknown),
            f"There are {', '.join(surfaces)}.",
        )
    return {
        host: application(
            [
                *(Route(path, at_issuer(issuer)) for path in surfaces[name].shared),
                *surfaces[name].routes(platform),
            ],
            {**EXCEPTIONS, Exception: on_failure},
        )
        for host, name in hosts.items()
    }
