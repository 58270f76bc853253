"""`/v2/oauth-clients/{clientId}/webhooks`: receivers of a client, in this dialect."""

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from safeconduct.core.errors import ApiError
from safeconduct.core.model import Client, WebhookEndpoint
from safeconduct.core.secret import Secret
from safeconduct.services.webhooks.endpoints import Dialect
from safeconduct.web.compat.calcom import translate
from safeconduct.web.compat.calcom.caller import Callers
from safeconduct.web.compat.calcom.deliveries import NAME
from safeconduct.web.compat.calcom.errors import answer, forbidden, no_conflict
from safeconduct.web.compat.calcom.paging import integer, window
from safeconduct.web.kit.json_body import json_of
from safeconduct.web.kit.surface import Services


class CalWebhooks:
    def __init__(self, p: Services, callers: Callers) -> None:
        self.p, self.callers = p, callers

    async def create(self, request: Request) -> Response:
        client = await self._client(request, writes=True)
        fields = translate.read_new_webhook(await json_of(request))
        given = fields.get("secret")
        made = await self.p.webhooks.create(
            client.tenant_id,
            translate.endpoint_fields(fields),
            actor=f"client:{client.id}",
            client_id=client.id,
            dialect=Dialect(
                name=NAME,
                options=translate.endpoint_options(fields, {}),
                secret=Secret(given) if given else None,
            ),
        )
        return answer(translate.webhook(made.endpoint, given), 201)

    async def list(self, request: Request) -> Response:
        client = await self._client(request, writes=False)
        take, skip = window(request, "take", "skip", usual=250, most=250)
        rows = await self.p.webhooks.list(client.tenant_id, client_id=client.id)
        return answer([await self._shown(row) for row in rows[skip : skip + take]])

    async def delete_all(self, request: Request) -> Response:
        client = await self._client(request, writes=True)
        rows = await self.p.webhooks.list(client.tenant_id, client_id=client.id)
        for row in rows:
            await self.p.webhooks.delete(client.tenant_id, row.id, actor=f"client:{client.id}")
        return answer(f"{len(rows)} webhook{'' if len(rows) == 1 else 's'} deleted")

    async def show(self, request: Request) -> Response:
        return answer(await self._shown(await self._one(request, writes=False)))

    async def update(self, request: Request) -> Response:
        row = await self._one(request, writes=True)
        fields = translate.read_webhook_changes(await json_of(request))
        actor = f"client:{row.client_id}"
        with no_conflict():
            changed = await self.p.webhooks.update(
                row.tenant_id,
                row.id,
                translate.endpoint_fields(fields),
                actor=actor,
                options=translate.endpoint_options(fields, row.options),
            )
        if fields.get("secret"):
            await self.p.webhooks.rotate_secret(
                row.tenant_id, row.id, actor=actor, secret=Secret(fields["secret"]), overlap_ms=0
            )
        return answer(await self._shown(changed, fields.get("secret")))

    async def delete(self, request: Request) -> Response:
        row = await self._one(request, writes=True)
        shown = await self._shown(row)
        await self.p.webhooks.delete(row.tenant_id, row.id, actor=f"client:{row.client_id}")
        return answer(shown)

    async def _client(self, request: Request, *, writes: bool) -> Client:
        caller = await self.callers.of(request, "secret", "key")
        id = str(request.path_params["clientId"])
        return await self.callers.client(caller, id, writes=writes)

    async def _one(self, request: Request, *, writes: bool) -> WebhookEndpoint:
        """404 for one that does not exist; 403 for another client's of this organisation."""
        client = await self._client(request, writes=writes)
        number = integer(str(request.path_params["webhookId"]))
        row = None
        if number is not None:
            row = await self.p.webhooks.numbered(client.tenant_id, number)
        if row is None or row.client_id is None:
            raise ApiError(404, "webhook_not_found", "unknown webhook")
        if row.client_id != client.id:
            raise forbidden()
        return row

    async def _shown(self, row: WebhookEndpoint, given: str | None = None) -> Mapping[str, Any]:
        """A secret is shown in the answer to whoever sent it, and by its last characters later."""
        if given is None and row.options.get("signed"):
            rows = await self.p.webhooks.secrets(row.tenant_id, row.id)
            newest = max(rows, key=lambda one: one.id, default=None)
            given = f"…{newest.suffix}" if newest else None
        return translate.webhook(row, given)
