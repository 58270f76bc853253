"""What assets and transactions share: the query of a list, and what is said beside its data."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from starlette.requests import Request

from safeconduct.core.amounts import plain
from safeconduct.core.errors import bad_request
from safeconduct.core.holdings import Filters, Trouble
from safeconduct.services.assets import Listing
from safeconduct.services.connections import Connections
from safeconduct.web.api.describe import (
    DECIMAL,
    LIST,
    TEXT,
    TIME,
    TIME_OR_NULL,
    WHOSE,
    page,
    query,
    record,
    ref,
)
from safeconduct.web.api.subject import Subject
from safeconduct.web.kit.paging import listed_of, parameter, read_text, read_time

Document = dict[str, Any]


def filters_of(request: Request, *, kinds: bool = False) -> Filters:
    since = parameter(request, "since", read_time, None)
    until = parameter(request, "until", read_time, None)
    if since is not None and until is not None and since > until:
        raise bad_request("invalid_parameter", "since is later than until.", field="since")
    return Filters(
        since=since,
        until=until,
        assets=listed_of(request, "assets"),
        providers=listed_of(request, "providers"),
        kinds=listed_of(request, "kinds") if kinds else (),
        connection_id=parameter(request, "connection_id", read_text, None),
    )


async def owner_of(subject: Subject, filters: Filters, connections: Connections) -> str:
    """The user whose list it is; an operator may name a connection instead."""
    if subject.user_id is None and filters.connection_id is not None:
        return (await connections.get(subject.tenant_id, filters.connection_id)).user_id
    return subject.user()


def listing(rows: Sequence[Document], found: Listing) -> Document:
    return {
        "data": rows,
        "next_cursor": found.next_cursor,
        "problems": [problem(trouble) for trouble in found.troubles],
    }


def problem(trouble: Trouble) -> Document:
    return {
        "connection_id": trouble.connection.id,
        "provider_id": trouble.connection.provider_id,
        "code": trouble.obstacle,
        "as_of": trouble.as_of,
    }


def worth(currency: str | None, amount: Decimal | None) -> Document | None:
    if currency is None or amount is None:
        return None
    return {"currency": currency, "amount": plain(amount)}


# The description

QUERY = (
    *LIST,
    WHOSE,
    query("connection_id", TEXT),
    query("providers", TEXT, "Comma-separated provider ids"),
    query("assets", TEXT, "Comma-separated symbols"),
    query("since", TIME),
    query("until", TIME),
)
SCHEMAS = {
    "Worth": record(currency=TEXT, amount=DECIMAL),
    "ConnectionProblem": record(
        connection_id=TEXT,
        provider_id=TEXT,
        code={"enum": ["unavailable", "reconnect", "not_granted"]},
        as_of=TIME_OR_NULL,
    ),
}
WORTH_OR_NULL = {"anyOf": [ref("Worth"), {"type": "null"}]}


def page_with_problems(schema: str) -> Document:
    problems = {"type": "array", "items": ref("ConnectionProblem")}
    return page(schema, problems=problems)
