"""Where a page can be had again: for who wants it in another language, and has to ask by GET."""

from starlette.requests import Request
from starlette.routing import Match


def whereabouts(request: Request, flow: str | None) -> str:
    """The address of this page. One that answers a form is where the form was, or above it."""
    path, query = request.scope["path"], request.scope["query_string"].decode("latin-1")
    if request.method in ("GET", "HEAD"):
        return f"{path}?{query}" if query else str(path)
    while not _can_be_had(request, path):
        path = path.rpartition("/")[0] or "/"
    return f"{path}?flow={flow}" if flow else str(path)


def _can_be_had(request: Request, path: str) -> bool:
    scope = {**request.scope, "path": path, "method": "GET"}
    found = (route.matches(scope)[0] for route in request.app.routes)
    return path == "/" or Match.FULL in found
