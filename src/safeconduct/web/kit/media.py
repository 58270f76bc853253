"""One path for two systems: forms and browsers are one's, everything else is the other's."""

from typing import Any

from starlette.routing import Match, Route
from starlette.types import Scope

FORM = b"application/x-www-form-urlencoded"


class FormRoute(Route):
    """Takes POSTs of a form, and lets everything else on to the next route of this path."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if scope["type"] == "http" and scope["method"] == "POST" and _is_form(scope):
            return super().matches(scope)
        return Match.NONE, {}


class BrowserRoute(Route):
    """Takes GETs as a browser sends them when it is led somewhere: without an Authorization."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if scope["type"] == "http" and scope["method"] in ("GET", "HEAD") and _is_bare(scope):
            return super().matches(scope)
        return Match.NONE, {}


def _is_bare(scope: Any) -> bool:
    return all(name != b"authorization" for name, _ in scope["headers"])


def _is_form(scope: Any) -> bool:
    types = [value for name, value in scope["headers"] if name == b"content-type"]
    return len(types) == 1 and types[0].partition(b";")[0].strip().lower() == FORM
