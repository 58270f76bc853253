"""Calico v2 `/accounts/v2/transactions`: what happened in the accounts, newest first."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from safeconduct.services.assets import Assets
from safeconduct.web.compat.calico import lists, translate
from safeconduct.web.compat.calico.errors import NAME, calico_route
from safeconduct.web.kit.bearer import Judge, bearer_at
from safeconduct.web.kit.paging import cursor_of, limit_of


class CalicoTransactions:
    def __init__(self, *, assets: Assets, access: Judge) -> None:
        self.assets, self.access = assets, access

    def routes(self) -> list[Route]:
        return [
            calico_route("/accounts/v2/transactions", {"GET": self.list}),
            calico_route("/accounts/v2/transactions/refresh", {"POST": self.refresh}),
        ]

    async def list(self, request: Request) -> Response:
        bearer = await bearer_at(request, self.access, NAME)
        bearer.require("transactions:read")
        filters, limit = lists.filters_of(request, kinds=True), limit_of(request)
        found = await self.assets.transactions(
            bearer.tenant_id, bearer.user(), filters, cursor_of(request), limit
        )
        rows = [
            translate.transaction(row, legs, found.connections.get(row.connection_id))
            for row, legs in found.transactions
        ]
        return lists.page("transactions", rows, found, limit)

    async def refresh(self, request: Request) -> Response:
        return await lists.refresh(request, self.access, self.assets, "transactions")
