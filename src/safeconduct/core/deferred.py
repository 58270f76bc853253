"""Authorizations that wait for a person elsewhere: what RFC 8628 and CIBA have in common.

asked ──▶ pending ──▶ approved ──▶ redeemed once
            │  └─────▶ denied
            └─ too late: nobody can decide or redeem it any more
"""

import hmac
from hashlib import sha256
from typing import Literal

from safeconduct.core.events import EventType, event
from safeconduct.core.model import Client, Deferred, Event, TenantId, Words
from safeconduct.core.secret import Opaque, digest
from safeconduct.core.sessions import SignedIn
from safeconduct.core.throttle import MINUTE, Limit
from safeconduct.core.unit import Find, Ref, Update, Write

LIFETIME = 10 * MINUTE
INTERVAL = 5_000
SLOWER = 5_000  # RFC 8628 §3.5: slow_down raises the interval "by 5 seconds"
EARLY = 500  # a clock that ticks in whole seconds is no offender
SLOWEST = 60_000

STARTS = Limit("deferred.start", 120, MINUTE)  # per client: rows are bounded, guesses are rare
GUESSES = Limit("device.guess", 10, 15 * MINUTE)  # per user
ALL_GUESSES = Limit("device.guess.all", 300, 15 * MINUTE)  # per tenant, whoever guesses

LETTERS = "BCDFGHJKLMNPQRSTVWXZ"
LENGTH = 8
"""RFC 8628 §6.1: no vowels, so no words; 20⁸ = 2³⁴·⁶. With `ALL_GUESSES`, the chance that any of
40 live codes is hit while it lives stays below 2⁻²⁰."""

PREFIX = {"device": "dc", "ciba": "ar"}

Kind = Literal["device", "ciba"]


def code_from(secret: str) -> str:
    """A user code from 256 fresh bits: what is uneven about it is less than 2⁻²²⁰."""
    number = int.from_bytes(sha256(secret.encode()).digest())
    letters = ""
    for _ in range(LENGTH):
        number, rest = divmod(number, len(LETTERS))
        letters += LETTERS[rest]
    return letters


def shown(code: str) -> str:
    return f"{code[:4]}-{code[4:]}"


def typed(text: str) -> str | None:
    """The code that a person typed: case, spaces and dashes do not count (§6.1)."""
    letters = "".join(char for char in text.upper() if char not in " -_.\t\u00a0\u2010\u2011\u2013")
    return letters if len(letters) == LENGTH and set(letters) <= set(LETTERS) else None


def code_digest(key: bytes, code: str) -> bytes:
    """Keyed apart from every other digest: the code alone is short enough to be guessed."""
    return hmac.digest(key, f"user_code\0{code}".encode(), sha256)


def new_request(
    kind: Kind,
    client: Client,
    *,
    id: str,
    secret: str,
    digest_key: bytes,
    scope: Words,
    resources: tuple[str, ...],
    now: int,
    code: str | None = None,
    user_id: str | None = None,
    binding_message: str | None = None,
    notify: bytes | None = None,
    lifetime: int = LIFETIME,
) -> tuple[str, Deferred]:
    """The device_code or auth_req_id, and its row."""
    text = Opaque(PREFIX[kind], client.tenant_id, id, secret).encode()
    row = Deferred(
        tenant_id=client.tenant_id,
        id=id,
        kind=kind,
        digest=digest(digest_key, text),
        user_code=None if code is None else code_digest(digest_key, code),
        client_id=client.id,
        user_id=user_id,
        grant_id=None,
        session_id=None,
        scope=scope,
        resources=resources,
        status="pending",
        binding_message=binding_message,
        notify=notify,
        acr=None,
        amr=(),
        auth_time=None,
        interval_ms=INTERVAL,
        polled_at=None,
        created_at=now,
        expires_at=now + lifetime,
        settled_at=None,
        consumed_at=None,
        family_id=None,
    )
    return text, row


def deferred_ref(tenant_id: TenantId, id: str) -> Ref[Deferred]:
    return Ref(Deferred, tenant_id=tenant_id, id=id)


def with_code(tenant_id: TenantId, code: bytes) -> Find[Deferred]:
    """The request whose device shows this code; settled ones do not count."""
    return Find(Deferred, {"tenant_id": tenant_id, "user_code": code, "settled_at": None}, limit=1)


def waiting_for(tenant_id: TenantId, user_id: str) -> Find[Deferred]:
    """What waits for this user to decide; some of it may have expired."""
    where = {"tenant_id": tenant_id, "user_id": user_id, "settled_at": None}
    return Find(Deferred, where, order=("-created_at", "-id"), limit=50)


def all_waiting(tenant_id: TenantId, now: int) -> Find[Deferred]:
    """What waits for any user of a tenant to decide, the most urgent first. Devices are not among
    it: they wait for whoever types their code.
    """
    return Find(
        Deferred,
        {"tenant_id": tenant_id, "kind": "ciba", "settled_at": None},
        span={"expires_at": (now + 1, None)},
        order=("expires_at", "id"),
        limit=100,
    )


def open_to(row: Deferred | None, now: int) -> bool:
    """Whether somebody may still decide it."""
    return row is not None and row.status == "pending" and now < row.expires_at


def approve(row: Deferred, who: SignedIn, grant_id: str, now: int) -> Write:
    changed = {
        "status": "approved",
        "settled_at": now,
        "user_id": who.user_id,
        "grant_id": grant_id,
        "session_id": who.session_id or None,
        "auth_time": who.auth_time,
        "acr": who.acr,
        "amr": who.amr,
    }
    return Update(deferred_ref(row.tenant_id, row.id), changed)


def deny(row: Deferred, user_id: str, now: int) -> Write:
    changed = {"status": "denied", "settled_at": now, "user_id": user_id}
    return Update(deferred_ref(row.tenant_id, row.id), changed)


def decision(
    id: str, row: Deferred, user_id: str, now: int, *, denied: bool, actor: str | None = None
) -> Event:
    """The record of a yes or a no."""
    type: EventType = "device.decided" if row.kind == "device" else "ciba.decided"
    return event(
        id,
        now,
        row.tenant_id,
        type,
        actor=actor or f"user:{user_id}",
        outcome="denied" if denied else "done",
        client_id=row.client_id,
        user_id=user_id,
        subject=row.id,
        rule="consent.denied" if denied else None,
        detail={"scope": sorted(row.scope), "resources": list(row.resources)},
    )
