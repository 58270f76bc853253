"""Calico v2 `/accounts/v2/assets`: what the bearer's user holds."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from safeconduct.services.assets import Assets
from safeconduct.web.compat.calico import lists, translate
from safeconduct.web.compat.calico.errors import NAME, calico_route
from safeconduct.web.kit.bearer import Judge, bearer_at
from safeconduct.web.kit.paging import cursor_of, limit_of


class CalicoAssets:
    def __init__(self, *, assets: Assets, access: Judge) -> None:
        self.assets, self.access = assets, access

    def routes(self) -> list[Route]:
        return [
            calico_route("/accounts/v2/assets", {"GET": self.list}),
            calico_route("/accounts/v2/assets/refresh", {"POST": self.refresh}),
        ]

    async def list(self, request: Request) -> Response:
        bearer = await bearer_at(request, self.access, NAME)
        bearer.require("assets:read")
        filters, limit = lists.filters_of(request), limit_of(request)
        found = await self.assets.positions(
            bearer.tenant_id, bearer.user(), filters, cursor_of(request), limit
        )
        rows = [
            translate.asset(row, found.connections.get(row.connection_id))
            for row in found.positions
            if translate.is_shown(row)
        ]
        return lists.page("assets", rows, found, limit)

    async def refresh(self, request: Request) -> Response:
        return await lists.refresh(request, self.access, self.assets, "assets")
