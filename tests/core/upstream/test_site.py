"""What fills a provider's URLs: who may say it, and that no value gets out of its label."""

from typing import Any

import pytest

from safeconduct.adapters.catalog import load_catalog
from safeconduct.core.errors import ApiError
from safeconduct.core.upstream.flow import Registration, authorization_url
from safeconduct.core.upstream.provider import Provider
from safeconduct.core.upstream.site import (
    asked,
    choose,
    fixable,
    kept,
    of_fields,
    read_given,
    read_site,
    withheld,
    written,
)

CATALOG = load_catalog()


def entry(id: str) -> Provider:
    found = CATALOG.get(id)
    assert found is not None
    return found


ZENDESK = entry("zendesk")


def refused(given: Any, provider: Provider = ZENDESK, fixed: Any = None) -> tuple[int, str]:
    with pytest.raises(ApiError) as caught:
        choose(provider, fixed or {}, given)
    return caught.value.status, caught.value.code


def test_a_value_fills_every_url_of_the_entry() -> None:
    values = choose(ZENDESK, {}, {"subdomain": "acme"})
    url = authorization_url(ZENDESK, Registration("us", None, values), "s", "https://us.example/cb")
    assert url.startswith("https://acme.zendesk.com/oauth/authorizations/new?")
    assert read_site(written(values)) == {"subdomain": "acme"}


@pytest.mark.parametrize(
    "typed", ["acme", " acme\n", "ACME", "acme.zendesk.com", "https://acme.zendesk.com/"]
)
def test_people_paste_addresses(typed: str) -> None:
    assert choose(ZENDESK, {}, {"subdomain": typed}) == {"subdomain": "acme"}


@pytest.mark.attack("L16")
@pytest.mark.parametrize(
    "typed",
    [
        "evil.com/",
        "evil.com/.zendesk.com",
        "https://evil.com/acme.zendesk.com",
        "evil.com#.zendesk.com",
        "evil.com?.zendesk.com",
        "evil.com\\.zendesk.com",
        "a.b",
        "me@evil",
        "evil.com:443",
        "evil%2ecom",
        "%2e%2e",
        "..",
        "-acme",
        "{subdomain}",
        "ac me",
        "acme\n.evil.com",
        "acme\x00",
        "аcme",  # a Cyrillic letter
        "acme。evil",  # IDNA takes it for a dot
        "a" * 64,
        "a" * 600,
    ],
)
def test_no_value_gets_out_of_its_label(typed: str) -> None:
    assert refused({"subdomain": typed}) == (400, "invalid_placeholder")


@pytest.mark.attack("L16")
@pytest.mark.parametrize(
    "typed", ["..", ".", "a/b", "%2e%2e", "a?b", "a#b", "a;b@c", "\\a", "é", "a" * 300]
)
def test_no_value_gets_out_of_its_segment(typed: str) -> None:
    shop = entry("commercetools")
    good = {"region": "europe-west1.gcp", "project_key": "key-1"}
    assert fixable(shop, good) == good
    with pytest.raises(ApiError) as caught:
        fixable(shop, {**good, "project_key": typed})
    assert caught.value.field == "project_key"


def test_what_is_missing_or_unknown_is_named() -> None:
    assert refused({}) == (400, "placeholder_missing")
    assert refused({"subdomain": "  "}) == (400, "placeholder_missing")
    assert refused({"subdomain": "acme", "host": "evil.com"}) == (400, "unknown_placeholder")
    with pytest.raises(ApiError) as caught:
        choose(ZENDESK, {}, {"subdomain": "a.b"})
    assert caught.value.title == (
        "Subdomain of the account is not of the expected form, such as acme."
    )


@pytest.mark.attack("L16")
def test_a_whole_host_is_the_operators_to_say_for_our_secret_goes_there() -> None:
    keycloak = entry("keycloak")
    assert withheld(keycloak) == ("host",)
    assert withheld(ZENDESK) == ()
    assert asked(keycloak, {}) == ()
    assert refused({"host": "evil.example"}, keycloak) == (400, "unknown_placeholder")
    assert refused({}, keycloak) == (409, "placeholder_not_set")
    fixed = fixable(keycloak, {"host": "https://Login.example.com/"})
    assert choose(keycloak, fixed, {}) == {"host": "login.example.com"}
    assert refused({"host": "evil.example"}, keycloak, fixed) == (400, "unknown_placeholder")


def test_what_an_operator_fixed_is_not_asked_and_cannot_be_another() -> None:
    fixed = {"subdomain": "acme"}
    assert [field.name for field in asked(ZENDESK, {})] == ["subdomain"]
    assert asked(ZENDESK, fixed) == ()
    assert choose(ZENDESK, fixed, {}) == choose(ZENDESK, fixed, fixed) == fixed
    assert refused({"subdomain": "globex"}, fixed=fixed) == (400, "unknown_placeholder")


def test_linking_again_stays_where_it_is() -> None:
    assert kept("subdomain=acme", {}) == "subdomain=acme"
    assert kept("subdomain=acme", {"subdomain": "acme"}) == "subdomain=acme"
    with pytest.raises(ApiError) as caught:
        kept("subdomain=acme", {"subdomain": "globex"})
    assert (caught.value.code, caught.value.field) == ("placeholder_kept", "subdomain")


@pytest.mark.attack("L21")
def test_a_secret_that_stands_in_a_url_is_no_site() -> None:
    telegram = entry("telegram-bot")
    assert of_fields(telegram, {"token": "123:secret"}) == ""
    jira = entry("jira")
    assert of_fields(jira, {"site": "acme", "email": "a@b.example", "api_token": "x"}) == (
        "site=acme"
    )


@pytest.mark.parametrize(
    "given",
    ["acme", ["acme"], {"subdomain": 1}, {"subdomain": None}, {"Sub-Domain": "a"}, {"": "a"}],
)
def test_what_is_no_object_of_texts_is_refused(given: Any) -> None:
    assert read_given({"placeholders": {"subdomain": "acme"}}) == {"subdomain": "acme"}
    assert read_given({"placeholders": None}) == read_given({}) == {}
    with pytest.raises(ApiError) as caught:
        read_given({"placeholders": given})
    assert caught.value.status == 400
