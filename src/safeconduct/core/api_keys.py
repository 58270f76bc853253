"""Keys for the platform API: `<prefix><tenant>.<id>.<secret>`, with the prefix of the surface."""

from safeconduct.core.model import ApiKey, TenantId
from safeconduct.core.policy import DAY
from safeconduct.core.scopes import OPERATOR_SCOPES, SCOPES

BROKER = "bk_"
"""A broker's key: the part before the last point is its name, the rest its secret (RFC 7617)."""

PREFIXES = ("sc_key_", "cal_", BROKER)
PROFILES = {"cal_": "calcom"}
"""The surface whose keys these are; keys of the platform API have none."""

KEY_SCOPES = frozenset(SCOPES) - {"openid", "offline_access"} | frozenset(OPERATOR_SCOPES)
"""What a key may be given: no sign-in, and no refresh."""


def format_key(prefix: str, tenant_id: TenantId, id: str, secret: str) -> str:
    return f"{prefix}{tenant_id}.{id}.{secret}"


def split_key(text: str) -> tuple[str, str]:
    """Name and secret of a key, for HTTP Basic; joined by a point they are the key again."""
    name, _, secret = text.rpartition(".")
    return name, secret


def parse_key(text: str) -> tuple[TenantId, str] | None:
    """Tenant and id of what looks like one of our keys; None for anything else."""
    prefix = next((prefix for prefix in PREFIXES if text.startswith(prefix)), None)
    if prefix is None or len(text) > 256 or not text.isascii():
        return None
    parts = text[len(prefix) :].split(".")
    if len(parts) != 3 or not all(parts):
        return None
    return TenantId(parts[0]), parts[1]


def key_trouble(key: ApiKey, now: int) -> str | None:
    """The rule by which a key is dead; None for a live one."""
    if key.revoked_at is not None:
        return "api_key.revoked"
    if key.expires_at is not None and now >= key.expires_at:
        return "api_key.expired"
    return None


def day_end(now: int, days: int) -> int:
    """The end of the day on which a key expires: it works through the whole of it."""
    return (now // DAY + days + 1) * DAY
