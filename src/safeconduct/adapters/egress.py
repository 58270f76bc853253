"""Which addresses we connect to: a list of our own, since `ipaddress` is no egress filter.

(On Python 3.11 CGNAT counts as not private, and multicast, NAT64, 6to4, site-local and
IPv4-compatible addresses count as global.) The check is made on the address that is connected
to, after every disguise in the URL and every answer of the DNS has been resolved.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

DENIED_V4 = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",  # this host, RFC 1122
        "10.0.0.0/8",  # RFC 1918
        "100.64.0.0/10",  # CGNAT, RFC 6598
        "127.0.0.0/8",
        "169.254.0.0/16",  # link-local, and the clouds' metadata services
        "172.16.0.0/12",  # RFC 1918
        "192.0.0.0/24",  # protocol assignments, RFC 6890
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # 6to4 relays, RFC 7526
        "192.168.0.0/16",  # RFC 1918
        "198.18.0.0/15",  # benchmarking, RFC 2544
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
    )
)

GLOBAL_V6 = IPv6Network("2000::/3")
"""All IPv6 that was ever handed out. Loopback, ULA, link-local, site-local, multicast, NAT64,
IPv4-mapped and IPv4-compatible addresses all lie outside."""

DENIED_V6 = tuple(
    IPv6Network(text)
    for text in (
        "2001::/23",  # protocol assignments: Teredo, ORCHID, benchmarking
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4
        "3fff::/20",  # documentation, RFC 9637
    )
)

_MAPPED = IPv6Network("::ffff:0:0/96")
_LOW_32 = tuple(
    IPv6Network(text)
    for text in ("::ffff:0:0/96", "::/96", "::ffff:0:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48")
)
_SIX_TO_FOUR = IPv6Network("2002::/16")
_TEREDO = IPv6Network("2001::/32")
_ISATAP = (0x00005EFE, 0x02005EFE)


def embedded(address: Address) -> IPv4Address | None:
    """The IPv4 address that an IPv6 one carries or stands for."""
    if isinstance(address, IPv4Address):
        return None
    number = int(address)
    if number <= 1:
        return None  # :: and ::1 stand for themselves
    if any(address in network for network in _LOW_32):
        return IPv4Address(number & 0xFFFFFFFF)
    if address in _SIX_TO_FOUR:
        return IPv4Address(number >> 80 & 0xFFFFFFFF)
    if address in _TEREDO:
        return IPv4Address(~number & 0xFFFFFFFF)
    if number >> 32 & 0xFFFFFFFF in _ISATAP:
        return IPv4Address(number & 0xFFFFFFFF)
    return None


@dataclass(frozen=True, slots=True)
class EgressPolicy:
    """What the operator allows although it is not the public internet."""

    networks: tuple[Network, ...] = ()
    hosts: frozenset[tuple[str, int | None]] = frozenset()

    def names(self, host: str, port: int) -> bool:
        """The host is allowed by name, whatever it resolves to."""
        host = host.lower().rstrip(".")
        return (host, None) in self.hosts or (host, port) in self.hosts

    def covers(self, address: Address) -> bool:
        """The address lies in an allowed network; a mapped one counts as what it maps."""
        inner = embedded(address) if address in _MAPPED else None
        return any(
            candidate in network for candidate in (address, inner) if candidate is not None
            for network in self.networks
        )  # fmt: skip

    def refuses(self, address: Address) -> bool:
        """True for every address that is neither public nor allowed."""
        if isinstance(address, IPv6Address) and address.scope_id is not None:
            return True
        inner = embedded(address)
        if inner is not None and self.refuses(inner):
            return True  # an allowed prefix does not open what is behind it
        if self.covers(address):
            return False
        if isinstance(address, IPv4Address):
            return any(address in network for network in DENIED_V4)
        return address not in GLOBAL_V6 or any(address in network for network in DENIED_V6)


def egress_policy(allow: Iterable[str]) -> EgressPolicy:
    """Read `host`, `host:port`, an address or a network; ValueError names the bad entry."""
    networks: list[Network] = []
    hosts: set[tuple[str, int | None]] = set()
    for entry in allow:
        try:
            networks.append(ip_network(entry.strip("[]"), strict=False))
        except ValueError:
            hosts.add(_host(entry))
    return EgressPolicy(tuple(networks), frozenset(hosts))


def parsed(text: str) -> Address | None:
    """A literal address in its canonical spelling; None for names and for every disguise."""
    try:
        return ip_address(text)
    except ValueError:
        return None


def _host(entry: str) -> tuple[str, int | None]:
    host, colon, port = entry.rpartition(":")
    if not colon:
        host, port = entry, ""
    host = host.strip("[]").lower().rstrip(".")
    fits = host.isascii() and all(c.isalnum() or c in "-._:" for c in host)
    if not host or not fits or (colon and not (port.isdigit() and 0 < int(port) < 65536)):
        raise ValueError(f"egress allow-list: {entry!r} is neither a host nor a network")
    return host, int(port) if port else None
