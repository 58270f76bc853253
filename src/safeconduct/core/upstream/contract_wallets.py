"""EIP-1271: an account that is a contract says itself whether a signature counts as its own.

Asked of the chain through the entry's connector: `/signed?digest=…&signature=…`, answered by
`{"signed": true}`.
"""

import json

from safeconduct.core.secret import Secret
from safeconduct.core.upstream.api import Registration, api_request
from safeconduct.core.upstream.http import OutboundRequest, OutboundResponse
from safeconduct.core.upstream.keys import ADDRESS, pack
from safeconduct.core.upstream.provider import Provider

SELECTOR = "1626ba7e"
"""Of `isValidSignature(bytes32,bytes)`, and what it gives back where the signature counts."""
MAX_SIGNATURE = 4_096


def is_signature(text: str) -> bool:
    """Whole bytes in hexadecimal, and not too many: what they mean is the contract's business."""
    digits = text.removeprefix("0x")
    known = digits.isascii() and all(char in "0123456789abcdefABCDEF" for char in digits)
    return digits != text and known and 0 < len(digits) <= 2 * MAX_SIGNATURE and not len(digits) % 2


def request(
    provider: Provider, ours: Registration, address: str, digest: str, signature: str
) -> OutboundRequest:
    secret: Secret = pack({ADDRESS: address})
    query = {"digest": digest, "signature": signature}
    return api_request(provider, ours, secret, path="/signed", query=query)


def read(said: OutboundResponse) -> bool:
    return said.status == 200 and json.loads(said.body).get("signed") is True


def call_data(digest: str, signature: str) -> str:
    """`isValidSignature(digest, signature)`, as a contract is called (ABI)."""
    raw = bytes.fromhex(signature.removeprefix("0x"))
    words = bytes.fromhex(digest) + (64).to_bytes(32) + len(raw).to_bytes(32)
    return "0x" + SELECTOR + (words + raw + bytes(-len(raw) % 32)).hex()


def counts(answer: str | None) -> bool:
    """The selector, left in a word of its own; anything else is a no, as is no answer."""
    return answer is not None and answer.lower() == "0x" + SELECTOR + "0" * 56
