"""Many sites of one provider: `/~acme` behind a path, as `core.upstream.simulated` lays it out.

A grant belongs to the site at which it was given: at another its tokens are unknown.
"""

from urllib.parse import unquote

from aiohttp import web

from safeconduct.core.upstream.template import Template

FILLED = "{filled:(?:/~[^/]+)*}"
"""Ends the routes of all that an entry may have at many sites."""


def filled(request: web.Request) -> str:
    """The segments as they were sent, to be put behind the next path."""
    return request.match_info.get("filled", "")


def site_at(request: web.Request, url: Template) -> dict[str, str]:
    """At which site, by the names of the entry's own URL."""
    return filled_in(url, filled(request))[0]


def filled_in(template: Template, path: str) -> tuple[dict[str, str], str]:
    """What was filled into a URL, and the rest of the path."""
    values: dict[str, str] = {}
    rest = path
    for name in dict.fromkeys(template.names):
        if not rest.startswith("/~"):
            break
        segment, mark, tail = rest[2:].partition("/")
        values[name], rest = unquote(segment), f"{mark}{tail}"
    return values, rest
