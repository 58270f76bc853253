"""A passkey ceremony between two pages: its challenge travels sealed with the browser."""

from starlette.requests import Request

from safeconduct.core.passkeys import LIFETIME, Ceremony, Site, site_of
from safeconduct.web.kit.browser import Browser

PURPOSE = "passkey"


def site_here(browser: Browser, request: Request) -> Site | None:
    return site_of(browser.realm(request).issuer)


def seal(browser: Browser, request: Request, ceremony: Ceremony) -> str:
    data = {"challenge": ceremony.challenge, "until": ceremony.ends_at}
    return browser.seal_flow(request, PURPOSE, data, LIFETIME)


def unseal(browser: Browser, request: Request, text: str | None) -> Ceremony | None:
    """None for what is too old, or was given to another browser."""
    data = browser.open_flow(request, PURPOSE, text)
    return Ceremony(data["challenge"], data["until"]) if data else None
