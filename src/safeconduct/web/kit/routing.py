"""Routes by the first segments of their path.

Starlette's router asks one route after the other, and the surfaces together have two hundred of
them: that took a third of a short request. Here a path is shown only to the routes that begin as
it does, in the order in which they were given, by routers of Starlette's own.

None of them sends `/login/` on to `/login`: Starlette would do so by a 307, which repeats a
password (RFC 9700 §4.12), to an address from the Host header and without the tenant's prefix.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import BaseRoute, Match, Route, Router
from starlette.types import ExceptionHandler, Receive, Scope, Send

DEPTH = 3
"""Segments that are looked at: `/api/v1/connections` differ from `/api/v1/assets` by the third."""

Head = tuple[str, ...]


class Switchboard(Router):
    def __init__(self, routes: Sequence[BaseRoute]) -> None:
        super().__init__(routes, redirect_slashes=False)
        heads = [(head_of(route), route) for route in routes]
        self.parts: dict[Head, Router] = {
            head: Router(
                [route for other, route in heads if other == head[: len(other)]],
                redirect_slashes=False,
            )
            for head in {(), *(head for head, _ in heads)}
        }

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self.part(scope["path"]).app(scope, receive, send)
        else:
            await super().app(scope, receive, send)

    def part(self, path: str) -> Router:
        """The router of the longest beginning of this path that any route has."""
        found = segments(path)
        while found not in self.parts:
            found = found[:-1]
        return self.parts[found]


def head_of(route: BaseRoute) -> Head:
    """The segments that every path of this route begins with."""
    found = segments(getattr(route, "path", ""))
    fixed = next((n for n, part in enumerate(found) if "{" in part), len(found))
    return found[:fixed]


def segments(path: str) -> Head:
    """The first of them; a slash at the end makes none."""
    return tuple(path.rstrip("/").split("/")[1 : DEPTH + 1])


def application(
    routes: Sequence[BaseRoute], exception_handlers: Mapping[Any, ExceptionHandler]
) -> Starlette:
    """Starlette with these routes."""
    app = Starlette(exception_handlers=exception_handlers)
    app.router = Switchboard(routes)
    return app


class ShortWay:
    """One route before all others, reached without the layers around them: these took a twentieth
    of a call through the proxy.

    Its endpoint renders every error that it knows. What it does not know is told by the log, which
    lies around this as well.
    """

    def __init__(self, route: Route, onward: Starlette) -> None:
        self.route, self.onward = route, onward

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        match, found = self.route.matches(scope)
        if match is not Match.FULL:
            await self.onward(scope, receive, send)
            return
        scope.update(found, app=self.onward)
        response = await self.route.endpoint(Request(scope, receive, send))
        await response(scope, receive, send)
