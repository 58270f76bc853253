"""The rows of keys: which may still be used, and until when.

Signing keys go next → current → previous → retired: a key is published before it signs, and is
published on until nothing that it signed can still be valid.
"""

import json
from base64 import urlsafe_b64decode

from safeconduct.core.errors import ApiError
from safeconduct.core.model import Key, TenantId
from safeconduct.core.unit import Find, Ref

SYMMETRIC = ("chain", "digest", "refresh", "seal", "subject", "vault")
ENCRYPT = "encrypt"
"""The purpose of the keys that others encrypt to; those of before still open what was sent."""
NEEDED = ("sign", ENCRYPT, *SYMMETRIC)
MAX_KEYS = 256  # per tenant, retired ones aside; years of monthly rotations of everything
LIVE = {"status": ("next", "current", "previous")}
SPENT_MS = 25 * 3_600_000  # after which no JWT that a key signed is valid: none lives for a day


def check_published(rows: tuple[Key, ...], since: int) -> None:
    """OpenID Connect Core §10.1.1: who caches our keys has to have seen one before it signs."""
    young = [row for row in rows if row.status == "next" and row.created_at > since]
    if young:
        raise ApiError(
            409,
            "key_too_young",
            "The next key was published less than a day ago: whoever keeps our keys for a day "
            "would refuse what it signs. Wait, or force it if the key in use is lost.",
        )


def live_keys(tenant_id: TenantId, **where: str) -> Find[Key]:
    """The keys that may still be used for something."""
    return Find(Key, {"tenant_id": tenant_id, **where}, among=LIVE, limit=MAX_KEYS)


def spent(row: Key, now: int) -> bool:
    """Whether nothing that this former signing key signed can still be valid."""
    return (
        row.status == "previous" and row.retired_at is not None and row.retired_at <= now - SPENT_MS
    )


def kid_of(jws: str) -> str:
    """The `kid` of a compact JWS, unverified; empty when it has none that can be read."""
    head = jws.partition(".")[0]
    if len(head) > 1_024:
        return ""
    try:
        header = json.loads(urlsafe_b64decode(head + "=" * (-len(head) % 4)))
    except (ValueError, RecursionError):
        return ""
    kid = header.get("kid") if isinstance(header, dict) else None
    return kid if isinstance(kid, str) else ""


def key_ref(row: Key) -> Ref[Key]:
    return Ref(Key, tenant_id=row.tenant_id, id=row.id)


def aad_of(tenant_id: TenantId, kid: str) -> bytes:
    """What a wrapped key is bound to."""
    return f"keys\0{tenant_id}\0{kid}".encode()
