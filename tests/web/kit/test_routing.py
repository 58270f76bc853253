"""The switchboard answers every request as one router with all routes would."""

from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.testclient import TestClient

from safeconduct.web.kit.media import FormRoute
from safeconduct.web.kit.routing import Switchboard, application


def says(name: str) -> Any:
    async def endpoint(request: Request) -> Response:
        return PlainTextResponse(f"{name} {request.path_params}")

    return endpoint


def route(path: str, *methods: str, kind: type[Route] = Route) -> Route:
    return kind(path, says(f"{path} {methods}"), methods=[*methods] or ["GET"])


ROUTES: list[BaseRoute] = [
    route("/"),
    route("/token", "POST", kind=FormRoute),
    route("/token", "POST"),
    route("/api/v1/things"),
    route("/api/v1/things", "POST"),
    route("/api/v1/things/{id}", "DELETE"),
    route("/api/v1/things/{id}/parts/{rest:path}"),
    route("/api/{other}/things"),
    route("/v2/clients/{id:int}"),
    route("/v2/slashed/"),
    route("/v2/{rest:path}", "GET", "POST"),
    Mount("/static", routes=[route("/a.css")]),
    route("/{page}"),
]
PATHS = """
/ /token /token/ /api /api/v1 /api/v1/things /api/v1/things/ /api/v1/things/1 /api/v1/things/1/
/api/v1/things/1/parts/a/b /api/v1/things/1/parts /api/v9/things /v2 /v2/ /v2/clients/7
/v2/clients/x /v2/clients/7/more /v2/slashed /v2/slashed/ /static/a.css /static/b.css /static
/about /about/ /about/us //api/v1/things /api//v1/things /api/v1%2Fthings /nowhere/at/all
"""


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "HEAD", "TRACE"])
def test_it_answers_as_one_router_would(method: str) -> None:
    ours = TestClient(application(ROUTES, {}))
    whole = Starlette(routes=ROUTES)
    whole.router.redirect_slashes = False
    theirs = TestClient(whole)
    for path in PATHS.split():
        for content in ({"content-type": "application/x-www-form-urlencoded"}, {}):
            said = [
                http.request(
                    method, f"http://testserver{path}", headers=content, follow_redirects=False
                )
                for http in (ours, theirs)
            ]
            one, other = ((it.status_code, it.text, it.headers.get("location")) for it in said)
            assert one == other, (method, path)


def test_a_path_is_shown_only_to_routes_that_begin_as_it_does() -> None:
    board = Switchboard(ROUTES)
    assert len(board.part("/about").routes) == 2
    assert len(board.part("/api/v1/things/1").routes) == 7
    assert board.routes == ROUTES
