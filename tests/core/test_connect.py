"""Calico Connect's request, read as a standard one."""

from urllib.parse import urlencode

import pytest

from safeconduct.core.authorize import Page
from safeconduct.core.connect import connect_request
from safeconduct.core.form import read_form
from safeconduct.core.pkce import challenge_of

SOUND = {
    "client_id": "app-1",
    "code_challenge": challenge_of("v" * 43),
    "code_challenge_method": "S256",
    "state": "5f0c9d1e-2f62-4d0e-9f4e-0f2b5a8a1c11",
}


def read(**changed: str | list[str] | None) -> dict[str, str] | Page:
    asked = {name: value for name, value in {**SOUND, **changed}.items() if value is not None}
    return connect_request(read_form(urlencode(asked, doseq=True).encode()))


@pytest.mark.rfc("6749#4.1.1")
def test_it_is_a_request_for_a_code_and_the_default_scope() -> None:
    assert read() == {**SOUND, "response_type": "code"}


def test_what_narrows_is_taken_over_and_the_rest_is_not() -> None:
    kept = {"redirect_uri": "https://app.example/cb", "scope": "assets:read", "nonce": "n"}
    dropped = {"response_type": "token", "response_mode": "form_post", "prompt": "none"}
    assert read(**kept, **dropped, request="x") == {**SOUND, **kept, "response_type": "code"}


@pytest.mark.rfc("9700#2.1.1")
@pytest.mark.parametrize(
    "changed",
    [
        *({name: None} for name in SOUND),
        {"code_challenge_method": "plain"},
        {"code_challenge": "x" * 42},
        {"code_challenge": "x" * 128},
        {"state": ["a", "b"]},
    ],
)
def test_what_is_wrong_is_a_page(changed: dict[str, str | list[str] | None]) -> None:
    told = read(**changed)
    assert isinstance(told, Page)
    assert (told.code, told.status) == ("invalid_request", 400)
