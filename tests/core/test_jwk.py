"""Public keys of others: which may be trusted, and what they are called."""

from typing import Any

import pytest
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey
from tests.core.test_registration import URI, made, refused

from safeconduct.core.jwk import (
    SIGNING,
    encrypting,
    thumbprint,
    unb64url,
    unusable,
    unusable_set,
    usable_keys,
    verifying,
)

EC = ECKey.generate_key("P-256").as_dict(private=False)
ED = OKPKey.generate_key("Ed25519").as_dict(private=False)
RSA = RSAKey.generate_key(2048).as_dict(private=False)

# RFC 7638 §3.1
EXAMPLE = {
    "kty": "RSA",
    "n": (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJE"
        "CPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2Q"
        "vzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6"
        "WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
    ),
    "e": "AQAB",
    "alg": "RS256",
    "kid": "2011-04-29",
}


@pytest.mark.rfc("7638#3.1")
def test_the_thumbprint_of_the_rfc() -> None:
    assert thumbprint(EXAMPLE) == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"


@pytest.mark.rfc("8037#A.3")
def test_the_thumbprint_of_an_octet_key_pair() -> None:
    jwk = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
    assert thumbprint(jwk) == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


@pytest.mark.parametrize("crv", ["P-256", "P-384", "P-521"])
def test_curves_that_are_used(crv: str) -> None:
    jwk = ECKey.generate_key(crv).as_dict(private=False)
    assert unusable(jwk) is None
    assert thumbprint(jwk) == ECKey.import_key(jwk).thumbprint()


@pytest.mark.attack("D13")
@pytest.mark.parametrize(
    ("jwk", "why"),
    [
        (ECKey.generate_key("P-256").as_dict(private=True), "private"),
        (RSAKey.generate_key(2048).as_dict(private=True), "private"),
        ({**EC, "k": "AAAA"}, "private"),
        (OctKey.generate_key(256).as_dict(), "symmetric"),
        ({**RSA, "n": RSA["n"][:172]}, "2048"),
        ({**RSA, "e": "AQ"}, "exponent"),
        ({**RSA, "e": "AA"}, "exponent"),
        ({**RSA, "n": RSA["n"] + "="}, "malformed"),
        (ECKey.generate_key("secp256k1").as_dict(private=False), "curve"),
        (OKPKey.generate_key("Ed448").as_dict(private=False), "curve"),
        ({**EC, "crv": "Ed25519"}, "curve"),
        ({**EC, "crv": ["P-256"]}, "malformed"),
        ({**EC, "y": EC["x"]}, "point"),
        ({**EC, "x": EC["x"][:40]}, "length"),
        ({**EC, "x": "A" * 43}, "point"),
        ({**EC, "x": 5}, "malformed"),
        ({**EC, "kid": 5}, "kid"),
        ({**EC, "kid": "x" * 257}, "kid"),
        ({**EC, "use": "tls"}, "use"),
        ({"kty": "AKP"}, "kty"),
        ({}, "kty"),
        ("x", "object"),
    ],
)
def test_a_key_that_cannot_be_used(jwk: Any, why: str) -> None:
    reason = unusable(jwk)
    assert reason is not None
    assert why in reason
    assert unusable(EC) is unusable(ED) is unusable(RSA) is None
    code = refused("jwks", redirect_uris=[URI], jwks={"keys": [EC, jwk]})
    assert code == "invalid_client_metadata"
    assert usable_keys({"keys": [jwk, EC]}) == (EC,)


@pytest.mark.parametrize("jwks", [{"keys": []}, {"keys": [EC] * 33}, {"keys": {}}, {}, [], "x"])
def test_a_set_that_is_none(jwks: Any) -> None:
    assert unusable_set(jwks) is not None
    refused("jwks", redirect_uris=[URI], jwks=jwks)
    assert unusable_set({"keys": [EC]}) is None


@pytest.mark.rfc("7591#2")
def test_keys_are_registered_by_value_or_by_address() -> None:
    assert made(redirect_uris=[URI], jwks={"keys": [EC]}).jwks == {"keys": [EC]}
    app = made(redirect_uris=[URI], jwks_uri="https://app.example/jwks")
    assert app.jwks_uri == "https://app.example/jwks"
    both = {"jwks": {"keys": [EC]}, "jwks_uri": "https://app.example/jwks"}
    refused("jwks", redirect_uris=[URI], **both)
    refused("jwks_uri", redirect_uris=[URI], jwks_uri="http://app.example/jwks")
    refused("jwks_uri", redirect_uris=[URI], jwks_uri="file:///etc/passwd")


def test_which_keys_are_tried() -> None:
    named, sealing = {**EC, "kid": "a"}, {**EC, "kid": "b", "use": "enc"}
    keys = (named, sealing, ED, RSA)
    assert verifying(keys, "ES256", "a") == (named,)
    assert verifying(keys, "ES256", None) == (named,)
    assert verifying(keys, "ES256", "b") == ()
    assert verifying(keys, "ES384", None) == ()
    assert verifying(keys, "EdDSA", "any") == verifying(keys, "Ed25519", None) == (ED,)
    assert verifying(keys, "PS256", "x") == (RSA,)
    for alg in ("none", "HS256", "ES256K", ""):
        assert verifying(keys, alg, None) == ()
    assert not {"none", "HS256"} & SIGNING.keys()


def test_which_key_is_encrypted_to() -> None:
    sealing = {**EC, "use": "enc"}
    assert encrypting((EC, sealing), "ECDH-ES") == sealing
    assert encrypting(({**EC, "use": "sig"},), "ECDH-ES") is None
    assert encrypting((ED,), "ECDH-ES") is None
    assert encrypting((EC, RSA), "RSA-OAEP-256") == RSA


def test_base64url_has_one_text_for_each_value() -> None:
    assert unb64url("AQ") == b"\x01"
    for text in ("AR", "AQ==", "A Q", "AQ\n", "+/"):
        with pytest.raises(ValueError, match=r"canonical|Incorrect|Invalid"):
            unb64url(text)
