"""Cursors of lists: opaque, and good only for the list that gave them.

Sealed with the tenant's key and bound to whose list it is and to its filters, so that a cursor
tells nothing, and a foreign, altered or made-up one is refused.
"""

import binascii
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from typing import Any

from safeconduct.core.errors import ApiError, bad_request
from safeconduct.core.model import TenantId
from safeconduct.ports.keyring import Unsealable
from safeconduct.services.keys import Keys

Place = tuple[Any, ...]
"""The values of the order columns of the last row that was given."""


class Cursors:
    def __init__(self, keys: Keys) -> None:
        self.keys = keys

    def write(self, tenant_id: TenantId, list: Sequence[Any], place: Place) -> str:
        """`list` names the list: what it lists, whose, and every filter."""
        text = json.dumps(place).encode()
        sealed = self.keys.seal(tenant_id, "seal", text, _aad(list))
        return urlsafe_b64encode(sealed).rstrip(b"=").decode()

    def read(self, tenant_id: TenantId, list: Sequence[Any], cursor: str | None) -> Place | None:
        """The place to go on from; None without a cursor. `invalid_cursor` for any other list's."""
        if cursor is None:
            return None
        try:
            sealed = urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
            place = json.loads(self.keys.open(tenant_id, "seal", sealed, _aad(list)))
        except (ValueError, binascii.Error, UnicodeError, Unsealable):
            raise _invalid() from None
        return tuple(place)


def _aad(list: Sequence[Any]) -> bytes:
    return b"cursor\0" + json.dumps([*list]).encode()


def _invalid() -> ApiError:
    return bad_request("invalid_cursor", "cursor is not one of this list", field="cursor")
