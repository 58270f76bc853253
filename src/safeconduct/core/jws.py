"""RFC 7515: what others have signed, taken apart strictly, before anybody believes it.

Nothing in a header is trusted beyond saying which of the keys that we already know to try (and,
for a DPoP proof, which key the proof itself is about). `crit` is refused whatever it names,
because no extension is understood here (§4.1.11), and so is `b64`, which works by `crit` alone
(RFC 7797 §6).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NoReturn

from safeconduct.core.jwk import unb64url

MAX_JWS = 16_384
MAX_HELD = 1_024  # characters of a header that is worth remembering


@dataclass(frozen=True, slots=True)
class Jws:
    """A compact JWS over a JSON object, not yet verified."""

    header: Mapping[str, Any]
    claims: Mapping[str, Any]
    message: bytes = field(repr=False)  # what was signed
    signature: bytes = field(repr=False)

    @property
    def alg(self) -> str:
        return str(self.header["alg"])

    @property
    def typ(self) -> str | None:
        """§4.1.9: a media type, whose case says nothing, and that may go without `application/`."""
        typ = self.header.get("typ")
        return None if typ is None else str(typ).lower().removeprefix("application/")

    @property
    def kid(self) -> str | None:
        kid = self.header.get("kid")
        return kid if isinstance(kid, str) else None


@dataclass(frozen=True, slots=True)
class Parts:
    """A compact JWS taken apart; the payload may be anything."""

    header: Mapping[str, Any]
    payload: bytes = field(repr=False)
    message: bytes = field(repr=False)
    signature: bytes = field(repr=False)


def parse_jws(text: str, limit: int = MAX_JWS) -> Jws:
    """Take a compact JWS over a JSON object apart; `ValueError` for whatever is not exactly one."""
    parts = take_apart(text, limit)
    return Jws(parts.header, json_object(parts.payload), parts.message, parts.signature)


def take_apart(text: str, limit: int = MAX_JWS) -> Parts:
    """RFC 7515 §5.2 steps 1 to 7; `ValueError` for the first that fails."""
    if len(text) > limit or not text.isascii():
        raise ValueError("too long, or not ASCII")
    parts = text.split(".")
    if len(parts) != 3:
        raise ValueError("a compact JWS has three parts")
    header, payload = read_header(parts[0]), unb64url(parts[1])
    message = text[: len(parts[0]) + 1 + len(parts[1])].encode("ascii")
    return Parts(header, payload, message, unb64url(parts[2]))


def read_header(text: str) -> Mapping[str, Any]:
    """§5.2 steps 2 to 5. Whoever signs again and again does so under the same header."""
    return _header(text) if len(text) <= MAX_HELD else _header.__wrapped__(text)


@lru_cache(1_024)
def _header(text: str) -> Mapping[str, Any]:
    header = json_object(unb64url(text))
    if not isinstance(header.get("alg"), str):
        raise ValueError("the header has no alg")
    if "crit" in header or "b64" in header:
        raise ValueError("the header asks for an extension")
    if len(str(header.get("kid", ""))) > 256 or not isinstance(header.get("kid", ""), str):
        raise ValueError("kid is no short string")
    return header


def json_object(data: bytes) -> dict[str, Any]:
    """RFC 8725 §3.7: UTF-8, one object, each name once, no numbers that JSON does not have."""
    value = json_value(data)
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")
    return value


def json_value(data: bytes) -> Any:
    """The same of any JSON value."""
    try:
        return _DECODER.decode(data.decode("utf-8"))
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a name came twice")
    return made


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_once, parse_constant=_refuse)
