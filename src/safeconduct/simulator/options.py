"""How a simulated provider is set up: its registered client, and how strict it is."""

from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from safeconduct.core.secret import Secret
from safeconduct.core.upstream.provider import Provider

Rotation = Literal["strict", "grace", "none"]

CLIENT_ID = "safeconduct-demo"
CLIENT_SECRET = "safeconduct-demo-secret"

LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """The one client that every simulated provider knows.

    Without `redirect_uris` any address of this machine will do; with them only those, exactly.
    """

    client_id: str
    client_secret: Secret
    name: str = "Safeconduct"
    redirect_uris: tuple[str, ...] = ()

    def redirects_to(self, uri: str) -> bool:
        if self.redirect_uris:
            return uri in self.redirect_uris
        try:
            parts = urlsplit(uri)
        except ValueError:
            return False
        return (
            parts.scheme in ("http", "https")
            and parts.hostname in LOOPBACK
            and not parts.fragment
            and "@" not in parts.netloc
        )


@dataclass(slots=True, kw_only=True)
class Options:
    """What may be changed while it runs (`/_sim/options`).

    `rotation`: `strict` lets a refresh token work once, and ends the whole grant when it comes
    again; `grace` accepts it again for `grace_s` after its first use, and takes back what the
    first use gave; `none` keeps one refresh token for good. `rate` is requests per second to the
    API, 0 for no limit.
    """

    rotation: Rotation
    grace_s: float = 0.0
    access_lifetime_s: int = 3600
    refresh_lifetime_s: int | None = None
    refresh_idle_s: int | None = None
    code_lifetime_s: int = 60
    rate: float = 0.0


def options_for(provider: Provider, access_lifetime_s: int | None = None) -> Options:
    """As the entry says; where it says nothing, as strict as any provider is."""
    refresh = provider.renewal
    rotation: Rotation = "strict"
    if refresh.rotates is False or refresh.returns_same_token:
        rotation = "none"
    elif refresh.grace_s:
        rotation = "grace"
    return Options(
        rotation=rotation,
        grace_s=float(refresh.grace_s),
        access_lifetime_s=access_lifetime_s or refresh.default_expires_in or 3600,
        refresh_lifetime_s=refresh.lifetime_s,
        refresh_idle_s=refresh.idle_s,
    )
