"""The paths of the integrations service. Its identity service is the ordinary flow, shared."""

from starlette.routing import Route

from safeconduct.web.compat.loop.connections import LoopConnections
from safeconduct.web.compat.loop.errors import DIALECT
from safeconduct.web.compat.loop.stream import LoopStream
from safeconduct.web.compat.loop.sync import LoopSync
from safeconduct.web.kit.surface import Services, Surface, nowhere, surface_route


def routes(p: Services) -> list[Route]:
    connections = LoopConnections(
        access=p.access,
        clients=p.clients,
        providers=p.providers,
        start=p.start,
        complete=p.complete,
        connections=p.connections,
        disconnect=p.disconnect,
    )
    sync = LoopSync(access=p.access, connections=p.connections, runs=p.sync_runs)
    stream = LoopStream(inbound=p.inbound, tenant_id=p.tenant_id)
    return [
        surface_route("/v1/connections/authorize", {"POST": connections.authorize}, DIALECT),
        surface_route("/v1/connections/callback", {"POST": connections.callback}, DIALECT),
        surface_route("/v1/connections", {"GET": connections.list}, DIALECT),
        surface_route(
            "/v1/connections/{connection_id:path}", {"DELETE": connections.delete}, DIALECT
        ),
        surface_route("/v1/sync/{connection_id:path}", {"POST": sync.run}, DIALECT),
        surface_route("/v1/providers", {"GET": connections.offered}, DIALECT),
        surface_route("/v1/stream/webhooks", {"POST": stream.receive}, DIALECT),
        nowhere("/v1", DIALECT),
    ]


SURFACE = Surface(
    name="loop",
    contracts=("loop-connections",),
    routes=routes,
    shared=("/v1/oauth/authorize", "/v1/oauth/token"),
)
