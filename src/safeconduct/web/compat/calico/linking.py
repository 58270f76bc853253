"""What both versions of the dialect do to link and unlink; each says it in its own bodies.

body ─▶ read_connection ─▶ Linking.add ──▶ Begun | Added | NotAdded
query ─▶ returning ─────▶ Linking.finish ─▶ Added | NotAdded
"""

from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request

from safeconduct.core.access_token import Bearer
from safeconduct.core.errors import ApiError, ProviderError, bad_request
from safeconduct.core.redirect_uri import matches
from safeconduct.services.connections import (
    Completed,
    NotCompleted,
    Returning,
    Starter,
)
from safeconduct.web.compat.calico import translate_providers as translate
from safeconduct.web.compat.calico.envelope import ErrorItem
from safeconduct.web.compat.calico.errors import not_added, provider_item
from safeconduct.web.kit.surface import Services

MAX_VALUE = 4_096
CARRIED = ("state", "code", "error", "error_description", "iss", "oauth_token", "oauth_verifier")

FIELDS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "api_key": (("api_key", "secret_key"), ("passphrase",)),
    "wallet": (("address",), ("chain",)),
    "oauth2": ((), ()),
}
"""What a connection object of each type must hold, and what it may."""

KNOWN = tuple(name for groups in FIELDS.values() for group in groups for name in group)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A link that is asked for. `given` is what was typed in, and is never said back."""

    provider_id: str
    kind: str
    given: dict[str, str] = field(repr=False)
    label: str | None = None
    redirect_uri: str | None = None
    placeholders: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Begun:
    """The user has to sign in at the provider first."""

    redirect_url: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Added: ...


@dataclass(frozen=True, slots=True)
class NotAdded:
    """It was handled, and came to nothing."""

    why: ErrorItem


class Linking:
    def __init__(self, p: Services) -> None:
        self.p = p

    async def add(self, bearer: Bearer, wanted: Wanted) -> Begun | Added | NotAdded:
        """One provider per call. Keys and addresses are linked at once."""
        provider_id, kind = wanted.provider_id, wanted.kind
        try:
            ready = await self.p.providers.need(bearer.tenant_id, provider_id)
            if kind not in translate.auth_types(ready.provider):
                raise bad_request("auth_type", f"provider does not accept {kind}")
            who = await self._starter(bearer, wanted)
            if kind == "oauth2":
                begun = await self.p.start.start(
                    who,
                    provider_id,
                    display_label=wanted.label,
                    placeholders=wanted.placeholders,
                )
                return Begun(begun.redirect_url)
            return _told(await self._entered(who, wanted), provider_id)
        except ProviderError as error:
            return NotAdded(provider_item(error, provider_id))

    async def _entered(self, who: Starter, wanted: Wanted) -> Completed | NotCompleted:
        enter, given = self.p.enter, wanted.given
        if wanted.kind == "wallet":
            return await enter.wallet(
                who,
                wanted.provider_id,
                given["address"],
                chain=given.get("chain"),
                display_label=wanted.label,
            )
        return await enter.keys(who, wanted.provider_id, given, display_label=wanted.label)

    async def _starter(self, bearer: Bearer, wanted: Wanted) -> Starter:
        return Starter(
            tenant_id=bearer.tenant_id,
            user_id=bearer.user(),
            client_id=bearer.client_id,
            grant_id=bearer.grant_id,
            return_to=await self._return_to(bearer, wanted.redirect_uri),
        )

    async def _return_to(self, bearer: Bearer, asked: str | None) -> str | None:
        """Where the browser goes after the provider, if the app says so: to itself. An API key
        has no app behind it, and no address.
        """
        if asked is None:
            return None
        known = None
        if bearer.kind != "api_key":
            known = await self.p.clients.find(bearer.client_id, bearer.tenant_id)
        if known is None or not matches(known.redirect_uris, asked):
            raise bad_request(
                "invalid_redirect_uri",
                "redirect_uri is not registered for this app",
                field="redirect_uri",
            )
        return asked

    async def finish(self, bearer: Bearer, provider_id: str, request: Request) -> Added | NotAdded:
        """The bearer's user and client must be those that began: there is no cookie here."""
        if await self.p.providers.ready(bearer.tenant_id, provider_id) is None:
            raise ApiError(404, "provider_not_found", "unknown provider")
        back = returning(request, bearer, provider_id)
        return _told(await self.p.complete.complete(back), provider_id)

    async def remove(self, bearer: Bearer, provider_id: str, only: str | None = None) -> int:
        """How many were removed; without `only`, every connection to the provider is."""
        removed, user_id = 0, bearer.user()
        for row in await self.p.connections.of_user(bearer.tenant_id, user_id):
            if row.provider_id == provider_id and only in (None, row.id):
                removed += await self._removed(bearer, row.id, user_id)
        return removed

    async def _removed(self, bearer: Bearer, connection_id: str, user_id: str) -> bool:
        try:
            await self.p.disconnect.delete(
                bearer.tenant_id, connection_id, actor=bearer.actor, user_id=user_id
            )
        except ApiError as error:
            if error.status == 404:  # somebody else was faster
                return False
            raise
        return True


def _told(outcome: Completed | NotCompleted, provider_id: str) -> Added | NotAdded:
    if isinstance(outcome, Completed):
        return Added()
    return NotAdded(not_added(outcome, provider_id))


def returning(request: Request, bearer: Bearer, provider_id: str) -> Returning:
    pairs = [pair for pair in request.query_params.multi_items() if pair[0] in CARRIED]
    values = dict(pairs)
    if len(values) != len(pairs):
        raise bad_request("invalid_callback", "a parameter is given more than once")
    signed = "oauth_verifier" in values  # of a provider that speaks OAuth 1.0a
    for name in ("state", "oauth_token" if signed else "code"):
        if name != "state" and "error" in values:
            continue
        if not 0 < len(values.get(name, "")) <= MAX_VALUE:
            raise bad_request("invalid_callback", f"{name} is missing or malformed", field=name)
    return Returning(
        tenant_id=bearer.tenant_id,
        mode="api",
        user_id=bearer.user(),
        client_id=bearer.client_id,
        provider_id=provider_id,
        state=values["state"],
        params=pairs,
    )


def read_connection(body: dict[str, Any], member: str) -> tuple[str, dict[str, str]]:
    """The way of linking, and what was typed in for it, from an object of the body."""
    connection = body.get(member)
    if not isinstance(connection, dict):
        raise bad_request("invalid_body", f"{member} is required", field=member)
    kind = text(connection, "type", required=True, at=f"{member}.")
    if kind not in translate.AUTH_TYPES:
        raise bad_request(
            "invalid_body",
            f"{member}.type must be one of {', '.join(translate.AUTH_TYPES)}",
            field=f"{member}.type",
        )
    required, optional = FIELDS[kind]
    given = {
        name: text(connection, name, required=name in required, at=f"{member}.") for name in KNOWN
    }
    # Whatever else is there has to be text as well, and is of no use here
    mine = {*required, *optional}
    return kind, {name: value for name, value in given.items() if value and name in mine}


def text(
    body: dict[str, Any], name: str, *, required: bool = False, blank: bool = False, at: str = ""
) -> str | None:
    """A member that is text. It may be left out where it is not required; null is not text."""
    if name not in body:
        if required:
            raise bad_request("invalid_body", f"{at}{name} is required", field=at + name)
        return None
    value = body[name]
    if not isinstance(value, str):
        raise bad_request("invalid_body", f"{at}{name} must be text", field=at + name)
    if not value and not blank:
        raise bad_request("invalid_body", f"{at}{name} must not be empty", field=at + name)
    return value
