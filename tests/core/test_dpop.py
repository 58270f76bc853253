"""DPoP proofs: the example of the RFC, and what may differ from it."""

import pytest
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey
from tests.dpop import Holder, ath, signed

from safeconduct.adapters.signatures import check
from safeconduct.core.dpop import (
    NONCE_STEP,
    NONCE_STEPS,
    WINDOW,
    fresh,
    make_nonce,
    read_proof,
    trouble,
)
from safeconduct.core.jwk import b64url

# RFC 9449 §4.1 and §7.1
FOR_TOKEN = (
    "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUk"
    "lDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUw"
    "Q2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6I"
    "mh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A"
    "0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg"
)
FOR_RESOURCE = (
    "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUk"
    "lDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUw"
    "Q2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaH"
    "R0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoi"
    "ZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9.2oW9RP35yRqzhrtNP86L-Ey71EOptxRim"
    "PPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA"
)
TOKEN = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU"
JKT = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"
AT = 1_562_262_616_000
ORIGIN = "https://server.example.com"


@pytest.mark.rfc("9449#4.1")
@pytest.mark.rfc("9449#6.1")
def test_the_proof_of_the_rfc() -> None:
    proof = read_proof(FOR_TOKEN)
    assert proof.jkt == JKT
    assert check(proof.jwk, "ES256", proof.jws.message, proof.jws.signature)
    assert trouble(proof, "POST", "/token", [ORIGIN], AT) is None
    assert proof.until == AT + WINDOW


@pytest.mark.rfc("9449#7.1")
def test_the_proof_with_an_access_token_of_the_rfc() -> None:
    proof, origins = read_proof(FOR_RESOURCE), ["https://resource.example.org"]
    assert check(proof.jwk, "ES256", proof.jws.message, proof.jws.signature)
    assert trouble(proof, "GET", "/protectedresource", origins, AT, TOKEN) is None
    assert trouble(proof, "GET", "/protectedresource", origins, AT, TOKEN + "x") is not None
    assert trouble(read_proof(FOR_TOKEN), "POST", "/token", [ORIGIN], AT, TOKEN) is not None


@pytest.mark.attack("E2")
@pytest.mark.rfc("9449#4.3")
@pytest.mark.parametrize(
    ("htu", "right"),
    [
        (f"{ORIGIN}/token", True),
        (f"{ORIGIN}/token?x=1", True),
        (f"{ORIGIN}/token#x", True),
        ("HTTPS://Server.EXAMPLE.com:443/token", True),
        (f"{ORIGIN}/%74oken", True),
        (f"{ORIGIN}/token/", False),
        (f"{ORIGIN}/Token", False),
        (f"{ORIGIN}/other", False),
        (ORIGIN, False),
        (f"{ORIGIN}:444/token", False),
        ("http://server.example.com/token", False),
        ("https://evil.test/token", False),
        (f"{ORIGIN}.evil.test/token", False),
        (f"{ORIGIN}@evil.test/token", False),
        ("https://x@server.example.com/token", False),
        (f" {ORIGIN}/token", False),
        (f"{ORIGIN}/to\nken", False),
        (f"{ORIGIN}/%zzoken", False),
        ("/token", False),
        ("", False),
        (None, False),
        (["https://server.example.com/token"], False),
        (5, False),
    ],
)
def test_whose_address_a_proof_names(htu: object, right: bool) -> None:
    proof = read_proof(Holder(AT // 1000).proof("POST", "", htu=htu))
    assert (trouble(proof, "POST", "/token", [ORIGIN], AT) is None) is right


def test_escapes_of_a_path_are_compared_by_what_they_mean() -> None:
    proof = read_proof(Holder(AT // 1000).proof("GET", f"{ORIGIN}/a%2fb%7e%C3%BC"))
    assert trouble(proof, "GET", "/a%2Fb~%c3%bc", [ORIGIN], AT) is None
    assert trouble(proof, "GET", "/a/b~%c3%bc", [ORIGIN], AT) is not None


@pytest.mark.attack("E2")
@pytest.mark.parametrize("htm", ["GET", "post", "", None, 5])
def test_another_method(htm: object) -> None:
    proof = read_proof(Holder(AT // 1000).proof("POST", f"{ORIGIN}/token", htm=htm))
    assert trouble(proof, "POST", "/token", [ORIGIN], AT) is not None


@pytest.mark.attack("E3")
@pytest.mark.parametrize(
    ("off", "right"),
    [(0, True), (10, True), (-10, True), (60, True), (-60, True), (61, False), (-3600, False)],
)
def test_clocks_may_differ_by_a_minute(off: int, right: bool) -> None:
    proof = read_proof(Holder(AT // 1000 + off).proof("POST", f"{ORIGIN}/token"))
    assert (trouble(proof, "POST", "/token", [ORIGIN], AT) is None) is right


@pytest.mark.attack("E4")
@pytest.mark.rfc("9449#4.3")
def test_what_is_no_proof() -> None:
    holder = Holder(AT // 1000)
    private = holder.key.as_dict(private=True)
    octets = OctKey.generate_key(256)
    weak = {"kty": "RSA", "n": b64url(bytes(range(1, 129))), "e": "AQAB"}
    other = ECKey.generate_key("P-384").as_dict(private=False)
    wrong = [
        holder.proof("POST", ORIGIN, header=header)
        for header in (
            {"typ": "JWT"},
            {"typ": None},
            {"jwk": None},
            {"jwk": private},
            {"jwk": octets.as_dict()},
            {"jwk": weak},
            {"jwk": other},
            {"jwk": []},
            {"jwk": "x"},
            {"crit": ["x"], "x": 1},
        )
    ]
    wrong += [
        holder.proof("POST", ORIGIN, **claims)
        for claims in (
            {"jti": None},
            {"jti": ""},
            {"jti": 5},
            {"jti": "x" * 257},
            {"iat": None},
            {"iat": "x"},
            {"iat": True},
            {"iat": -1},
            {"iat": 1e30},
            {"nonce": 5},
        )
    ]
    symmetric = {"typ": "dpop+jwt", "alg": "HS256", "jwk": octets.as_dict()}
    wrong.append(signed(symmetric, '{"jti":"x","iat":1}', octets))
    _, claims, _ = holder.proof("POST", ORIGIN).split(".")
    wrong += [f"{b64url(b'{}')}.{claims}.", f"e30.{claims}", "", "a.b.c", "x" * 9_000]
    for text in wrong:
        with pytest.raises(ValueError, match=r"."):
            read_proof(text)
    read_proof(holder.proof("POST", ORIGIN))


@pytest.mark.parametrize(
    ("alg", "key"),
    [
        ("ES256", ECKey.generate_key("P-256")),
        ("ES384", ECKey.generate_key("P-384")),
        ("ES512", ECKey.generate_key("P-521")),
        ("Ed25519", OKPKey.generate_key("Ed25519")),
        ("RS256", RSAKey.generate_key(2048)),
        ("PS256", RSAKey.generate_key(2048)),
    ],
)
def test_every_algorithm_that_is_named(alg: str, key: object) -> None:
    proof = read_proof(Holder(AT // 1000, key, alg).proof("POST", ORIGIN))
    assert check(proof.jwk, alg, proof.jws.message, proof.jws.signature)
    assert not check(proof.jwk, alg, proof.jws.message + b"x", proof.jws.signature)
    for another in ("ES256", "ES384", "ES512", "RS256", "PS256", "Ed25519", "none", "HS256"):
        if another != alg:
            assert not check(proof.jwk, another, proof.jws.message, proof.jws.signature)


@pytest.mark.attack("E7")
@pytest.mark.rfc("9449#8")
def test_nonces_are_short_lived_and_of_one_role() -> None:
    key, now = bytes(32), AT
    nonce = make_nonce(key, "as", now)
    assert fresh(nonce, key, "as", now)
    assert make_nonce(key, "as", now) == nonce
    assert fresh(nonce, key, "as", now + NONCE_STEP * (NONCE_STEPS - 1))
    assert not fresh(nonce, key, "as", now + NONCE_STEP * NONCE_STEPS)
    assert not fresh(nonce, key, "as", now - NONCE_STEP)
    assert not fresh(nonce, key, "rs", now)
    assert not fresh(nonce, bytes(31) + b"x", "as", now)
    for wrong in ("", "x", nonce[:-1], nonce + "A", "ü"):
        assert not fresh(wrong, key, "as", now)


def test_proofs_are_told_apart_by_key_and_identifier() -> None:
    one, two = Holder(AT // 1000), Holder(AT // 1000)
    ids = {
        read_proof(holder.proof("POST", ORIGIN, jti=jti)).spent_id
        for holder in (one, two)
        for jti in ("a", "b")
    }
    assert len(ids) == 4
    assert all(len(id) == 32 for id in ids)
    again = read_proof(one.proof("GET", "https://x.example", jti="a", iat=5)).spent_id
    assert again in ids


def test_the_hash_of_a_token() -> None:
    assert ath(TOKEN) == "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo"
