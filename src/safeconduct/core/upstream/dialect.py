"""How a provider speaks OAuth 2: the part of a catalogue entry under `auth.oauth2_code`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from safeconduct.core.upstream.pointer import Pointer, Terms
from safeconduct.core.upstream.schema import InvalidEntry
from safeconduct.core.upstream.template import Template

SignedBy = Literal[
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512",
    "ES256", "ES384", "ES512", "EdDSA", "Ed25519", "HS256",
]  # fmt: skip
"""What an ID token may be signed with: with the issuer's key, or HS256 with our client secret."""

OPENID = "openid"
"""The scope that asks for an ID token (OpenID Connect Core §3.1.2.1)."""

Meaning = Literal["invalid_grant", "invalid_client", "temporarily_unavailable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenAnswer:
    """RFC 6749 §5.1, and the dialects of it."""

    format: Literal["json", "form"] = "json"
    access_token: Pointer = Pointer("/access_token")
    refresh_token: Pointer = Pointer("/refresh_token")
    expires_in: Pointer = Pointer("/expires_in")
    expires_unit: Literal["s", "ms", "iso8601", "epoch_s"] = "s"  # a span, or the moment itself
    refresh_expires_in: Pointer = Pointer("/refresh_token_expires_in")
    scope: Pointer = Pointer("/scope")
    scope_separator: str = " "
    token_type: Pointer = Pointer("/token_type")
    token_types: tuple[str, ...] = ("bearer",)  # compared without case; absent passes
    id_token: Pointer = Pointer("/id_token")
    account_id: Terms | None = None  # where the answer itself says whose account it is
    account_name: Terms | None = None
    error: Pointer = Pointer("/error")
    error_description: Pointer = Pointer("/error_description")


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorRule:
    """What this provider means when it says so. All that is given must match."""

    means: Meaning
    error: tuple[str, ...] = ()
    status: tuple[int, ...] = ()
    contains: str | None = None  # in the description, without case

    def __post_init__(self) -> None:
        if not (self.error or self.status or self.contains):
            raise ValueError("must state at least one of error, status, contains")
        if self.means == "invalid_grant" and not (self.error or self.contains):
            # A status alone is what an outage looks like too.
            raise ValueError("must not read invalid_grant from a status alone")


@dataclass(frozen=True, slots=True, kw_only=True)
class Refresh:
    """How the credential ages and is renewed. Seconds throughout; None is "not known".

    `grant` is the grant_type to send, `none` if the credential cannot be renewed. `sends` says
    which token is presented (an access token, where a provider exchanges those). `grace_s`: so
    long after its first use a rotated token may be presented again. `lifetime_s` and `idle_s` are
    the refresh token's own ends. `earliest_s_before_expiry`: refused before that.
    `returns_same_token`: asking early gives the same access token, with the same end.
    """

    grant: str = "refresh_token"
    url: Template | None = None  # None: the token endpoint
    method: Literal["POST", "GET"] = "POST"
    sends: Literal["refresh_token", "access_token"] = "refresh_token"
    parameter: str = "refresh_token"
    parameters: Mapping[str, str] = field(default_factory=dict)
    needs_scope: str | None = None  # a refresh token is only given when this scope is asked for
    rotates: bool | None = None
    grace_s: int = 0
    lifetime_s: int | None = None
    idle_s: int | None = None
    earliest_s_before_expiry: int | None = None
    margin_s: int = 300
    default_expires_in: int | None = None
    returns_same_token: bool = False
    error_map: tuple[ErrorRule, ...] = ()

    def __post_init__(self) -> None:
        for name in ("grace_s", "margin_s"):
            if getattr(self, name) < 0:
                raise InvalidEntry(name, "must not be negative")
        for name in ("lifetime_s", "idle_s", "earliest_s_before_expiry", "default_expires_in"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise InvalidEntry(name, "must be positive")
        if self.grace_s and self.rotates is not True:
            raise InvalidEntry("grace_s", "makes sense only where `rotates` is true")

    @property
    def possible(self) -> bool:
        return self.grant != "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """RFC 7009 §2.1, or what the provider has instead.

    `ends`: what an access token takes along, itself alone or the whole grant. A refresh token
    always ends the grant. `place`: a parameter names the token, or only the header of `bearer`.
    """

    url: Template
    method: Literal["POST", "DELETE", "GET"] = "POST"
    which: Literal["refresh_token", "access_token"] = "refresh_token"
    parameter: str = "token"
    hint: bool = True  # send token_type_hint
    auth: Literal["client", "bearer", "none"] = "client"
    place: Literal["parameter", "header"] = "parameter"
    ends: Literal["token", "grant"] = "token"
    parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Registering:
    """How we become a client there by ourselves, without an operator's doing.

    `document`: our client id is the address of the document that describes us. `dynamic`: RFC 7591
    §3.1 at `url`, once for each issuer and tenant.
    """

    by: Literal["document", "dynamic"]
    url: Template | None = None

    def __post_init__(self) -> None:
        if (self.url is None) != (self.by == "document"):
            raise InvalidEntry("url", "goes with `by: dynamic`")


@dataclass(frozen=True, slots=True, kw_only=True)
class IdTokens:
    """OpenID Connect Core §3.1.3.7: who signs in is whom the ID token names, and without one that
    passes no account is linked. `jwks_uri`: where the issuer publishes its keys.
    """

    jwks_uri: Template | None = None
    algorithms: tuple[SignedBy, ...] = ("RS256",)

    def __post_init__(self) -> None:
        if not self.algorithms:
            raise InvalidEntry("algorithms", "must name at least one")
        if (self.jwks_uri is None) != (set(self.algorithms) == {"HS256"}):
            raise InvalidEntry("jwks_uri", "goes with every algorithm but HS256")


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuth2Code:
    """RFC 6749 §4.1 as this provider speaks it."""

    authorize_url: Template
    token_url: Template
    issuer: str | None = None
    iss_parameter: bool = False  # RFC 9207 §3: the provider promises to send `iss`
    scopes: tuple[str, ...] = ()
    scope_separator: str = " "
    scope_parameter: str = "scope"
    pkce: Literal["S256", "none"] = "none"
    nonce: bool = False
    token_auth: Literal["client_secret_basic", "client_secret_post", "none"] = "client_secret_post"
    basic_encoding: Literal["form", "raw"] = "form"  # RFC 6749 §2.3.1 says form, not all do it
    body: Literal["form", "json"] = "form"
    client_id_parameter: str = "client_id"
    client_secret_parameter: str = "client_secret"
    authorize_parameters: Mapping[str, str] = field(default_factory=dict)
    token_parameters: Mapping[str, str] = field(default_factory=dict)
    token_headers: Mapping[str, str] = field(default_factory=dict)
    answer: TokenAnswer = TokenAnswer()
    id_token: IdTokens | None = None  # None: nobody reads it
    refresh: Refresh
    revocation: Revocation | None = None
    resource: str | None = None  # RFC 8707: what tokens are asked for, in every request for one
    registering: Registering | None = None  # None: an operator enters the client

    def __post_init__(self) -> None:
        if self.registering is not None and self.issuer is None:
            raise InvalidEntry("registering", "needs `issuer`")
        if self.iss_parameter and self.issuer is None:
            raise InvalidEntry("iss_parameter", "needs `issuer`")
        if self.id_token is not None:
            self._check_openid(self.id_token)
        if self.token_url.query and self.body == "json":
            raise InvalidEntry("token_url", "must not have a query where the body is JSON")

    def _check_openid(self, tokens: IdTokens) -> None:
        if self.issuer is None:
            raise InvalidEntry("id_token", "needs `issuer`")
        if OPENID not in self.scopes:
            raise InvalidEntry("id_token", f"needs the scope `{OPENID}`")
        if "HS256" in tokens.algorithms and self.token_auth == "none":
            raise InvalidEntry("id_token.algorithms", "HS256 needs a client secret")

    @property
    def sends_nonce(self) -> bool:
        return self.nonce or self.id_token is not None

    @property
    def refresh_url(self) -> Template:
        return self.refresh.url or self.token_url
