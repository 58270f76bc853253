"""The request that opens Calico Connect, read as an authorization request (RFC 6749 §4.1.1).

The dialect says neither `response_type` nor `scope`: it is always a code, and the app's default
scope. PKCE and `state` are not optional, and what is wrong with them is told to the person
instead of the app.
"""

from safeconduct.core.authorize import Page
from safeconduct.core.form import Form
from safeconduct.core.pkce import is_challenge
from safeconduct.core.wording import Sentence, worded

PARAMETERS = (
    "client_id",
    "redirect_uri",
    "state",
    "code_challenge",
    "code_challenge_method",
    "scope",
    "nonce",
    "login_hint",
    "ui_locales",
)
"""What is taken over: the dialect's own five, and what narrows or eases the standard request."""

REQUIRED = ("client_id", "code_challenge", "code_challenge_method", "state")


def connect_request(form: Form) -> Form | Page:
    """The same as a standard authorization request."""
    if form.repeated:
        return _refused("connect.repeated", "The app's request says something twice.")
    for name in REQUIRED:
        if name not in form:
            return _refused(
                f"connect.{name}", worded("The app's request does not have a {name}.", name=name)
            )
    # RFC 9700 §2.1.1: `plain` protects from nobody who reads the request
    if form["code_challenge_method"] != "S256":
        return _refused("connect.pkce", "The app must use the code challenge method S256.")
    if not is_challenge(form["code_challenge"]):
        return _refused("connect.pkce", "The app's code challenge is not a SHA-256 digest.")
    asked = Form()
    asked.update({name: form[name] for name in PARAMETERS if name in form})
    asked["response_type"] = "code"
    return asked


def _refused(rule: str, message: Sentence) -> Page:
    return Page("invalid_request", message, rule=rule)
