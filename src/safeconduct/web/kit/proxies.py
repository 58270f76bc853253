"""What a proxy in front of us says, believed from trusted addresses and from nobody else.

A header is only a claim: whoever can reach this server can send `X-Forwarded-For` or a
certificate. What the operator's own proxy says replaces what we see of the connection, which is
the proxy's and not the client's (RFC 9700 §4.13).
"""

from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from ssl import PEM_cert_to_DER_cert
from urllib.parse import unquote

RawHeaders = Iterable[tuple[bytes, bytes]]
MAX_HEADER = 24_576


@dataclass(frozen=True, slots=True)
class Seen:
    """A request's client as the proxy saw it."""

    peer: str
    scheme: str
    certificate: bytes | None  # DER


class Proxies:
    """`certificate_header` names the header that holds the client's certificate, if any does."""

    def __init__(self, networks: Iterable[str] = (), certificate_header: str | None = None) -> None:
        self._networks = tuple(ip_network(text, strict=False) for text in networks)
        self._header = certificate_header.lower().encode() if certificate_header else None

    def trusts(self, peer: str) -> bool:
        try:
            address = ip_address(peer)
        except ValueError:  # a socket of this machine
            return False
        return any(address in network for network in self._networks)

    def seen(self, headers: RawHeaders, peer: str, scheme: str) -> Seen:
        """For a connection from a trusted address."""
        found: dict[bytes, list[bytes]] = {}
        for name, value in headers:
            if name in (b"x-forwarded-for", b"x-forwarded-proto", self._header):
                found.setdefault(name, []).append(value)
        hops = b",".join(found.get(b"x-forwarded-for", [])).decode("latin-1").split(",")
        proto = b",".join(found.get(b"x-forwarded-proto", [])).strip().lower()
        shown = found.get(self._header, []) if self._header else []
        return Seen(
            self._client(hops, peer),
            proto.decode() if proto in (b"http", b"https") else scheme,
            read_certificate(shown[0]) if len(shown) == 1 else None,
        )

    def _client(self, hops: list[str], peer: str) -> str:
        """From the right, the first that is no proxy of ours; what stands before it is invented."""
        for hop in reversed([hop.strip() for hop in hops]):
            try:
                ip_address(hop)
            except ValueError:
                return peer
            if not self.trusts(hop):
                return hop
            peer = hop
        return peer


def read_certificate(value: bytes) -> bytes | None:
    """RFC 9440 §2.1 (`:base64:`), or PEM with its lines escaped or folded, as by nginx."""
    if len(value) > MAX_HEADER:
        return None
    text = value.decode("latin-1").strip()
    try:
        if text.startswith(":") and text.endswith(":") and len(text) > 2:
            return b64decode(text[1:-1], validate=True)
        return PEM_cert_to_DER_cert(_unfolded(unquote(text, errors="strict"))) or None
    except (ValueError, NotBase64):
        return None


def _unfolded(pem: str) -> str:
    head, foot = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
    body = pem.strip().removeprefix(head).removesuffix(foot)
    return f"{head}\n{body.strip()}\n{foot}\n"
