"""The examples of RFC 7515 to 7520: what we take is taken, and what we do not take is refused.

RFC 7520's are those of ietf-jose/cookbook; see NOTICE. Private members that no test needs are out.
"""

import json
from base64 import urlsafe_b64decode
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from joserfc.jwk import ECKey

from safeconduct.adapters.encryption import decrypt
from safeconduct.adapters.signatures import check, check_hmac
from safeconduct.core.jwk import b64url, unusable_set, verifying
from safeconduct.core.jws import json_object, parse_jws, take_apart

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "rfc_jose.json").read_text())
RECIPIENT = ECKey.generate_key("P-256").as_der(private=True)


def examples(kind: str) -> list[Any]:
    return [pytest.param(one, id=one["clause"]) for one in VECTORS[kind]]


def verifies(key: dict[str, Any], text: str) -> bool:
    parts = take_apart(text)
    alg = parts.header["alg"]
    if key["kty"] == "oct":
        secret = urlsafe_b64decode(key["k"] + "==")
        return check_hmac(secret, alg, parts.message, parts.signature)
    return check(key, alg, parts.message, parts.signature)


@pytest.mark.rfc("7515#A.2")
@pytest.mark.rfc("7515#A.4")
@pytest.mark.rfc("7520#4")
@pytest.mark.parametrize("one", examples("jws"))
def test_signatures_of_the_examples(one: dict[str, Any]) -> None:
    text: str = one["text"]
    assert verifies(one["key"], text)
    head, payload, signature = text.split(".")
    assert not verifies(one["key"], f"{head}.{payload[:-4]}AAAA.{signature}")
    flipped = signature.replace(signature[9], "A" if signature[9] != "A" else "B")
    assert not verifies(one["key"], f"{head}.{payload}.{flipped}")


@pytest.mark.rfc("7515#A.6")
@pytest.mark.rfc("7515#A.7")
@pytest.mark.parametrize("one", examples("no_jws"))
def test_other_forms_are_no_assertions(one: dict[str, Any]) -> None:
    """JSON serializations and detached content."""
    with pytest.raises(ValueError, match=r"."):
        parse_jws(one["text"])


@pytest.mark.rfc("7515#A.5")
@pytest.mark.rfc("7519#6.1")
@pytest.mark.attack("D8")
@pytest.mark.parametrize("one", examples("unsigned"))
def test_what_is_not_signed_is_signed_by_nobody(one: dict[str, Any]) -> None:
    parts = take_apart(one["text"])
    assert (parts.header["alg"], parts.signature) == ("none", b"")
    for pair in VECTORS["jws"]:
        assert not check(pair["key"], "none", parts.message, parts.signature)
        assert not verifying([pair["key"]], "none", None)
    assert not check_hmac(bytes(64), "none", parts.message, parts.signature)


@pytest.mark.rfc("7520#5")
@pytest.mark.parametrize("one", examples("jwe"))
def test_what_is_encrypted_to_an_agreed_key_is_read(one: dict[str, Any]) -> None:
    private = ECKey.import_key(one["key"]).as_der(private=True)
    # Their text is no JWT, and all that is encrypted to us is one: it is read and then refused
    with pytest.raises(UnicodeDecodeError) as caught:
        decrypt(private, one["text"])
    assert caught.value.object == one["plaintext"].encode()
    for place in (1, 2, 3, 4):
        parts = one["text"].split(".")
        parts[place] = parts[place][:-4] + "AAAA" if parts[place] else "AAAA"
        with pytest.raises(ValueError, match=r"^(?!.*codec).*$"):
            decrypt(private, ".".join(parts))


@pytest.mark.rfc("7516#A")
@pytest.mark.attack("D9")
@pytest.mark.parametrize("one", examples("no_jwe"))
def test_other_ways_of_encrypting_are_refused(one: dict[str, Any]) -> None:
    """RSA 1.5, passwords, shared keys, compression, JSON: nothing of it reaches a key of ours."""
    with pytest.raises(ValueError, match=r"."):
        decrypt(RECIPIENT, one["text"])


@pytest.mark.rfc("7517#A")
@pytest.mark.rfc("7520#3")
@pytest.mark.attack("D13")
@pytest.mark.parametrize("one", examples("sets"))
def test_keys_of_the_examples(one: dict[str, Any]) -> None:
    """Public keys are taken; private and symmetric ones nobody should have sent."""
    assert (unusable_set(one["set"]) is None) is one["good"]


@pytest.mark.rfc("7518#C")
def test_the_agreed_key_of_alice_and_bob() -> None:
    bob = ECKey.import_key(
        {
            "kty": "EC",
            "crv": "P-256",
            "x": "weNJy2HscCSM6AEDTDg04biOvhFhyyWvOHQfeF_PxMQ",
            "y": "e8lnCO-AlStT-NJVX-crhB7QRYhiix03illJOVAOyck",
            "d": "VEmDZpDXXK8p8N0Cndsxs924q6nS1RXFASRl6BfUqdw",
        }
    )
    header = {
        "alg": "ECDH-ES",
        "enc": "A128GCM",
        "apu": "QWxpY2U",
        "apv": "Qm9i",
        "epk": {
            "kty": "EC",
            "crv": "P-256",
            "x": "gI0GAILBdu7T53akrFmMyGcsF3n5dO7MmwNBHKW5SV0",
            "y": "SLW_xSffzlPWrHEVI30DHM_4egVwt3NQqeUD7nMFpps",
        },
    }
    derived = urlsafe_b64decode("VqqN6vgjbSBcIijNcacQGg==")
    head, iv = b64url(json.dumps(header).encode()), bytes(12)
    sealed = AESGCM(derived).encrypt(iv, b"a.b.c", head.encode())
    text = ".".join((head, "", b64url(iv), b64url(sealed[:-16]), b64url(sealed[-16:])))
    assert decrypt(bob.as_der(private=True), text) == "a.b.c"


@pytest.mark.rfc("7519#3.1")
def test_the_claims_of_the_example() -> None:
    text = VECTORS["jws"][0]["text"]
    assert parse_jws(text).claims == {
        "iss": "joe",
        "exp": 1300819380,
        "http://example.com/is_root": True,
    }
    assert json_object(b'{"typ":"JWT",\r\n "alg":"HS256"}')["typ"] == "JWT"
