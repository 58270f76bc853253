"""Where redirect URIs lead, and which paths are ours."""

import pytest

from safeconduct.core.landing import form_action, local_path, origin_of, shown_host


@pytest.mark.parametrize(
    ("uri", "host", "source"),
    [
        ("https://app.example/cb", "app.example", "https://app.example"),
        ("https://app.example:8443/cb?x=1", "app.example:8443", "https://app.example:8443"),
        ("https://app.example", "app.example", "https://app.example"),
        ("https://app.example?x", "app.example", "https://app.example"),
        ("http://127.0.0.1:49152/cb", "127.0.0.1:49152", "http://127.0.0.1:49152"),
        ("http://[::1]:49152/cb", "[::1]:49152", "http:"),
        ("com.example.app:/cb", "com.example.app", "com.example.app:"),
        ("com.example.app://host/cb", "host", "com.example.app:"),
        ("https://app.example@evil.test/", "https", "https:"),
        ("https://a;b.example/", "https", "https:"),
        ("nothing", "", "'none'"),
    ],
)
def test_landing(uri: str, host: str, source: str) -> None:
    assert shown_host(uri) == host
    assert form_action(uri) == source
    assert not set(source) & set(" ;,\r\n")


@pytest.mark.attack("A16")
@pytest.mark.parametrize("path", ["/", "/account", "/?client_id=x", "/a//b?c=%2f%2f#d"])
def test_paths_of_ours(path: str) -> None:
    assert local_path(path) == path


@pytest.mark.attack("A16")
@pytest.mark.parametrize(
    "path",
    [
        None,
        "",
        "account",
        "//evil.test",
        "///evil.test",
        "/\\evil.test",
        "\\\\evil.test",
        "/a\\b",
        "https:evil.test",
        "https://evil.test",
        "%2f%2fevil.test",
        "javascript:alert(1)",
        "/\t/evil.test",
        "/x\r\nA: b",
        " /account",
        "/accoun\u0074\u2028",
        "/" + "x" * 2048,
    ],
)
def test_paths_elsewhere(path: str | None) -> None:
    assert local_path(path) is None


def test_origins_as_browsers_write_them() -> None:
    assert origin_of("https://id.example") == "https://id.example"
    assert origin_of("https://ID.example:443") == "https://id.example"
    assert origin_of("https://id.example:8443") == "https://id.example:8443"
    assert origin_of("http://127.0.0.1:80") == "http://127.0.0.1"
    assert origin_of("http://[::1]:8400") == "http://[::1]:8400"
