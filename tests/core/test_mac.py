"""HMAC-SHA-256 against the vectors of RFC 4231 and the standard library."""

import hmac
import os

import pytest

from safeconduct.core.mac import mac

VECTORS = {  # RFC 4231 §4: key, data, HMAC-SHA-256
    "4.2": (
        b"\x0b" * 20,
        b"Hi There",
        "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
    ),
    "4.3": (
        b"Jefe",
        b"what do ya want for nothing?",
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
    ),
    "4.4": (
        b"\xaa" * 20,
        b"\xdd" * 50,
        "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
    ),
    "4.7, a key longer than a block": (
        b"\xaa" * 131,
        b"Test Using Larger Than Block-Size Key - Hash Key First",
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
    ),
}


@pytest.mark.rfc("4231#4")
@pytest.mark.parametrize("name", VECTORS)
def test_published_vectors(name: str) -> None:
    key, data, expected = VECTORS[name]
    assert mac(key, data).hex() == expected
    assert mac(key, data).hex() == expected  # from the kept states too


@pytest.mark.parametrize("size", [0, 1, 31, 32, 63, 64, 65, 200])
def test_agrees_with_the_standard_library(size: int) -> None:
    key = os.urandom(size)
    for text in (b"", b"a", os.urandom(55), os.urandom(64), os.urandom(1_000)):
        assert mac(key, text) == hmac.digest(key, text, "sha256")
