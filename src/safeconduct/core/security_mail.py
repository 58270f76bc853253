"""Mail about changes to how somebody signs in: whoever did not make the change hears of it.

The unit that changes something also writes the jobs that tell of it, one for each address, so that
no change goes untold and none waits for a mail server. Told is the address that was there before,
and one that is concerned itself: who takes over an account cannot redirect the news of it. Only
addresses that somebody has proven are told, because any other may be a stranger's.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

from safeconduct.core.identifiers import Address, first_of
from safeconduct.core.jobs import job
from safeconduct.core.model import Identifier, Job, TenantId
from safeconduct.core.throttle import MINUTE, Limit
from safeconduct.core.unit import Facts, Find, Insert, Write
from safeconduct.core.users import identifiers_of

SECURITY_MAIL = "security.mail"
MAILS = Limit("security.mail", 20, 60 * MINUTE)  # per user: nobody's mailbox is flooded
TEXTS = Limit("security.text", 3, 60 * MINUTE)  # per user: a text costs us something

What = Literal[
    "password.set",
    "password.changed",
    "password.reset",
    "password.replaced",
    "authenticator.added",
    "authenticator.removed",
    "recovery_codes.renewed",
    "passkey.added",
    "passkey.removed",
    "second_factor.reset",
    "identifier.added",
    "identifier.removed",
    "identifier.preferred",
]

SUBJECTS: dict[What, str] = {
    "password.set": "A password was set for your account",
    "password.changed": "Your password was changed",
    "password.reset": "Your password was set anew, with a code from your mailbox",
    "password.replaced": "An administrator has set a new password for your account",
    "authenticator.added": "An authenticator app was added to your account",
    "authenticator.removed": "The authenticator app was removed from your account",
    "recovery_codes.renewed": "Your recovery codes were replaced by new ones",
    "passkey.added": "A passkey was added to your account",
    "passkey.removed": "A passkey was removed from your account",
    "second_factor.reset": "An administrator has removed your authenticator app and passkeys",
    "identifier.added": "An address or a number to sign in with was added to your account",
    "identifier.removed": "An address or a number was removed from your account",
    "identifier.preferred": "Another address or number is the first of your account now",
}
assert SUBJECTS.keys() == set(get_args(What))


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """What one mail tells. `language` is that of the page on which it was done, if there was one;
    `about` is the address that came or went.
    """

    what: What
    to: Address
    user_id: str
    at: int
    language: str | None
    about: str | None


def news_of(row: Job) -> News:
    said = row.payload
    return News(
        what=said["what"],
        to=Address(said["kind"], said["to"]),
        user_id=said["user"],
        at=said["at"],
        language=said["language"],
        about=said["about"],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """A change that is to be told: made before its unit, with a fresh `job_id`. Whoever is told is
    read in the unit itself, as it was before the change; `also` are addresses beside that.
    """

    tenant_id: TenantId
    user_id: str
    what: What
    job_id: str
    now: int
    language: str | None = None
    about: Address | None = None
    also: tuple[Address, ...] = ()

    @property
    def before(self) -> Find[Identifier]:
        return identifiers_of(self.tenant_id, self.user_id)

    def writes(self, facts: Facts) -> tuple[Write, ...]:
        """One job for each address."""
        to = _addressees(facts.all(self.before), self.also)
        return tuple(Insert(self._job(one, place)) for place, one in enumerate(to))

    def _job(self, to: Address, place: int) -> Job:
        said = {
            "user": self.user_id,
            "what": self.what,
            "kind": to.kind,
            "to": to.value,
            "at": self.now,
            "language": self.language,
            "about": self.about.value if self.about else None,
        }
        id = f"{self.job_id}{place or ''}"
        return job(id, self.tenant_id, SECURITY_MAIL, id, self.now, said)


def _addressees(before: Iterable[Identifier], also: Iterable[Address]) -> list[Address]:
    """The first e-mail address, or the first phone number of who has none; then `also`, once."""
    proven = [row for row in before if row.verified_at is not None]
    first = first_of(proven, "email") or first_of(proven, "phone")
    named = [Address(first.kind, first.value)] if first else []  # type: ignore[arg-type]
    return list(dict.fromkeys([*named, *also]))
