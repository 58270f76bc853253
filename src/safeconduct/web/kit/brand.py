"""What a tenant's own look is made of: its colour, as a stylesheet, because the policy of our pages
lets no style be inline; and its logo, which lies here, so that no page tells anybody elsewhere.
"""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from safeconduct.core.logo import MEDIA_TYPE
from safeconduct.services.tenants import Tenants
from safeconduct.web.kit.browser import Browser

PATH = "/brand.css"
LOGO = "/brand/logo/{tag}.png"
FOR_EVER = "public, max-age=31536000, immutable"
_HEADERS = {
    "x-content-type-options": "nosniff",
    "content-security-policy": "default-src 'none'; sandbox",
    "cross-origin-resource-policy": "same-origin",
}


class BrandPages:
    def __init__(self, browser: Browser, tenants: Tenants) -> None:
        self.browser, self.tenants = browser, tenants

    def routes(self) -> list[Route]:
        return [
            Route(PATH, self.show, methods=["GET"]),
            Route(LOGO, self.logo, methods=["GET"]),
        ]

    async def show(self, request: Request) -> Response:
        """The colour is in the address too, so it may be kept as long as it is the same."""
        branding = self.browser.realm(request).branding
        text = branding.stylesheet
        if text is None:
            raise HTTPException(404)
        fresh = f"#{request.query_params.get('v')}" == branding.accent
        headers = {**_HEADERS, "cache-control": FOR_EVER if fresh else "public, max-age=300"}
        return Response(text, headers=headers, media_type="text/css")

    async def logo(self, request: Request) -> Response:
        """The address is of the content: another picture is another address."""
        tag = str(request.path_params["tag"])
        body = await self.tenants.logo(self.browser.tenant_id(request), tag)
        if body is None:
            raise HTTPException(404)
        headers = {**_HEADERS, "cache-control": FOR_EVER, "etag": f'"{tag}"'}
        if request.headers.get("if-none-match") == headers["etag"]:
            return Response(status_code=304, headers=headers)
        return Response(body, headers=headers, media_type=MEDIA_TYPE)
