"""Where a step of signing in leads: into the account or back to the app, or to the second step; or
why a mailed code leads nowhere.
"""

from dataclasses import replace
from typing import assert_never

from starlette.requests import Request
from starlette.responses import Response

from safeconduct.core.second_factor import Proven
from safeconduct.services.sessions import Started
from safeconduct.services.signup import Refusal
from safeconduct.web.kit.journey import Journey, Journeys
from safeconduct.web.kit.page_error import PageError
from safeconduct.web.kit.pages import Pages

SECOND = "/login/second"
WRONG_CODE = "That is not the code. Look at the latest e-mail, and type its six digits."


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


def no_entry(refusal: Refusal) -> PageError | None:
    """The page that a refused code ends on; None where another try is what follows."""
    match refusal:
        case "wrong":
            return None
        case "exhausted":
            told = "There were too many wrong codes. Wait a while, then ask for a new one."
            return PageError("too_many_attempts", told, 429)
        case "uninvited":
            told = "Accounts here are made by invitation only."
            return PageError("invitation_needed", told, 403)
        case "disabled":
            return PageError("account_disabled", "This account is switched off.", 403)
        case "over":
            told = "This code was used already, or is too old. Ask for a new one."
            return PageError("code_expired", told)
        case _:
            assert_never(refusal)
