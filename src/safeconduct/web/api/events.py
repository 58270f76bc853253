"""/api/v1/events: what happened, for operators. One line for each change and each denial."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from safeconduct.core.access_token import Bearer
from safeconduct.core.model import Event
from safeconduct.services.log import EventLog
from safeconduct.web.api.describe import (
    LIST,
    TEXT,
    TEXT_OR_NULL,
    TIME,
    in_path,
    operation,
    page,
    query,
    record,
)
from safeconduct.web.api.openapi import Description
from safeconduct.web.api.subject import api_route, json
from safeconduct.web.kit.bearer import Judge, bearer_of
from safeconduct.web.kit.paging import cursor_of, limit_of, listed_of, parameter, read_text

READ = "events:read"


class EventsApi:
    def __init__(self, *, log: EventLog, access: Judge) -> None:
        self.log, self.access = log, access

    def routes(self) -> list[Route]:
        return [
            api_route("/api/v1/events", "GET", self.list),
            api_route("/api/v1/events/{event_id}", "GET", self.show),
        ]

    async def list(self, request: Request) -> Response:
        bearer = await self._operator(request)
        rows, cursor = await self.log.page(
            bearer.tenant_id,
            user_id=parameter(request, "user_id", read_text, None),
            subject=parameter(request, "subject", read_text, None),
            types=listed_of(request, "types"),
            cursor=cursor_of(request),
            limit=limit_of(request),
        )
        return json({"data": [document(row) for row in rows], "next_cursor": cursor})

    async def show(self, request: Request) -> Response:
        bearer = await self._operator(request)
        return json(document(await self.log.get(bearer.tenant_id, request.path_params["event_id"])))

    async def _operator(self, request: Request) -> Bearer:
        bearer = await bearer_of(request, self.access)
        bearer.require(READ)
        return bearer


def document(row: Event) -> dict[str, Any]:
    return {
        "id": row.id,
        "at": row.at,
        "type": row.type,
        "outcome": row.outcome,
        "actor": row.actor,
        "client_id": row.client_id,
        "user_id": row.user_id,
        "subject": row.subject,
        "version": row.version,
        "rule": row.rule,
        "rfc": row.rfc,
        "detail": row.detail,
    }


DESCRIPTION = Description(
    paths={
        "/api/v1/events": {
            "get": operation(
                "listEvents",
                "List events, newest first",
                tag="events",
                scope=READ,
                answers={200: ("A page of events", "EventPage")},
                fails=(400,),
                parameters=(
                    *LIST,
                    query("user_id", TEXT),
                    query("subject", TEXT, "The id of what an event is about"),
                    query("types", TEXT, "Comma-separated types"),
                ),
            )
        },
        "/api/v1/events/{event_id}": {
            "parameters": [in_path("event_id")],
            "get": operation(
                "showEvent",
                "Show an event",
                tag="events",
                scope=READ,
                answers={200: ("The event", "Event")},
                fails=(404,),
            ),
        },
    },
    schemas={
        "Event": record(
            id=TEXT,
            at=TIME,
            type=TEXT,
            outcome={"enum": ["done", "denied"]},
            actor=TEXT,
            client_id=TEXT_OR_NULL,
            user_id=TEXT_OR_NULL,
            subject=TEXT_OR_NULL,
            version={"type": ["integer", "null"]},
            rule=TEXT_OR_NULL,
            rfc=TEXT_OR_NULL,
            detail={"type": "object"},
        ),
        "EventPage": page("Event"),
    },
)
