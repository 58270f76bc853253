"""Pages: templates in, responses with every header that a page of a login server needs out.

Nothing on a page comes from elsewhere, nothing is inline, nothing is kept by a cache, nobody
may frame it, and where it leads is not told where it was (RFC 9700 §4.2, §4.16).
"""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from safeconduct.core.display import display_name
from safeconduct.core.errors import ApiError, OAuthError
from safeconduct.core.wording import Sentence
from safeconduct.ports.clock import Clock
from safeconduct.ports.keyring import Sealed
from safeconduct.ports.passwords import Busy
from safeconduct.ports.store import Conflict, Unavailable
from safeconduct.web.kit.browser import Browser
from safeconduct.web.kit.language import (
    ago,
    day,
    duration,
    either_way,
    listed,
    locale,
    own_names,
    plural,
    preferred,
    t,
)
from safeconduct.web.kit.page_error import PageError, advise
from safeconduct.web.kit.remembered import kept
from safeconduct.web.kit.static import Static
from safeconduct.web.kit.whereabouts import whereabouts

Endpoint = Callable[[Request], Awaitable[Response]]

_HEADERS = {
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=()",
}


class Pages:
    """Renders templates of `web/kit/templates`; pages of other surfaces extend `base.html`."""

    def __init__(self, *, browser: Browser, clock: Clock) -> None:
        self.browser, self.clock, self.static = browser, clock, Static()
        self._templates = Environment(
            loader=PackageLoader("safeconduct.web.kit"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.globals.update(static=self.static.url, t=t, plural=plural)
        self._templates.filters.update(
            name=display_name,
            time=day,
            ago=self._ago,
            duration=duration,
            listed=listed,
            either_way=either_way,
        )

    def render(
        self,
        request: Request,
        template: str,
        status: int = 200,
        *,
        form_action: Iterable[str] = (),
        frame_src: Iterable[str] = (),
        scripts: bool = False,
        **context: Any,
    ) -> Response:
        """A page. `form_action` and `frame_src` are CSP sources beside our own: where its forms
        may lead, and what it may show in frames.
        """
        realm, language = self.browser.realm(request), preferred(request)
        body = self._templates.get_template(template).render(
            csrf=lambda: self.browser.csrf_field(request),
            lang=language,
            direction=locale(language).text_direction,
            languages=own_names(),
            whereabouts=context.pop("back_to", None) or whereabouts(request, context.get("flow")),
            at=realm.prefix,
            brand=realm.branding.name,
            accent=realm.branding.accent,
            support=realm.branding.support,
            logo=realm.branding.logo,
            **context,
        )
        response = Response(body, status, media_type="text/html")
        response.headers.update(_HEADERS)
        response.headers["content-language"] = language
        response.headers["content-security-policy"] = _policy(form_action, frame_src, scripts)
        return self.browser.finish(request, response)

    def error(
        self,
        request: Request,
        code: str,
        message: Sentence,
        status: int = 400,
        *,
        retry_after: int | None = None,
        reference: str | None = None,
    ) -> Response:
        """The error page: `id="error"` with a stable `data-code`. Shows nothing of the request."""
        heading, advice = advise(code, status)
        response = self.render(
            request,
            "error.html",
            status,
            code=code,
            message=message,
            heading=heading,
            advice=advice,
            reference=reference,
            back_to="/" if request.url.query else None,
        )
        if retry_after is not None:
            response.headers["retry-after"] = str(retry_after)
        return response

    def redirect(self, request: Request, location: str, status: int = 303) -> Response:
        """Go elsewhere by GET (RFC 9700 §4.12): never with the body of what was posted.

        A path is one of the tenant's pages.
        """
        if location.startswith("/"):
            location = self.browser.realm(request).prefix + location
        if not location.isascii() or any(char <= " " or char == "\x7f" for char in location):
            raise ValueError("a location is printable ASCII")
        headers = {**_HEADERS, "location": location, "content-length": "0"}
        return self.browser.finish(request, Response(status_code=status, headers=headers))

    def endpoint(self, handler: Endpoint) -> Endpoint:
        """The handler, with every failure rendered as a page."""

        async def page(request: Request) -> Response:
            try:
                if self.browser.realm(request).suspended:
                    raise PageError("tenant_suspended", "This service is switched off.", 403)
                return await handler(request)
            except _FAILURES as failure:
                return self._tell(request, failure)

        return page

    def exceptions(self) -> dict[Any, Callable[[Request, Exception], Awaitable[Response]]]:
        """For Starlette's exception table: addresses that do not exist, as a page."""

        async def missing(request: Request, error: Exception) -> Response:
            return self._tell(request, error)

        return {404: missing, 405: missing}

    def _tell(self, request: Request, failure: Exception) -> Response:
        told = _explain(failure)
        reference = told.reference or self._kept(request, failure, told)
        return self.error(
            request,
            told.code,
            told.message,
            told.status,
            retry_after=told.retry_after,
            reference=reference,
        )

    @staticmethod
    def _kept(request: Request, failure: Exception, told: PageError) -> str | None:
        """What nobody looks up is not remembered: addresses that do not exist."""
        if isinstance(failure, HTTPException):
            return None
        known = failure if isinstance(failure, ApiError | OAuthError) else told
        return kept(request, known)

    @pass_context
    def _ago(self, context: Context, at: int) -> Markup:
        return ago(context["lang"], at, self.clock.now())


_FAILURES = (PageError, OAuthError, ApiError, HTTPException, Unavailable, Conflict, Sealed, Busy)


def _explain(failure: Exception) -> PageError:
    """The exception table of pages."""
    match failure:
        case PageError():
            return failure
        case OAuthError():
            return PageError(
                failure.error,
                failure.description,
                failure.status,
                retry_after=failure.retry_after,
                reference=failure.id,
            )
        case ApiError():
            return PageError(
                failure.code, failure.words, failure.status, retry_after=failure.retry_after
            )
        case HTTPException(status_code=404):
            return PageError("not_found", "There is nothing at this address.", 404)
        case HTTPException(status_code=405):
            return PageError("method_not_allowed", "This address does not work that way.", 405)
        case HTTPException(status_code=status):
            return PageError("invalid_request", "The request cannot be understood.", status)
        case Busy():
            return PageError(
                "busy",
                "Many people are signing in right now. Please try again in a moment.",
                429,
                retry_after=5,
            )
        case _:
            return PageError(
                "unavailable",
                "This service cannot answer for the moment. Please try again shortly.",
                503,
                retry_after=5,
            )


def _policy(form_action: Iterable[str], frame_src: Iterable[str], scripts: bool) -> str:
    """Content Security Policy Level 3. Chromium holds redirects after a form to `form-action`."""
    parts = [
        "default-src 'none'",
        "style-src 'self'",
        "img-src 'self' data:",
        "form-action " + " ".join(["'self'", *form_action]),
        "frame-ancestors 'none'",
        "base-uri 'none'",
    ]
    if frames := " ".join(frame_src):
        parts.insert(1, f"frame-src {frames}")
    if scripts:
        parts.insert(1, "script-src 'self'")
    return "; ".join(parts)
