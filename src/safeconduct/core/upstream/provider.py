"""A catalogue entry: everything that is known about a provider, as data.

    Provider
      auth.…             the ways to link an account there
        oauth2_code               where to send browser and back channel (`dialect`)
        oauth2_yields_api_key     signing in that ends with a key, which is kept (`minted`)
        oauth1                    three addresses, and how each request is signed (`oauth1`)
        oauth2_client_credentials a token for a client that the user brings (`client_credentials`)
        service_account           a token for what their key signs (`service_account`)
        api_key                   the keys that a user types in, by name (`keys`)
        basic                     user name and password (`basic`)
        custom_form               fields, and where each of them goes (`custom_form`)
        wallet                    an address, and the proof that it is the user's (`keys`)
        oauth2_device             signing in on another screen, with a code (`device`)
      mcp                the endpoint of an MCP server, which has this one address and no paths
      identity           whose account was linked; without it, and without an account in the
                         token answer, accounts cannot be told apart: a user has one at most
      api                where data lies, page by page, and what it means (`records`);
                         `via` names the connector that speaks a protocol of the provider's own
                         (`served`, as `mcp` is)
      webhooks           what it sends us by itself, and how that is signed (`inbound`)
      placeholders       what a user or operator fills into the URLs (`template`)
      sources            where each stated fact comes from (`provenance`: fact → source)

A quirk of a provider becomes a word of this vocabulary, never a provider's name in code.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from copy import copy
from dataclasses import dataclass, field
from typing import Literal

from safeconduct.core.errors import ProviderError
from safeconduct.core.upstream.basic import Basic
from safeconduct.core.upstream.client_credentials import ClientCredentials
from safeconduct.core.upstream.custom_form import CustomForm
from safeconduct.core.upstream.device import Device
from safeconduct.core.upstream.dialect import OAuth2Code, Refresh
from safeconduct.core.upstream.form import Brings, check_texts, form_of
from safeconduct.core.upstream.inbound import Webhooks
from safeconduct.core.upstream.keys import ApiKey, KeyField, Wallet
from safeconduct.core.upstream.minted import YieldsApiKey
from safeconduct.core.upstream.oauth1 import OAuth1
from safeconduct.core.upstream.pointer import Terms
from safeconduct.core.upstream.records import Path
from safeconduct.core.upstream.schema import InvalidEntry, leaves, read
from safeconduct.core.upstream.served import Api, Mcp
from safeconduct.core.upstream.service_account import ServiceAccount
from safeconduct.core.upstream.template import Placeholder, Template

Category = Literal["exchange", "wallet", "custodian", "health", "conferencing", "other"]

SUB = "/sub"
"""Where a userinfo answer has whom an ID token names (OpenID Connect Core §5.3.2)."""

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
BY_BROWSER = ("oauth2_code", "oauth2_yields_api_key", "oauth1")
"""Modes in which a browser is sent to the provider and comes back."""
BROUGHT = ("oauth2_client_credentials", "service_account", "api_key", "basic", "custom_form")
"""Modes in which the user brings all that is needed: we need not be known there."""
REGISTERED = (*BY_BROWSER, "oauth2_device")
"""Modes in which the provider must know us before a user can link an account there."""

MODES = (*BY_BROWSER, *BROUGHT, "wallet", "oauth2_device")
_ABOUT = ("name", "category", "logo", "docs", "summary", "placeholders")
_FACTS = (*_ABOUT, "auth", "mcp", "identity", "api", "webhooks")


NEVER = Refresh(grant="none")

Dialect = OAuth2Code | ClientCredentials | ServiceAccount
"""The modes with a token endpoint."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where facts come from. A library's default is not a fact; `reported` is a fact in the words
    of somebody else than the provider. Without `seen`, nobody has read it for this entry.
    """

    kind: Literal[
        "vendor-docs", "reported", "library", "specification", "measured", "invented", "operator"
    ]
    title: str
    url: str | None = None
    seen: str | None = None  # the day it was read or measured, "2026-03-01"


@dataclass(frozen=True, slots=True, kw_only=True)
class Auth:
    """The ways to link an account; each is optional, one must be there."""

    oauth2_code: OAuth2Code | None = None
    oauth2_yields_api_key: YieldsApiKey | None = None
    oauth2_device: Device | None = None
    oauth1: OAuth1 | None = None
    oauth2_client_credentials: ClientCredentials | None = None
    service_account: ServiceAccount | None = None
    api_key: ApiKey | None = None
    basic: Basic | None = None
    custom_form: CustomForm | None = None
    wallet: Wallet | None = None

    def __post_init__(self) -> None:
        if not self.modes:
            raise ValueError("must have at least one auth mode")
        if self.oauth2_device and self.oauth2_code is None:
            raise InvalidEntry("oauth2_device", "needs `oauth2_code`, whose answers it shares")
        if self.oauth2_yields_api_key and self.oauth2_code:
            raise InvalidEntry("oauth2_yields_api_key", "takes the place of `oauth2_code`")

    @property
    def modes(self) -> tuple[str, ...]:
        """Their names; the first is how an account is linked unless another way is asked for."""
        return tuple(name for name in MODES if getattr(self, name) is not None)

    @property
    def brings(self) -> Brings | None:
        """The first mode in which the user brings what is needed."""
        found = (getattr(self, name) for name in self.modes if name in BROUGHT)
        return next(found, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """One API call that says whose account this is; `base_url` where it lies outside `api`."""

    path: Path
    base_url: Template | None = None
    method: Literal["GET", "POST"] = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    account_id: Terms
    account_name: Terms | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    id: str
    name: str
    category: Category
    logo: str | None = None
    docs: str | None = None
    summary: str | None = None
    placeholders: Mapping[str, Placeholder] = field(default_factory=dict)
    auth: Auth
    mcp: Mcp | None = None
    identity: Identity | None = None
    api: Api | None = None
    webhooks: Webhooks | None = None
    sources: Mapping[str, Source]
    provenance: Mapping[str, str]

    def __post_init__(self) -> None:
        if not _ID.fullmatch(self.id):
            raise InvalidEntry("id", "must be 1 to 64 letters, digits, hyphens and underscores")
        for at, url in (("logo", self.logo), ("docs", self.docs)):
            if url is not None and not url.startswith("https://"):
                raise InvalidEntry(at, "must be an https URL")
        for at, template in self.templates():
            for name in template.names:
                if name not in self.placeholders:
                    raise InvalidEntry(at, f"uses {{{name}}}, which `placeholders` does not have")
        form_of((), self.placeholders, self.placeholders)  # each can be asked for
        if self.identity and self.api is None and self.identity.base_url is None:
            raise InvalidEntry("identity", "needs `api`, or a `base_url` of its own")
        code, who = self.auth.oauth2_code, self.identity
        if code and code.id_token and who and SUB not in who.account_id:
            raise InvalidEntry("identity.account_id", f"must be {SUB} beside an ID token")
        typed = self.auth.api_key or self.auth.basic or self.auth.custom_form
        if typed and self.identity is None:
            raise InvalidEntry("identity", "is missing: keys are tried before they are kept")
        for mode in self.auth.modes:
            if mode in BROUGHT:
                check_texts(mode, getattr(self.auth, mode), self.by(mode).form)
        self._check_calls()

    def _check_calls(self) -> None:
        """What is asked of the API by other parts needs an API that plain requests reach."""
        plain = self.api is not None and self.api.via is None
        oauth1, yields = self.auth.oauth1, self.auth.oauth2_yields_api_key
        if oauth1 and oauth1.revocation and not plain:
            raise InvalidEntry("auth.oauth1.revocation", "needs `api`")
        if yields and yields.revocation and not plain:
            raise InvalidEntry("auth.oauth2_yields_api_key.revocation", "needs `api`")
        if yields and yields.identity is None and self.identity is None:
            raise InvalidEntry("identity", "is missing: keys are tried before they are kept")

    def by(self, mode: str) -> "Provider":
        """The entry as a connection uses it that was linked in this way: it has no other mode.

        Whoever signed in on another screen has the tokens of `oauth2_code`; and so has, for a
        moment, who signs in for a key.
        """
        if self.auth.modes == (mode,):
            return self
        how: object = getattr(self.auth, mode) if mode in MODES else None
        if mode == "oauth2_device" and how is not None:
            mode, how = "oauth2_code", self.auth.oauth2_code
        if mode == "oauth2_code" and how is None and self.auth.oauth2_yields_api_key:
            how = self.auth.oauth2_yields_api_key.oauth
        if how is None:
            raise ProviderError("auth_mode_gone", remedy="broken", sent=False, detail=mode)
        one = copy(self)  # without its checks: what is left out breaks none of them
        object.__setattr__(one, "auth", Auth(**{mode: how}))  # type: ignore[arg-type]
        return one

    def only(self, modes: Collection[str]) -> "Provider":
        """The entry with these of its modes, for whoever can use no other."""
        if set(self.auth.modes) <= set(modes):
            return self
        one = copy(self)
        kept = {name: getattr(self.auth, name) for name in self.auth.modes if name in modes}
        object.__setattr__(one, "auth", Auth(**kept))
        return one

    @property
    def form(self) -> tuple[KeyField, ...]:
        """What is asked of a user who brings it, the placeholders of the URLs first."""
        how = self.auth.brings
        if how is None:
            return ()
        names = (name for _, template in self.templates() for name in template.names)
        return form_of(how.fields, self.placeholders, names)

    @property
    def dialect(self) -> Dialect | None:
        """The mode with a token endpoint; None where nothing is got for what is held."""
        auth = self.auth
        return auth.oauth2_code or auth.oauth2_client_credentials or auth.service_account

    @property
    def speaks(self) -> Dialect:
        """The same; ValueError for an entry without."""
        if (dialect := self.dialect) is None:
            raise ValueError(f"{self.id} has no token endpoint")
        return dialect

    @property
    def oauth2(self) -> OAuth2Code:
        """How it speaks OAuth 2, whatever that ends with; ValueError for one that does not."""
        if self.auth.oauth2_code is not None:
            return self.auth.oauth2_code
        if self.auth.oauth2_yields_api_key is not None:
            return self.auth.oauth2_yields_api_key.oauth
        raise ValueError(f"{self.id} does not speak OAuth 2")

    @property
    def oauth1(self) -> OAuth1:
        """The OAuth 1.0a mode; ValueError for an entry without it."""
        if self.auth.oauth1 is None:
            raise ValueError(f"{self.id} does not speak OAuth 1")
        return self.auth.oauth1

    @property
    def asked(self) -> tuple[str, ...]:
        """The scopes that somebody who signs in there is asked for."""
        if self.auth.oauth2_code or self.auth.oauth2_yields_api_key:
            return self.oauth2.scopes
        return self.auth.oauth1.scopes if self.auth.oauth1 else ()

    @property
    def signs_in_at(self) -> Template | None:
        """Where a browser is sent to, if linking sends it anywhere."""
        if self.auth.oauth2_code or self.auth.oauth2_yields_api_key:
            return self.oauth2.authorize_url
        return self.auth.oauth1.authorize_url if self.auth.oauth1 else None

    @property
    def renewal(self) -> Refresh:
        """How a credential is renewed; what somebody typed in never is."""
        dialect = self.dialect
        return dialect.refresh if dialect else NEVER

    @property
    def needs_setting(self) -> bool:
        """Whether an operator must have said something before it can be used."""
        return self.needs_registration or (self.api is not None and self.api.own)

    @property
    def needs_registration(self) -> bool:
        """Whether the provider must know us before a user can link an account there."""
        return set(self.auth.modes) <= set(REGISTERED) and not self.registers_itself

    @property
    def registers_itself(self) -> bool:
        """Whether we become its client without an operator's doing."""
        code = self.auth.oauth2_code
        return code is not None and code.registering is not None

    def templates(self) -> Iterator[tuple[str, Template]]:
        """Every URL of the entry with its path."""
        if self.mcp:
            yield "mcp.url", self.mcp.url
        if self.identity and self.identity.base_url:
            yield "identity.base_url", self.identity.base_url
        for mode in ("oauth2_client_credentials", "service_account"):
            own: ClientCredentials | ServiceAccount | None = getattr(self.auth, mode)
            if own is not None:
                yield f"auth.{mode}.token_url", own.token_url
                if own.revocation:
                    yield f"auth.{mode}.revocation.url", own.revocation.url
        if self.auth.oauth2_code:
            yield from _oauth2_templates("auth.oauth2_code", self.auth.oauth2_code)
        if device := self.auth.oauth2_device:
            yield "auth.oauth2_device.device_url", device.device_url
            if device.token_url:
                yield "auth.oauth2_device.token_url", device.token_url
        if yields := self.auth.oauth2_yields_api_key:
            yield from _oauth2_templates("auth.oauth2_yields_api_key.oauth", yields.oauth)
            yield "auth.oauth2_yields_api_key.key.url", yields.key.url
            if yields.identity:
                yield "auth.oauth2_yields_api_key.identity.url", yields.identity.url
        if oauth1 := self.auth.oauth1:
            for name in ("request_url", "authorize_url", "token_url"):
                yield f"auth.oauth1.{name}", getattr(oauth1, name)
        if self.api:
            yield "api.base_url", self.api.base_url

    def source_of(self, path: str) -> Source | None:
        """The source of a fact: its own, else that of the nearest group around it."""
        while path:
            if path in self.provenance:
                return self.sources[self.provenance[path]]
            path = path.rpartition(".")[0]
        return None


def _oauth2_templates(at: str, code: OAuth2Code) -> Iterator[tuple[str, Template]]:
    yield f"{at}.authorize_url", code.authorize_url
    yield f"{at}.token_url", code.token_url
    if code.refresh.url:
        yield f"{at}.refresh.url", code.refresh.url
    if code.revocation:
        yield f"{at}.revocation.url", code.revocation.url
    if code.id_token and code.id_token.jwks_uri:
        yield f"{at}.id_token.jwks_uri", code.id_token.jwks_uri
    if code.registering and code.registering.url:
        yield f"{at}.registering.url", code.registering.url


def read_provider(document: object) -> Provider:
    """Read one entry strictly; `InvalidEntry` names the field and the reason.

    Every fact that the entry states has a source, its own or its group's, and every source
    stands for a fact that is stated.
    """
    provider = read(Provider, document)
    stated = set(leaves(document))
    for path, source in provider.provenance.items():
        if source not in provider.sources:
            raise InvalidEntry(f"provenance.{path}", f"names {source}, which is not in `sources`")
        if not any(leaf == path or leaf.startswith(f"{path}.") for leaf in stated):
            raise InvalidEntry(f"provenance.{path}", "is not a fact of this entry")
    for leaf in sorted(stated):
        if leaf.startswith(_FACTS) and provider.source_of(leaf) is None:
            raise InvalidEntry(leaf, "has no source in `provenance`")
    return provider
