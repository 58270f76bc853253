"""/api/v1/assets: what users hold in their linked accounts."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from safeconduct.core.amounts import plain
from safeconduct.core.model import Position
from safeconduct.services.assets import Assets
from safeconduct.services.connections import Connections
from safeconduct.web.api.describe import DECIMAL, TEXT, TEXT_OR_NULL, TIME, operation, record
from safeconduct.web.api.holdings import (
    QUERY,
    SCHEMAS,
    WORTH_OR_NULL,
    Document,
    filters_of,
    listing,
    owner_of,
    page_with_problems,
    worth,
)
from safeconduct.web.api.openapi import Description
from safeconduct.web.api.subject import api_route, json, subject_of
from safeconduct.web.kit.bearer import Judge
from safeconduct.web.kit.paging import cursor_of, limit_of

READ = "assets:read"


class AssetsApi:
    def __init__(self, *, assets: Assets, connections: Connections, access: Judge) -> None:
        self.assets, self.connections, self.access = assets, connections, access

    def routes(self) -> list[Route]:
        return [api_route("/api/v1/assets", "GET", self.list)]

    async def list(self, request: Request) -> Response:
        subject = await subject_of(request, self.access, READ)
        filters, limit = filters_of(request), limit_of(request)
        user_id = await owner_of(subject, filters, self.connections)
        found = await self.assets.positions(
            subject.tenant_id, user_id, filters, cursor_of(request), limit
        )
        return json(listing([document(row) for row in found.positions], found))


def document(row: Position) -> Document:
    return {
        "id": row.id,
        "connection_id": row.connection_id,
        "provider_id": row.provider_id,
        "account": row.account,
        "asset": row.asset,
        "name": row.asset_name,
        "quantity": plain(row.quantity),
        "value": worth(row.value_currency, row.value_amount),
        "updated_at": row.updated_at,
    }


DESCRIPTION = Description(
    paths={
        "/api/v1/assets": {
            "get": operation(
                "listAssets",
                "List what is held in linked accounts",
                tag="assets",
                scope=READ,
                answers={200: ("A page of positions", "PositionPage")},
                fails=(400, 404),
                parameters=QUERY,
            )
        }
    },
    schemas={
        **SCHEMAS,
        "Position": record(
            id=TEXT,
            connection_id=TEXT,
            provider_id=TEXT,
            account=TEXT,
            asset=TEXT,
            name=TEXT_OR_NULL,
            quantity=DECIMAL,
            value=WORTH_OR_NULL,
            updated_at=TIME,
        ),
        "PositionPage": page_with_problems("Position"),
    },
)
