"""What a client may be registered as."""

from dataclasses import replace
from typing import Any

import pytest
from tests.core.test_resource import CLIENT

from safeconduct.core.errors import ApiError
from safeconduct.core.model import Client, TenantId
from safeconduct.core.registered_authentication import OPTIONAL
from safeconduct.core.registration import FIELDS, METADATA, choose, document, new_client
from safeconduct.core.request_metadata import FIELDS as REQUEST_FIELDS

GRANTS = ("authorization_code", "client_credentials", "refresh_token")
URI = "https://app.example/cb"


def made(**data: Any) -> Client:
    chosen = choose({"client_name": "App", **data}, None, GRANTS)
    return new_client(TenantId("t1"), "cli_1", 0, chosen)


def refused(field: str, current: Client | None = None, **data: Any) -> str:
    with pytest.raises(ApiError) as caught:
        choose({"client_name": "App", **data}, current, GRANTS)
    assert caught.value.status == 400
    assert caught.value.field == field
    return caught.value.code


def test_an_app_for_people_by_default() -> None:
    app = made(redirect_uris=[URI])
    assert app.grant_types == ("authorization_code", "refresh_token")
    assert app.response_types == ("code",)
    assert app.token_endpoint_auth_method == "client_secret_basic"
    assert app.require_pkce
    assert not app.verified
    assert app.default_scope == app.scope
    assert "clients:write" not in app.scope


def test_a_machine_by_default() -> None:
    machine = made(scope="users:read")
    assert machine.grant_types == ("client_credentials",)
    assert machine.response_types == ()
    assert machine.scope == {"users:read"}


@pytest.mark.parametrize(
    ("profile", "token_format", "refreshes"),
    [("calico", "jwt", True), ("alpaca", "opaque", False), ("loop", "jwt", True)],
)
def test_profiles_have_defaults_of_their_own(
    profile: str, token_format: str, refreshes: bool
) -> None:
    app = made(redirect_uris=[URI], profile=profile)
    assert app.token_endpoint_auth_method == "client_secret_post"
    assert app.access_token_format == token_format
    assert ("refresh_token" in app.grant_types) is refreshes


@pytest.mark.attack("P3")
@pytest.mark.attack("G3")
@pytest.mark.parametrize(
    "name",
    [
        "client_id",
        "client_secret",
        "tenant_id",
        "status",
        "not_before",
        "created_at",
        "metadata",
        "trusted",
        "skip_consent",
        "redirect_uri",
        "__class__",
    ],
)
def test_what_is_no_field_is_refused_by_name(name: str) -> None:
    assert refused(name, redirect_uris=[URI], **{name: "x"}) == "invalid_client_metadata"


@pytest.mark.attack("A10")
@pytest.mark.attack("A11")
@pytest.mark.rfc("7591#3.2.2")
@pytest.mark.parametrize("uri", ["javascript:alert(1)", "http://app.example/cb", "https://a/#x"])
def test_a_redirect_uri_that_is_none(uri: str) -> None:
    assert refused("redirect_uris", redirect_uris=[uri]) == "invalid_redirect_uri"
    code = refused("post_logout_redirect_uris", post_logout_redirect_uris=[uri])
    assert code == "invalid_redirect_uri"
    for page in ("logo_uri", "policy_uri", "tos_uri", "client_uri"):
        if "#" not in uri:
            assert refused(page, redirect_uris=[URI], **{page: uri}) == "invalid_client_metadata"
    assert made(redirect_uris=[URI], logo_uri=URI).metadata == {"logo_uri": URI}


@pytest.mark.parametrize(
    ("field", "data"),
    [
        ("client_name", {"client_name": "", "redirect_uris": [URI]}),
        ("client_name", {"client_name": "\u200b\u202e", "redirect_uris": [URI]}),
        ("client_name", {"client_name": "x" * 101, "redirect_uris": [URI]}),
        ("client_name", {"client_name": 7, "redirect_uris": [URI]}),
        ("redirect_uris", {"redirect_uris": URI}),
        ("redirect_uris", {"redirect_uris": [1]}),
        ("redirect_uris", {"redirect_uris": [f"{URI}/{n}" for n in range(51)]}),
        ("redirect_uris", {"grant_types": ["authorization_code"]}),
        ("grant_types", {"grant_types": ["password"]}),
        ("grant_types", {"grant_types": ["implicit"], "redirect_uris": [URI]}),
        ("grant_types", {"grant_types": [], "redirect_uris": [URI]}),
        ("grant_types", {"token_endpoint_auth_method": "none"}),
        ("response_types", {"response_types": ["token"], "redirect_uris": [URI]}),
        ("response_types", {"response_types": [], "redirect_uris": [URI]}),
        ("token_endpoint_auth_method", {"token_endpoint_auth_method": "magic"}),
        ("scope", {"scope": "a  b"}),
        ("scope", {"scope": 'a"b'}),
        ("scope", {"scope": ["a"]}),
        ("default_scope", {"scope": "a", "default_scope": "a b"}),
        ("resources", {"resources": ["not a uri"]}),
        ("require_pkce", {"require_pkce": "yes"}),
        (
            "require_pkce",
            {
                "require_pkce": False,
                "token_endpoint_auth_method": "none",
                "redirect_uris": [URI],
            },
        ),
        ("profile", {"profile": "other"}),
        (
            "access_token_format",
            {"profile": "alpaca", "access_token_format": "jwt", "redirect_uris": [URI]},
        ),
        ("claims", {"claims": {"sub": "root"}}),
        ("claims", {"claims": {"x": "y" * 3_000}}),
        ("claims", {"claims": ["x"]}),
        ("contacts", {"contacts": ["a\nb"]}),
    ],
)
def test_a_wrong_value_names_its_field(field: str, data: dict[str, Any]) -> None:
    refused(field, **data)


@pytest.mark.attack("G7")
def test_a_name_is_stored_without_what_cannot_be_seen() -> None:
    assert made(redirect_uris=[URI], client_name="Ban\u200bk\u202e ").client_name == "Bank"


def test_a_change_keeps_the_rest() -> None:
    app = made(redirect_uris=[URI], scope="a b", logo_uri=URI, contacts=["a@b.example"])
    chosen = choose({"scope": "b c", "logo_uri": None}, app, GRANTS)
    assert chosen["scope"] == {"b", "c"}
    assert chosen["default_scope"] == {"b"}
    assert chosen["metadata"] == {"contacts": ["a@b.example"]}
    assert chosen["redirect_uris"] == (URI,)


def test_what_cannot_be_changed() -> None:
    app = made(redirect_uris=[URI])
    refused("profile", app, profile="calico")
    refused("token_endpoint_auth_method", app, token_endpoint_auth_method="none")
    choose({"token_endpoint_auth_method": "client_secret_post"}, app, GRANTS)


def test_the_document_is_in_the_words_of_the_rfc_and_holds_no_secret() -> None:
    shown = document(replace(CLIENT, metadata={"logo_uri": URI}))
    assert shown["client_id"] == "cli_1"
    assert shown["scope"] == "x"
    assert shown["logo_uri"] == URI
    assert "tenant_id" not in shown
    assert "not_before" not in shown
    assert FIELDS.keys() - shown.keys() <= {*METADATA, *OPTIONAL, *REQUEST_FIELDS, "token_exchange"}
