"""X.509 (RFC 5280) with the `cryptography` library.

An authority is a certificate in the operator's file. It issues what it has signed directly, so
intermediate authorities belong into the file as well: nothing that a client sends along counts.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID
from joserfc.errors import JoseError
from joserfc.jwk import import_key

from safeconduct.core.certificate import Certificate, normal_ip
from safeconduct.core.jwk import Jwk, unusable

_KTY: tuple[tuple[type, str], ...] = (
    (ec.EllipticCurvePublicKey, "EC"),
    (rsa.RSAPublicKey, "RSA"),
    (ed25519.Ed25519PublicKey, "OKP"),
)
_CLIENTS = {ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}
_GAP = re.compile(r"(?<!\\),\s+(?=[A-Za-z0-9.]+=)")  # as RFC 2253 and most tools write names
_MAX_DER = 16_384


class InvalidAuthorities(Exception):
    """The file of client authorities cannot be used; the sentence says why."""


class X509Certificates:
    """Implements `ports.certificates.Certificates`."""

    def __init__(self, authorities: Sequence[x509.Certificate] = ()) -> None:
        self._authorities = tuple(authorities)

    @property
    def has_authorities(self) -> bool:
        return bool(self._authorities)

    def read(self, der: bytes) -> Certificate | None:
        return _read(der) if len(der) <= _MAX_DER else None

    def issued(self, certificate: Certificate, now: int) -> bool:
        leaf = x509.load_der_x509_certificate(certificate.der)
        if not certificate.valid(now) or not _for_clients(leaf):
            return False
        moment = datetime.fromtimestamp(now / 1000, UTC)
        return any(_issued(leaf, authority, moment) for authority in self._authorities)

    def subject(self, name: str) -> str | None:
        try:
            return x509.Name.from_rfc4514_string(_GAP.sub(",", name)).rfc4514_string()
        except ValueError:
            return None


def load_authorities(path: Path | None) -> X509Certificates:
    """Those of a PEM file; each must be allowed to issue certificates."""
    if path is None:
        return X509Certificates()
    try:
        found = x509.load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError):
        raise InvalidAuthorities(f"{path} holds no PEM certificates.") from None
    for one in found:
        if not _may_issue(one):
            name = one.subject.rfc4514_string()
            raise InvalidAuthorities(f"{path}: {name} is no certificate authority.")
    return X509Certificates(found)


@lru_cache(1_024)  # a client comes again with the same certificate
def _read(der: bytes) -> Certificate | None:
    try:
        found = x509.load_der_x509_certificate(der)
        jwk = _jwk(found)
        names = _names(found)
        subject = found.subject.rfc4514_string()
    except (ValueError, TypeError, JoseError):
        return None
    if unusable(jwk):
        return None
    return Certificate(
        der=der,
        subject=subject,
        names=names,
        jwk=jwk,
        not_before=int(found.not_valid_before_utc.timestamp() * 1000),
        not_after=int(found.not_valid_after_utc.timestamp() * 1000),
    )


def _jwk(found: x509.Certificate) -> Jwk:
    key = found.public_key()
    kty = next((name for kind, name in _KTY if isinstance(key, kind)), None)
    if kty is None:
        raise ValueError("a key of another type")
    pem = key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return import_key(pem, kty).as_dict(private=False)  # type: ignore[call-overload, no-any-return]


def _names(found: x509.Certificate) -> dict[str, frozenset[str]]:
    try:
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return dict.fromkeys(("dns", "uri", "ip", "email"), frozenset())
    return {
        "dns": frozenset(name.lower() for name in names.get_values_for_type(x509.DNSName)),
        "uri": frozenset(names.get_values_for_type(x509.UniformResourceIdentifier)),
        "ip": frozenset(normal_ip(str(ip)) for ip in names.get_values_for_type(x509.IPAddress)),
        "email": frozenset(names.get_values_for_type(x509.RFC822Name)),
    }


def _issued(leaf: x509.Certificate, authority: x509.Certificate, moment: datetime) -> bool:
    if not authority.not_valid_before_utc <= moment < authority.not_valid_after_utc:
        return False
    try:
        leaf.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _may_issue(one: x509.Certificate) -> bool:
    try:
        basics = one.extensions.get_extension_for_class(x509.BasicConstraints).value
    except (x509.ExtensionNotFound, ValueError):
        return False
    return basics.ca


def _for_clients(leaf: x509.Certificate) -> bool:
    """RFC 5280 §4.2.1.12: without the extension it may be used for anything."""
    try:
        usage = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return True
    except ValueError:
        return False
    return any(purpose in _CLIENTS for purpose in usage)
