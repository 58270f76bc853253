"""How a provider speaks OAuth 1.0a (RFC 5849): a catalogue entry's part under `auth.oauth1`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from safeconduct.core.upstream.http import SignatureMethod
from safeconduct.core.upstream.pointer import Pointer, Terms
from safeconduct.core.upstream.records import Path
from safeconduct.core.upstream.schema import InvalidEntry
from safeconduct.core.upstream.template import Template


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialsAnswer:
    """§2.3, and what providers add to it. Names are pointers: an answer in JSON is read as well."""

    token: Pointer = Pointer("/oauth_token")
    token_secret: Pointer = Pointer("/oauth_token_secret")
    expires_in: Pointer = Pointer("/oauth_expires_in")
    account_id: Terms | None = None  # where the answer itself says whose account it is
    account_name: Terms | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedRevocation:
    """A call of the API, signed with the token, that ends it. `{oauth_token}` stands for it."""

    path: Path
    method: Literal["POST", "DELETE", "GET"] = "POST"

    def __post_init__(self) -> None:
        if set(self.path.names) - {"oauth_token"}:
            raise InvalidEntry("path", "can name nothing but {oauth_token}")


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuth1:
    """The three addresses of RFC 5849 §2, and how requests are signed (§3.4).

    With `RSA-SHA1` the client's secret is its private key, in PEM. `scope_at`: whether scopes go
    along with the first request or with the browser. `lifetime_s`: token credentials end then,
    and nothing renews them.
    """

    request_url: Template
    authorize_url: Template
    token_url: Template
    method: Literal["POST", "GET"] = "POST"  # of the requests for credentials
    signature: SignatureMethod = "HMAC-SHA1"
    realm: str | None = None
    scopes: tuple[str, ...] = ()
    scope_separator: str = ","
    scope_parameter: str = "scope"
    scope_at: Literal["request", "authorize"] = "authorize"
    request_parameters: Mapping[str, str] = field(default_factory=dict)
    authorize_parameters: Mapping[str, str] = field(default_factory=dict)
    answer: CredentialsAnswer = CredentialsAnswer()
    lifetime_s: int | None = None
    revocation: SignedRevocation | None = None

    def __post_init__(self) -> None:
        for name in ("request_parameters", "authorize_parameters"):
            if any(key.startswith("oauth_") for key in getattr(self, name)):
                raise InvalidEntry(name, "must not hold parameters of the protocol (oauth_…)")
        if self.lifetime_s is not None and self.lifetime_s <= 0:
            raise InvalidEntry("lifetime_s", "must be positive")
