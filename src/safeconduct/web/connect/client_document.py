"""GET /connect/client.json: who we are, for servers that take an address for a client id.

draft-ietf-oauth-client-id-metadata-document §4. Everybody may read it; it holds no secret.
"""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from safeconduct.core.realm import Realm
from safeconduct.services.connections import IssuerClients
from safeconduct.services.connections.issuer_clients import DOCUMENT

_HEADERS = {"Cache-Control": "public, max-age=300", "Access-Control-Allow-Origin": "*"}


class ClientDocument:
    def __init__(self, *, clients: IssuerClients) -> None:
        self.clients = clients

    def routes(self) -> list[Route]:
        return [Route(DOCUMENT, self.show, methods=["GET"])]

    async def show(self, request: Request) -> Response:
        realm: Realm = request.state.realm
        if realm.suspended:
            return JSONResponse({"error": "not_found"}, 404, headers=_HEADERS)
        return JSONResponse(self.clients.document(realm.tenant_id), headers=_HEADERS)
