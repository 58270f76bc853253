"""What a platform is assembled from: the ports, and what a deployment may choose."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol

from safeconduct.core.detail_types import Types
from safeconduct.core.secret import Secret
from safeconduct.ports.catalog import Catalog
from safeconduct.ports.certificates import Certificates
from safeconduct.ports.clock import Clock, Mint
from safeconduct.ports.keyring import Keyring
from safeconduct.ports.messages import Messenger
from safeconduct.ports.outbound import Outbound
from safeconduct.ports.passkeys import Passkeys
from safeconduct.ports.passwords import Passwords
from safeconduct.ports.phones import Phones
from safeconduct.ports.store import Store
from safeconduct.ports.wallets import Wallets
from safeconduct.services.registration import Mode


class WatchedStore(Store, Protocol):
    """A store that can be asked how it is, and that tells of other writers."""

    async def healthy(self) -> bool: ...

    def on_outside_write(self, callback: Callable[[], None]) -> None: ...

    def notice(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the services stand on."""

    store: WatchedStore
    clock: Clock
    mint: Mint
    keyring: Keyring
    passwords: Passwords
    messenger: Messenger
    texts: Messenger | None = None  # by phone; None where nobody gets text messages
    phones: Phones | None = None
    outbound: Outbound
    catalog: Catalog
    certificates: Certificates | None = None
    wallets: Wallets
    passkeys: Passkeys
    events_kept_days: int = 0  # 0: for ever


@dataclass(frozen=True, slots=True, kw_only=True)
class Switches:
    """What a deployment may choose; the settings of the same names."""

    client_secret_jwt: bool = False
    sms_countries: tuple[str, ...] = ()  # for tenants that list none
    registration: Mode = "off"
    registration_require_pkce: bool = True
    registration_assertion_audience: Literal["issuer", "endpoint"] = "issuer"
    client_certificates: Literal["off", "tls", "proxy"] = "off"
    mtls_origin: str | None = None  # where certificates are asked for (RFC 8705 §5)
    origins: tuple[str, ...] = ()  # under which it is known besides its issuer
    dpop_nonce: bool = False  # proofs need a nonce of ours (RFC 9449 §8, §9)
    hybrid_flow: bool = False
    require_pushed_authorization_requests: bool = False
    fetch_request_uris: bool = False
    detail_types: Types = field(default_factory=dict)
    client_documents: bool = True
    ciba_test_hook: Secret | None = None
    session_management: bool = False
    key_rotation_days: int = 90
    client_document_allow: tuple[str, ...] = ()
    client_document_deny: tuple[str, ...] = ()


OFF = Switches()
