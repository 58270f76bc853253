"""Whom an ID token of a provider names: good ones, and each way to be none, a detail apart."""

from base64 import urlsafe_b64encode
from json import dumps
from typing import Any

import pytest
from tests.core.upstream.entries import document

from safeconduct.core.jws import Jws
from safeconduct.core.secret import Secret
from safeconduct.core.upstream.answers import Account
from safeconduct.core.upstream.id_token import (
    SKEW_MS,
    InvalidIdToken,
    agreed,
    at_hash,
    judge,
    read_id_token,
)
from safeconduct.core.upstream.provider import read_provider
from safeconduct.core.upstream.schema import InvalidEntry

NOW, TOKEN = 1_700_000_000_000, Secret("token")
S = NOW // 1000
CLAIMS: dict[str, Any] = {
    "iss": "https://issuer.example",
    "aud": "ours",
    "sub": "248289761001",
    "iat": S,
    "exp": S + 300,
    "nonce": "of-this-attempt",
    "at_hash": at_hash("RS256", "token"),
}


def jws(header: dict[str, Any] | None = None, **changes: Any) -> Jws:
    """A claim that is None is left out."""
    claims = {name: value for name, value in {**CLAIMS, **changes}.items() if value is not None}
    return Jws({"alg": "RS256", **(header or {})}, claims, b"", b"")


def judged(token: Jws, **changes: Any) -> Account:
    expected: dict[str, Any] = {
        "algorithms": ("RS256", "ES384"),
        "issuer": "https://issuer.example",
        "client_id": "ours",
        "nonce": "of-this-attempt",
        "access_token": TOKEN,
        "now": NOW,
    }
    return judge(token, **{**expected, **changes})


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"aud": ["ours"]},
        {"aud": ["ours", "theirs"], "azp": "ours"},
        {"azp": "ours"},
        {"at_hash": None},
        {"header": {"typ": "JWT"}},
        {"header": {"alg": "ES384"}, "at_hash": at_hash("ES384", "token")},
        {"exp": S - SKEW_MS // 1000 + 1, "iat": S - 900},
        {"iat": S + SKEW_MS // 1000},
        {"nbf": S},
        {"iat": S + 0.5},
        {"nonce_supported": False},  # says nothing, as the nonce is there
    ],
)
def test_a_good_one(changes: dict[str, Any]) -> None:
    assert judged(jws(**changes)) == Account("248289761001")


WRONG: list[tuple[str, dict[str, Any]]] = [
    ("algorithm", {"header": {"alg": "none"}}),
    ("algorithm", {"header": {"alg": "None"}}),
    ("algorithm", {"header": {"alg": "HS256"}}),
    ("algorithm", {"header": {"alg": "PS256"}}),
    ("type", {"header": {"typ": "at+jwt"}}),
    ("type", {"header": {"typ": "logout+jwt"}}),
    ("subject", {"sub": None}),
    ("subject", {"sub": ""}),
    ("subject", {"sub": 248289761001}),
    ("subject", {"sub": " 248289761001"}),
    ("subject", {"sub": "2\n4"}),
    ("subject", {"sub": "2" * 256}),
    ("issuer", {"iss": None}),
    ("issuer", {"iss": "https://issuer.example/"}),
    ("issuer", {"iss": "https://ISSUER.example"}),
    ("issuer", {"iss": ["https://issuer.example"]}),
    ("audience", {"aud": None}),
    ("audience", {"aud": "theirs"}),
    ("audience", {"aud": []}),
    ("audience", {"aud": "ours theirs"}),
    ("audience", {"aud": {"ours": 1}}),
    ("authorized_party", {"aud": ["ours", "theirs"]}),
    ("authorized_party", {"aud": ["ours", "theirs"], "azp": "theirs"}),
    ("authorized_party", {"azp": "theirs"}),
    ("times", {"exp": None}),
    ("times", {"iat": None}),
    ("times", {"exp": str(S + 300)}),
    ("times", {"exp": True}),
    ("times", {"exp": -1}),
    ("expired", {"exp": S - SKEW_MS // 1000}),
    ("future", {"iat": S + SKEW_MS // 1000 + 1}),
    ("future", {"nbf": S + SKEW_MS // 1000 + 1}),
    ("future", {"nbf": "soon"}),
    ("nonce", {"nonce": None}),
    ("nonce", {"nonce": None, "nonce_supported": False}),
    ("nonce", {"nonce": "of-another"}),
    ("nonce", {"nonce": ["of-this-attempt"]}),
    ("nonce", {"nonce": "\ud800"}),
    ("access_token", {"at_hash": at_hash("RS256", "another")}),
    ("access_token", {"at_hash": at_hash("ES384", "token")}),
    ("access_token", {"at_hash": 1}),
]


@pytest.mark.attack("L13")
@pytest.mark.rfc("OIDC#3.1.3.7")
@pytest.mark.parametrize(("rule", "changes"), WRONG)
def test_none_that_counts(rule: str, changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidIdToken) as refused:
        judged(jws(**changes))
    assert refused.value.code == f"id_token.{rule}"


@pytest.mark.attack("L13")
def test_an_attempt_without_issuer_or_nonce_takes_none() -> None:
    with pytest.raises(InvalidIdToken, match="issuer"):
        judged(jws(iss=""), issuer="")
    with pytest.raises(InvalidIdToken, match="nonce"):
        judged(jws(nonce=""), nonce="")
    assert judged(jws(nonce=None), nonce=None).id == "248289761001", "no browser, no nonce"


def test_what_is_no_signed_token() -> None:
    def text(*parts: object) -> Secret:
        raw = (b"" if part == "" else dumps(part).encode() for part in parts)
        return Secret(".".join(urlsafe_b64encode(part).rstrip(b"=").decode() for part in raw))

    assert read_id_token(text({"alg": "RS256"}, CLAIMS, 1)).claims == CLAIMS
    for wrong in (
        Secret("not.a.token"),
        text({"alg": "RS256"}, CLAIMS),
        text({}, CLAIMS, 1),
        text({"alg": "RS256", "crit": ["exp"]}, CLAIMS, 1),
        text({"alg": "RSA-OAEP", "enc": "A256GCM"}, 1, 1, 1, 1),
        text({"alg": "RS256"}, [CLAIMS], 1),
    ):
        with pytest.raises(InvalidIdToken, match="malformed"):
            read_id_token(wrong)
    with pytest.raises(InvalidIdToken, match="missing"):
        read_id_token(None)


@pytest.mark.rfc("OIDC#5.3.2")
def test_the_userinfo_speaks_of_the_same() -> None:
    assert agreed(Account("1", "a@b.example"), None) == Account("1", "a@b.example")
    assert agreed(Account("1", "a@b.example"), Account("1", "Ann")).name == "Ann"
    with pytest.raises(InvalidIdToken, match="userinfo"):
        agreed(Account("1"), Account("2"))


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("id_token", {"issuer": None}),
        ("id_token", {"scopes": ["email"]}),
        ("id_token.jwks_uri", {"id_token": {}}),
        ("id_token.algorithms", {"id_token": {"algorithms": []}}),
        ("id_token.algorithms[0]", {"id_token": {"algorithms": ["none"]}}),
        ("id_token.algorithms", {"id_token": {"algorithms": ["HS256"]}, "token_auth": "none"}),
    ],
)
def test_an_entry_that_could_not_be_held_to_it(field: str, changes: dict[str, Any]) -> None:
    words = {
        "issuer": "https://login.acme.example",
        "scopes": ["openid"],
        "id_token": {"jwks_uri": "https://login.acme.example/jwks"},
    }

    def made(**more: Any) -> dict[str, Any]:
        below = {f"auth__oauth2_code__{name}": value for name, value in {**words, **more}.items()}
        return document(identity__account_id="/sub", **below)

    code = read_provider(made()).oauth2
    assert (code.id_token is not None, code.sends_nonce) == (True, True)
    with pytest.raises(InvalidEntry) as refused:
        read_provider(made(**changes))
    assert refused.value.field == f"auth.oauth2_code.{field}"
    with pytest.raises(InvalidEntry, match="must be /sub"):
        read_provider({**made(), "identity": {"path": "/me", "account_id": "/id"}})
