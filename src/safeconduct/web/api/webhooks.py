"""/api/v1/webhooks and /api/v1/deliveries: who is told of what, and what became of it."""

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from safeconduct.core.access_token import Bearer
from safeconduct.core.errors import bad_request, not_found
from safeconduct.core.model import Delivery, WebhookEndpoint, WebhookSecret
from safeconduct.core.published import PUBLISHED
from safeconduct.core.webhooks import OVERLAP
from safeconduct.services.clients import Clients
from safeconduct.services.webhooks import Deliveries, Made, Webhooks
from safeconduct.web.api import describe_webhooks
from safeconduct.web.api.subject import api_route, json
from safeconduct.web.kit.bearer import Judge, bearer_of
from safeconduct.web.kit.json_body import body_of, json_of, parse_object
from safeconduct.web.kit.paging import cursor_of, limit_of, number_of, parameter, read_text

READ, WRITE = describe_webhooks.READ, describe_webhooks.WRITE
DESCRIPTION = describe_webhooks.DESCRIPTION


class WebhooksApi:
    def __init__(
        self, *, webhooks: Webhooks, deliveries: Deliveries, clients: Clients, access: Judge
    ) -> None:
        self.webhooks, self.deliveries = webhooks, deliveries
        self.clients, self.access = clients, access

    def routes(self) -> list[Route]:
        many, types = "/api/v1/webhooks", "/api/v1/webhooks/event-types"
        one, delivery = f"{many}/{{webhook_id}}", "/api/v1/deliveries/{delivery_id}"
        return [
            api_route(types, "GET", self.types),
            api_route(f"{types}/{{type}}", "GET", self.type),
            api_route(many, "GET", self.list),
            api_route(many, "POST", self.create),
            api_route(one, "GET", self.show),
            api_route(one, "PATCH", self.update),
            api_route(one, "DELETE", self.delete),
            api_route(f"{one}/secrets", "POST", self.rotate_secret),
            api_route(f"{one}/ping", "POST", self.ping),
            api_route(f"{one}/replay", "POST", self.replay_dead),
            api_route("/api/v1/deliveries", "GET", self.sent),
            api_route(delivery, "GET", self.one_sent),
            api_route(f"{delivery}/replay", "POST", self.replay),
        ]

    # What there is to hear

    async def types(self, request: Request) -> Response:
        shown = [
            {"type": type, "summary": one.summary, "schema": one.schema(type)}
            for type, one in PUBLISHED.items()
        ]
        return JSONResponse({"data": shown}, headers=_PUBLIC)

    async def type(self, request: Request) -> Response:
        """The `dataschema` of a message: for everybody who got one."""
        type = str(request.path_params["type"])
        known = PUBLISHED.get(type)
        if known is None:
            raise not_found("event_type")
        return JSONResponse(known.schema(type), headers=_PUBLIC)

    # Who hears it

    async def list(self, request: Request) -> Response:
        bearer = await self._caller(request, READ)
        limit, after = limit_of(request), number_of(request)
        rows = await self.webhooks.list(bearer.tenant_id, after=after, limit=limit + 1)
        more = str(rows[limit - 1].number) if len(rows) > limit else None
        return json({"data": [document(row) for row in rows[:limit]], "next_cursor": more})

    async def create(self, request: Request) -> Response:
        bearer = await self._caller(request, WRITE)
        data = dict(await json_of(request))
        client_id = data.pop("client_id", None)
        if client_id is not None:
            client_id = (await self.clients.show(bearer.tenant_id, str(client_id))).id
        made = await self.webhooks.create(
            bearer.tenant_id, data, actor=bearer.actor, client_id=client_id
        )
        return _made(made, 201)

    async def show(self, request: Request) -> Response:
        bearer = await self._caller(request, READ)
        row = await self.webhooks.get(bearer.tenant_id, _id(request))
        secrets = await self.webhooks.secrets(row.tenant_id, row.id)
        return json({**document(row), "secrets": [_secret(one) for one in secrets]})

    async def update(self, request: Request) -> Response:
        bearer = await self._caller(request, WRITE)
        data = await json_of(request)
        if "secret" in data:
            raise bad_request("unknown_field", "A secret is changed at /secrets.", field="secret")
        changed = await self.webhooks.update(
            bearer.tenant_id, _id(request), data, actor=bearer.actor
        )
        return json(document(changed))

    async def delete(self, request: Request) -> Response:
        bearer = await self._caller(request, WRITE)
        await self.webhooks.delete(bearer.tenant_id, _id(request), actor=bearer.actor)
        return Response(status_code=204)

    async def rotate_secret(self, request: Request) -> Response:
        bearer = await self._caller(request, WRITE)
        raw = await body_of(request) if request.headers.get("content-type") else b""
        overlap = _overlap(parse_object(raw)) if raw else OVERLAP
        made = await self.webhooks.rotate_secret(
            bearer.tenant_id, _id(request), actor=bearer.actor, overlap_ms=overlap
        )
        return _made(made, 201)

    async def ping(self, request: Request) -> Response:
        bearer = await self._caller(request, WRITE)
        sent = await self.webhooks.ping(bearer.tenant_id, _id(request), actor=bearer.actor)
        return json({"delivery_id": sent}, 202)

    async def replay_dead(self, request: Request) -> Response:
        bearer = await self._caller(request, WRITE)
        row = await self.webhooks.get(bearer.tenant_id, _id(request))
        count = await self.deliveries.replay_dead(row.tenant_id, row.id, actor=bearer.actor)
        return json({"replayed": count}, 202)

    # What became of it

    async def sent(self, request: Request) -> Response:
        bearer = await self._caller(request, READ)
        limit = limit_of(request)
        rows = await self.deliveries.page(
            bearer.tenant_id,
            endpoint_id=parameter(request, "webhook_id", read_text, None),
            status=parameter(request, "status", read_text, None),
            after=cursor_of(request),
            limit=limit + 1,
        )
        more = rows[limit - 1].id if len(rows) > limit else None
        return json({"data": [delivery(row) for row in rows[:limit]], "next_cursor": more})

    async def one_sent(self, request: Request) -> Response:
        bearer = await self._caller(request, READ)
        id = str(request.path_params["delivery_id"])
        return json(delivery(await self.deliveries.get(bearer.tenant_id, id)))

    async def replay(self, request: Request) -> Response:
        bearer = await self._caller(request, WRITE)
        id = str(request.path_params["delivery_id"])
        row = await self.deliveries.replay(bearer.tenant_id, id, actor=bearer.actor)
        return json(delivery(row), 202)

    async def _caller(self, request: Request, scope: str) -> Bearer:
        bearer = await bearer_of(request, self.access)
        bearer.require(scope)
        return bearer


_PUBLIC = {"Cache-Control": "public, max-age=300"}


def _id(request: Request) -> str:
    return str(request.path_params["webhook_id"])


def _overlap(data: dict[str, Any]) -> int:
    seconds = data.pop("overlap_seconds", OVERLAP // 1000)
    if data:
        raise bad_request("unknown_field", "Only overlap_seconds can be set.", field=min(data))
    if type(seconds) is not int or not 0 <= seconds <= 30 * 86_400:
        raise bad_request(
            "invalid_parameter", "overlap_seconds is 0 to 2592000.", field="overlap_seconds"
        )
    return seconds * 1000


def _made(made: Made, status: int) -> Response:
    return json({**document(made.endpoint), "secret": made.secret.reveal()}, status)


def document(row: WebhookEndpoint) -> dict[str, Any]:
    """A receiver, and how it does."""
    return {
        "id": row.id,
        "client_id": row.client_id,
        "dialect": row.dialect,
        "url": row.url,
        "description": row.description,
        "event_types": list(row.event_types),
        "status": row.status,
        "reason": row.reason,
        "failures": row.failures,
        "failing_since": row.failing_since,
        "succeeded_at": row.succeeded_at,
        "failed_at": row.failed_at,
        "created_at": row.created_at,
        "updated_at": row.updated_at,
    }


def _secret(row: WebhookSecret) -> dict[str, Any]:
    return {
        "id": row.id,
        "suffix": row.suffix,
        "created_at": row.created_at,
        "expires_at": row.expires_at,
    }


def delivery(row: Delivery) -> dict[str, Any]:
    return {
        "id": row.id,
        "webhook_id": row.endpoint_id,
        "event_id": row.event_id,
        "type": row.type,
        "subject": row.subject,
        "version": row.version,
        "status": row.status,
        "attempts": row.attempts,
        "response_status": row.response_status,
        "error": row.error,
        "next_at": row.next_at,
        "created_at": row.created_at,
        "settled_at": row.settled_at,
    }
