"""Where somebody who signs in is coming from, and where they go afterwards."""

from dataclasses import dataclass, replace

from starlette.requests import Request

from safeconduct.core.flow_state import Pending, pending_from_json
from safeconduct.core.landing import local_path
from safeconduct.core.password_reset import Reset, reset_from_json
from safeconduct.core.second_factor import Proven, proven_from_json
from safeconduct.core.signup import Challenge, challenge_from_json
from safeconduct.web.kit.browser import MINUTE, Browser
from safeconduct.web.kit.language import ask_for
from safeconduct.web.kit.page_error import restart

PURPOSE = "sign-in"
HOME = "/account"


@dataclass(frozen=True, slots=True)
class Journey:
    """An authorization request that waits, or else a page of ours; and what happened on the way:
    a code that was mailed, to sign in with or to set a new password, or half a login.
    """

    pending: Pending | None = None
    next: str = HOME
    challenge: Challenge | None = None
    reset: Reset | None = None
    proven: Proven | None = None

    def with_challenge(self, challenge: Challenge | None) -> "Journey":
        return replace(self, challenge=challenge)

    @property
    def bare(self) -> "Journey":
        """Where it leads, without what happened on the way."""
        return Journey(pending=self.pending, next=self.next)


class Journeys:
    """Journeys travel sealed with the browser, from one page to the next."""

    def __init__(self, browser: Browser) -> None:
        self.browser = browser

    def seal(self, request: Request, journey: Journey) -> str:
        data = {
            "pending": journey.pending.to_json() if journey.pending else None,
            "next": journey.next,
            "challenge": journey.challenge.to_json() if journey.challenge else None,
            "reset": journey.reset.to_json() if journey.reset else None,
            "proven": journey.proven.to_json() if journey.proven else None,
        }
        return self.browser.seal_flow(request, PURPOSE, data, self._left(journey))

    def _left(self, journey: Journey) -> int:
        if journey.pending is None:
            return 15 * MINUTE
        return max(0, journey.pending.expires_at - self.browser.flows.clock.now())

    def open(self, request: Request, text: str | None, next: str | None = None) -> Journey:
        """The journey of this browser. Without one, `next` or the account page is where it goes."""
        if text is None:
            return Journey(next=local_path(next) or HOME)
        data = self.browser.open_flow(request, PURPOSE, text)
        if data is None:
            raise restart()
        if data["pending"]:
            ask_for(request, data["pending"]["sent"]["form"].get("ui_locales"))
        return Journey(
            pending=pending_from_json(data["pending"]) if data["pending"] else None,
            next=data["next"],
            challenge=challenge_from_json(data["challenge"]) if data["challenge"] else None,
            reset=reset_from_json(data["reset"]) if data["reset"] else None,
            proven=proven_from_json(data["proven"]) if data["proven"] else None,
        )

    def at(self, request: Request, path: str, journey: Journey) -> str:
        """The address of the next page of the journey."""
        if journey == Journey():
            return path
        return f"{path}?flow={self.seal(request, journey)}"

    def field(self, request: Request, journey: Journey) -> str | None:
        """The journey for a hidden field; None when there is nothing to carry."""
        return None if journey == Journey() else self.seal(request, journey)

    def after(self, request: Request, journey: Journey) -> str:
        """Where the journey goes once somebody is signed in."""
        if journey.pending is None:
            return journey.next
        return self.at(request, "/oauth2/consent", journey.bare)
