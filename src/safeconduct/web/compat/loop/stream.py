"""`POST /v1/stream/webhooks`: what providers send by themselves, known by its signature alone."""

from starlette.requests import Request
from starlette.responses import Response

from safeconduct.core.model import TenantId
from safeconduct.services.inbound import Inbound
from safeconduct.web.compat.loop.connections import answer
from safeconduct.web.kit.bearer import tenant_at
from safeconduct.web.kit.headers import headers_of
from safeconduct.web.kit.json_body import body_of


class LoopStream:
    def __init__(self, *, inbound: Inbound, tenant_id: TenantId) -> None:
        self.inbound, self.tenant_id = inbound, tenant_id

    async def receive(self, request: Request) -> Response:
        raw = await body_of(request)
        tenant_id = tenant_at(request) or self.tenant_id
        said = await self.inbound.receive(tenant_id, headers_of(request), raw)
        return answer({"received": True, "eventType": said.type}, 202)
