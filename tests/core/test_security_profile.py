"""Profiles: one switch, and the rules behind it."""

from dataclasses import fields, replace
from typing import Any

import pytest
from joserfc.jwk import ECKey
from tests.core.test_authorize import client
from tests.core.test_registration import URI, made, refused

from safeconduct.core.codes import _ttl
from safeconduct.core.errors import OAuthError
from safeconduct.core.form import Form
from safeconduct.core.model import Client
from safeconduct.core.security_profile import (
    PROFILES,
    admits,
    allows,
    check_request,
    held,
    profile_of,
)

KEYS = {"keys": [ECKey.generate_key("P-256").as_dict(private=False)]}
SIGNS: dict[str, Any] = {"token_endpoint_auth_method": "private_key_jwt", "jwks": KEYS}


def form(**fields: str) -> Form:
    made = Form()
    made.update(fields)
    return made


def test_what_is_forced_are_columns() -> None:
    names = {field.name for field in fields(Client)}
    for profile in PROFILES.values():
        assert set(profile.forced) <= names


def test_a_tenant_holds_its_clients_to_a_profile_and_a_client_may_be_held_to_more() -> None:
    app = client(require_pkce=False)
    assert held(app, "none") is app
    assert held(app, "oauth21").require_pkce
    strict = replace(app, security_profile="fapi2")
    for by_tenant in ("none", "oauth21"):
        assert held(strict, by_tenant).require_pushed_authorization_requests
    legacy = replace(app, assertion_audience="endpoint")
    assert held(legacy, "fapi2").assertion_audience == "issuer"


def test_an_unknown_profile_is_the_strictest() -> None:
    assert profile_of(client(security_profile="x")) == PROFILES["fapi2_message_signing"]


@pytest.mark.rfc("FAPI2-SP#5.3.2.1")
def test_who_may_be_registered_for_fapi() -> None:
    fapi: dict[str, Any] = {"security_profile": "fapi2", "redirect_uris": [URI]}
    assert made(**fapi, **SIGNS).security_profile == "fapi2"
    for method in ("none", "client_secret_basic", "client_secret_post"):
        refused("token_endpoint_auth_method", **fapi, token_endpoint_auth_method=method)
    for alg in ("RS256", "ES384", "PS512"):
        refused("token_endpoint_auth_signing_alg", **fapi, **SIGNS,
                token_endpoint_auth_signing_alg=alg)  # fmt: skip
    assert made(**fapi, **SIGNS, token_endpoint_auth_signing_alg="PS256")
    loopback = {**fapi, "redirect_uris": ["http://127.0.0.1/cb"]}
    assert refused("redirect_uris", **loopback, **SIGNS) == "invalid_redirect_uri"
    made(redirect_uris=["http://127.0.0.1/cb"], security_profile="oauth21", **SIGNS)
    refused("security_profile", redirect_uris=[URI], security_profile="fapi_1")


@pytest.mark.rfc("FAPI2-SP#5.4.1")
def test_algorithms() -> None:
    strict = client(security_profile="fapi2")
    assert all(allows(strict, alg) for alg in ("PS256", "ES256", "EdDSA", "Ed25519"))
    assert not any(allows(strict, alg) for alg in ("RS256", "ES384", "HS256", "none"))
    assert allows(client(), "RS256")


def test_a_client_of_a_strict_tenant_that_was_registered_before() -> None:
    assert not admits(held(client(), "fapi2"))
    assert admits(held(client(), "mcp"))
    assert admits(held(client(token_endpoint_auth_method="private_key_jwt"), "fapi2"))


@pytest.mark.parametrize(
    ("profile", "asked", "missing"),
    [
        ("fapi2", {"redirect_uri": URI}, None),
        ("fapi2", {}, "profile.redirect_uri"),
        ("fapi2", {"redirect_uri": "http://127.0.0.1:5/cb"}, "profile.redirect_uri"),
        ("fapi2_message_signing", {"redirect_uri": URI}, "profile.response_mode"),
        (
            "fapi2_message_signing",
            {"redirect_uri": URI, "response_mode": "query"},
            "profile.response_mode",
        ),
        ("fapi2_message_signing", {"redirect_uri": URI, "response_mode": "jwt"}, None),
        ("fapi2_message_signing", {"redirect_uri": URI, "response_mode": "query.jwt"}, None),
        ("mcp", {}, "profile.resource"),
        ("oauth21", {}, None),
        (None, {}, None),
    ],
)
def test_what_a_request_must_say(
    profile: str | None, asked: dict[str, str], missing: str | None
) -> None:
    app = client(security_profile=profile)
    if missing is None:
        check_request(form(**asked), app)
        return
    with pytest.raises(OAuthError) as caught:
        check_request(form(**asked), app)
    assert (caught.value.error, caught.value.rule) == ("invalid_request", missing)


def test_a_request_with_a_resource_is_one_of_mcp() -> None:
    asked = form()
    asked.resources = ("https://mcp.example",)
    check_request(asked, client(security_profile="mcp"))


@pytest.mark.rfc("FAPI2-SP#5.3.2.1")
def test_codes_of_fapi_live_a_minute_at_most() -> None:
    slow = client(profile="alpaca")
    assert _ttl(slow) == 600_000
    assert _ttl(replace(slow, security_profile="fapi2")) == 60_000
