"""The surfaces on top of a platform: one ASGI application, and the hot endpoints beside it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from safeconduct.app.platform import Platform
from safeconduct.web.kit import health
from safeconduct.web.kit.browser import Browser
from safeconduct.web.kit.errors import EXCEPTIONS
from safeconduct.web.kit.hosts import HostGuard
from safeconduct.web.kit.http import Handler
from safeconduct.web.kit.pages import Pages
from safeconduct.web.oauth2.authorize import AuthorizePages
from safeconduct.web.oauth2.login import LoginPages
from safeconduct.web.oauth2.logout import LogoutPages
from safeconduct.web.oauth2.signup import SignupPages


@dataclass(frozen=True, slots=True)
class Web:
    """What a server serves: `hot` paths without Starlette, all others through `app`."""

    app: ASGIApp
    hot: Mapping[str, Handler]


def web_of(platform: Platform) -> Web:
    """All surfaces of a platform on its one origin."""
    browser = Browser(
        issuer=platform.settings.issuer,
        tenant_id=platform.tenant_id,
        keys=platform.keys,
        sessions=platform.sessions,
        clock=platform.clock,
        mint=platform.mint,
    )
    pages = Pages(browser=browser, clock=platform.clock)
    app = Starlette(
        routes=_pages(platform, browser, pages),
        exception_handlers={**EXCEPTIONS, **pages.exceptions()},
    )
    return Web(HostGuard(app, issuer=platform.settings.issuer), _hot(platform))


def _hot(platform: Platform) -> dict[str, Handler]:
    return health.handlers(platform.ready)


def _pages(platform: Platform, browser: Browser, pages: Pages) -> list[BaseRoute]:
    shared: dict[str, Any] = {"browser": browser, "pages": pages}
    p = platform
    return [
        *AuthorizePages(authorize=p.authorize, users=p.users, **shared).routes(),
        *LoginPages(login=p.login, authorize=p.authorize, **shared).routes(),
        *SignupPages(signup=p.signup, authorize=p.authorize, **shared).routes(),
        *LogoutPages(
            keys=p.keys, clients=p.clients, sessions=p.sessions, users=p.users, **shared
        ).routes(),
        *pages.static.routes(),
    ]
