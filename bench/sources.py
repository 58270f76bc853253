"""The requests that are measured, and what makes an answer right."""

import json
import re
from base64 import b64encode, urlsafe_b64encode
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from secrets import token_urlsafe
from time import time
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from bench.load import Failed


@dataclass(frozen=True, slots=True)
class Target:
    """Where a server listens, its paths, and the one confidential client registered there."""

    name: str
    host: str
    port: int
    token_path: str
    introspection_path: str
    client_id: str
    client_secret: str
    par_path: str = ""
    authorize_path: str = ""

    @property
    def address(self) -> tuple[str, int]:
        return self.host, self.port

    def post(self, path: str, *more: str, **form: str) -> bytes:
        """A whole request, the client authenticating by `client_secret_basic` (RFC 6749 §2.3.1).

        `more` are further lines of its head.
        """
        body = urlencode(form).encode()
        pair = f"{quote(self.client_id, safe='')}:{quote(self.client_secret, safe='')}"
        head = (
            f"POST {path} HTTP/1.1\r\n"
            f"host: {self.host}:{self.port}\r\n"
            f"authorization: Basic {b64encode(pair.encode()).decode()}\r\n"
            "accept: application/json\r\n"
            "content-type: application/x-www-form-urlencoded\r\n"
            + "".join(f"{line}\r\n" for line in more)
            + f"content-length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


@dataclass
class ClientCredentials:
    """RFC 6749 §4.4. Every token must be new; one in `every` is kept to be verified later."""

    target: Target
    every: int = 200
    sample: list[str] = field(default_factory=list)
    _request: bytes = b""
    _last: str = ""
    _count: int = 0

    def request(self) -> bytes:
        if not self._request:
            self._request = self.target.post(
                self.target.token_path, grant_type="client_credentials", scope="assets:read"
            )
        return self._request

    def judge(self, status: int, body: bytes) -> None:
        token = _token(_object(status, body))
        if token == self._last:
            raise Failed("the same access token twice")
        self._last = token
        self._count += 1
        if self._count % self.every == 1:
            self.sample.append(token)


class BoundClientCredentials(ClientCredentials):
    """The same with a token bound to a key (RFC 9449): each connection has its own, and signs a
    proof for every request, as no proof works twice."""

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self._holder = Holder(f"http://{target.host}:{target.port}{target.token_path}")

    def request(self) -> bytes:
        return self.target.post(
            self.target.token_path,
            f"dpop: {self._holder.proof()}",
            grant_type="client_credentials",
            scope="assets:read",
        )

    def judge(self, status: int, body: bytes) -> None:
        if b'"DPoP"' not in body:
            raise Failed(f"a token that is not bound: {body[:200]!r}")
        super().judge(status, body)


class Holder:
    """A P-256 key, and proofs by it for one POST; about 40 µs each."""

    def __init__(self, url: str) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        at = self._key.public_key().public_numbers()
        jwk = {
            "kty": "EC",
            "crv": "P-256",
            "x": _b64(at.x.to_bytes(32)),
            "y": _b64(at.y.to_bytes(32)),
        }
        self._head = _b64(json.dumps({"alg": "ES256", "typ": "dpop+jwt", "jwk": jwk}).encode())
        self._url = url

    def proof(self) -> str:
        claims = {"jti": token_urlsafe(16), "htm": "POST", "htu": self._url, "iat": int(time())}
        message = f"{self._head}.{_b64(json.dumps(claims).encode())}"
        signature = self._key.sign(message.encode(), ec.ECDSA(hashes.SHA256()))
        r, s = decode_dss_signature(signature)
        return f"{message}.{_b64(r.to_bytes(32) + s.to_bytes(32))}"


def _b64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


@dataclass(slots=True)
class Refresh:
    """RFC 6749 §6 with rotation: each chain goes on from the refresh token of its last answer."""

    target: Target
    chains: deque[str]
    every: int = 200
    sample: list[str] = field(default_factory=list)
    _count: int = 0

    def request(self) -> bytes:
        return self.target.post(
            self.target.token_path, grant_type="refresh_token", refresh_token=self.chains[0]
        )

    def judge(self, status: int, body: bytes) -> None:
        answer = _object(status, body)
        token = _token(answer)
        successor = answer.get("refresh_token")
        if not isinstance(successor, str) or successor == self.chains[0]:
            raise Failed("the refresh token was not rotated")
        self.chains.popleft()
        self.chains.append(successor)
        self._count += 1
        if self._count % self.every == 1:
            self.sample.append(token)


class Introspection:
    """RFC 7662: tokens of a pool in turn, all of them live."""

    def __init__(self, target: Target, pool: Sequence[str]) -> None:
        self._requests = deque(
            target.post(target.introspection_path, token=token) for token in pool
        )

    def request(self) -> bytes:
        self._requests.rotate(-1)
        return self._requests[0]

    def judge(self, status: int, body: bytes) -> None:
        if _object(status, body).get("active") is not True:
            raise Failed(f"a live token is said not to be active: {body[:200]!r}")


@dataclass(slots=True)
class SignIn:
    """An app signs somebody in whose browser has a session and who has allowed it before: the
    request is pushed (RFC 9126), the browser is sent on at once (RFC 6749 §4.1.2), and the code is
    redeemed with its verifier (RFC 7636). Three requests in turn; each counts as one.
    """

    target: Target
    browsers: deque[str]  # Cookie headers
    every: int = 200
    sample: list[str] = field(default_factory=list)
    _next: str = "push"
    _head: bytes = b""
    _uri: str = ""
    _code: str = ""
    _count: int = 0

    def request(self) -> bytes:
        target = self.target
        if self._next == "push":
            return target.post(
                target.par_path,
                client_id=target.client_id,
                response_type="code",
                redirect_uri=CALLBACK,
                scope="assets:read",
                state="s",
                code_challenge=CHALLENGE,
                code_challenge_method="S256",
            )
        if self._next == "authorize":
            query = urlencode({"client_id": target.client_id, "request_uri": self._uri})
            return (
                f"GET {target.authorize_path}?{query} HTTP/1.1\r\n"
                f"host: {target.host}:{target.port}\r\n"
                f"cookie: {self.browsers[0]}\r\n\r\n"
            ).encode()
        return target.post(
            target.token_path,
            grant_type="authorization_code",
            code=self._code,
            redirect_uri=CALLBACK,
            code_verifier=VERIFIER,
        )

    def hear(self, head: bytes) -> None:
        self._head = head

    def judge(self, status: int, body: bytes) -> None:
        if self._next == "push":
            self._uri = _object(status, body, 201)["request_uri"]
            self._next = "authorize"
        elif self._next == "authorize":
            self._next = "push"  # from anew, if this is no code
            self._code = _code(status, self._head)
            self.browsers.rotate(-1)
            self._next = "redeem"
        else:
            self._next = "push"
            token = _token(_object(status, body))
            self._count += 1
            if self._count % self.every == 1:
                self.sample.append(token)


CALLBACK = "https://app.example.com/callback"
VERIFIER = "a-verifier-that-is-the-same-for-each-of-them-43"
CHALLENGE = urlsafe_b64encode(sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()


def _code(status: int, head: bytes) -> str:
    found = re.search(rb"(?i)\r\nlocation: *(\S+)", head)
    where = urlsplit(found[1].decode()) if found else None
    code = dict(parse_qsl(where.query)).get("code") if where else None
    if status not in (302, 303) or code is None:
        raise Failed(f"status {status}, and no code: {found and found[1][:200]!r}")
    return code


def _token(answer: dict[str, Any]) -> str:
    token = answer.get("access_token")
    if not isinstance(token, str) or len(token) < 20:
        raise Failed("no access token")
    return token


def _object(status: int, body: bytes, right: int = 200) -> dict[str, Any]:
    if status != right:
        raise Failed(f"status {status}: {body[:200]!r}")
    value = json.loads(body)
    if not isinstance(value, dict):
        raise Failed("not a JSON object")
    return value
