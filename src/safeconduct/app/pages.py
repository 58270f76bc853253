"""The pages that people see, over a platform's services, and what stands beside them."""

from collections.abc import Mapping
from typing import Any

from starlette.routing import BaseRoute

from safeconduct.app.platform import Platform
from safeconduct.web.account.authenticator import AuthenticatorPages
from safeconduct.web.account.home import HomePages
from safeconduct.web.account.identifiers import IdentifierPages
from safeconduct.web.account.page import AccountPages
from safeconduct.web.account.passkeys import PasskeyPages
from safeconduct.web.account.requests import RequestPages
from safeconduct.web.account.setup import SetupPages
from safeconduct.web.api.ciba_hook import CibaHook
from safeconduct.web.connect.addresses import AddressPages
from safeconduct.web.connect.client_document import ClientDocument
from safeconduct.web.connect.device import OtherScreenPages
from safeconduct.web.connect.entry import EntryPages
from safeconduct.web.connect.landing import LandingPages
from safeconduct.web.connect.picker import ConnectPages
from safeconduct.web.connect.sites import SitePages
from safeconduct.web.kit.brand import BrandPages
from safeconduct.web.kit.browser import Browser
from safeconduct.web.kit.chooser import LanguagePages
from safeconduct.web.kit.pages import Pages
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


def pages_of(platform: Platform, browser: Browser, pages: Pages) -> list[BaseRoute]:
    p = platform
    shared: dict[str, Any] = {"browser": browser, "pages": pages}
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
    return [
        *HomePages(connect=connect.enter, **shared).routes(),
        *_connect(p, connect, shared),
        *_account(p, shared),
        *authorize.routes(),
        *_sign_in(p, shared),
        *RegisterEndpoint(registration=p.registration, denials=p.denials).routes(),
        *ResourceDocuments(resources=p.resources).routes(),
        *CibaHook(deferrals=p.deferrals, secret=p.ciba_test_hook).routes(),
        *pages.static.routes(),
        *BrandPages(browser, p.tenants).routes(),
        *LanguagePages(**shared).routes(),
    ]


def _connect(p: Platform, connect: ConnectPages, shared: Mapping[str, Any]) -> list[BaseRoute]:
    """Where people link their accounts elsewhere."""
    other_screen = OtherScreenPages(connect=connect, device_links=p.device_links)
    return [
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
    ]


def _account(p: Platform, shared: Mapping[str, Any]) -> list[BaseRoute]:
    """What people see and change of their own."""
    return [
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
        *RequestPages(deferrals=p.deferrals, **shared).routes(),
        *PasskeyPages(passkeys=p.passkeys, users=p.users, password=p.password, **shared).routes(),
        *IdentifierPages(
            identifiers=p.own_identifiers, users=p.users, password=p.password, **shared
        ).routes(),
        *AuthenticatorPages(
            second=p.second_factor, users=p.users, password=p.password, **shared
        ).routes(),
    ]


def _sign_in(p: Platform, shared: Mapping[str, Any]) -> list[BaseRoute]:
    """Where people come in, by each of their ways, and go out."""
    return [
        *SetupPages(setup=p.setup, **shared).routes(),
        *DevicePages(deferrals=p.deferrals, users=p.users, **shared).routes(),
        *LoginPages(login=p.login, passkeys=p.passkeys, authorize=p.authorize, **shared).routes(),
        *SignupPages(signup=p.signup, authorize=p.authorize, **shared).routes(),
        *SecondPages(second=p.second_factor, authorize=p.authorize, **shared).routes(),
        *ResetPages(reset=p.password_reset, authorize=p.authorize, **shared).routes(),
        *LogoutPages(
            keys=p.keys,
            clients=p.clients,
            sessions=p.sessions,
            farewells=p.farewells,
            users=p.users,
            **shared,
        ).routes(),
        *SessionPage(**shared).routes(),
    ]
