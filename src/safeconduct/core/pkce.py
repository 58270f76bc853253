"""RFC 7636: proof key for code exchange, with `S256` alone.

`plain` protects from nothing that reads the authorization request (RFC 9700 §2.1.1).
"""

import re
from base64 import urlsafe_b64encode
from hashlib import sha256
from hmac import compare_digest

METHODS = ("S256",)

# §4.1: code-verifier = 43*128unreserved; unreserved = ALPHA / DIGIT / "-" / "." / "_" / "~"
_VERIFIER = re.compile(r"[A-Za-z0-9\-._~]{43,128}")
# §4.2: base64url of a SHA-256, hence 43 characters; the last one carries 4 bits
_CHALLENGE = re.compile(r"[A-Za-z0-9\-_]{42}[AEIMQUYcgkosw048]")


def is_challenge(text: str) -> bool:
    """Whether a `code_challenge` can be a SHA-256 in base64url without padding."""
    return _CHALLENGE.fullmatch(text) is not None


def challenge_of(verifier: str) -> str:
    """§4.2: BASE64URL-ENCODE(SHA256(ASCII(code_verifier)))."""
    return urlsafe_b64encode(sha256(verifier.encode("ascii")).digest()).rstrip(b"=").decode()


def proves(verifier: str, challenge: str) -> bool:
    """§4.6: whether the verifier is well-formed and hashes to the challenge."""
    if _VERIFIER.fullmatch(verifier) is None:
        return False
    return compare_digest(challenge_of(verifier), challenge)
