"""Certificates as clients and their authorities have them, sound but for what is said."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID as Usage
from joserfc.jwk import ECKey

DAY = timedelta(days=1)
NAMES: tuple[x509.GeneralName, ...] = (
    x509.DNSName("app.example"),
    x509.UniformResourceIdentifier("https://app.example/id"),
    x509.IPAddress(ip_address("127.0.0.1")),
    x509.RFC822Name("app@example.org"),
)


@dataclass(frozen=True)
class Owner:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: Any

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    @property
    def escaped(self) -> bytes:
        """As nginx passes it on."""
        return quote(self.pem).encode()

    @property
    def jwks(self) -> dict[str, Any]:
        public = self.key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return {"keys": [ECKey.import_key(public).as_dict(private=False)]}

    def save(self, folder: Path, name: str) -> tuple[Path, Path]:
        chain, key = folder / f"{name}.pem", folder / f"{name}.key"
        chain.write_text(self.pem)
        private = self.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        key.write_bytes(private)
        return chain, key


def issue(
    name: str,
    by: Owner | None = None,
    *,
    authority: bool = False,
    usage: x509.ObjectIdentifier | None = Usage.CLIENT_AUTH,
    names: tuple[x509.GeneralName, ...] = NAMES,
    begins: datetime | None = None,
    days: int = 30,
) -> Owner:
    """`name` is an RFC 4514 text; without `by` it signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name.from_rfc4514_string(name)
    begins = begins or datetime.now(UTC) - DAY
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by.certificate.subject if by else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + days * DAY)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    if names and not authority:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    if usage and not authority:
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    return Owner(builder.sign(by.key if by else key, hashes.SHA256()), key)
