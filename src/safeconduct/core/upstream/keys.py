"""Accounts that are linked by what somebody types in: named keys, or an address.

    auth.api_key   fields as the provider calls them ─▶ read_fields ─▶ pack ─▶ the vault
    auth.wallet    an address, and how its owner may prove that it is theirs

What is typed in travels as one secret: `pack` makes it of the fields, `unpack` gives them back to
whoever signs with them. Nothing here ever says a value: a refusal names the field.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from safeconduct.core.errors import ApiError
from safeconduct.core.secret import Secret
from safeconduct.core.upstream.schema import InvalidEntry

ADDRESS = "address"
MAX_FIELDS = 8
MAX_LENGTH = 4_096

_FIELD = re.compile(r"[a-z][a-z0-9_]{0,31}")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyField:
    """One thing to type in. `secret`: shown as dots, and never again afterwards."""

    name: str
    label: str
    help: str | None = None
    secret: bool = True
    optional: bool = False
    max_length: int = 512

    def __post_init__(self) -> None:
        if not _FIELD.fullmatch(self.name):
            raise InvalidEntry("name", "must be lower-case letters, digits and underscores")
        if not 0 < self.max_length <= MAX_LENGTH:
            raise InvalidEntry("max_length", f"must be between 1 and {MAX_LENGTH}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """Keys that the user makes at the provider. `where` is the page on which they do so."""

    fields: tuple[KeyField, ...]
    where: str | None = None

    def __post_init__(self) -> None:
        names = [field.name for field in self.fields]
        if not 0 < len(names) <= MAX_FIELDS or len(set(names)) < len(names):
            raise InvalidEntry("fields", f"must be 1 to {MAX_FIELDS} fields with distinct names")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wallet:
    """An address on a chain. `family` is how its addresses are written and its owners sign.

    `proof`: how ownership can be shown; an address without is watched only.
    """

    family: Literal["evm"]
    chain_id: int
    network: str
    proof: Literal["eip4361", "none"] = "none"

    def __post_init__(self) -> None:
        if not 0 < self.chain_id < 1 << 53:
            raise InvalidEntry("chain_id", "must be a positive whole number")


def read_fields(how: ApiKey, given: Mapping[str, str]) -> dict[str, str]:
    """What was typed in, held to the entry's fields; `ApiError` 400 names the field, not its value.

    Space around a key comes from copying it. A control character inside would end a header or a
    line somewhere, and a letter beyond ASCII is no part of any key.
    """
    known = {field.name: field for field in how.fields}
    for name in given:
        if name not in known:
            raise _refused(name if _FIELD.fullmatch(name) else "fields", "is not asked for here")
    read: dict[str, str] = {}
    for name, field in known.items():
        value = given.get(name, "").strip(" \t\r\n")
        if not value:
            if not field.optional:
                raise _refused(name, "is required")
            continue
        if len(value) > field.max_length:
            raise _refused(name, "is too long")
        # A key in PEM has lines, and they are its own
        if not all(" " <= char <= "~" or char == "\n" for char in value.replace("\r\n", "\n")):
            raise _refused(name, "holds characters that no key has")
        if "\n" in value and not value.startswith("-----BEGIN "):
            raise _refused(name, "holds characters that no key has")
        read[name] = value
    return read


def pack(fields: Mapping[str, str]) -> Secret:
    """The fields as the one secret that a connection lives on."""
    return Secret(json.dumps(dict(sorted(fields.items())), separators=(",", ":")))


def unpack(secret: Secret) -> dict[str, str]:
    return {str(name): str(value) for name, value in json.loads(secret.reveal()).items()}


def _refused(field: str, why: str) -> ApiError:
    return ApiError(400, "invalid_credential_field", f"{field} {why}", field=field)
