"""RFC 5849 §3, the provider's side, written down from the text: a judge does not borrow the library
of the judged one. `requests-oauthlib` is the stranger that proves it (tests/simulator).
"""

import hmac
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha1, sha256
from typing import Any
from urllib.parse import parse_qsl, quote, unquote

from aiohttp import web
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from safeconduct.simulator.grants import Denied

Pairs = Sequence[tuple[str, str]]
HASHES: Mapping[str, Any] = {"HMAC-SHA1": sha1, "HMAC-SHA256": sha256}
SKEW_S = 300.0


@dataclass(frozen=True, slots=True)
class Signed:
    """A request with its protocol parameters, and everything that its signature covers."""

    method: str
    uri: str  # §3.4.1.2, without query
    oauth: Mapping[str, str]
    rest: Pairs

    @property
    def base(self) -> str:
        """§3.4.1.1."""
        covered = [(k, v) for k, v in self.oauth.items() if k not in ("oauth_signature", "realm")]
        pairs = sorted((escape(k), escape(v)) for k, v in (*covered, *self.rest))
        normalized = "&".join(f"{name}={value}" for name, value in pairs)  # §3.4.1.3.2
        return "&".join((self.method.upper(), escape(self.uri), escape(normalized)))


async def read(request: web.Request) -> Signed:
    """§3.5: protocol parameters in the header, the form or the query; in one of them only."""
    header = _header(request.headers.get("Authorization", ""))
    query = parse_qsl(request.rel_url.raw_query_string, keep_blank_values=True)
    form: Pairs = []
    if request.content_type == "application/x-www-form-urlencoded":
        form = parse_qsl(await request.text(), keep_blank_values=True)
    places = [
        [(k, v) for k, v in pairs if k.startswith("oauth_")] for pairs in (header, form, query)
    ]
    used = [pairs for pairs in places if pairs]
    if len(used) != 1:
        raise problem("parameter_absent" if not used else "parameter_rejected")
    oauth = dict(used[0])
    if len(oauth) != len(used[0]):
        raise problem("parameter_rejected")
    rest = [(k, v) for k, v in (*query, *form) if not k.startswith("oauth_")]
    # §3.4.1.2: scheme and host in lower case, the port only where it is not the scheme's own
    uri = f"{request.scheme}://{request.host.lower()}{request.rel_url.raw_path}"
    return Signed(request.method, uri, oauth, rest)


def check(
    signed: Signed, *, wanted: str, client_key: str, client_secret: str, token_secret: str
) -> None:
    """§3.2, all but nonce and time: the client is ours, and the signature is its own."""
    oauth = signed.oauth
    if oauth.get("oauth_consumer_key") != client_key:
        raise problem("consumer_key_unknown")
    if oauth.get("oauth_version", "1.0") != "1.0":
        raise problem("version_rejected")
    if oauth.get("oauth_signature_method") != wanted:
        raise problem("signature_method_rejected")
    given = oauth.get("oauth_signature", "")
    if wanted == "RSA-SHA1":
        good = _rsa(signed.base, given, client_secret)
    else:
        good = hmac.compare_digest(
            given.encode(), _expected(wanted, signed.base, client_secret, token_secret).encode()
        )
    if not good:
        raise problem("signature_invalid")


def escape(text: str) -> str:
    """§3.6."""
    return quote(text, safe="-._~")


def problem(word: str, status: int = 401) -> Denied:
    return Denied(word, "", status)


def _expected(method: str, base: str, client_secret: str, token_secret: str) -> str:
    key = f"{escape(client_secret)}&{escape(token_secret)}"
    if method == "PLAINTEXT":  # §3.4.4
        return key
    made = hmac.new(key.encode(), base.encode(), HASHES[method])  # §3.4.2
    return b64encode(made.digest()).decode()


def _rsa(base: str, given: str, pem: str) -> bool:
    """§3.4.3. A provider has the public half only; the simulator is given the whole key."""
    key = load_pem_private_key(pem.encode(), None)
    if not isinstance(key, RSAPrivateKey):
        return False
    try:
        signature = b64decode(given, validate=True)
        key.public_key().verify(signature, base.encode(), PKCS1v15(), SHA1())  # noqa: S303
    except (ValueError, InvalidSignature):
        return False
    return True


def _header(value: str) -> list[tuple[str, str]]:
    """§3.5.1."""
    scheme, _, rest = value.partition(" ")
    if scheme.lower() != "oauth":
        return []
    pairs = []
    for part in rest.split(","):
        name, _, quoted = part.strip().partition("=")
        pairs.append((unquote(name), unquote(quoted.strip('"'))))
    return [(name, text) for name, text in pairs if name != "realm"]
