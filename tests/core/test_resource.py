"""RFC 8707: no audience but those that were allowed."""

from dataclasses import replace

import pytest

from safeconduct.core.errors import OAuthError
from safeconduct.core.model import Client, TenantId
from safeconduct.core.registration import choose, new_client
from safeconduct.core.resource import resource_of, resource_within

ISSUER = "https://id.example"
API = "https://api.example/v1"
CLIENT: Client = new_client(
    TenantId("t1"),
    "cli_1",
    0,
    choose({"client_name": "App", "scope": "x"}, None, ("client_credentials",)),
)


def of(resources: tuple[str, ...], *asked: str) -> tuple[str, ...]:
    return resource_of(replace(CLIENT, resources=resources), asked, ISSUER)


@pytest.mark.rfc("8707#2")
def test_the_platform_is_the_default() -> None:
    assert of(()) == (ISSUER,)
    assert of((), ISSUER) == (ISSUER,)
    assert of((ISSUER, API)) == (ISSUER,)
    assert of((API,)) == (API,)
    assert of((ISSUER, API), API) == (API,)
    assert of((ISSUER, API), ISSUER, API, API) == (ISSUER, API)


@pytest.mark.attack("B17")
@pytest.mark.parametrize(
    ("resources", "asked"),
    [
        ((), (API,)),
        ((API,), (ISSUER,)),
        ((API,), ("https://api.example/v1/",)),
        ((API,), ("https://api.example",)),
        ((API, "https://b.example"), ()),
    ],
)
def test_any_other_is_an_invalid_target(resources: tuple[str, ...], asked: tuple[str, ...]) -> None:
    with pytest.raises(OAuthError, match="invalid_target"):
        of(resources, *asked)


@pytest.mark.attack("B17")
def test_the_token_request_stays_within_what_was_authorized() -> None:
    assert resource_within((API,), ()) == (API,)
    assert resource_within((API,), (API,)) == (API,)
    assert resource_within((API, ISSUER), ()) == (API, ISSUER)
    assert resource_within((API, ISSUER), (ISSUER,)) == (ISSUER,)
    for asked in ((ISSUER,), (API, ISSUER)):
        with pytest.raises(OAuthError, match="invalid_target"):
            resource_within((API,), asked)
