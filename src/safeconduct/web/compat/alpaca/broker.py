"""The four operations of the Broker API."""

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from safeconduct.core.access_token import Bearer
from safeconduct.core.api_keys import BROKER
from safeconduct.core.errors import invalid_client
from safeconduct.services.delegation import Delegation
from safeconduct.web.compat.alpaca import translate
from safeconduct.web.kit.basic import basic_of
from safeconduct.web.kit.bearer import Judge, tenant_at
from safeconduct.web.kit.json_body import body_of, json_of, parse_object

NO_STORE = {"Cache-Control": "no-store"}


class Broker:
    def __init__(self, *, access: Judge, delegation: Delegation) -> None:
        self.access, self.delegation = access, delegation

    async def client(self, request: Request) -> Response:
        """What the broker's consent page shows. Nothing is decided by what the app asked for."""
        broker = await self._broker(request)
        translate.check_lookup({**await _body(request), **request.query_params})
        found = await self.delegation.client(broker, request.path_params["client_id"])
        return _answer(translate.client(found))

    async def authorize(self, request: Request) -> Response:
        broker = await self._broker(request)
        asked = translate.read_request(await json_of(request))
        return _answer(translate.code(await self.delegation.authorize(broker, asked)))

    async def token(self, request: Request) -> Response:
        broker = await self._broker(request)
        asked = translate.read_request(await json_of(request))
        return _answer(translate.token(await self.delegation.token(broker, asked)))

    async def delete(self, request: Request) -> Response:
        broker = await self._broker(request)
        await self.delegation.revoke(broker, request.path_params["token_id"])
        return Response(status_code=204, headers=NO_STORE)

    async def _broker(self, request: Request) -> Bearer:
        """Key and secret of a broker, and of nobody else."""
        shown = basic_of(request)
        if shown is None or not shown[0].startswith(BROKER):
            raise invalid_client("a broker key is needed", rule="broker.missing", rfc="7617#2")
        return await self.access.bearer(".".join(shown), at=tenant_at(request))


async def _body(request: Request) -> translate.Document:
    """The reference shows the parameters of a GET as JSON; published clients use the query."""
    if "content-type" not in request.headers:
        return {}
    raw = await body_of(request)
    return parse_object(raw) if raw else {}


def _answer(document: translate.Document) -> Response:
    return Response(msgspec.json.encode(document), 200, NO_STORE, "application/json")
