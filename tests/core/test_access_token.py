"""Claims of access tokens, and reading them back."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.test_resource import CLIENT

from safeconduct.core.access_token import (
    RESERVED,
    Subject,
    bearer_of_claims,
    bearer_of_row,
    claims_of,
    opaque_of,
)
from safeconduct.core.errors import OAuthError
from safeconduct.core.model import Client

NOW = 1_800_000_000_123
SUBJECT = Subject(
    user_id="usr_1",
    grant_id="gra_1",
    family_id="fam_1",
    auth_time=NOW - 5_000,
    acr="urn:x",
    amr=("pwd", "otp"),
)


def claims(client: Client = CLIENT, subject: Subject | None = SUBJECT) -> dict[str, Any]:
    return claims_of(
        issuer="https://id.example",
        client=client,
        subject=subject,
        scope=frozenset({"openid", "assets:read"}),
        resources=("https://id.example",),
        jti="at_1",
        now=NOW,
        ttl=900_000,
    )


@pytest.mark.rfc("9068#2.2")
def test_the_claims_of_a_users_token() -> None:
    assert claims() == {
        "iss": "https://id.example",
        "sub": "usr_1",
        "aud": "https://id.example",
        "exp": 1_800_000_900,
        "iat": 1_800_000_000,
        "jti": "at_1",
        "client_id": "cli_1",
        "scope": "openid assets:read",
        "gid": "gra_1",
        "fam": "fam_1",
        "auth_time": 1_799_999_995,
        "acr": "urn:x",
        "amr": ["pwd", "otp"],
    }


@pytest.mark.rfc("9068#2.2")
def test_without_a_user_the_client_is_the_subject() -> None:
    made = claims(subject=None)
    assert made["sub"] == "cli_1"
    assert not made.keys() & {"gid", "fam", "auth_time", "acr", "amr"}
    assert bearer_of_claims(CLIENT.tenant_id, made).user_id is None


@pytest.mark.attack("H10")
@given(st.dictionaries(st.sampled_from([*RESERVED, "plan", "team"]), st.text(max_size=5)))
def test_custom_claims_never_replace_reserved_ones(custom: dict[str, str]) -> None:
    client = replace(CLIENT, metadata={"claims": custom})
    made = claims(client)
    plain = claims()
    assert {name: value for name, value in made.items() if name in plain} == plain
    extra = made.keys() - plain.keys()
    assert extra == custom.keys() & {"plan", "team"}


def test_both_formats_say_the_same_of_their_bearer() -> None:
    _, row = opaque_of(
        client=CLIENT,
        subject=SUBJECT,
        scope=frozenset({"openid", "assets:read"}),
        resources=("https://id.example",),
        jti="at_1",
        secret="s" * 43,
        digest_key=b"d" * 32,
        now=NOW // 1000 * 1000,
        ttl=900_000,
    )
    jwt = bearer_of_claims(CLIENT.tenant_id, claims())
    # how its user signed in, an opaque token learns from its family
    how = {"acr": jwt.acr, "auth_time": jwt.auth_time}
    assert replace(bearer_of_row(row), kind="jwt", **how) == jwt
    assert jwt.user() == "usr_1"
    assert jwt.actor == "client:cli_1"


@pytest.mark.rfc("6750#3.1")
def test_a_missing_scope_is_refused() -> None:
    bearer = bearer_of_claims(CLIENT.tenant_id, claims())
    bearer.require("openid")
    bearer.require("openid", "assets:read")
    with pytest.raises(OAuthError, match="insufficient_scope") as caught:
        bearer.require("openid", "connections:write")
    assert caught.value.status == 403


def test_a_token_without_a_user_is_refused_where_one_is_needed() -> None:
    bearer = bearer_of_claims(CLIENT.tenant_id, claims(subject=None))
    with pytest.raises(OAuthError, match="insufficient_scope"):
        bearer.user()
