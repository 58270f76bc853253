"""Every address that is not the public internet, in every spelling."""

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safeconduct.adapters.egress import EgressPolicy, egress_policy, embedded, parsed

NOTHING = EgressPolicy()

DENIED = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "100.127.255.255",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.8",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::8.8.8.8",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:8.8.8.8",
    "::ffff:0:127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::8.8.8.8",
    "64:ff9b:1::10.0.0.1",
    "100::1",
    "2001::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:10::1",
    "2001:20::1",
    "2001:db8::1",
    "2002:7f00:1::1",
    "2002:808:808::1",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd12:3456::1",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
    "2606:4700::5efe:10.0.0.1",
    "2606:4700::200:5efe:127.0.0.1",
]

PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.0",
    "169.253.255.255",
    "172.15.255.255",
    "172.32.0.0",
    "192.0.1.0",
    "192.167.255.255",
    "192.169.0.0",
    "198.17.255.255",
    "198.20.0.0",
    "223.255.255.255",
    "2606:4700:4700::1111",
    "2a00:1450::1",
    "2001:4860:4860::8888",
    "2606:4700::5efe:8.8.8.8",
]


@pytest.mark.attack("N3")
@pytest.mark.parametrize("text", DENIED)
def test_denied(text: str) -> None:
    assert NOTHING.refuses(ip_address(text))


@pytest.mark.parametrize("text", PUBLIC)
def test_public(text: str) -> None:
    assert not NOTHING.refuses(ip_address(text))


@pytest.mark.attack("N3")
@given(st.ip_addresses(v=4))
def test_an_embedded_address_is_never_freer_than_itself(address: object) -> None:
    number = int(address)  # type: ignore[call-overload]
    for text in (
        f"::ffff:{address}",
        f"64:ff9b::{address}",
        f"2002:{number >> 16:x}:{number & 0xFFFF:x}::1",
        f"2606:4700::5efe:{address}",
    ):
        outer = ip_address(text)
        assert embedded(outer) == address
        if NOTHING.refuses(address):  # type: ignore[arg-type]
            assert NOTHING.refuses(outer)


def test_what_the_operator_allows_is_allowed() -> None:
    policy = egress_policy(
        ["10.0.0.0/8", "::1", "Vault.Internal", "db.internal:8443", "[fd00::1]:9"]
    )
    for text in ("10.1.2.3", "::1", "::ffff:10.1.2.3", "8.8.8.8"):
        assert not policy.refuses(ip_address(text))
    for text in ("127.0.0.1", "::ffff:127.0.0.1", "192.168.0.1", "fd00::1"):
        assert policy.refuses(ip_address(text))
    assert policy.names("vault.internal", 1)
    assert policy.names("VAULT.internal.", 1)
    assert policy.names("db.internal", 8443)
    assert policy.names("fd00::1", 9)
    for host, port in (("db.internal", 443), ("evil-vault.internal", 1), ("", 1), ("fd00::1", 8)):
        assert not policy.names(host, port)


def test_an_allowed_prefix_does_not_open_what_is_behind_it() -> None:
    policy = egress_policy(["64:ff9b::/96", "::ffff:0:0/96"])
    assert not policy.refuses(ip_address("64:ff9b::8.8.8.8"))
    for text in ("64:ff9b::127.0.0.1", "::ffff:10.0.0.1"):
        assert policy.refuses(ip_address(text))


@pytest.mark.parametrize(
    "entry", ["", "a b", "host:0", "host:x", "host:65536", "http://host", "ho/st"]
)
def test_a_bad_entry_is_named(entry: str) -> None:
    with pytest.raises(ValueError, match="egress allow-list"):
        egress_policy([entry])


@pytest.mark.attack("N3")
@pytest.mark.parametrize(
    "text", ["0x7f.1", "2130706433", "0177.0.0.1", "127.1", "①②⑦.0.0.1", "0", ""]
)
def test_a_disguise_is_not_a_literal(text: str) -> None:
    assert parsed(text) is None
