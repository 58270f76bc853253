"""RFC 7523 §2.1: a token for an assertion that is signed with a key the user uploads.

auth.service_account   key file ─▶ fields ─▶ the vault
each renewal           claims ─▶ signed (`assertion`) ─▶ token endpoint ─▶ access token
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from safeconduct.core.upstream.dialect import Refresh, Revocation, TokenAnswer
from safeconduct.core.upstream.keys import KeyField, distinct
from safeconduct.core.upstream.renewal import Renewal
from safeconduct.core.upstream.schema import InvalidEntry
from safeconduct.core.upstream.slotted import Slotted
from safeconduct.core.upstream.template import Template

Alg = Literal["RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "Ed25519"]
LONGEST_S = 3_600


@dataclass(frozen=True, slots=True, kw_only=True)
class Assertion:
    """§3: the claims. `place`: a parameter of the request, or its bearer token (RFC 6750 §2.1).

    `backdated_s`: how far before now it says to be issued, for a provider whose clock is late.
    """

    issuer: Slotted
    audience: Slotted | None = None
    subject: Slotted | None = None
    alg: Alg = "RS256"
    key: Slotted = Slotted("{private_key}")
    passphrase: Slotted | None = None
    kid: Slotted | None = None
    claims: Mapping[str, Slotted] = field(default_factory=dict)
    scope_claim: str | None = None
    lifetime_s: int = 300
    backdated_s: int = 0
    jti: bool = True
    place: Literal["parameter", "bearer"] = "parameter"
    parameter: str = "assertion"

    def __post_init__(self) -> None:
        if not 0 < self.lifetime_s <= LONGEST_S:
            raise InvalidEntry("lifetime_s", f"must be between 1 and {LONGEST_S}")
        if not 0 <= self.backdated_s < self.lifetime_s:
            raise InvalidEntry("backdated_s", "must not be negative, and less than `lifetime_s`")
        for name in self.claims:
            if name in ("iss", "sub", "aud", "exp", "iat", "jti"):
                raise InvalidEntry(f"claims.{name}", "has a word of its own")

    def texts(self) -> Iterator[tuple[str, Slotted]]:
        named = {
            "audience": self.audience,
            "issuer": self.issuer,
            "subject": self.subject,
            "key": self.key,
            "passphrase": self.passphrase,
            "kid": self.kid,
        }
        yield from ((name, text) for name, text in named.items() if text is not None)
        yield from ((f"claims.{name}", text) for name, text in self.claims.items())


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceAccount:
    """`account_id` says whose account it is where the entry has no `identity`. `client_id` and
    `client_secret`: of a client that has to authenticate as well (RFC 7523 §3.1).
    """

    token_url: Template
    fields: tuple[KeyField, ...]
    where: str | None = None
    ends: bool = False  # what they hold has an end there, or may be given one
    assertion: Assertion
    client_id: Slotted | None = None
    client_secret: Slotted | None = None
    token_auth: Literal["client_secret_basic", "client_secret_post"] = "client_secret_post"
    basic_encoding: Literal["form", "raw"] = "form"
    client_id_parameter: str = "client_id"
    client_secret_parameter: str = "client_secret"
    account_id: Slotted
    account_name: Slotted | None = None
    grant: str = "urn:ietf:params:oauth:grant-type:jwt-bearer"
    scopes: tuple[str, ...] = ()
    scope_separator: str = " "
    scope_parameter: str | None = None
    body: Literal["form", "json"] = "form"
    token_parameters: Mapping[str, Slotted] = field(default_factory=dict)
    token_headers: Mapping[str, str] = field(default_factory=dict)
    answer: TokenAnswer = TokenAnswer()
    renewal: Renewal = Renewal()
    revocation: Revocation | None = None

    def __post_init__(self) -> None:
        distinct(self.fields)
        if self.revocation and self.revocation.which != "access_token":
            raise InvalidEntry("revocation.which", "must be access_token: there is no other")
        if bool(self.client_id) != bool(self.client_secret):
            raise InvalidEntry("client_secret", "goes with `client_id`")
        if self.revocation and self.revocation.auth == "client" and not self.client_id:
            raise InvalidEntry("revocation.auth", "needs `client_id`")

    def texts(self) -> Iterator[tuple[str, Slotted]]:
        yield from ((f"assertion.{name}", text) for name, text in self.assertion.texts())
        if self.client_id and self.client_secret:
            yield "client_id", self.client_id
            yield "client_secret", self.client_secret
        yield "account_id", self.account_id
        if self.account_name:
            yield "account_name", self.account_name
        for name, text in self.token_parameters.items():
            yield f"token_parameters.{name}", text

    @property
    def refresh(self) -> Refresh:
        return self.renewal.by(self.grant)
