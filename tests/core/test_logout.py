"""OpenID Connect RP-Initiated Logout 1.0."""

from urllib.parse import urlencode

import pytest
from tests.core.test_authorize import client

from safeconduct.core.authorize import Page
from safeconduct.core.form import Form, read_form
from safeconduct.core.logout import Leave, client_id_of, read_leave

BYE = "https://app.example/bye"
APP = client(post_logout_redirect_uris=(BYE, BYE + "?x=1"))
HINT = {"sub": "usr_1", "aud": "cli_1"}


def form(**pairs: str) -> Form:
    return read_form(urlencode(pairs).encode())


def test_who_asks() -> None:
    assert client_id_of(form(), None) is None
    assert client_id_of(form(client_id="cli_1"), None) == "cli_1"
    assert client_id_of(form(id_token_hint="x"), HINT) == "cli_1"
    assert client_id_of(form(id_token_hint="x"), {"aud": ["cli_1"]}) == "cli_1"
    assert client_id_of(form(id_token_hint="x"), {"aud": ["cli_1", "cli_2"]}) is None
    assert client_id_of(form(id_token_hint="x", client_id="cli_1"), HINT) == "cli_1"


def test_what_does_not_fit_together() -> None:
    assert isinstance(client_id_of(form(id_token_hint="x"), None), Page)
    assert isinstance(client_id_of(form(id_token_hint="x", client_id="cli_2"), HINT), Page)
    assert isinstance(client_id_of(read_form(b"client_id=a&client_id=b"), None), Page)


def test_where_to_go() -> None:
    assert read_leave(form(), None) == Leave(None, None)
    assert read_leave(form(state="s"), APP) == Leave(None, None)
    plain = read_leave(form(post_logout_redirect_uri=BYE), APP)
    assert isinstance(plain, Leave)
    assert plain.location == BYE
    stateful = read_leave(form(post_logout_redirect_uri=BYE + "?x=1", state="a b"), APP)
    assert isinstance(stateful, Leave)
    assert stateful.location == BYE + "?x=1&state=a+b"


@pytest.mark.attack("I7")
@pytest.mark.parametrize(
    "uri",
    ["https://evil.test/", BYE + "/", BYE + "?x=2", "javascript:alert(1)", "//app.example/bye"],
)
def test_only_where_the_client_registered(uri: str) -> None:
    found = read_leave(form(post_logout_redirect_uri=uri), APP)
    assert isinstance(found, Page)
    assert found.code == "redirect_uri_mismatch"
    assert isinstance(read_leave(form(post_logout_redirect_uri=BYE), None), Page)
    long = form(post_logout_redirect_uri=BYE, state="s" * 5_000)
    assert isinstance(read_leave(long, APP), Page)
