"""Signing and sealing, against published vectors and a second implementation."""

import json
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OKPKey, RSAKey

from safeconduct.adapters.keyring import RootKeyring, verify
from safeconduct.adapters.roots import RootKeyError, load_root_key
from safeconduct.core.id_token import ALGORITHMS
from safeconduct.core.jwk import unb64url
from safeconduct.core.jws import take_apart
from safeconduct.ports.keyring import Sealed, Unsealable

ROOT, OTHER = bytes(range(100, 132)), bytes(range(50, 82))
RING = RootKeyring([ROOT])
CLAIMS = {"sub": "usr_1", "name": "Ada Lovelace \u00fc"}

# RFC 7515 Appendix A.3.1
A3_KEY = {
    "kty": "EC",
    "crv": "P-256",
    "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    "alg": "ES256",
}
A3_SIGNED = (
    b"eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLm"
    b"NvbS9pc19yb290Ijp0cnVlfQ"
)
A3_SIGNATURE = (
    "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
)


@pytest.mark.rfc("7515#A.3")
def test_the_example_of_the_rfc() -> None:
    assert RING.check(A3_KEY, "ES256", A3_SIGNED, unb64url(A3_SIGNATURE))
    for wrong in (A3_SIGNED + b"x", A3_SIGNED[:-1] + b"R"):
        assert not RING.check(A3_KEY, "ES256", wrong, unb64url(A3_SIGNATURE))


# RFC 7515 Appendix A.1, RFC 8037 Appendix A.4
HS256 = (
    "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0"
    "dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
)
HS256_KEY = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"
ED25519 = (
    "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3"
    "AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
)
ED25519_KEY = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}


@pytest.mark.rfc("7515#A.1")
def test_the_symmetric_example_of_the_rfc() -> None:
    jws = take_apart(HS256)
    assert RING.check_hmac(unb64url(HS256_KEY), "HS256", jws.message, jws.signature)
    assert not RING.check_hmac(unb64url(HS256_KEY), "HS512", jws.message, jws.signature)
    assert not RING.check_hmac(bytes(31), "HS256", jws.message, jws.signature)
    assert not RING.check_hmac(bytes(64), "HS256", jws.message, jws.signature)


@pytest.mark.rfc("8037#A.4")
def test_the_example_of_edwards_curves() -> None:
    jws = take_apart(ED25519)
    assert RING.check(ED25519_KEY, "EdDSA", jws.message, jws.signature)
    assert not RING.check(ED25519_KEY, "EdDSA", jws.message + b"x", jws.signature)


def made(algorithm: str) -> tuple[str, dict[str, Any], dict[str, dict[str, Any]]]:
    private, public = RING.generate(algorithm)
    kid = str(public["kid"])
    token = RING.signer(kid, algorithm, private).sign(CLAIMS, typ="at+jwt")
    return token, dict(public), {kid: dict(public)}


@pytest.mark.rfc("7515#5")
@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")  # by the name Ed25519 (RFC 9864)
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_what_we_sign_another_library_verifies(algorithm: str) -> None:
    token, public, keys = made(algorithm)
    kinds: dict[str, Any] = {"EC": ECKey, "OKP": OKPKey, "RSA": RSAKey}
    key = kinds[public["kty"]].import_key(public)
    decoded = jwt.decode(token, key, algorithms=[algorithm])
    assert decoded.claims == CLAIMS
    assert decoded.header == {"alg": algorithm, "typ": "at+jwt", "kid": public["kid"]}
    assert verify(token, keys, typ="at+jwt") == CLAIMS
    assert not public.keys() & {"d", "p", "q", "dp", "dq", "qi", "k"}


@pytest.mark.attack("D13")
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_what_was_not_signed_so(algorithm: str) -> None:
    token, public, keys = made(algorithm)
    head, body, signature = token.split(".")
    empty = "A" * len(signature)
    for wrong in (
        f"{head}.{body}.{empty}",
        f"{head}.{body}.",
        f"{head}.{body[:-2]}.{signature}",
        f"{head}.{body}.{signature[:-4]}",
        token + "A",
        token + "=",
        token + ".x",
        "",
    ):
        with pytest.raises(ValueError):  # noqa: PT011 -- any reason will do
            verify(wrong, keys, typ="at+jwt")
    with pytest.raises(ValueError, match="no key"):
        verify(token, keys, typ="JWT")
    with pytest.raises(ValueError, match="no key"):
        verify(token, {}, typ="at+jwt")
    another = {public["kid"]: {**public, "alg": "none"}}
    with pytest.raises(ValueError, match="no key"):
        verify(token, another, typ="at+jwt")


@pytest.mark.attack("D8")
@pytest.mark.rfc("7515#4.1.11")
def test_a_header_with_anything_else_is_refused() -> None:
    private, public = RING.generate("ES256")
    key = ECKey.import_key(private)
    kid = str(public["kid"])
    keys = {kid: dict(public)}
    header = {"alg": "ES256", "typ": "JWT", "kid": kid}
    assert verify(jwt.encode(header, CLAIMS, key), keys, typ="JWT") == CLAIMS
    for more in ({"cty": "x"}, {"jwk": key.as_dict(private=False)}, {"x5u": "https://evil.test"}):
        with pytest.raises(ValueError, match="unexpected"):
            verify(jwt.encode({**header, **more}, CLAIMS, key), keys, typ="JWT")


def test_sealing_binds_place_and_key() -> None:
    key, other = RING.random_key(), RING.random_key()
    sealed = RING.seal(key, b"secret", b"row 1")
    assert RING.open(key, sealed, b"row 1") == b"secret"
    assert b"secret" not in sealed
    assert sealed != RING.seal(key, b"secret", b"row 1")
    for attempt in (
        (other, sealed, b"row 1"),
        (key, sealed, b"row 2"),
        (key, sealed[:-1], b"row 1"),
        (key, sealed + b"x", b"row 1"),
        (key, b"", b"row 1"),
        (key, b"\x02" + sealed[1:], b"row 1"),
    ):
        with pytest.raises(Unsealable):
            RING.open(*attempt)


@pytest.mark.attack("M3")
def test_every_bit_of_a_sealed_value_counts() -> None:
    key = RING.random_key()
    sealed = RING.seal(key, b"secret", b"")
    for position in range(len(sealed) * 8):
        changed = bytearray(sealed)
        changed[position // 8] ^= 1 << position % 8
        with pytest.raises(Unsealable):
            RING.open(key, bytes(changed), b"")


@pytest.mark.attack("M4")
def test_keys_wrapped_by_a_root_key_that_is_not_here() -> None:
    wrapped = RING.wrap(b"key", b"aad")
    assert RING.unwrap(wrapped, b"aad", RING.root_id) == b"key"
    elsewhere = RootKeyring([OTHER])
    with pytest.raises(Sealed):
        elsewhere.unwrap(wrapped, b"aad", RING.root_id)
    both = RootKeyring([OTHER, ROOT])
    assert both.unwrap(wrapped, b"aad", RING.root_id) == b"key"
    assert both.root_id == elsewhere.root_id
    with pytest.raises(RootKeyError):
        RootKeyring([])


@pytest.mark.attack("M4")
def test_the_root_key_file(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "root.key"
    with pytest.raises(RootKeyError, match="missing"):
        load_root_key(path, create=False)
    key = load_root_key(path, create=True)
    assert len(key) == 32
    assert path.stat().st_mode & 0o777 == 0o600
    assert load_root_key(path, create=True) == key
    for text in ("", "zz" * 32, "00" * 32, "ab" * 16, bytes(range(32)).hex(), "\u00fc" * 64):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(RootKeyError):
            load_root_key(path, create=True)


@pytest.mark.attack("M9")
def test_keys_are_not_shown() -> None:
    private, public = RING.generate("ES256")
    signer = RING.signer(str(public["kid"]), "ES256", private)
    for shown in (repr(RING), repr(signer), str(signer), json.dumps(public)):
        assert ROOT.hex() not in shown
        assert private.hex() not in shown
