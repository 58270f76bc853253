"""What the assets and transactions operations share: the query, the page, the refresh."""

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response

from safeconduct.core.holdings import Filters, Trouble
from safeconduct.core.upstream.records import CapabilityName
from safeconduct.services.assets import Assets, Listing
from safeconduct.web.compat.calico import translate
from safeconduct.web.compat.calico.envelope import answer
from safeconduct.web.compat.calico.errors import NAME
from safeconduct.web.kit.bearer import Judge, bearer_at
from safeconduct.web.kit.paging import listed_of, span_of


def filters_of(request: Request, *, kinds: bool = False) -> Filters:
    """The filters of a query; `types` only where they make sense."""
    since, until = span_of(request)
    return Filters(
        since=since,
        until=until,
        assets=listed_of(request, "asset_symbols"),
        providers=listed_of(request, "provider_ids"),
        kinds=listed_of(request, "types") if kinds else (),
    )


def page(name: str, rows: list[translate.Document], listing: Listing, limit: int) -> Response:
    """A page; 206 when a provider stands in the way of the whole."""
    cursor = listing.next_cursor
    data = {
        name: rows,
        "page": {"next_cursor": cursor, "has_more": cursor is not None, "limit": limit},
    }
    return partial(data, listing.troubles)


def partial(data: translate.Document, found: Sequence[Trouble]) -> Response:
    errors = translate.troubles(found)
    return answer(data, errors, status=206 if errors else 200)


async def refresh(
    request: Request, access: Judge, assets: Assets, capability: CapabilityName
) -> Response:
    """POST without a body; 200 also when some providers are in trouble, 429 when just done."""
    bearer = await bearer_at(request, access, NAME)
    bearer.require(f"{capability}:read")
    begun = await assets.request_refresh(bearer.tenant_id, bearer.user(), capability)
    providers = dict.fromkeys(connection.provider_id for connection in begun.started)
    data = {
        "status": "started" if begun.started else "completed",
        "requested_at": begun.requested_at,
        "providers": list(providers),
    }
    return answer(data, translate.troubles(begun.troubles))
