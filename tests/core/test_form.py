"""Forms, read strictly."""

from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safeconduct.core.errors import OAuthError
from safeconduct.core.form import MAX_FIELDS, read_form, required


def test_a_form_is_decoded() -> None:
    form = read_form(b"grant_type=authorization_code&code=a%2Bb+c&empty=&scope=openid%20email")
    assert form == {"grant_type": "authorization_code", "code": "a+b c", "scope": "openid email"}


@pytest.mark.rfc("6749#3.1")
def test_a_parameter_without_a_value_is_not_there() -> None:
    form = read_form(b"state=&code=x")
    assert "state" not in form
    with pytest.raises(OAuthError, match="invalid_request"):
        required(form, "state")
    assert required(form, "code") == "x"


@pytest.mark.attack("A12")
@pytest.mark.parametrize("raw", [b"a=1&a=2", b"a=1&a=1", b"a=&a=1", b"a=1&%61=2"])
def test_a_repeated_parameter_is_reported(raw: bytes) -> None:
    assert read_form(raw).repeated == {"a"}
    assert read_form(b"a=1&b=2").repeated == frozenset()


@pytest.mark.rfc("8707#2")
def test_only_resource_may_repeat() -> None:
    form = read_form(b"resource=https://a&resource=https://b&resource=")
    assert form.resources == ("https://a", "https://b")
    assert form.repeated == frozenset()
    assert "resource" not in form


@pytest.mark.parametrize(
    "raw",
    [b"a=\xff", b"a=%ff", b"a=%00", b"%00=a", b"a=\0", b"&".join([b"a=1"] * (MAX_FIELDS + 1))],
)
def test_what_is_no_form_is_refused(raw: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 -- any reason will do
        read_form(raw)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_form_or_a_value_error(raw: bytes) -> None:
    try:
        form = read_form(raw)
    except ValueError:
        return
    assert all("\0" not in name + value for name, value in form.items())


@given(st.dictionaries(st.text(min_size=1), st.text(min_size=1), max_size=8))
def test_what_was_encoded_is_read_back(fields: dict[str, str]) -> None:
    clean = {
        name: value
        for name, value in fields.items()
        if name != "resource" and "\0" not in name + value
    }
    form = read_form(urlencode(clean).encode())
    assert form == clean
    assert not form.repeated
