"""POST /connect/by/address: an MCP server that somebody names by its address, where they may.

What it says of itself is read first. Then the picker offers it among the others, and says where one
would sign in: nobody is sent anywhere by the address alone.
"""

from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from safeconduct.core.errors import ApiError
from safeconduct.services.connections import OwnProviders
from safeconduct.web.connect.picker import NAMED, PATH, Address, ConnectPages
from safeconduct.web.kit.page_error import PageError

_SAID = {
    "invalid_url": "This is not the address of an MCP server. It begins with https://.",
    "provider_unavailable": "This server does not answer. Is the address right?",
    "discovery_failed": "This server does not say how to sign in there, or not safely.",
    "invalid_provider": "This server lets in only apps that it knows beforehand.",
    "too_many_requests": "Too many addresses in a short time. Try again later.",
}
_ELSE = "This server cannot be linked here."


class AddressPages:
    def __init__(self, *, connect: ConnectPages, own: OwnProviders) -> None:
        self.connect, self.own = connect, own

    def routes(self) -> list[Route]:
        endpoint = self.connect.pages.endpoint(self.name)
        return [Route(PATH + "/by/address", endpoint, methods=["POST"])]

    async def name(self, request: Request) -> Response:
        connect = self.connect
        form = await connect.browser.checked_form(request)
        visit = await connect.visit(request, form.get("flow"))
        if isinstance(visit, Response):
            return visit
        if not connect.takes_addresses(request):
            raise PageError("not_found", "There is no such page.", 404)
        who, value = visit.who, form.get("address") or ""
        try:
            own = await self.own.named(who.tenant_id, who.user_id, value)
        except ApiError as error:
            problem = Address(value[:1_000], _SAID.get(error.code, _ELSE))
            return await connect.page(request, who, visit.journey, problem, error.status)
        path = connect.journeys.at(request, PATH, visit.journey)
        path += ("&" if "?" in path else "?") + urlencode({NAMED: own.row.id})
        return connect.pages.redirect(request, path)
