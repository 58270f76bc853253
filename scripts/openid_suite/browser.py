"""What the suite's own browser does on our pages, in the suite's language for that."""

from typing import Any

from openid_suite.server import PASSWORD

PICTURE = ["wait", "xpath", "//*", 5, ".*", "update-image-placeholder-optional"]
"""Photographs the page, for the modules that want a person to look at one."""

DENYING = (
    "fapi2-security-profile-final-user-rejects-authentication",
    "fapi2-message-signing-final-user-rejects-authentication",
)
"""Modules in which the person says no."""

SECOND_VISIT = (
    "fapi2-security-profile-final-par-ensure-reused-request-uri-prior-to-auth-completion-succeeds",
)
"""Modules in which the person turns away from the page first, and signs in when it comes again."""

SIGNING_IN_AGAIN = ("oidcc-prompt-login", "oidcc-max-age-1")
"""Modules that want to see that the person has to sign in again."""

SHOWING = (
    "oidcc-registration-logo-uri",
    "oidcc-registration-policy-uri",
    "oidcc-registration-tos-uri",
)
"""Modules that want to see what an app says of itself, and end on the page that asks."""


def task(name: str, path: str, *commands: list[Any]) -> dict[str, Any]:
    return {"task": name, "match": path, "optional": True, "commands": [*commands]}


def browser(
    issuer: str, suite: str, email: str, *, allow: bool = True, pictured: str = ""
) -> list[dict[str, Any]]:
    login = task(
        "Login",
        f"{issuer}/login*",
        *([PICTURE] if pictured == "login" else []),
        ["text", "id", "username", email],
        ["text", "id", "password", PASSWORD],
        ["click", "id", "login-submit"],
    )
    button = "consent-allow" if allow else "consent-deny"
    seen = PICTURE if pictured == "consent" else ["click", "id", button]
    consent = task("Consent", f"{issuer}/oauth2/consent*", seen)
    error = task("Error", f"{issuer}/oauth2/authorize*", PICTURE)
    ask = task(
        "Sign out", f"{issuer}/oauth2/logout*", ["click", "id", "logout-confirm", "optional"]
    )
    left = task("Signed out", f"{issuer}/oauth2/logout*", PICTURE)
    back = task("Back at the app", f"{suite}/test/a/*/post_logout_redirect*")
    checked = task(
        "The session looked at", f"{suite}/test/a/*", ["wait", "contains", "session_result", 20]
    )
    done = task("Done", f"{suite}/test/a/*", ["wait", "id", "submission_complete", 10])
    return [
        {"match": f"{issuer}/oauth2/authorize*", "tasks": [login, consent, error, done]},
        {"match": f"{issuer}/oauth2/logout*", "tasks": [ask, left, back]},
        {"match": f"{suite}/test/a/*session_verify*", "tasks": [checked]},
    ]


def overrides(issuer: str, suite: str, email: str, denier: str) -> dict[str, Any]:
    """Modules for which the browser behaves otherwise. `denier` never allowed anything before."""
    denying = {"browser": browser(issuer, suite, denier, allow=False)}
    showing = {"browser": browser(issuer, suite, email, pictured="consent")}
    anew = {"browser": browser(issuer, suite, email, pictured="login")}
    turned_away = {"match": f"{issuer}/oauth2/authorize*", "match-limit": 1, "tasks": []}
    again = {"browser": [turned_away, *browser(issuer, suite, email)]}
    return (
        dict.fromkeys(DENYING, denying)
        | dict.fromkeys(SHOWING, showing)
        | dict.fromkeys(SIGNING_IN_AGAIN, anew)
        | dict.fromkeys(SECOND_VISIT, again)
    )
