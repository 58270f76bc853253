"""The failure that a person sees, as a page."""

from safeconduct.core.authorize import Page


class PageError(Exception):
    """`code` is stable and documented (`data-code` of the page), `message` is for people."""

    def __init__(
        self, code: str, message: str, status: int = 400, *, retry_after: int | None = None
    ) -> None:
        super().__init__(code)
        self.code = code
        self.message = message
        self.status = status
        self.retry_after = retry_after


def forged() -> PageError:
    """A form that did not come from our own page in this browser, or from a page grown stale."""
    return PageError(
        "form_expired",
        "This form is too old, or it was opened before you signed in or out. "
        "Go back, load the page again, and repeat the last step.",
        403,
    )


def restart() -> PageError:
    """A sealed flow that is expired, spent, or from another browser."""
    return PageError(
        "flow_expired",
        "This sign-in has expired or was already finished. "
        "Go back to the app that sent you here and start again.",
    )


def refused(page: Page) -> PageError:
    """What the core says a person must be told."""
    return PageError(page.code, page.message, page.status)
