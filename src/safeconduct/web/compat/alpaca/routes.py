"""The paths of the Broker API. What its end users see is the ordinary flow, at shared paths.

`/v1/oauth/authorize` and `/v1/oauth/token` belong to Loop's apps too: a form there is theirs and
goes by (`web.kit.media`), a JSON body is a broker's.
"""

from starlette.routing import Route

from safeconduct.web.compat.alpaca.broker import Broker
from safeconduct.web.compat.alpaca.errors import DIALECT
from safeconduct.web.kit.surface import Services, Surface, nowhere, surface_route


def routes(p: Services) -> list[Route]:
    broker = Broker(access=p.access, delegation=p.delegation)
    return [
        surface_route("/v1/oauth/clients/{client_id:path}", {"GET": broker.client}, DIALECT),
        surface_route("/v1/oauth/authorize", {"POST": broker.authorize}, DIALECT),
        surface_route("/v1/oauth/token", {"POST": broker.token}, DIALECT),
        surface_route("/v1/oauth/token/{token_id:path}", {"DELETE": broker.delete}, DIALECT),
        nowhere("/v1/oauth", DIALECT),
    ]


SURFACE = Surface(
    name="alpaca",
    contracts=("alpaca-broker-oauth",),
    routes=routes,
    shared=("/oauth/authorize", "/oauth/token"),
)
