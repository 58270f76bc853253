"""/api/v1/inbound/{provider_id}: where a provider sends its webhooks.

No token: the provider's signature over the raw body is what counts.
"""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from safeconduct.core.model import TenantId
from safeconduct.services.inbound import Inbound
from safeconduct.web.api.describe import TEXT, in_path, operation, record
from safeconduct.web.api.openapi import Description
from safeconduct.web.api.subject import api_route, json
from safeconduct.web.kit.bearer import tenant_at
from safeconduct.web.kit.headers import headers_of
from safeconduct.web.kit.json_body import body_of

PATH = "/api/v1/inbound/{provider_id}"


class InboundApi:
    def __init__(self, *, inbound: Inbound, tenant_id: TenantId) -> None:
        self.inbound, self.tenant_id = inbound, tenant_id

    def routes(self) -> list[Route]:
        return [api_route(PATH, "POST", self.receive)]

    async def receive(self, request: Request) -> Response:
        tenant_id = tenant_at(request) or self.tenant_id
        raw = await body_of(request)
        said = await self.inbound.receive(
            tenant_id, headers_of(request), raw, request.path_params["provider_id"]
        )
        return json({"received": True, "type": said.type}, 202)


DESCRIPTION = Description(
    paths={
        PATH: {
            "parameters": [in_path("provider_id")],
            "post": operation(
                "receiveWebhook",
                "Take a provider's webhook, signed as its catalogue entry says",
                tag="webhooks",
                scope="none: the signature counts",
                answers={202: ("It is acted upon, or was before", "WebhookTaken")},
                fails=(412, 413, 415),
            )
            | {"security": []},
        }
    },
    schemas={"WebhookTaken": record(received={"const": True}, type=TEXT)},
)
