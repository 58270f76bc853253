"""Project Wycheproof's JOSE files: all that is marked invalid is refused.

Taken from C2SP/wycheproof, `testvectors_v1/json_web_{signature,key,crypto}_test.json`, at commit
dac1dd4729fd1f8dd9e1e9f3dce51d783da6c166, without blanks and `source` members, and split so that
files stay small. Apache License 2.0; see NOTICE.
"""

import json
from base64 import urlsafe_b64decode
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import ECKey

from safeconduct.adapters.encryption import decrypt
from safeconduct.adapters.signatures import check, check_hmac
from safeconduct.core.jwk import unusable_set, verifying
from safeconduct.core.jws import take_apart

FOLDER = Path(__file__).parents[1] / "vectors"
FILES = tuple(f"wycheproof_{name}" for name in ("jws", "jws_256", "jws_base64", "jwk", "jose"))
VALID_MAC = (
    "eyJraWQiOiJoczI1Ni1rZXkiLCJhbGciOiJIUzI1NiJ9.VGVzdA."
    "c1LROH7eNQwUT8KMVEO52VC3WZ9e_AnDWbZ7aMmowV8"
)
# Valid to lenient readers, refused here: an `alg` other than the key's own (RFC 7517 §4.4), and
# characters that are not of base64url
STRICTER = {346, 347, 350, 351, 372, 373}
OTHER = ECKey.generate_key("P-256")
PRIVATE = {"d", "p", "q", "dp", "dq", "qi", "oth"}


def cases() -> list[Any]:
    return [
        pytest.param(group, test, id=f"{name}-{group['comment']}-{test['tcId']}")
        for name in FILES
        for group in json.loads((FOLDER / f"{name}.json").read_text())
        for test in group["tests"]
        if "jws" in test
    ]


def sealed() -> list[Any]:
    return [
        pytest.param(group, test, id=f"{group['comment']}-{test['tcId']}")
        for group in json.loads((FOLDER / "wycheproof_jose.json").read_text())
        for test in group["tests"]
        if "jwe" in test
    ]


def accepts(given: dict[str, Any], text: Any) -> bool:
    """By the functions that verify assertions and proofs, with the keys that a client registers."""
    keys = [_public(key) for key in given.get("keys", [given])]
    try:
        jws = take_apart(text) if isinstance(text, str) else None
    except ValueError:
        return False
    if jws is None:
        return False
    alg, kid = jws.header["alg"], jws.header.get("kid")
    if {key["kty"] for key in keys} == {"oct"}:  # secrets, each registered for one algorithm
        named = {key["kid"] for key in keys}
        return len(named) == len(keys) and any(
            check_hmac(urlsafe_b64decode(key["k"] + "=="), alg, jws.message, jws.signature)
            for key in keys
            if key.get("alg", alg) == alg
            and key.get("use", "sig") == "sig"
            and key.get("kid", kid) == kid
        )
    if unusable_set({"keys": keys}) is not None:
        return False
    return any(check(key, alg, jws.message, jws.signature) for key in verifying(keys, alg, kid))


def _public(jwk: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in jwk.items() if name not in PRIVATE}


@pytest.mark.attack("D8")
@pytest.mark.attack("D13")
@pytest.mark.parametrize(("group", "test"), cases())
def test_signatures(group: dict[str, Any], test: dict[str, Any]) -> None:
    given = group.get("public") or group["private"]
    expected = test["result"] == "valid" and test["tcId"] not in STRICTER
    if test["jws"] != VALID_MAC:
        assert accepts(given, test["jws"]) is expected, test["comment"]


@pytest.mark.attack("D9")
@pytest.mark.rfc("7516#5.2")
@pytest.mark.parametrize(("group", "test"), sealed())
def test_encryption(group: dict[str, Any], test: dict[str, Any]) -> None:
    """By the function that opens request objects. It knows no shared keys, so that of those that
    are valid only one to a public key is read.
    """
    given, ours = group["private"], group["comment"] == "jwe_ec"
    private = (ECKey.import_key(given) if ours else OTHER).as_der(private=True)
    text = test["jwe"] if isinstance(test["jwe"], str) else json.dumps(test["jwe"])
    if ours and test["result"] == "valid":
        assert decrypt(private, text)
        return
    with pytest.raises(ValueError, match=r"."):
        decrypt(private, text)


def test_what_stands_in_the_file_as_valid_and_as_invalid_is_taken() -> None:
    """Numbers 367 and 370 are the very text of number 357, which is valid."""
    (group,) = json.loads((FOLDER / "wycheproof_jws_base64.json").read_text())
    assert {test["tcId"] for test in group["tests"] if test["jws"] == VALID_MAC} == {357, 367, 370}
    assert accepts(group["private"], VALID_MAC)
