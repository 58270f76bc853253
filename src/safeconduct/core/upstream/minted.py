"""Signing in that ends with an API key: the part of an entry under `auth.oauth2_yields_api_key`.

    browser ─▶ code ─▶ access token ─▶ a call that makes a key ─▶ the key is kept, the token is not

The key lies in the vault as if somebody had typed it in (`keys`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from safeconduct.core.upstream.dialect import OAuth2Code
from safeconduct.core.upstream.keys import MAX_FIELDS
from safeconduct.core.upstream.pointer import Pointer, Terms
from safeconduct.core.upstream.records import Path
from safeconduct.core.upstream.schema import InvalidEntry
from safeconduct.core.upstream.template import Template

Fate = Literal["discard", "revoke"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Minting:
    """The call that makes a key, with the access token as bearer. `json` is what it asks for.

    `fields`: where each part of the key lies in the answer, by the name that the entry's API or
    connector knows it by.
    """

    url: Template
    method: Literal["POST", "PUT"] = "POST"
    json: Mapping[str, object] = field(default_factory=dict)
    fields: Mapping[str, Pointer]

    def __post_init__(self) -> None:
        if not 0 < len(self.fields) <= MAX_FIELDS:
            raise InvalidEntry("fields", f"must be 1 to {MAX_FIELDS} fields")


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenIdentity:
    """Whose account it is, asked with the access token while it is there: keys often cannot say."""

    url: Template
    account_id: Terms
    account_name: Terms | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRevocation:
    """A call of the API by which a key ends itself."""

    path: Path
    method: Literal["POST", "DELETE"] = "DELETE"


@dataclass(frozen=True, slots=True, kw_only=True)
class YieldsApiKey:
    """`token`: what becomes of the access token when the key is there."""

    oauth: OAuth2Code
    key: Minting
    identity: TokenIdentity | None = None
    token: Fate = "discard"
    revocation: KeyRevocation | None = None

    def __post_init__(self) -> None:
        if self.oauth.id_token is not None:
            raise InvalidEntry("oauth.id_token", "is not read here: the key is what is kept")
        if self.token == "revoke" and self.oauth.revocation is None:
            raise InvalidEntry("token", "cannot be revoked: `oauth` has no `revocation`")
