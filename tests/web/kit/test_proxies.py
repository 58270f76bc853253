"""What a proxy says counts; what anybody else says in its name does not."""

from base64 import b64encode

import pytest
from tests.certificates import issue

from safeconduct.web.kit.proxies import Proxies, read_certificate

APP = issue("CN=app")
RFC_9440 = b":" + b64encode(APP.der) + b":"


@pytest.mark.rfc("9440#2.1")
@pytest.mark.parametrize(
    "value",
    [
        RFC_9440,
        APP.escaped,
        APP.pem.replace("\n", " ").encode(),
        APP.pem.replace("\n", "\t").encode(),
    ],
)
def test_forms_of_a_certificate_in_a_header(value: bytes) -> None:
    assert read_certificate(value) == APP.der


@pytest.mark.parametrize(
    "value", [b"", b":", b"::", b":###:", b"x", b"%ff", b":" + b"A" * 40_000 + b":"]
)
def test_what_is_none(value: bytes) -> None:
    assert read_certificate(value) is None


@pytest.mark.attack("D17")
@pytest.mark.attack("K2")
def test_whose_word_counts() -> None:
    proxies = Proxies(["127.0.0.1", "10.0.0.0/8", "::1"], "Client-Cert")
    assert proxies.trusts("127.0.0.1")
    assert proxies.trusts("10.1.2.3")
    assert proxies.trusts("::1")
    for stranger in ("127.0.0.2", "11.0.0.1", "192.0.2.1", "", "x"):
        assert not proxies.trusts(stranger)


@pytest.mark.parametrize(
    ("hops", "peer"),
    [
        ([b"192.0.2.1"], "192.0.2.1"),
        ([b"6.6.6.6, 192.0.2.1"], "192.0.2.1"),
        ([b"6.6.6.6", b"192.0.2.1, 10.0.0.7"], "192.0.2.1"),
        ([b"10.0.0.7"], "10.0.0.7"),
        ([b"6.6.6.6, unknown"], "127.0.0.1"),
        ([b"6.6.6.6, "], "127.0.0.1"),
        ([], "127.0.0.1"),
        ([b"2001:db8::1"], "2001:db8::1"),
    ],
)
def test_the_address_is_the_last_that_is_no_proxy(hops: list[bytes], peer: str) -> None:
    proxies = Proxies(["127.0.0.1", "10.0.0.0/8"])
    seen = proxies.seen([(b"x-forwarded-for", hop) for hop in hops], "127.0.0.1", "http")
    assert (seen.peer, seen.scheme, seen.certificate) == (peer, "http", None)


def test_scheme_and_certificate() -> None:
    proxies = Proxies(["127.0.0.1"], "Client-Cert")

    def seen(*headers: tuple[bytes, bytes]) -> tuple[str, bytes | None]:
        found = proxies.seen(headers, "127.0.0.1", "http")
        return found.scheme, found.certificate

    assert seen((b"x-forwarded-proto", b"https")) == ("https", None)
    assert seen((b"x-forwarded-proto", b"gopher")) == ("http", None)
    assert seen((b"client-cert", RFC_9440)) == ("http", APP.der)
    assert seen((b"client-cert", RFC_9440), (b"client-cert", RFC_9440)) == ("http", None)
    assert seen((b"x-client-cert", RFC_9440)) == ("http", None)
    assert Proxies(["127.0.0.1"]).seen([(b"client-cert", RFC_9440)], "", "http").certificate is None
