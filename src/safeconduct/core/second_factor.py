"""The second step of a login: a code of the authenticator app, or one of the codes on paper.

Whoever has an app gets no session for a password or a mailed code alone. What they have proven so
far travels sealed with the browser (`Proven`) and is worth nothing without the second step, after
ten minutes, or once their password has changed.
"""

from base64 import b32encode, urlsafe_b64decode
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from safeconduct.core.acr import TOGETHER
from safeconduct.core.events import event
from safeconduct.core.model import (
    Authenticator,
    Counter,
    Passkey,
    RecoveryCode,
    Spent,
    TenantId,
    User,
)
from safeconduct.core.secret import Secret, digest, same
from safeconduct.core.sessions import Opening, SignedIn
from safeconduct.core.spent import spent_ref
from safeconduct.core.throttle import MINUTE, Limit
from safeconduct.core.totp import matching_step
from safeconduct.core.unit import Delete, DeleteAll, Facts, Find, Insert, Ref, Update, Write

LIFETIME = 10 * MINUTE
TRIES = Limit("login.second", 5, 15 * MINUTE)
CODES = 10
SPENT = "login.proven"

Outcome = Literal["right", "wrong", "exhausted", "over"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Proven:
    """Half a login: who has proven what, and when. Good for one session."""

    id: str
    user_id: str
    amr: tuple[str, ...]
    at: int

    def holds(self, user: User | None, now: int) -> bool:
        """Whether the first step still counts; a password changed since has ended it."""
        return (
            user is not None
            and user.status == "active"
            and user.id == self.user_id
            and self.at >= user.not_before
            and now < self.ends_at
        )

    @property
    def ends_at(self) -> int:
        return self.at + LIFETIME

    def to_json(self) -> Mapping[str, Any]:
        return asdict(self)

    def ref(self, tenant_id: TenantId) -> Ref[Spent]:
        return spent_ref(tenant_id, SPENT, self.id)


def proven_from_json(data: Mapping[str, Any]) -> Proven:
    return Proven(**{**data, "amr": tuple(data["amr"])})


def half(opening: Opening, user: User, id: str) -> Proven:
    """Instead of the session: what its first step is worth."""
    return Proven(id=id, user_id=user.id, amr=opening.amr, at=opening.at(user))


def proven_here(who: SignedIn, id: str, now: int) -> Proven | None:
    """The session of this browser as a first step; None if it is too old to count as one."""
    if now - who.auth_time > min(TOGETHER, LIFETIME):
        return None
    return Proven(id=id, user_id=who.user_id, amr=who.amr, at=who.auth_time)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try at the second step, and the rows that judge it.

    `seen` is the authenticator whose secret was opened before the unit.
    """

    tenant_id: TenantId
    user_id: str
    typed: str
    seen: Authenticator
    secret: Secret
    key: bytes
    keys: tuple[bytes, ...]  # older ones too, under which codes on paper may lie
    event_id: str
    now: int

    @property
    def tries(self) -> Ref[Counter]:
        return TRIES.ref(self.key, self.tenant_id, self.user_id)

    @property
    def authenticator(self) -> Ref[Authenticator]:
        return authenticator_ref(self.tenant_id, self.user_id)

    @property
    def codes(self) -> Find[RecoveryCode]:
        return codes_of(self.tenant_id, self.user_id)

    @property
    def reads(self) -> tuple[Any, ...]:
        return self.authenticator, self.codes, self.tries

    def judge(self, facts: Facts) -> tuple[Outcome, tuple[Write, ...]]:
        """A wrong code costs a try, a right one is spent with it."""
        row, counter = facts.get(self.authenticator), facts.get(self.tries)
        if row is None or row.created_at != self.seen.created_at:
            return "over", ()
        if TRIES.wait(counter, self.now):
            return "exhausted", ()
        step = matching_step(self.secret, self.typed, self.now, row.last_step)
        if step is not None:
            return "right", (
                Update(self.authenticator, {"last_step": step, "last_used_at": self.now}),
            )
        used = next((c for c in facts.all(self.codes) if self._is(c)), None)
        if used is None:
            return "wrong", (TRIES.count(self.tries, counter, self.now), self._denied())
        return "right", (Delete(_code_ref(used)), self._used(len(facts.all(self.codes)) - 1))

    def _is(self, code: RecoveryCode) -> bool:
        digests = [code_digest(key, self.user_id, self.typed) for key in self.keys]
        return any(same(code.digest, one) for one in digests)

    def _used(self, left: int) -> Insert:
        record = event(
            self.event_id,
            self.now,
            self.tenant_id,
            "recovery_code.used",
            actor=f"user:{self.user_id}",
            user_id=self.user_id,
            subject=self.user_id,
            detail={"left": left},
        )
        return Insert(record)

    def _denied(self) -> Insert:
        record = event(
            self.event_id,
            self.now,
            self.tenant_id,
            "user.login",
            actor="system",
            outcome="denied",
            user_id=self.user_id,
            subject=self.user_id,
            rule="factor.mismatch",
        )
        return Insert(record)


def typed_code(text: str) -> str:
    """What somebody typed, whatever they put between its groups and however they wrote it."""
    return "".join(char for char in text[:64].lower() if char not in " -\t\u00a0")


def new_code(random: str) -> str:
    """Eighty bits, in four groups of four; `random` is a fresh `Mint.secret`."""
    text = b32encode(urlsafe_b64decode(random + "=")[:10]).decode().lower()
    return "-".join(text[at : at + 4] for at in range(0, 16, 4))


def code_digest(key: bytes, user_id: str, typed: str) -> bytes:
    return digest(key, f"recovery\0{user_id}\0{typed}")


def code_rows(
    tenant_id: TenantId,
    user_id: str,
    codes: Mapping[str, str],
    key: bytes,
    now: int,
) -> tuple[Insert, ...]:
    """`codes` by fresh ids."""
    return tuple(
        Insert(
            RecoveryCode(
                tenant_id=tenant_id,
                user_id=user_id,
                id=id,
                digest=code_digest(key, user_id, typed_code(code)),
                created_at=now,
            )
        )
        for id, code in codes.items()
    )


def codes_gone(codes: Iterable[RecoveryCode]) -> tuple[Write, ...]:
    return tuple(Delete(_code_ref(code)) for code in codes)


def authenticator_ref(tenant_id: TenantId, user_id: str) -> Ref[Authenticator]:
    return Ref(Authenticator, tenant_id=tenant_id, user_id=user_id)


def codes_of(tenant_id: TenantId, user_id: str) -> Find[RecoveryCode]:
    where = {"tenant_id": tenant_id, "user_id": user_id}
    return Find(RecoveryCode, where, order=("id",), limit=CODES)


def _code_ref(code: RecoveryCode) -> Ref[RecoveryCode]:
    return Ref(RecoveryCode, tenant_id=code.tenant_id, user_id=code.user_id, id=code.id)


def forgotten(tenant_id: TenantId, user_id: str) -> tuple[Write, ...]:
    """App, codes on paper and passkeys of somebody who is gone, or has lost them all."""
    where = {"tenant_id": tenant_id, "user_id": user_id}
    return tuple(DeleteAll(record, where) for record in (Authenticator, RecoveryCode, Passkey))
