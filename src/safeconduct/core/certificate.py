"""RFC 8705: a client's certificate, as far as it says who the client is.

Which certificates may say so is not for here: with `tls_client_auth` those that our authorities
have issued, with `self_signed_tls_client_auth` those whose key the client has registered.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address

from safeconduct.core.jwk import Jwk
from safeconduct.core.model import Client

SUBJECTS = (
    "tls_client_auth_subject_dn",
    "tls_client_auth_san_dns",
    "tls_client_auth_san_uri",
    "tls_client_auth_san_ip",
    "tls_client_auth_san_email",
)
"""§2.1.2: how a client says which certificate is its own; it says one of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """`subject` is a distinguished name in one spelling, `names` are its alternative names."""

    der: bytes = field(repr=False)
    subject: str
    names: Mapping[str, frozenset[str]]  # dns, uri, ip, email
    jwk: Jwk
    not_before: int  # milliseconds
    not_after: int

    def valid(self, now: int) -> bool:
        return self.not_before <= now < self.not_after


def is_subject(client: Client, certificate: Certificate, subject: str | None) -> bool:
    """Whether it is the certificate that the client has named; `subject` is its registered
    distinguished name in the certificate's spelling."""
    if client.tls_client_auth_subject_dn is not None:
        return subject is not None and subject == certificate.subject
    if client.tls_client_auth_san_dns is not None:
        return client.tls_client_auth_san_dns.lower() in certificate.names["dns"]
    if client.tls_client_auth_san_uri is not None:
        return client.tls_client_auth_san_uri in certificate.names["uri"]
    if client.tls_client_auth_san_ip is not None:
        return normal_ip(client.tls_client_auth_san_ip) in certificate.names["ip"]
    if client.tls_client_auth_san_email is not None:
        return client.tls_client_auth_san_email in certificate.names["email"]
    return False


def normal_ip(text: str) -> str:
    """§2.1.2: "Comparison of IP addresses […] as octets"; `ValueError` for what is none."""
    return ip_address(text).compressed
