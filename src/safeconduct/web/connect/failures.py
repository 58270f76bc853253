"""Why an account was not linked, in words for the person who tried."""

from dataclasses import dataclass

from safeconduct.core.errors import Remedy
from safeconduct.core.wording import Sentence, worded
from safeconduct.services.connections import NotCompleted

PROVIDER = "provider."
"""What the reason begins with when the provider itself said no."""

ID_TOKEN = "id_token."
"""And when its ID token did not pass."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """`code` is stable (`data-code` of the page). `said` are the provider's own words: foreign."""

    code: str
    message: Sentence
    todo: Sentence
    status: int = 200
    said: str | None = None
    again: bool = True  # whether trying again can help


def failure_of(over: NotCompleted, provider: str) -> Failure:
    if over.reason.startswith(ID_TOKEN):
        return Failure(
            code="id_token",
            message=worded(
                "{provider} did not prove who has signed in there, so nothing was linked.",
                provider=provider,
            ),
            todo="Try again. If it happens again, tell whoever runs this service.",
        )
    if over.error is not None and over.reason not in _OURS:
        return provider_failed(over.error.remedy, provider)
    if over.reason == PROVIDER + "access_denied":
        return Failure(
            code="access_denied",
            message=worded("{provider} says that you did not allow it.", provider=provider),
            todo="If that was a slip, try again and allow it there.",
            said=over.description,
        )
    if over.reason.startswith(PROVIDER):
        return Failure(
            code="provider_refused",
            message=worded("{provider} refused.", provider=provider),
            todo="Try again. If it keeps refusing, ask there why.",
            said=over.description,
        )
    return _OURS.get(over.reason) or _malformed(provider)


def provider_failed(remedy: Remedy, provider: str) -> Failure:
    match remedy:
        case "retry":
            return Failure(
                code="provider_unavailable",
                message=worded("{provider} cannot be reached right now.", provider=provider),
                todo="Your account there is not affected. Try again in a few minutes.",
            )
        case "misconfigured":
            return Failure(
                code="provider_misconfigured",
                message=worded(
                    "{provider} does not accept this service at the moment.", provider=provider
                ),
                todo="This is ours to repair, not yours. Come back later.",
                again=False,
            )
        case _:
            return Failure(
                code="provider_refused",
                message=worded("{provider} did not accept its own answer.", provider=provider),
                todo="This happens when the page there was open for too long. Try again.",
            )


def _malformed(provider: str) -> Failure:
    return Failure(
        code="invalid_callback",
        message=worded("What came back from {provider} is not a proper answer.", provider=provider),
        todo="Try again from the beginning.",
        status=400,
    )


_OURS = {
    "wrong_signature": Failure(
        code="wrong_signature",
        message="That is not the signature of this wallet under this message.",
        todo="Begin again, sign all of the new message with the wallet of that address, "
        "and copy the whole signature.",
    ),
    "account_mismatch": Failure(
        code="account_mismatch",
        message="You signed in there with another account than the one to be linked again. "
        "What was linked before is as it was.",
        todo="Sign out there first, then try again with the account that was linked before. "
        "To link the other one as well, link it as a new account.",
    ),
    "connection_gone": Failure(
        code="connection_gone",
        message="The account was unlinked meanwhile.",
        todo="Link it as a new account if you want it back.",
        again=False,
    ),
    "too_many": Failure(
        code="too_many",
        message="You have linked as many accounts as one person can.",
        todo="Unlink one that you do not need, then try again.",
        again=False,
    ),
}
