"""How a client says who it is."""

from base64 import b64encode
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.back import basic

from safeconduct.core.client_auth import Presented, read_client
from safeconduct.core.errors import OAuthError
from safeconduct.core.form import Form, read_form


def raw_basic(data: bytes) -> bytes:
    return b"Basic " + b64encode(data)


@pytest.mark.rfc("6749#2.3.1")
@pytest.mark.parametrize(
    ("authorization", "body", "method", "client_id"),
    [
        (b"Basic " + b64encode(b"app:s3cret"), b"", "client_secret_basic", "app"),
        (b"bAsIc " + b64encode(b"app:s3cret"), b"client_id=app", "client_secret_basic", "app"),
        (None, b"client_id=app&client_secret=s3cret", "client_secret_post", "app"),
        (None, b"client_id=app", "none", "app"),
        (None, b"client_id=app&client_secret=", "none", "app"),
    ],
)
def test_the_three_methods(
    authorization: bytes | None, body: bytes, method: str, client_id: str
) -> None:
    presented = read_client(authorization, read_form(body))
    assert (presented.method, presented.client_id) == (method, client_id)
    assert presented.secret == (None if method == "none" else "s3cret")


@pytest.mark.rfc("6749#2.3.1")
@pytest.mark.attack("D12")
def test_id_and_secret_are_form_encoded_inside_basic() -> None:
    presented = read_client(basic("a:b c", "p%+ ü:x").encode(), Form())
    assert presented == Presented("client_secret_basic", "a:b c", "p%+ ü:x")


@pytest.mark.attack("D11")
@pytest.mark.parametrize(
    ("authorization", "body", "error"),
    [
        (raw_basic(b"app:s"), b"client_secret=s", "invalid_request"),
        (raw_basic(b"app:s"), b"client_id=other", "invalid_request"),
        (raw_basic(b"app:s"), b"client_assertion=e.y.J", "invalid_request"),
        (None, b"client_id=app&client_assertion=x&client_secret=s", "invalid_request"),
        (None, b"client_id=app&client_assertion=x", "invalid_client"),
        (None, b"client_assertion_type=x&client_id=app", "invalid_client"),
        (raw_basic(b"app:"), b"", "invalid_client"),
        (raw_basic(b":s"), b"", "invalid_client"),
        (None, b"client_secret=s", "invalid_client"),
        (None, b"", "invalid_client"),
        (b"Bearer x", b"client_id=app", "invalid_client"),
    ],
)
def test_methods_are_not_mixed(authorization: bytes | None, body: bytes, error: str) -> None:
    with pytest.raises(OAuthError) as caught:
        read_client(authorization, read_form(body))
    assert caught.value.error == error


@pytest.mark.attack("D12")
@pytest.mark.parametrize(
    "authorization",
    [
        raw_basic(b"app\xff:s"),
        raw_basic(b"app\0:s"),
        raw_basic(b"app:s\0"),
        raw_basic(b"no colon"),
        raw_basic(b"%ff:s"),
        raw_basic("ü:s".encode()),
        raw_basic(b"a" * 70_000 + b":s"),
        b"Basic ",
        b"Basic ???",
        b"Basic \xff\xfe",
        b"Basic",
        b"",
        b"Basic " + b64encode(b"app:s") + b"=",
    ],
)
def test_a_broken_basic_header_is_a_failed_authentication(authorization: bytes) -> None:
    with pytest.raises(OAuthError) as caught:
        read_client(authorization, Form())
    assert caught.value.error == "invalid_client"
    assert caught.value.status == 401
    assert read_client(raw_basic(b"app:s"), Form()).client_id == "app"


@given(st.one_of(st.binary(max_size=200), st.binary(max_size=100).map(raw_basic)))
def test_any_header_is_read_or_refused(authorization: bytes) -> None:
    presented = None
    with suppress(OAuthError):
        presented = read_client(authorization, Form())
    if presented is not None:
        assert presented.client_id
        assert presented.secret


def test_what_is_presented_shows_no_secret() -> None:
    assert "s3cret" not in repr(Presented("client_secret_post", "app", "s3cret"))
