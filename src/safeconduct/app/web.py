"""The surfaces on top of a platform: one ASGI application, and the hot endpoints beside it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from safeconduct.app.news import News
from safeconduct.app.platform import Platform
from safeconduct.core.authorize_parameters import PROMPTS
from safeconduct.core.realm import hosts_of
from safeconduct.services.cursors import Cursors
from safeconduct.services.log import EventLog
from safeconduct.settings import SettingsError
from safeconduct.web.account.authenticator import AuthenticatorPages
from safeconduct.web.account.home import HomePages
from safeconduct.web.account.identifiers import IdentifierPages
from safeconduct.web.account.page import AccountPages
from safeconduct.web.account.passkeys import PasskeyPages
from safeconduct.web.account.requests import RequestPages
from safeconduct.web.account.setup import SetupPages
from safeconduct.web.api import accounts as accounts_api
from safeconduct.web.api import assets as assets_api
from safeconduct.web.api import attempts as attempts_api
from safeconduct.web.api import clients as clients_api
from safeconduct.web.api import connections as connections_api
from safeconduct.web.api import events as events_api
from safeconduct.web.api import explanations as explanations_api
from safeconduct.web.api import health as health_api
from safeconduct.web.api import identifiers as identifiers_api
from safeconduct.web.api import inbound as inbound_api
from safeconduct.web.api import linking as linking_api
from safeconduct.web.api import managed_users as managed_users_api
from safeconduct.web.api import openapi
from safeconduct.web.api import organizations as organizations_api
from safeconduct.web.api import providers as providers_api
from safeconduct.web.api import proxy as proxy_api
from safeconduct.web.api import registration as registration_api
from safeconduct.web.api import requests as requests_api
from safeconduct.web.api import resources as resources_api
from safeconduct.web.api import sessions as sessions_api
from safeconduct.web.api import tenants as tenants_api
from safeconduct.web.api import transactions as transactions_api
from safeconduct.web.api import users as users_api
from safeconduct.web.api import webhooks as webhooks_api
from safeconduct.web.api.accounts import AccountsApi
from safeconduct.web.api.assets import AssetsApi
from safeconduct.web.api.attempts import AttemptsApi
from safeconduct.web.api.ciba_hook import CibaHook
from safeconduct.web.api.clients import ClientsApi
from safeconduct.web.api.connections import ConnectionsApi
from safeconduct.web.api.events import EventsApi
from safeconduct.web.api.explanations import ExplanationsApi
from safeconduct.web.api.health import HealthApi
from safeconduct.web.api.identifiers import IdentifiersApi
from safeconduct.web.api.inbound import InboundApi
from safeconduct.web.api.linking import LinkingApi
from safeconduct.web.api.managed_users import ManagedUsersApi
from safeconduct.web.api.openapi import Description
from safeconduct.web.api.organizations import OrganizationsApi
from safeconduct.web.api.providers import ProvidersApi
from safeconduct.web.api.proxy import ProxyApi
from safeconduct.web.api.registration import RegistrationApi
from safeconduct.web.api.requests import RequestsApi
from safeconduct.web.api.resources import ResourcesApi
from safeconduct.web.api.sessions import SessionsApi
from safeconduct.web.api.tenants import TenantsApi
from safeconduct.web.api.transactions import TransactionsApi
from safeconduct.web.api.users import UsersApi
from safeconduct.web.api.webhooks import WebhooksApi
from safeconduct.web.compat import discover
from safeconduct.web.connect.addresses import AddressPages
from safeconduct.web.connect.client_document import ClientDocument
from safeconduct.web.connect.device import OtherScreenPages
from safeconduct.web.connect.entry import EntryPages
from safeconduct.web.connect.landing import LandingPages
from safeconduct.web.connect.picker import ConnectPages
from safeconduct.web.connect.sites import SitePages
from safeconduct.web.kit import health
from safeconduct.web.kit.brand import BrandPages
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
from safeconduct.web.oauth2.authorize import AuthorizePages
from safeconduct.web.oauth2.device import DevicePages
from safeconduct.web.oauth2.login import LoginPages
from safeconduct.web.oauth2.logout import LogoutPages
from safeconduct.web.oauth2.protected_resource import ResourceDocuments
from safeconduct.web.oauth2.register import RegisterEndpoint
from safeconduct.web.oauth2.reset import ResetPages
from safeconduct.web.oauth2.second import SecondPages
from safeconduct.web.oauth2.session import SessionPage
from safeconduct.web.oauth2.signup import SignupPages


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
    routes = _pages(platform, browser, pages)
    hot = _hot(platform, routes)
    # What the server cannot cut short (a pipelined request, an absolute URL) comes this way.
    mounted = [Route(path, asgi(handler)) for path, handler in hot.items()]
    mounted.append(FormRoute(oauth2.SHARED_TOKEN_PATH, asgi(hot[oauth2.COMMON_TOKEN_PATH])))
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


def _pages(platform: Platform, browser: Browser, pages: Pages) -> list[BaseRoute]:
    shared: dict[str, Any] = {"browser": browser, "pages": pages}
    p = platform
    authorize = AuthorizePages(
        authorize=p.authorize,
        responses=p.responses,
        users=p.users,
        second=p.second_factor,
        linked=p.connections,
        denials=p.denials,
        **shared,
    )
    connect = ConnectPages(
        authorize=p.authorize,
        answer=authorize.render,
        providers=p.providers,
        connections=p.connections,
        start=p.start,
        users=p.users,
        **shared,
    )
    other_screen = OtherScreenPages(connect=connect, device_links=p.device_links)
    return [
        *HomePages(connect=connect.enter, **shared).routes(),
        *AddressPages(connect=connect, own=p.own_providers).routes(),
        *connect.routes(),
        *EntryPages(connect=connect, enter=p.enter).routes(),
        *ClientDocument(clients=p.issuer_clients).routes(),
        *other_screen.routes(),
        *SitePages(connect=connect, other_screen=other_screen).routes(),
        *LandingPages(
            complete=p.complete,
            clients=p.clients,
            providers=p.providers,
            connections=p.connections,
            authorize=p.authorize,
            **shared,
        ).routes(),
        *AccountPages(
            grants=p.grants,
            linked=p.connections,
            clients=p.clients,
            sessions=p.sessions,
            users=p.users,
            password=p.password,
            second=p.second_factor,
            passkeys=p.passkeys,
            deferrals=p.deferrals,
            detail_types=p.requests.detail_types,
            **shared,
        ).routes(),
        *SetupPages(setup=p.setup, **shared).routes(),
        *authorize.routes(),
        *RequestPages(deferrals=p.deferrals, **shared).routes(),
        *DevicePages(deferrals=p.deferrals, users=p.users, **shared).routes(),
        *LoginPages(login=p.login, passkeys=p.passkeys, authorize=p.authorize, **shared).routes(),
        *SignupPages(signup=p.signup, authorize=p.authorize, **shared).routes(),
        *SecondPages(second=p.second_factor, authorize=p.authorize, **shared).routes(),
        *ResetPages(reset=p.password_reset, authorize=p.authorize, **shared).routes(),
        *PasskeyPages(passkeys=p.passkeys, users=p.users, password=p.password, **shared).routes(),
        *IdentifierPages(
            identifiers=p.own_identifiers, users=p.users, password=p.password, **shared
        ).routes(),
        *AuthenticatorPages(
            second=p.second_factor, users=p.users, password=p.password, **shared
        ).routes(),
        *LogoutPages(
            keys=p.keys,
            clients=p.clients,
            sessions=p.sessions,
            farewells=p.farewells,
            users=p.users,
            **shared,
        ).routes(),
        *SessionPage(**shared).routes(),
        *RegisterEndpoint(registration=p.registration, denials=p.denials).routes(),
        *ResourceDocuments(resources=p.resources).routes(),
        *CibaHook(deferrals=p.deferrals, secret=p.ciba_test_hook).routes(),
        *pages.static.routes(),
        *BrandPages(browser, p.tenants).routes(),
        *_api(p),
        *(route for surface in discover().values() for route in surface.routes(p)),
    ]


def _api(p: Platform) -> list[Route]:
    """The platform API and its description."""
    data: dict[str, Any] = {"assets": p.assets, "connections": p.connections, "access": p.access}
    log = EventLog(store=p.store, keys=p.keys, denials=p.denials)
    parts: list[tuple[Any, Description]] = [
        (
            ClientsApi(clients=p.clients, access=p.access, replays=p.replays),
            clients_api.DESCRIPTION,
        ),
        (RegistrationApi(vouching=p.vouching, access=p.access), registration_api.DESCRIPTION),
        (
            ResourcesApi(resources=p.resources, access=p.access, realms=p.realms),
            resources_api.DESCRIPTION,
        ),
        (
            RequestsApi(deferrals=p.deferrals, access=p.access),
            requests_api.DESCRIPTION,
        ),
        (
            ProvidersApi(providers=p.providers, own=p.own_providers, access=p.access),
            providers_api.DESCRIPTION,
        ),
        (
            ConnectionsApi(**data, sync_runs=p.sync_runs, disconnect=p.disconnect),
            connections_api.DESCRIPTION,
        ),
        (
            AttemptsApi(
                start=p.start,
                complete=p.complete,
                device_links=p.device_links,
                enter=p.enter,
                clients=p.clients,
                clock=p.clock,
                access=p.access,
            ),
            attempts_api.DESCRIPTION,
        ),
        (
            LinkingApi(
                enter=p.enter,
                providers=p.providers,
                connections=p.connections,
                access=p.access,
            ),
            linking_api.DESCRIPTION,
        ),
        (
            ProxyApi(connections=p.connections, proxy=p.proxy, access=p.access),
            proxy_api.DESCRIPTION,
        ),
        (AssetsApi(**data), assets_api.DESCRIPTION),
        (TransactionsApi(**data), transactions_api.DESCRIPTION),
        (
            HealthApi(health=p.health, connections=p.connections, access=p.access),
            health_api.DESCRIPTION,
        ),
        (InboundApi(inbound=p.inbound, tenant_id=p.tenant_id), inbound_api.DESCRIPTION),
        (
            AccountsApi(
                accounts=p.accounts,
                users=p.users,
                api_keys=p.api_keys,
                delegation=p.delegation,
                access=p.access,
            ),
            accounts_api.DESCRIPTION,
        ),
        (EventsApi(log=log, access=p.access), events_api.DESCRIPTION),
        (
            ExplanationsApi(explanations=p.explanations, access=p.access),
            explanations_api.DESCRIPTION,
        ),
        (
            TenantsApi(tenants=p.tenants, cursors=Cursors(p.keys), access=p.access),
            tenants_api.DESCRIPTION,
        ),
        (
            SessionsApi(sessions=p.sessions, users=p.users, access=p.access),
            sessions_api.DESCRIPTION,
        ),
        (
            IdentifiersApi(identifiers=p.own_identifiers, users=p.users, access=p.access),
            identifiers_api.DESCRIPTION,
        ),
        (
            UsersApi(users=p.users, grants=p.grants, cursors=Cursors(p.keys), access=p.access),
            users_api.DESCRIPTION,
        ),
        (
            ManagedUsersApi(
                managed_users=p.managed_users,
                managed_tokens=p.managed_tokens,
                platform_clients=p.platform_clients,
                access=p.access,
            ),
            managed_users_api.DESCRIPTION,
        ),
        (
            OrganizationsApi(organizations=p.organizations, access=p.access),
            organizations_api.DESCRIPTION,
        ),
        (
            WebhooksApi(
                webhooks=p.webhooks,
                deliveries=p.deliveries,
                clients=p.clients,
                access=p.access,
            ),
            webhooks_api.DESCRIPTION,
        ),
    ]
    return [
        *(route for part, _ in parts for route in part.routes()),
        openapi.route(p.issuer, [description for _, description in parts]),
    ]


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
