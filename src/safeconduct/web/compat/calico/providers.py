"""Calico v2 `/accounts/v2/providers` and `/accounts/v2/integrations`: link, list, unlink."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from safeconduct.core.access_token import Bearer
from safeconduct.core.errors import ApiError, ProviderError, bad_request
from safeconduct.core.model import Client
from safeconduct.core.redirect_uri import matches
from safeconduct.services.authorize import FindsClients
from safeconduct.services.connections import (
    Completed,
    Connections,
    Disconnect,
    Enter,
    NotCompleted,
    Providers,
    Start,
    Starter,
)
from safeconduct.web.compat.calico import translate_providers as translate
from safeconduct.web.compat.calico.envelope import ErrorItem, answer
from safeconduct.web.compat.calico.errors import calico_route, not_added, provider_item, render
from safeconduct.web.kit.bearer import Judge, bearer_of
from safeconduct.web.kit.json_body import json_of

FIELDS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "api_key": (("api_key", "secret_key"), ("passphrase",)),
    "wallet": (("address",), ("chain",)),
    "oauth2": ((), ()),
}
"""What a connection object of each type must hold, and what it may."""


class CalicoProviders:
    def __init__(
        self,
        *,
        access: Judge,
        clients: FindsClients,
        providers: Providers,
        start: Start,
        enter: Enter,
        connections: Connections,
        disconnect: Disconnect,
    ) -> None:
        self.access, self.clients, self.providers = access, clients, providers
        self.start, self.enter = start, enter
        self.connections, self.disconnect = connections, disconnect

    def routes(self) -> list[Route]:
        methods = {"GET": self.list, "POST": self.add, "DELETE": self.remove}
        return [
            calico_route("/accounts/v2/providers", methods),
            calico_route("/accounts/v2/integrations", {"GET": self.integrations}),
        ]

    async def add(self, request: Request) -> Response:
        """One provider per call. Keys and addresses are linked at once (201); signing in begins
        with the address to send the user to, and `added` is false until the callback.
        """
        bearer = await bearer_of(request, self.access)
        bearer.require("connections:write")
        user_id, body = bearer.user(), await json_of(request)
        provider_id = _text(body, "provider_id", required=True) or ""
        label = _text(body, "display_label", blank=True)
        kind, given = _connection(body)
        try:
            ready = await self.providers.need(bearer.tenant_id, provider_id)
            if kind not in translate.auth_types(ready.provider):
                raise bad_request("auth_type", f"provider does not accept {kind}")
            client = await self._client(bearer)
            who = Starter(
                tenant_id=bearer.tenant_id,
                user_id=user_id,
                client_id=bearer.client_id,
                grant_id=bearer.grant_id,
                return_to=_return_to(client, _text(body, "redirect_uri")),
            )
            if kind == "oauth2":
                begun = await self.start.start(who, provider_id, display_label=label)
                return answer({"redirect_url": begun.redirect_url, "added": False})
            outcome = await self._entered(who, provider_id, kind, given, label)
        except ApiError as error:
            return render(_worded(error), provider_id)
        except ProviderError as error:
            return answer({"added": False}, [provider_item(error, provider_id)])
        match outcome:
            case Completed():
                return answer({"added": True}, status=201)
            case NotCompleted():
                return answer({"added": False}, [not_added(outcome, provider_id)])

    async def _entered(
        self, who: Starter, provider_id: str, kind: str, given: dict[str, str], label: str | None
    ) -> Completed | NotCompleted:
        if kind == "wallet":
            return await self.enter.wallet(
                who,
                provider_id,
                given["address"],
                chain=given.get("chain"),
                display_label=label,
            )
        return await self.enter.keys(who, provider_id, given, display_label=label)

    async def list(self, request: Request) -> Response:
        bearer = await bearer_of(request, self.access)
        bearer.require("connections:read")
        rows = await self.connections.of_user(bearer.tenant_id, bearer.user())
        shown = [
            translate.connected(
                row,
                self.providers.catalog.get(row.provider_id),
                await self.connections.refreshed_at(row),
            )
            for row in rows
        ]
        return answer({"providers": shown})

    async def remove(self, request: Request) -> Response:
        """Without `connection_id`, every connection to the provider."""
        bearer = await bearer_of(request, self.access)
        bearer.require("connections:write")
        user_id, body = bearer.user(), await json_of(request)
        provider_id = _text(body, "provider_id", required=True) or ""
        only = _text(body, "connection_id")
        removed = 0
        for row in await self.connections.of_user(bearer.tenant_id, user_id):
            if row.provider_id != provider_id or only not in (None, row.id):
                continue
            removed += await self._removed(bearer, row.id, user_id)
        if removed:
            return answer({"removed": True})
        missing = ErrorItem(
            cause="not_found", message="nothing is connected", provider_id=provider_id
        )
        return answer({"removed": False}, [missing])

    async def _removed(self, bearer: Bearer, connection_id: str, user_id: str) -> bool:
        try:
            await self.disconnect.delete(
                bearer.tenant_id, connection_id, actor=bearer.actor, user_id=user_id
            )
        except ApiError as error:
            if error.status == 404:  # somebody else was faster
                return False
            raise
        return True

    async def integrations(self, request: Request) -> Response:
        bearer = await bearer_of(request, self.access)
        bearer.require("connections:read")
        offered = await self.providers.offered(bearer.tenant_id)
        return answer({"integrations": [translate.integration(entry) for entry in offered]})

    async def _client(self, bearer: Bearer) -> Client | None:
        """The app behind the token; an API key has none, and no address of its own."""
        if bearer.kind == "api_key":
            return None
        return await self.clients.find(bearer.client_id)


def _return_to(client: Client | None, asked: str | None) -> str | None:
    """Where the browser goes after the provider, if the app says so: one of its own addresses."""
    if asked is not None and (client is None or not matches(client.redirect_uris, asked)):
        raise bad_request(
            "invalid_redirect_uri",
            "redirect_uri is not registered for this app",
            field="redirect_uri",
        )
    return asked


def _connection(body: dict[str, Any]) -> tuple[str, dict[str, str]]:
    """The way of linking, and what was typed in for it; nothing of it is ever said back."""
    connection = body.get("connection")
    if not isinstance(connection, dict):
        raise bad_request("invalid_body", "connection is required", field="connection")
    kind = _text(connection, "type", required=True, at="connection.")
    if kind not in translate.AUTH_TYPES:
        raise bad_request(
            "invalid_body",
            f"connection.type must be one of {', '.join(translate.AUTH_TYPES)}",
            field="connection.type",
        )
    required, optional = FIELDS[kind]
    given = {
        name: _text(connection, name, required=name in required, at="connection.")
        for name in (*required, *optional)
    }
    return kind, {name: value for name, value in given.items() if value is not None}


def _text(
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


def _worded(error: ApiError) -> ApiError:
    """The contract's words for what is not there."""
    if error.code != "provider_not_found":
        return error
    return ApiError(error.status, error.code, "unknown provider")
