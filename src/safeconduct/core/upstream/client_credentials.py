"""RFC 6749 §4.4 with a client that the user brings: `auth.oauth2_client_credentials`.

The user, or the tenant for them, has registered an application of their own at the provider. Its
secret is what the connection lives on; the token that it gives is renewed before it ends.
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

OWN_CLIENT = (
    KeyField(name="client_id", label="Client ID", secret=False),
    KeyField(name="client_secret", label="Client secret"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCredentials:
    """`account_id` says whose account it is where the entry has no `identity`; `account_name` how
    it is shown.
    """

    token_url: Template
    fields: tuple[KeyField, ...] = OWN_CLIENT
    where: str | None = None
    ends: bool = False  # what they hold has an end there, or may be given one
    client_id: Slotted = Slotted("{client_id}")
    client_secret: Slotted = Slotted("{client_secret}")
    account_id: Slotted = Slotted("{client_id}")
    account_name: Slotted | None = None
    grant: str = "client_credentials"
    scopes: tuple[str, ...] = ()
    scope_separator: str = " "
    scope_parameter: str = "scope"
    token_auth: Literal["client_secret_basic", "client_secret_post"] = "client_secret_basic"
    basic_encoding: Literal["form", "raw"] = "form"
    body: Literal["form", "json"] = "form"
    client_id_parameter: str = "client_id"
    client_secret_parameter: str = "client_secret"
    token_parameters: Mapping[str, Slotted] = field(default_factory=dict)
    token_headers: Mapping[str, str] = field(default_factory=dict)
    answer: TokenAnswer = TokenAnswer()
    renewal: Renewal = Renewal()
    revocation: Revocation | None = None

    def __post_init__(self) -> None:
        distinct(self.fields)
        if self.revocation and self.revocation.which != "access_token":
            raise InvalidEntry("revocation.which", "must be access_token: there is no other")

    def texts(self) -> Iterator[tuple[str, Slotted]]:
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
