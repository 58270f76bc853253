"""Sealed flows: what a person has begun but not finished travels with the browser.

Nothing is stored before somebody signs in. The text is AES-256-GCM under a key of the tenant;
purpose and browser are associated data, so that it opens for one purpose, in one browser. It is
deflated first, because it travels in addresses; none of what it holds is a secret to guess.
"""

import json
import zlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from safeconduct.core.model import TenantId
from safeconduct.ports.clock import Clock
from safeconduct.ports.keyring import Unsealable
from safeconduct.services.keys import Keys

MAX_LENGTH = 16_384


class Flows:
    def __init__(self, *, keys: Keys, clock: Clock) -> None:
        self.keys, self.clock = keys, clock

    def seal(
        self,
        tenant_id: TenantId,
        browser_id: str,
        purpose: str,
        data: Mapping[str, Any],
        ttl: int,
    ) -> str:
        """`ttl` in milliseconds. `data` is JSON; a member `exp` is added."""
        data = {**data, "exp": self.clock.now() + ttl}
        body = json.dumps(data, separators=(",", ":"), ensure_ascii=False).encode()
        packed = zlib.compress(body, 9, -15)
        sealed = self.keys.seal(tenant_id, "seal", packed, _aad(purpose, browser_id))
        return _text(sealed)

    def open(
        self, tenant_id: TenantId, browser_id: str, purpose: str, text: str | None
    ) -> dict[str, Any] | None:
        """The data as sealed, with its `exp`; None if changed, expired, or not of this browser."""
        if not text or len(text) > MAX_LENGTH or not text.isascii():
            return None
        try:
            sealed = urlsafe_b64decode(text + "=" * (-len(text) % 4))
            if _text(sealed) != text:  # one text for each value, so that none has a twin
                return None
            packed = self.keys.open(tenant_id, "seal", sealed, _aad(purpose, browser_id))
        except (NotBase64, Unsealable):
            return None
        data: dict[str, Any] = json.loads(zlib.decompress(packed, -15))
        return data if self.clock.now() < data["exp"] else None


def _text(sealed: bytes) -> str:
    return urlsafe_b64encode(sealed).rstrip(b"=").decode()


def _aad(purpose: str, browser_id: str) -> bytes:
    return f"flow\0{purpose}\0".encode() + sha256(browser_id.encode()).digest()
