"""The few files that every page shares, held in memory and named by their content."""

from hashlib import sha256
from importlib.resources import files

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

TYPES = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}


class Static:
    def __init__(self, package: str = "safeconduct.web.kit") -> None:
        folder = files(package) / "static"
        self._files = {
            file.name: file.read_bytes()
            for file in folder.iterdir()
            if file.name.rpartition(".")[2] in TYPES
        }
        self._tags = {name: sha256(body).hexdigest()[:16] for name, body in self._files.items()}

    def url(self, name: str) -> str:
        """Changes with the content, so that it may be kept for ever. `KeyError` if unknown."""
        return f"/static/{name}?v={self._tags[name]}"

    def routes(self) -> list[Route]:
        return [Route("/static/{name}", self._serve, methods=["GET"])]

    async def _serve(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in self._files:
            raise HTTPException(404)
        fresh = request.query_params.get("v") == self._tags[name]
        headers = {
            "cache-control": f"public, max-age={'31536000, immutable' if fresh else '300'}",
            "etag": f'"{self._tags[name]}"',
            "x-content-type-options": "nosniff",
            "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'",
            "cross-origin-resource-policy": "same-origin",
        }
        if request.headers.get("if-none-match") == headers["etag"]:
            return Response(status_code=304, headers=headers)
        return Response(
            self._files[name], media_type=TYPES[name.rpartition(".")[2]], headers=headers
        )
