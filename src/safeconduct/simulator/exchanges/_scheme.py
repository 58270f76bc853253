"""How an exchange wants requests signed, as vocabulary: which words in which order, under which
hash, and in which header; how old a request may be; which numbers may not come twice.

    words    time · nonce · key · method · path · target (path?query) · body · body_hash (SHA-512)
             query · plain_query (decoded) · window · type · version · payload (of their headers)
             address (host, path and query, as the client wrote it)
             any other text stands for itself
"""

import hmac
import json
from base64 import b64decode, b64encode, urlsafe_b64decode
from binascii import Error as NotBase64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha512
from typing import Any, Literal
from urllib.parse import unquote

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from safeconduct.simulator.exchanges._desk import Called, Keys

Why = Literal["key", "passphrase", "time", "nonce", "signature", "permission"]


class Unfit(Exception):
    """What is wrong with a request."""

    def __init__(self, why: Why) -> None:
        super().__init__(why)
        self.why = why


@dataclass(slots=True)
class Nonces:
    """What an exchange remembers of each user: the last number, and those that were seen."""

    last: dict[str, int] = field(default_factory=dict)
    seen: set[tuple[str, str]] = field(default_factory=set)

    def rising(self, user: str, nonce: str) -> None:
        if not nonce.isdigit() or int(nonce) <= self.last.get(user, 0):
            raise Unfit("nonce")
        self.last[user] = int(nonce)

    def once(self, user: str, nonce: str) -> None:
        if not nonce or (user, nonce) in self.seen:
            raise Unfit("nonce")
        self.seen.add((user, nonce))


@dataclass(frozen=True, slots=True, kw_only=True)
class Headers:
    """A signature in a header, beside the key and what else was signed."""

    key: str
    signature: str
    signed: tuple[str, ...]
    prefix: str = ""  # of the key
    between: str = ""
    digest: str = "sha256"
    encoding: Literal["hex", "base64"] = "hex"
    secret: Callable[[str], bytes] = str.encode
    time: str | None = None
    unit: Literal["s", "ms", "iso"] = "ms"
    window_s: float = 30.0
    window: str | None = None  # where the client says how old it may be, in milliseconds
    nonce: str | None = None
    nonces: Literal["rising", "once"] = "rising"
    passphrase: str | None = None
    version: tuple[str, str] | None = None
    payload: str | None = None  # base64 of JSON that names path and nonce

    def shown(self, called: Called) -> str:
        """The key that a request says it is signed with."""
        return called.headers.get(self.key, "").removeprefix(self.prefix)

    def check(self, called: Called, user: str, keys: Keys, nonces: Nonces) -> None:
        """Raises `Unfit`. A nonce is spent by the request that it was signed for, and no other."""
        headers = called.headers
        if self.passphrase is not None and headers.get(self.passphrase) != keys.passphrase:
            raise Unfit("passphrase")
        told = self._told(called)
        if self.time is not None:
            self._in_time(headers.get(self.time, ""), headers, called.now)
        mac = hmac.new(self.secret(keys.secret_key), self._text(called).encode(), self.digest)
        made = mac.hexdigest() if self.encoding == "hex" else b64encode(mac.digest()).decode()
        if not hmac.compare_digest(made.encode(), headers.get(self.signature, "").encode()):
            raise Unfit("signature")
        if told.get("request", called.path) != called.path:
            raise Unfit("signature")
        nonce = str(told["nonce"]) if "nonce" in told else headers.get(self.nonce or "", "")
        if self.nonce is not None or self.payload is not None:
            (nonces.rising if self.nonces == "rising" else nonces.once)(user, nonce)

    def _text(self, called: Called) -> str:
        words = {
            "time": called.headers.get(self.time or "", ""),
            "nonce": called.headers.get(self.nonce or "", ""),
            "key": self.shown(called),
            "method": called.method,
            "path": called.path,
            "target": called.path + (f"?{called.query_string}" if called.query_string else ""),
            "query": called.query_string,
            "plain_query": unquote(called.query_string),
            "body": called.body,
            "body_hash": sha512(called.body.encode()).hexdigest(),
            "window": called.headers.get(self.window or "", ""),
            "address": called.url.removeprefix("https://"),
            "type": called.headers.get("Content-Type", ""),
            "version": called.headers.get(self.version[0], "") if self.version else "",
            "payload": called.headers.get(self.payload or "", ""),
        }
        return self.between.join(words.get(word, word) for word in self.signed)

    def _told(self, called: Called) -> Mapping[str, Any]:
        if self.payload is None:
            return {}
        try:
            told = json.loads(b64decode(called.headers.get(self.payload, ""), validate=True))
        except (ValueError, NotBase64):
            raise Unfit("signature") from None
        if not isinstance(told, dict) or "nonce" not in told or "request" not in told:
            raise Unfit("signature")
        return told

    def _in_time(self, text: str, headers: Mapping[str, str], now: float) -> None:
        window = self.window_s
        try:
            if self.unit == "iso":
                at = datetime.fromisoformat(text).timestamp()
            else:
                at = float(text) / (1000 if self.unit == "ms" else 1)
            if self.window is not None:
                window = min(float(headers.get(self.window, "")) / 1000, window)
        except (ValueError, OverflowError):
            raise Unfit("time") from None
        if not abs(at - now) <= window:
            raise Unfit("time")


@dataclass(frozen=True, slots=True, kw_only=True)
class Basic:
    """Key and secret as they are (RFC 7617): nothing is signed."""

    def shown(self, called: Called) -> str:
        return self._pair(called)[0]

    def check(self, called: Called, user: str, keys: Keys, nonces: Nonces) -> None:
        if not hmac.compare_digest(self._pair(called)[1].encode(), keys.secret_key.encode()):
            raise Unfit("signature")

    def _pair(self, called: Called) -> tuple[str, str]:
        scheme, _, pair = called.headers.get("Authorization", "").partition(" ")
        try:
            key, _, secret = b64decode(pair, validate=True).decode().partition(":")
        except (ValueError, NotBase64):
            return "", ""
        return (key, secret) if scheme.lower() == "basic" else ("", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A JWT for each request (RFC 7519), EdDSA: issuer, subject and `uris` are what it is for."""

    issuer: str
    audience: str
    longest_s: float = 120.0

    def shown(self, called: Called) -> str:
        try:
            return str(self._parts(called)[1].get("sub", ""))
        except Unfit:
            return ""

    def check(self, called: Called, user: str, keys: Keys, nonces: Nonces) -> None:
        head, claims, signed, signature = self._parts(called)
        seed = Ed25519PrivateKey.from_private_bytes(b64decode(keys.secret_key)[:32])
        try:
            seed.public_key().verify(signature, signed)
        except InvalidSignature:
            raise Unfit("signature") from None
        where = called.url.partition("?")[0].removeprefix("https://")
        wanted = {"iss": self.issuer, "aud": [self.audience], "uris": [f"{called.method} {where}"]}
        if head.get("alg") != "EdDSA" or head.get("kid") != keys.api_key:
            raise Unfit("signature")
        if any(claims.get(name) != value for name, value in wanted.items()):
            raise Unfit("signature")
        begins, ends = claims.get("nbf"), claims.get("exp")
        if not isinstance(begins, int) or not isinstance(ends, int):
            raise Unfit("time")
        if not begins - 30 <= called.now < ends or ends - begins > self.longest_s:
            raise Unfit("time")
        nonces.once(user, str(head.get("nonce", "")))

    def _parts(self, called: Called) -> tuple[dict[str, Any], dict[str, Any], bytes, bytes]:
        token = called.headers.get("Authorization", "").removeprefix("Bearer ")
        try:
            head, claims, signature = token.split(".")
            made = [json.loads(_decoded(part)) for part in (head, claims)]
            if not all(isinstance(one, dict) for one in made):
                raise Unfit("signature")
            return made[0], made[1], f"{head}.{claims}".encode(), _decoded(signature)
        except (ValueError, NotBase64):
            raise Unfit("signature") from None


Scheme = Headers | Basic | Token


def _decoded(part: str) -> bytes:
    return urlsafe_b64decode(part + "=" * (-len(part) % 4))
