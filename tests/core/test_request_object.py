"""Request objects, judged without a server: RFC 9101."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.test_authorize import client

from safeconduct.core.errors import OAuthError
from safeconduct.core.form import Form, read_form
from safeconduct.core.jws import Jws
from safeconduct.core.model import Client
from safeconduct.core.request_object import combined, judge

ISSUER = "https://id.example"
NOW = 1_800_000_000
SOUND: dict[str, Any] = {
    "iss": "cli_1",
    "aud": ISSUER,
    "exp": NOW + 60,
    "nbf": NOW,
    "client_id": "cli_1",
    "state": "s",
}


def read(
    header: dict[str, Any] | None = None,
    app: Client | None = None,
    fetched: bool = False,
    **changed: Any,
) -> Form:
    claims = {name: value for name, value in {**SOUND, **changed}.items() if value is not None}
    jws = Jws({"alg": "ES256", **(header or {})}, claims, b"", b"")
    return judge(jws, app or client(), ISSUER, NOW * 1000, fetched=fetched).form


@pytest.mark.rfc("9101#4")
def test_values_become_parameters() -> None:
    form = read(
        claims={"userinfo": {"email": None}},
        authorization_details=[{"type": "x"}],
        max_age=60,
        scope="",
        resource=["https://a.example", "https://b.example"],
        jti="j",
        sub="usr_1",
    )
    assert form == {
        "client_id": "cli_1",
        "state": "s",
        "claims": '{"userinfo":{"email":null}}',
        "authorization_details": '[{"type":"x"}]',
        "max_age": "60",
    }
    assert form.blank == {"scope"}
    assert form.resources == ("https://a.example", "https://b.example")
    assert read(client_id=None)["client_id"] == "cli_1"
    assert read(requested_expiry=30)["requested_expiry"] == "30"  # CIBA §7.1.1: either way
    assert read(requested_expiry="30")["requested_expiry"] == "30"
    for typ in ("JWT", "jwt", "oauth-authz-req+jwt", "application/OAuth-Authz-Req+JWT"):
        assert read({"typ": typ})  # RFC 7515 §4.1.9: a media type knows no case
    assert read(aud=["https://x.example", ISSUER])


@pytest.mark.attack("F6")
@pytest.mark.rfc("9101#6")
@pytest.mark.parametrize(
    "changed",
    [
        {"exp": True},
        {"exp": 10**12},
        {"exp": NOW},
        {"exp": NOW + 3_601},
        {"nbf": NOW + 61},
        {"nbf": NOW - 3_601},
        {"nbf": "now"},
        {"aud": [ISSUER + "x"]},
        {"aud": {ISSUER: 1}},
        {"aud": 5},
        {"iss": ["cli_1"]},
        {"client_id": 5},
        {"state": "\0"},
        {"state": "\ud800"},
        {"state": True},
        {"max_age": True},
        {"max_age": 1.5},
        {"claims": 5},
        {"resource": [5]},
        {"request": ""},
        {"request_uri": "x"},
        {"sub": "cli_1"},
        {"header": {"alg": "none"}},
        {"header": {"alg": "HS256"}},
        {"header": {"typ": "logout+jwt"}},
        {"header": {"typ": 5}},
    ],
    ids=str,
)
def test_what_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(OAuthError) as caught:
        read(**changed)
    assert caught.value.error == "invalid_request_object"


@pytest.mark.attack("F6")
@pytest.mark.rfc("OIDC#6.1")
def test_what_a_client_keeps_at_its_own_address_needs_no_end() -> None:
    assert read(exp=None, nbf=None, fetched=True)["client_id"] == "cli_1"
    wrong: tuple[dict[str, Any], ...] = (
        {"exp": None, "fetched": False},
        {"exp": None, "app": client(require_signed_request_object=True)},
        {"exp": None, "nbf": NOW + 61},
        {"exp": NOW},
    )
    for changed in wrong:
        with pytest.raises(OAuthError) as caught:
            read(**{"fetched": True, **changed})
        assert caught.value.error == "invalid_request_object"


@pytest.mark.attack("F5")
@pytest.mark.rfc("9101#6.3")
def test_only_what_is_inside_counts() -> None:
    outer = read_form(b"client_id=cli_1&state=outside&nonce=n&request=x&resource=https://a.example")
    inner = read(state="inside")
    assert combined(inner, outer, client()) == inner
    both = combined(inner, outer, client(merge_request_object=True))
    assert both == {"client_id": "cli_1", "state": "inside", "nonce": "n"}
    assert both.resources == ("https://a.example",)


@given(
    st.dictionaries(
        st.sampled_from([*SOUND, "scope", "claims", "resource", "max_age", "request"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
            max_leaves=5,
        ),
    )
)
def test_no_claims_whatever_break_the_judge(claims: dict[str, Any]) -> None:
    jws = replace(Jws({"alg": "ES256"}, claims, b"", b""), claims={**SOUND, **claims})
    form, refusal = None, None
    try:
        form = judge(jws, client(), ISSUER, NOW * 1000).form
    except OAuthError as error:
        refusal = error.error
    assert refusal in (None, "invalid_request_object")
    if form is not None:
        assert form["client_id"] == "cli_1"
        assert json.dumps(dict(form)).encode()
