"""How a provider lets somebody sign in on another screen (RFC 8628): `auth.oauth2_device`.

The client, the token answer, refresh and revocation are those of `auth.oauth2_code`, which an entry
with this mode has as well; here stands what is different.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from safeconduct.core.upstream.pointer import Pointer
from safeconduct.core.upstream.schema import InvalidEntry
from safeconduct.core.upstream.template import Template

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:device_code"

Poll = Literal["authorization_pending", "slow_down", "access_denied", "expired_token"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceAnswer:
    """§3.2, and the dialects of it."""

    device_code: Pointer = Pointer("/device_code")
    user_code: Pointer = Pointer("/user_code")
    verification_uri: Pointer = Pointer("/verification_uri")
    verification_uri_complete: Pointer = Pointer("/verification_uri_complete")
    expires_in: Pointer = Pointer("/expires_in")
    interval: Pointer = Pointer("/interval")


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """§3.1 to §3.5. `says`: which error of §3.5 a provider means by a word of its own, or by a
    status without a word.

    `scopes`: where another screen may ask for less than a browser.
    """

    device_url: Template
    token_url: Template | None = None  # None: the one of oauth2_code
    grant_type: str = GRANT_TYPE
    parameter: str = "device_code"
    scopes: tuple[str, ...] | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    answer: DeviceAnswer = DeviceAnswer()
    interval_s: int = 5  # §3.2: "If no value is provided, clients MUST use 5 as the default."
    lifetime_s: int = 600
    says: Mapping[str, Poll] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("interval_s", "lifetime_s"):
            if getattr(self, name) <= 0:
                raise InvalidEntry(name, "must be positive")
