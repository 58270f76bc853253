"""`/v1/connections` and `/v1/providers`: link, list, unlink, and what can be linked.

Link: the app asks for an address, its user goes there and comes back to the app with `code` and
`state`, and the app brings both here. Its bearer token is what binds them to its user.
"""

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from safeconduct.core.errors import ApiError, ProviderError, bad_request
from safeconduct.core.redirect_uri import matches
from safeconduct.services.authorize import FindsClients
from safeconduct.services.connections import (
    Complete,
    Completed,
    Connections,
    Disconnect,
    NotCompleted,
    Providers,
    Returning,
    Start,
    Starter,
)
from safeconduct.web.compat.loop import translate
from safeconduct.web.compat.loop.callers import READ, WRITE, caller, named_user, owned
from safeconduct.web.compat.loop.errors import of_provider
from safeconduct.web.kit.bearer import Judge
from safeconduct.web.kit.json_body import json_of


class LoopConnections:
    def __init__(
        self,
        *,
        access: Judge,
        clients: FindsClients,
        providers: Providers,
        start: Start,
        complete: Complete,
        connections: Connections,
        disconnect: Disconnect,
    ) -> None:
        self.access, self.clients, self.providers = access, clients, providers
        self.start, self.complete = start, complete
        self.connections, self.disconnect = connections, disconnect

    async def authorize(self, request: Request) -> Response:
        bearer = await caller(request, self.access, WRITE)
        asked = translate.read_authorize(await json_of(request))
        client = await self.clients.find(bearer.client_id, bearer.tenant_id)
        if client is None or not matches(client.redirect_uris, asked.redirect_uri):
            raise bad_request(
                "invalid_redirect_uri", "redirectUri is not registered", field="redirectUri"
            )
        who = Starter(
            tenant_id=bearer.tenant_id,
            user_id=bearer.user(),
            client_id=bearer.client_id,
            grant_id=bearer.grant_id,
            return_to=asked.redirect_uri,
        )
        try:
            begun = await self.start.start(who, asked.provider, placeholders=asked.placeholders)
        except ProviderError as error:  # one that has to be asked first, as OAuth 1.0a has it
            raise of_provider(error) from None
        return answer({"url": begun.redirect_url, "state": begun.state})

    async def callback(self, request: Request) -> Response:
        bearer = await caller(request, self.access, WRITE)
        asked = translate.read_callback(await json_of(request))
        await self.providers.need(bearer.tenant_id, asked.provider)
        back = Returning(
            tenant_id=bearer.tenant_id,
            mode="api",
            user_id=bearer.user(),
            client_id=bearer.client_id,
            provider_id=asked.provider,
            return_to=asked.redirect_uri,
            state=asked.state,
            params=[*asked.given.items(), ("state", asked.state)],
        )
        match await self.complete.complete(back):
            case Completed(row):
                at = await self.connections.refreshed_at(row)
                return answer({"connection": translate.connection(row, at)}, 201)
            case NotCompleted(error=None):
                raise bad_request("not_linked", "this account cannot be linked")
            case NotCompleted(reason="invalid_grant"):
                raise bad_request("invalid_code", "code is not valid", field="code")
            case NotCompleted(error=error):
                assert error is not None
                raise of_provider(error)

    async def list(self, request: Request) -> Response:
        bearer = await caller(request, self.access, READ)
        rows = await self.connections.of_user(bearer.tenant_id, named_user(request, bearer))
        read_at = await self.connections.freshness(rows)
        shown = [translate.connection(row, read_at.get(row.id)) for row in rows]
        return answer({"connections": shown})

    async def delete(self, request: Request) -> Response:
        bearer = await caller(request, self.access, WRITE)
        try:
            user_id = named_user(request, bearer)
        except ApiError as error:
            # The contract has no 400 here: whoever does not say whose it is, has no claim to it
            raise ApiError(403, "forbidden", error.title) from None
        connection_id = request.path_params["connection_id"]
        row = await owned(self.connections, bearer, connection_id, user_id)
        await self.disconnect.delete(
            bearer.tenant_id, row.id, actor=bearer.actor, user_id=row.user_id
        )
        return answer({"success": True})

    async def offered(self, request: Request) -> Response:
        bearer = await caller(request, self.access, READ)
        settings = await self.providers.settings(bearer.tenant_id)
        entries = self.providers.entries
        shown = [
            translate.provider(entry, on=setting.status != "disabled")
            for setting in settings
            if (entry := await entries.get(setting.tenant_id, setting.provider_id)) is not None
            and entry.signs_in_at is not None
        ]
        return answer({"providers": sorted(shown, key=lambda one: one["slug"])})


def answer(document: translate.Document, status: int = 200) -> Response:
    head = {"Cache-Control": "no-store"}
    return Response(msgspec.json.encode(document), status, head, "application/json")
