"""Where a step of signing in leads: into the account or back to the app, or to the second step."""

from dataclasses import replace

from starlette.requests import Request
from starlette.responses import Response

from safeconduct.core.second_factor import Proven
from safeconduct.services.sessions import Started
from safeconduct.web.kit.journey import Journey, Journeys
from safeconduct.web.kit.pages import Pages

SECOND = "/login/second"


def entered(
    request: Request, pages: Pages, journeys: Journeys, journey: Journey, got: Started | Proven
) -> Response:
    """With the new session, if there is one: half a login gives the browser nothing."""
    if isinstance(got, Proven):
        onward = replace(journey.bare, proven=got)
        return pages.redirect(request, journeys.at(request, SECOND, onward))
    response = pages.redirect(request, journeys.after(request, journey))
    pages.browser.sign_in(request, response, got.cookie)
    return response
