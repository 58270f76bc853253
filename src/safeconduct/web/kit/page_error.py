"""The failure that a person sees, as a page."""

from safeconduct.core.authorize import Page
from safeconduct.core.wording import Sentence


class PageError(Exception):
    """`code` is stable and documented (`data-code` of the page), `message` is for people.

    `reference` is the id under which an operator finds more.
    """

    def __init__(
        self,
        code: str,
        message: Sentence,
        status: int = 400,
        *,
        retry_after: int | None = None,
        reference: str | None = None,
    ) -> None:
        super().__init__(code)
        self.code = code
        self.message = message
        self.status = status
        self.retry_after = retry_after
        self.reference = reference


def forged() -> PageError:
    """A form that did not come from our own page in this browser, or from a page grown stale."""
    return PageError(
        "form_expired",
        "This form is too old, it was opened before you signed in or out, "
        "or your browser does not keep our cookies.",
        403,
    )


def restart() -> PageError:
    """A sealed flow that is expired, spent, or from another browser."""
    return PageError(
        "flow_expired",
        "This sign-in has expired or was already finished. "
        "Go back to the app that sent you here and start again.",
    )


def refused(page: Page, reference: str | None = None) -> PageError:
    """What the core says a person must be told."""
    return PageError(page.code, page.message, page.status, reference=reference)


HEADINGS = ("This cannot go on", "Not just now")
_LATER = frozenset({429, 503})
_ABOUT_THE_APP = frozenset(
    {"unknown_client", "client_disabled", "redirect_uri_mismatch", "invalid_request"}
)
_ADVICE = {
    "flow_expired": "Nothing was given to any app. Start again from the app.",
    "form_expired": "Nothing was changed. Load the page again, and repeat the last step.",
    "too_many_attempts": "Nothing is lost. Wait, then try again.",
    "tenant_suspended": "Whoever runs it can switch it on again.",
    "invitation_needed": "Ask whoever runs this service to invite this address.",
    "account_disabled": "Whoever runs this service can switch the account on again.",
    "setup_closed": "The server prints the link that works when it starts.",
    "login_required": "Sign in, then do it again.",
    "request_over": "Nothing more was given. Start again on the device or in the app.",
    "login_expired": "Nothing was given to any app. Sign in again from the first step.",
    "code_expired": "Go back and ask for another code.",
    "invalid_state": "Look at your account. If nothing was linked there, begin again.",
    "invalid_callback": "Nothing was linked. Go back to the app and begin again.",
    "no_return_address": "You can close this page.",
    "provider_not_found": "Choose another provider, or come back later.",
    "connection_not_found": "Look at your account for what is linked now.",
    "not_found": "Check the address, or begin at the front page.",
}


def advise(code: str, status: int) -> tuple[str, str]:
    """A heading, and what to do next, for the error with this code."""
    heading = HEADINGS[status in _LATER]
    if code in _ABOUT_THE_APP:
        return heading, (
            "Nothing was given to the app. If you came here from it, go back and try again; "
            "if that does not help, tell its makers the code below."
        )
    later = "Wait a moment, then load the page again."
    return heading, _ADVICE.get(code, later if status in _LATER else "Go back and try again.")
