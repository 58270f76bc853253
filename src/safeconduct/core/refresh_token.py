"""Refresh tokens as strings: `sc_rt_<tenant>.<family>.<generation>.<secret>.<tag>`.

The secret of a successor is derived from the token that was presented, so that the same token
presented twice in the retry window yields the same successor, and nothing readable is stored:

    secret = HMAC(K[kid], tenant ‖ family ‖ generation ‖ presented token)
    tag    = HMAC(K, everything before the tag), cut to 128 bits

The store knows the digests of two tokens of a family, the live one and the one before it. Of an
older one the tag says that we made it: presenting it is reuse. A token that was made up, even for
a family that exists, has no tag and harms nobody. RFC 9700 §4.14.2.
"""

import hmac
from base64 import urlsafe_b64encode
from collections.abc import Iterable
from dataclasses import dataclass, field

from safeconduct.core.mac import mac
from safeconduct.core.model import TenantId

_HEAD = "sc_rt_"
_SECRET = 43
_TAG = 22
MAX_LENGTH = 256


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """A string of the right shape; whether we made it is another question."""

    tenant_id: TenantId
    family_id: str
    generation: int
    text: str = field(repr=False)

    def genuine(self, keys: Iterable[bytes]) -> bool:
        """Whether one of these keys made the tag. Keys that no longer derive still recognise."""
        body, _, tag = self.text.rpartition(".")
        return any([hmac.compare_digest(_tag(key, body), tag) for key in keys])


def parse_refresh_token(text: str) -> RefreshToken | None:
    """Split what looks like a refresh token of ours; None for anything else."""
    if not text.startswith(_HEAD) or len(text) > MAX_LENGTH or not text.isascii():
        return None
    parts = text[len(_HEAD) :].split(".")
    if len(parts) != 5:
        return None
    tenant_id, family_id, number, secret, tag = parts
    if not tenant_id or not family_id or len(secret) != _SECRET or len(tag) != _TAG:
        return None
    if not number.isdigit() or len(number) > 15 or (number[0] == "0" and number != "0"):
        return None
    return RefreshToken(TenantId(tenant_id), family_id, int(number), text)


def first_token(key: bytes, tenant_id: TenantId, family_id: str, secret: str) -> str:
    """The first token of a family; `secret` is 256 fresh bits."""
    return _encode(key, tenant_id, family_id, 0, secret)


def successor_of(key: bytes, presented: RefreshToken) -> str:
    """The next token of the family: always the same for the same token and key."""
    generation = presented.generation + 1
    framed = _framed(presented.tenant_id, presented.family_id, str(generation), presented.text)
    secret = _b64(mac(key, b"refresh successor\0" + framed))
    return _encode(key, presented.tenant_id, presented.family_id, generation, secret)


def _encode(key: bytes, tenant_id: str, family_id: str, generation: int, secret: str) -> str:
    body = f"{_HEAD}{tenant_id}.{family_id}.{generation}.{secret}"
    return f"{body}.{_tag(key, body)}"


def _tag(key: bytes, body: str) -> str:
    return _b64(mac(key, b"refresh tag\0" + body.encode("ascii"))[:16])


def _framed(*parts: str) -> bytes:
    """Each part behind its length, so that no two lists of parts read the same."""
    return b"".join([len(part).to_bytes(4) + part.encode("ascii") for part in parts])


def _b64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
