"""RFC 9728 §3: the documents of the resources at our own origin, and of our own API."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from safeconduct.core.protected_resource import own_metadata, resource_metadata
from safeconduct.core.realm import Realm
from safeconduct.core.resource import WELL_KNOWN
from safeconduct.services.resources import Resources

_HEADERS = {"Cache-Control": "public, max-age=300", "Access-Control-Allow-Origin": "*"}


class ResourceDocuments:
    def __init__(self, *, resources: Resources) -> None:
        self.resources = resources

    def routes(self) -> list[Route]:
        return [
            Route(WELL_KNOWN, self.show, methods=["GET"]),
            Route(f"{WELL_KNOWN}/{{path:path}}", self.show, methods=["GET"]),
        ]

    async def show(self, request: Request) -> Response:
        """§3.1: the path behind the well-known part is the path of the resource."""
        realm: Realm = request.state.realm
        path = str(request.path_params.get("path", ""))
        if not path and not request.url.query:
            return JSONResponse(own_metadata(realm.issuer), headers=_HEADERS)
        query = f"?{request.url.query}" if request.url.query else ""
        known = self.resources.of(realm.tenant_id)
        row = known.get(f"{realm.issuer}/{path}{query}")
        if row is None or realm.suspended:
            return JSONResponse({"error": "not_found"}, 404, headers=_HEADERS)
        return JSONResponse(resource_metadata(row, realm.issuer), headers=_HEADERS)
