"""Webhooks in: how a provider signs what it sends us, and what that asks us to do.

    headers, body ──verify──▶ Delivery(id) ──read_event──▶ Event(type, user, account) ──▶ syncs

The signature is an HMAC over some of id, timestamp and body, joined by points, as every scheme
that we know of is (Standard Webhooks among them); which of them, and how it is written, is the
entry's to say. What a webhook tells is never taken as data: it only says what to read again.
"""

import hmac
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Literal

from safeconduct.core.secret import Secret
from safeconduct.core.upstream.pointer import Terms
from safeconduct.core.upstream.records import CAPABILITIES, CapabilityName
from safeconduct.core.upstream.schema import InvalidEntry

Part = Literal["id", "timestamp", "body"]

MAX_ID = 256
MAX_SIGNATURES = 16
UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """`header` holds one signature or several, separated by spaces, each behind `prefix`.

    Without `id_header` a delivery is known by the digest of its body. `tolerance_s` goes with
    `timestamp_header`, which holds seconds since the epoch.
    """

    header: str
    prefix: str = ""
    algorithm: Literal["sha1", "sha256", "sha512"] = "sha256"
    encoding: Literal["base64", "hex"] = "base64"
    signs: tuple[Part, ...] = ("body",)
    id_header: str | None = None
    timestamp_header: str | None = None
    tolerance_s: int = 300
    secret_prefix: str | None = None
    secret_encoding: Literal["text", "base64"] = "text"

    def __post_init__(self) -> None:
        if "body" not in self.signs:
            raise InvalidEntry("signs", "must hold body, else anything could be sent")
        for part, header in (("id", self.id_header), ("timestamp", self.timestamp_header)):
            if (part in self.signs) != (header is not None):
                raise InvalidEntry("signs", f"holds {part} if there is {part}_header, else not")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """Events of these types have one kind of data read again."""

    capability: CapabilityName
    when: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhooks:
    """`user` points to the id of our user that we once told them, `account` to theirs."""

    signature: Signature
    event: Terms
    user: Terms | None = None
    account: Terms | None = None
    triggers: tuple[Trigger, ...] = ()

    def __post_init__(self) -> None:
        if self.user is None and self.account is None:
            raise InvalidEntry("account", "is missing, and so is user: whose data is it?")


@dataclass(frozen=True, slots=True)
class Delivery:
    """A webhook that is the provider's. The same `id` again is the same delivery."""

    id: str


@dataclass(frozen=True, slots=True)
class Received:
    """What a webhook says."""

    type: str
    user: str | None
    account: str | None
    capabilities: tuple[CapabilityName, ...]


def usable(how: Signature, secret: Secret) -> bool:
    """Whether this can be a secret of theirs."""
    return _key(how, secret) is not None


def verify(
    how: Signature, secret: Secret, headers: Mapping[str, str], body: bytes, now: int
) -> Delivery | None:
    """The delivery, if it was signed with this secret a short while ago; None for any other.

    `headers` have names in lower case, and none that came twice. `now` in milliseconds.
    """
    key, shown = _key(how, secret), headers.get(how.header, "")
    id = headers.get(how.id_header, "") if how.id_header else sha256(body).hexdigest()
    stamp = headers.get(how.timestamp_header, "") if how.timestamp_header else ""
    if key is None or not 0 < len(id) <= MAX_ID or not _printable(id):
        return None
    if how.timestamp_header is not None and not _is_recent(how, stamp, now):
        return None
    wanted = _sign(how, key, id, stamp, body).encode()
    right = False
    for one in shown.split(" ")[:MAX_SIGNATURES]:
        text = one.removeprefix(how.prefix) if one.startswith(how.prefix) else ""
        right |= hmac.compare_digest(text.encode("utf-8", "replace"), wanted)
    return Delivery(id) if right else None


def signed(how: Signature, secret: Secret, id: str, at_s: int, body: bytes) -> dict[str, str]:
    """The headers of a delivery, as the other side makes them."""
    key = _key(how, secret)
    if key is None:
        raise ValueError("this is not a secret for such signatures")
    made = {how.header: how.prefix + _sign(how, key, id, str(at_s), body)}
    if how.id_header is not None:
        made[how.id_header] = id
    if how.timestamp_header is not None:
        made[how.timestamp_header] = str(at_s)
    return made


def read_event(how: Webhooks, document: Mapping[str, Any]) -> Received:
    """What an authentic body says; whatever it leaves out is not there."""
    type = _text(how.event, document) or UNKNOWN
    return Received(
        type=type,
        user=_text(how.user, document),
        account=_text(how.account, document),
        capabilities=tuple(
            name
            for name in CAPABILITIES
            if any(type in one.when for one in how.triggers if one.capability == name)
        ),
    )


def _key(how: Signature, secret: Secret) -> bytes | None:
    text = secret.reveal()
    if how.secret_prefix is not None:
        text = text.removeprefix(how.secret_prefix)
    if how.secret_encoding == "text":
        return text.encode() or None
    try:
        return b64decode(text, validate=True) or None
    except ValueError:
        return None


def _sign(how: Signature, key: bytes, id: str, stamp: str, body: bytes) -> str:
    parts = {"id": id.encode(), "timestamp": stamp.encode("utf-8", "replace"), "body": body}
    digest = hmac.digest(key, b".".join(parts[name] for name in how.signs), how.algorithm)
    return digest.hex() if how.encoding == "hex" else b64encode(digest).decode()


def _is_recent(how: Signature, stamp: str, now: int) -> bool:
    if not stamp.isascii() or not stamp.isdigit() or len(stamp) > 12:
        return False
    return abs(now // 1000 - int(stamp)) <= how.tolerance_s


def _text(terms: Terms | None, document: Mapping[str, Any]) -> str | None:
    value = None if terms is None else terms.of(document)
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not 0 < len(value) <= MAX_ID or not _printable(value):
        return None
    return value


def _printable(text: str) -> bool:
    return text.isprintable()
