"""Redirect URIs: registration, and matching by the exact string."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safeconduct.core.redirect_uri import matches, refusal, web_refusal

URI = "https://app.example/cb"
LOOPBACK = ("http://127.0.0.1/cb", "http://[::1]/cb")


def test_the_registered_uri_matches() -> None:
    assert matches((URI,), URI)
    assert matches(("com.example.app:/cb", URI), "com.example.app:/cb")
    assert matches(("https://app.example/cb?a=1&b=2",), "https://app.example/cb?a=1&b=2")


@pytest.mark.attack("A1")
@pytest.mark.rfc("9700#4.1.3")
@pytest.mark.parametrize(
    "asked",
    [
        "https://app.example/cb/x",
        "https://app.example/cbx",
        "https://app.example/c",
        "https://app.example/cb/",
        "https://app.example.evil.test/cb",
        "https://evil.test/?https://app.example/cb",
        "https://evil.test/cb",
        "https://app.example/cb?x=1",
        "https://app.example/cb?",
        "https://app.example/cb#",
        "https://app.example:443/cb",
        "https://APP.example/cb",
        "HTTPS://app.example/cb",
        "https://app.example//cb",
        "https://app.example/./cb",
        "https://app.example/%63b",
        "https://user@app.example/cb",
        "https://app.example/c\nb",
        " https://app.example/cb",
        "https://app.example/cb\t",
        "http://app.example/cb",
        "",
    ],
)
def test_nothing_but_the_registered_uri_matches(asked: str) -> None:
    assert not matches((URI,), asked)


@pytest.mark.attack("A1")
def test_a_registered_query_is_part_of_the_uri() -> None:
    registered = ("https://app.example/cb?a=1&b=2",)
    assert not matches(registered, "https://app.example/cb?b=2&a=1")
    assert not matches(registered, "https://app.example/cb")


@pytest.mark.attack("A2")
@pytest.mark.parametrize(
    ("registered", "asked"),
    [
        ("https://app.example/cb", "https://appXexample/cb"),
        ("https://app.example/.*", "https://app.example/anything"),
        ("https://[a-z]+.example/cb", "https://app.example/cb"),
        ("https://app.example/(cb|x)", "https://app.example/x"),
        ("https://*.example/cb", "https://app.example/cb"),
        ("http://127.0.0.1/.*", "http://127.0.0.1:99/anything"),
    ],
)
def test_a_registered_uri_is_no_pattern(registered: str, asked: str) -> None:
    assert not matches((registered,), asked)
    assert matches((registered,), registered)


@pytest.mark.attack("A3")
def test_a_client_without_uris_matches_nothing() -> None:
    assert not matches((), URI)
    assert matches((URI,), URI)


@pytest.mark.attack("A9")
@pytest.mark.rfc("8252#7.3")
@pytest.mark.parametrize("uri", LOOPBACK)
@pytest.mark.parametrize("port", [1, 80, 8080, 51004, 65535])
def test_a_loopback_address_has_any_port(uri: str, port: int) -> None:
    with_port = uri.replace("/cb", f":{port}/cb")
    assert matches((uri,), with_port)
    assert matches((with_port,), uri)
    assert matches((with_port,), uri.replace("/cb", ":9/cb"))


@pytest.mark.attack("A9")
@pytest.mark.parametrize(
    "asked",
    [
        "http://127.0.0.1.evil.test/cb",
        "http://127.0.0.1.evil.test:80/cb",
        "http://127.0.0.2/cb",
        "http://localhost/cb",
        "http://localhost:8080/cb",
        "http://[::1]/cb",
        "http://0.0.0.0/cb",
        "http://2130706433/cb",
        "http://127.1/cb",
        "http://127.0.0.1:80@evil.test/cb",
        "http://127.0.0.1:/cb",
        "http://127.0.0.1:0/cb",
        "http://127.0.0.1:65536/cb",
        "http://127.0.0.1:8080/other",
        "http://127.0.0.1:8080",
        "http://127.0.0.1:8080/cb?x=1",
        "http://127.0.0.1:8080/cb\n",
        "https://127.0.0.1:8080/cb",
        "http://127.0.0.1:8\u0660/cb",
    ],
)
def test_the_port_is_the_only_liberty(asked: str) -> None:
    assert not matches(("http://127.0.0.1/cb",), asked)


@pytest.mark.attack("A9")
def test_the_liberty_is_for_addresses_only() -> None:
    assert not matches(("https://app.example/cb",), "https://app.example:8443/cb")
    assert not matches(("http://localhost/cb",), "http://localhost:8080/cb")
    assert matches(("http://localhost:8080/cb",), "http://localhost:8080/cb")


@pytest.mark.parametrize(
    "uri",
    [
        URI,
        "https://app.example:8443/cb?x=1",
        "https://xn--bcher-kva.example/cb",
        "http://127.0.0.1/cb",
        "http://127.0.0.1:5000/cb",
        "http://[::1]:5000/cb",
        "http://localhost:3000/cb",
        "com.example.app:/cb",
    ],
)
def test_what_may_be_registered(uri: str) -> None:
    assert refusal(uri) is None


@pytest.mark.attack("A10")
@pytest.mark.attack("A11")
@pytest.mark.parametrize(
    "uri",
    [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "data:text/html,x",
        "vbscript:x",
        "file:///etc/passwd",
        "blob:https://app.example/x",
        "app.example/cb",
        "//app.example/cb",
        "/cb",
        "myapp:/cb",
        "com.example.app:cb",
        "http://app.example/cb",
        "http://127.0.0.2/cb",
        "http://localhost.evil.test/cb",
        "http://127.0.0.1.evil.test/cb",
        "https://app.example/cb#x",
        "https://app.example/cb#",
        "https://user:pw@app.example/cb",
        "https:app.example/cb",
        "https:///cb",
        "https://app.example:0/cb",
        "https://app.example:99999/cb",
        "https://app_.example\\@evil.test/cb",
        "https://app.example/c b",
        "https://app.example/c\tb",
        "https://bücher.example/cb",
        "https://*.example/cb",
        "https://" + "a" * 2_000,
        "",
    ],
)
def test_what_may_not_be_registered(uri: str) -> None:
    assert refusal(uri)


@pytest.mark.attack("A10")
@pytest.mark.parametrize("uri", ["javascript:alert(1)", "data:x", "//app.example/logo", "x.y:/z"])
def test_pages_are_web_pages(uri: str) -> None:
    assert web_refusal(uri)
    assert web_refusal("https://app.example/logo.png") is None


@given(st.text(max_size=60), st.text(max_size=60))
def test_matching_is_equality_but_for_loopback_ports(registered: str, asked: str) -> None:
    if not asked.startswith("http://"):
        assert matches((registered,), asked) is (registered == asked)
    assert matches((registered,), registered)
