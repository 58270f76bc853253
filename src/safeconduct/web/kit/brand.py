"""A tenant's own colour, as a stylesheet: the policy of our pages lets no style be inline."""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from safeconduct.web.kit.browser import Browser

PATH = "/brand.css"
_HEADERS = {
    "x-content-type-options": "nosniff",
    "content-security-policy": "default-src 'none'",
    "cross-origin-resource-policy": "same-origin",
}


class BrandPages:
    def __init__(self, browser: Browser) -> None:
        self.browser = browser

    def routes(self) -> list[Route]:
        return [Route(PATH, self.show, methods=["GET"])]

    async def show(self, request: Request) -> Response:
        """The colour is in the address too, so it may be kept as long as it is the same."""
        branding = self.browser.realm(request).branding
        text = branding.stylesheet
        if text is None:
            raise HTTPException(404)
        fresh = f"#{request.query_params.get('v')}" == branding.accent
        kept = f"public, max-age={'31536000, immutable' if fresh else '300'}"
        headers = {**_HEADERS, "cache-control": kept}
        return Response(text, headers=headers, media_type="text/css")
