"""/api/v1/health-records: what linked devices have measured."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from safeconduct.core.errors import bad_request
from safeconduct.core.model import HealthRecord
from safeconduct.core.upstream.records import METRICS
from safeconduct.services.connections import Connections
from safeconduct.services.health import KINDS, Health
from safeconduct.web.api.describe import (
    DECIMAL,
    LIST,
    TEXT,
    TIME,
    TIME_OR_NULL,
    WHOSE,
    operation,
    query,
    record,
)
from safeconduct.web.api.holdings import (
    SCHEMAS,
    Document,
    filters_of,
    owner_of,
    page_with_problems,
    problem,
)
from safeconduct.web.api.openapi import Description
from safeconduct.web.api.subject import api_route, json, subject_of
from safeconduct.web.kit.bearer import Judge
from safeconduct.web.kit.paging import cursor_of, limit_of

READ = "health:read"


class HealthApi:
    def __init__(self, *, health: Health, connections: Connections, access: Judge) -> None:
        self.health, self.connections, self.access = health, connections, access

    def routes(self) -> list[Route]:
        return [api_route("/api/v1/health-records", "GET", self.list)]

    async def list(self, request: Request) -> Response:
        subject = await subject_of(request, self.access, READ)
        filters, limit = filters_of(request, kinds=True), limit_of(request)
        if not set(filters.kinds) <= set(KINDS):
            known = ", ".join(KINDS)
            raise bad_request("invalid_parameter", f"kinds are {known}", field="kinds")
        user_id = await owner_of(subject, filters, self.connections)
        found = await self.health.records(
            subject.tenant_id, user_id, filters, cursor_of(request), limit
        )
        return json(
            {
                "data": [document(row) for row in found.records],
                "next_cursor": found.next_cursor,
                "problems": [problem(trouble) for trouble in found.troubles],
            }
        )


def document(row: HealthRecord) -> Document:
    return {
        "id": row.id,
        "connection_id": row.connection_id,
        "provider_id": row.provider_id,
        "ref": row.ref,
        "kind": row.kind,
        "started_at": row.started_at,
        "ended_at": row.ended_at,
        "metrics": [
            {"name": name, "value": value, "unit": METRICS[name]}
            for name, value in row.metrics.items()
            if name in METRICS
        ],
    }


DESCRIPTION = Description(
    paths={
        "/api/v1/health-records": {
            "get": operation(
                "listHealthRecords",
                "List nights and exercises of linked devices, newest first",
                tag="health",
                scope=READ,
                answers={200: ("A page of records", "HealthRecordPage")},
                fails=(400, 404),
                parameters=(
                    *LIST,
                    WHOSE,
                    query("connection_id", TEXT),
                    query("providers", TEXT, "Comma-separated provider ids"),
                    query("kinds", TEXT, "Comma-separated: sleep, activity"),
                    query("since", TIME),
                    query("until", TIME),
                ),
            )
        }
    },
    schemas={
        **SCHEMAS,
        "HealthRecord": record(
            id=TEXT,
            connection_id=TEXT,
            provider_id=TEXT,
            ref=TEXT,
            kind={"enum": [*KINDS]},
            started_at=TIME,
            ended_at=TIME_OR_NULL,
            metrics={
                "type": "array",
                "items": record(
                    name={"enum": [*METRICS]},
                    value=DECIMAL,
                    unit={"enum": [*dict.fromkeys(METRICS.values())]},
                ),
            },
        ),
        "HealthRecordPage": page_with_problems("HealthRecord"),
    },
)
