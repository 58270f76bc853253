"""The operations of version 1. Lists have no cursor: `limit` caps them, time filters move on."""

from decimal import Decimal, InvalidOperation

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from safeconduct.core.access_token import Bearer
from safeconduct.core.errors import ApiError
from safeconduct.core.holdings import Filters
from safeconduct.core.upstream.records import CapabilityName
from safeconduct.services.assets import Listing
from safeconduct.web.compat.calico import translate as v2
from safeconduct.web.compat.calico.errors import NAME
from safeconduct.web.compat.calico.linking import (
    Added,
    Begun,
    Linking,
    NotAdded,
    Wanted,
    read_connection,
    text,
)
from safeconduct.web.compat.calico.v1 import translate
from safeconduct.web.compat.calico.v1.errors import FLAT, answer
from safeconduct.web.kit.bearer import bearer_at
from safeconduct.web.kit.json_body import json_of
from safeconduct.web.kit.paging import DEFAULT_LIMIT, MAX_LIMIT, MAX_TIME, listed_of, parameter
from safeconduct.web.kit.surface import Services, nowhere, surface_route

PREFIX = "/platform/v1"


class PlatformV1:
    def __init__(self, p: Services) -> None:
        self.p, self.linking = p, Linking(p)

    def routes(self) -> list[Route]:
        source = {"GET": self.list, "POST": self.add, "DELETE": self.remove}
        operations = {
            "/oauth/callback/{crypto_provider}": {"GET": self.finish},
            "/provider": source,
            "/assets": {"GET": self.assets},
            "/assets/refresh": {"POST": self.refresh_assets},
            "/transactions": {"GET": self.transactions},
            "/transactions/refresh": {"POST": self.refresh_transactions},
        }
        return [
            *(surface_route(PREFIX + path, one, FLAT) for path, one in operations.items()),
            nowhere(PREFIX, FLAT),
        ]

    async def add(self, request: Request) -> Response:
        bearer = await self._bearer(request, "connections:write")
        body = await json_of(request)
        source = text(body, "crypto_source", required=True) or ""
        label = text(body, "display_label", blank=True)
        kind, given = read_connection(body, "credentials")
        wanted = Wanted(provider_id=source, kind=kind, given=given, label=label)
        return _told(await self.linking.add(bearer, wanted))

    async def finish(self, request: Request) -> Response:
        """GET, and authenticated all the same: a browser that is sent here has no token."""
        bearer = await self._bearer(request, "connections:write")
        source = request.path_params["crypto_provider"]
        return _told(await self.linking.finish(bearer, source, request))

    async def list(self, request: Request) -> Response:
        bearer = await self._bearer(request, "connections:read")
        rows = await self.p.connections.of_user(bearer.tenant_id, bearer.user())
        read_at = await self.p.connections.freshness(rows)
        shown = [
            translate.source(
                row,
                await self.p.providers.entries.get(row.tenant_id, row.provider_id),
                read_at.get(row.id),
            )
            for row in rows
        ]
        return answer({"crypto_sources": shown})

    async def remove(self, request: Request) -> Response:
        """404 for a source that nobody knows, `removed: false` for one that is not connected."""
        bearer = await self._bearer(request, "connections:write")
        source = text(await json_of(request), "crypto_source", required=True) or ""
        if await self.p.providers.entries.get(bearer.tenant_id, source) is None:
            raise ApiError(404, "provider_not_found", "unknown crypto source")
        removed = await self.linking.remove(bearer, source) > 0
        errors = [] if removed else [{"crypto_source": source, "cause": "not_found"}]
        return answer({"removed": removed, "errors": errors})

    async def assets(self, request: Request) -> Response:
        bearer = await self._bearer(request, "assets:read")
        found = await self.p.assets.positions(
            bearer.tenant_id, bearer.user(), filters_of(request), None, limit_of(request)
        )
        rows = [translate.asset(row) for row in found.positions if v2.is_shown(row)]
        return _listed("assets", rows, found)

    async def transactions(self, request: Request) -> Response:
        bearer = await self._bearer(request, "transactions:read")
        found = await self.p.assets.transactions(
            bearer.tenant_id, bearer.user(), filters_of(request), None, limit_of(request)
        )
        rows = [
            translate.transaction(row, legs, found.connections.get(row.connection_id))
            for row, legs in found.transactions
        ]
        return _listed("transactions", rows, found)

    async def refresh_assets(self, request: Request) -> Response:
        return await self._refresh(request, "assets")

    async def refresh_transactions(self, request: Request) -> Response:
        return await self._refresh(request, "transactions")

    async def _refresh(self, request: Request, capability: CapabilityName) -> Response:
        bearer = await self._bearer(request, f"{capability}:read")
        begun = await self.p.assets.request_refresh(bearer.tenant_id, bearer.user(), capability)
        status = "started" if begun.started else "completed"
        return answer({"status": status, "requested_at": begun.requested_at})

    async def _bearer(self, request: Request, scope: str) -> Bearer:
        bearer = await bearer_at(request, self.p.access, NAME)
        bearer.require(scope)
        return bearer


def filters_of(request: Request) -> Filters:
    """Times after and before, as numbers; sources and symbols separated by commas."""
    start = parameter(request, "start_time", _moment, None)
    end = parameter(request, "end_time", _moment, None)
    if start is not None and end is not None and start > end:
        title = "start_time must not be later than end_time"
        raise ApiError(400, "invalid_parameter", title, field="start_time")
    return Filters(
        since=start,
        until=end,
        assets=listed_of(request, "asset_symbols"),
        providers=listed_of(request, "crypto_sources"),
        kinds=(),
    )


def limit_of(request: Request) -> int:
    return parameter(request, "limit", _limit, DEFAULT_LIMIT)


def _limit(given: str) -> int:
    number = _number(given)
    if number is None or not 1 <= number <= MAX_LIMIT:
        raise ValueError(f"must be between 1 and {MAX_LIMIT}")
    return int(number)


def _moment(given: str) -> int:
    number = _number(given)
    if number is None or not 0 <= number <= MAX_TIME:
        raise ValueError("must be milliseconds since the Unix epoch")
    return int(number)


def _number(given: str) -> Decimal | None:
    """A JSON number, which is what the contract's `number` is; part of a millisecond is dropped."""
    if not 0 < len(given) <= 32 or not given.isascii() or given[0] not in "-0123456789":
        return None
    try:
        number = Decimal(given)
    except InvalidOperation:
        return None
    return number if "_" not in given and abs(number) < 10**20 else None


def _listed(name: str, rows: list[translate.Document], found: Listing) -> Response:
    """206 with the reasons when a source stands in the way of the whole."""
    errors = [translate.error(item) for item in v2.troubles(found.troubles)]
    return answer({name: rows, "errors": errors}, 206) if errors else answer({name: rows})


def _told(outcome: Begun | Added | NotAdded) -> Response:
    match outcome:
        case Begun(redirect_url):
            return answer({"added": False, "redirect_url": redirect_url, "errors": []})
        case Added():
            return answer({"added": True, "errors": []}, 201)
        case NotAdded(why):
            return answer({"added": False, "errors": [translate.error(why)]})
