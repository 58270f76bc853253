"""Certificates of clients: who issued them, and whom they name."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID as Usage
from tests.certificates import DAY, issue
from tests.core.test_resource import CLIENT

from safeconduct.adapters.certificates import InvalidAuthorities, X509Certificates, load_authorities
from safeconduct.core.certificate import is_subject

AUTHORITY = issue("CN=Bank CA,O=Bank", authority=True)
OTHER = issue("CN=Bank CA,O=Bank", authority=True)
NOW = int(datetime.now(UTC).timestamp() * 1000)
CERTIFICATES = X509Certificates([AUTHORITY.certificate])


def issued(owner: Any, now: int = NOW) -> bool:
    read = CERTIFICATES.read(owner.der)
    assert read is not None
    return CERTIFICATES.issued(read, now)


@pytest.mark.rfc("8705#2.1")
def test_only_what_our_authority_has_issued_for_clients() -> None:
    assert issued(issue("CN=app", AUTHORITY))
    assert issued(issue("CN=app", AUTHORITY, usage=None))
    assert not issued(issue("CN=app", OTHER))
    assert not issued(issue("CN=app"))
    assert not issued(issue("CN=app", AUTHORITY, usage=Usage.SERVER_AUTH))
    leaf = issue("CN=leaf", AUTHORITY)
    assert not issued(issue("CN=app", leaf))


def test_validity() -> None:
    past = issue("CN=app", AUTHORITY, begins=datetime.now(UTC) - 40 * DAY)
    future = issue("CN=app", AUTHORITY, begins=datetime.now(UTC) + DAY)
    assert not issued(past)
    assert not issued(future)
    assert not issued(issue("CN=app", AUTHORITY, days=300), NOW + 60 * 86_400_000)


@pytest.mark.rfc("8705#2.1.2")
@pytest.mark.parametrize(
    ("field", "right", "wrong"),
    [
        ("tls_client_auth_subject_dn", "CN=app,OU=Apps,O=Bank,C=DE", "CN=app,O=Bank,C=DE"),
        ("tls_client_auth_subject_dn", "CN=app, OU=Apps, O=Bank, C=DE", "CN=App,OU=Apps"),
        ("tls_client_auth_san_dns", "APP.example", "app.example.evil.test"),
        ("tls_client_auth_san_uri", "https://app.example/id", "https://app.example/"),
        ("tls_client_auth_san_ip", "127.0.0.1", "127.0.0.2"),
        ("tls_client_auth_san_email", "app@example.org", "app@example.com"),
    ],
)
def test_the_five_ways_to_name_one(field: str, right: str, wrong: str) -> None:
    shown = CERTIFICATES.read(issue("CN=app,OU=Apps,O=Bank,C=DE", AUTHORITY).der)
    bare = CERTIFICATES.read(issue("CN=x", AUTHORITY, names=()).der)
    assert shown is not None
    assert bare is not None

    def named(value: str, certificate: Any) -> bool:
        client = replace(CLIENT, **{field: value})  # type: ignore[arg-type]
        dn = client.tls_client_auth_subject_dn
        return is_subject(client, certificate, CERTIFICATES.subject(dn) if dn else None)

    assert named(right, shown)
    assert not named(wrong, shown)
    assert not named(right, bare)
    assert not is_subject(CLIENT, shown, shown.subject)


def test_what_is_no_certificate() -> None:
    sound = issue("CN=app", AUTHORITY).der
    for wrong in (b"", b"x", sound[:-1], sound + b"x", b"\x30" * 20_000):
        assert CERTIFICATES.read(wrong) is None
    assert CERTIFICATES.subject("no name") is None


def test_the_file_of_authorities(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_text(AUTHORITY.pem + OTHER.pem)
    assert load_authorities(file).has_authorities
    assert not load_authorities(None).has_authorities
    for text in ("", "x", issue("CN=app").pem):
        file.write_text(text)
        with pytest.raises(InvalidAuthorities):
            load_authorities(file)
