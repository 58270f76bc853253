"""Requests that may be sent twice: the answer is kept in the transaction of its effect.

The answer may hold a secret that is shown once, so what is kept is sealed.
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from safeconduct.core.errors import ApiError
from safeconduct.core.model import Replay, TenantId
from safeconduct.core.unit import Facts, Insert, Ref, Update, Write
from safeconduct.ports.clock import Clock
from safeconduct.services.keys import Keys

KEPT_MS = 24 * 3_600_000
MAX_KEY = 255


@dataclass(frozen=True, slots=True)
class Kept:
    """The answer that this request got the first time."""

    status: int
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Once:
    """One idempotency key of one caller. A unit reads `ref`, asks `found`, and writes `keep`."""

    keys: Keys
    ref: Ref[Replay]
    request: bytes
    now: int

    def found(self, facts: Facts) -> Kept | None:
        """The answer given before; `ApiError` 422 when the key came with another request."""
        row = facts.get(self.ref)
        if row is None or self.now >= row.expires_at:
            return None
        if row.request != self.request:
            raise ApiError(
                422, "idempotency_key_reused", "This Idempotency-Key came with another request."
            )
        sealed = b64decode(row.body["sealed"])
        body = self.keys.open(row.tenant_id, "seal", sealed, _aad(self.ref))
        return Kept(row.status, json.loads(body))

    def keep(self, facts: Facts, status: int, body: Mapping[str, Any]) -> Write:
        tenant_id, owner, key = self.ref.key
        sealed = self.keys.seal(tenant_id, "seal", json.dumps(body).encode(), _aad(self.ref))
        row: dict[str, Any] = {
            "request": self.request,
            "status": status,
            "body": {"sealed": b64encode(sealed).decode()},
            "created_at": self.now,
            "expires_at": self.now + KEPT_MS,
        }
        if facts.get(self.ref) is not None:
            return Update(self.ref, row)
        return Insert(Replay(tenant_id=tenant_id, owner=owner, key=key, **row))


class Replays:
    def __init__(self, *, keys: Keys, clock: Clock) -> None:
        self.keys, self.clock = keys, clock

    def once(
        self, tenant_id: TenantId, owner: str, key: str, method: str, path: str, body: bytes
    ) -> Once:
        """`owner` is the caller: one caller's key says nothing about another's."""
        if not 0 < len(key) <= MAX_KEY or not key.isascii() or not key.isprintable():
            raise ApiError(
                400, "invalid_idempotency_key", f"An Idempotency-Key has 1 to {MAX_KEY} characters."
            )
        request = sha256(b"\0".join((method.encode(), path.encode(), body))).digest()
        ref = Ref(Replay, tenant_id=tenant_id, owner=owner, key=key)
        return Once(self.keys, ref, request, self.clock.now())


def _aad(ref: Ref[Replay]) -> bytes:
    return "\0".join(("replays", *ref.key)).encode()
