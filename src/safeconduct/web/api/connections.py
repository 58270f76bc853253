"""/api/v1/connections: linked accounts, how fresh what they gave is, and whether it adds up."""

from collections.abc import Mapping, Sequence
from typing import Any, get_args

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from safeconduct.core.amounts import plain
from safeconduct.core.errors import ApiError
from safeconduct.core.model import Connection, Sync
from safeconduct.core.scopes import format_scope
from safeconduct.core.upstream.ledger import Balance
from safeconduct.core.upstream.records import CAPABILITIES, CapabilityName, Lacking
from safeconduct.core.upstream.site import read_site
from safeconduct.services.assets import Assets
from safeconduct.services.connections import Connections, Disconnect
from safeconduct.services.sync_runs import SyncRun, SyncRuns
from safeconduct.web.api.describe import (
    DECIMAL,
    LIST,
    TEXT,
    TEXT_OR_NULL,
    TEXTS,
    TIME,
    TIME_OR_NULL,
    WHOSE,
    WORDS,
    in_path,
    many,
    operation,
    page,
    record,
    ref,
)
from safeconduct.web.api.openapi import Description
from safeconduct.web.api.subject import ADMIN, Subject, api_route, json, subject_of
from safeconduct.web.kit.bearer import Judge
from safeconduct.web.kit.paging import cursor_of, limit_of

READ, WRITE = "connections:read", "connections:write"
ASSETS, TRANSACTIONS = "assets:read", "transactions:read"
SCOPES: Mapping[CapabilityName, str] = {
    "assets": ASSETS,
    "transactions": TRANSACTIONS,
    "sleep": "health:read",
    "activity": "health:read",
}
"""The scope with which each kind of data is read."""


class ConnectionsApi:
    def __init__(
        self,
        *,
        connections: Connections,
        assets: Assets,
        sync_runs: SyncRuns,
        disconnect: Disconnect,
        access: Judge,
    ) -> None:
        self.connections, self.assets, self.runs = connections, assets, sync_runs
        self.disconnect, self.access = disconnect, access

    def routes(self) -> list[Route]:
        one = "/api/v1/connections/{connection_id}"
        return [
            api_route("/api/v1/connections", "GET", self.list),
            api_route(one, "GET", self.show),
            api_route(one, "DELETE", self.delete),
            api_route(f"{one}/syncs", "GET", self.syncs),
            api_route(f"{one}/syncs", "POST", self.sync),
            api_route(f"{one}/syncs/{{run_id}}", "GET", self.run),
            api_route(f"{one}/balances", "GET", self.balances),
        ]

    async def list(self, request: Request) -> Response:
        subject = await subject_of(request, self.access, READ)
        limit = limit_of(request)
        rows, cursor = await self.assets.connections(
            subject.tenant_id, subject.user_id, cursor_of(request), limit
        )
        read_at = await self.connections.freshness(rows)
        data = [document(row, read_at.get(row.id)) for row in rows]
        return json({"data": data, "next_cursor": cursor})

    async def show(self, request: Request) -> Response:
        subject = await subject_of(request, self.access, READ)
        row = await self._one(request, subject)
        return json(document(row, await self.connections.refreshed_at(row)))

    async def delete(self, request: Request) -> Response:
        """The user's own word deletes; an operator's revokes."""
        subject = await subject_of(request, self.access, WRITE)
        if subject.bearer.user_id is not None:
            self.access.require_step_up(subject.bearer)
        row = await self._one(request, subject)
        actor = subject.bearer.actor
        if subject.bearer.user_id is None:
            await self.disconnect.revoke(row.tenant_id, row.id, actor=actor)
        else:
            await self.disconnect.delete(
                row.tenant_id, row.id, actor=actor, user_id=subject.user_id
            )
        return Response(status_code=204)

    async def syncs(self, request: Request) -> Response:
        subject = await subject_of(request, self.access, READ)
        row = await self._one(request, subject)
        rows, lacks = await self.assets.syncs(row), await self.runs.lacks(row)
        return json({"data": [_sync(each, lacks) for each in rows]})

    async def sync(self, request: Request) -> Response:
        """Read everything again soon."""
        subject = await subject_of(request, self.access)
        row = await self._one(request, subject)
        _require(subject, [SCOPES[name] for name in await self.runs.capabilities(row)])
        if row.status == "needs_reauth":
            raise ApiError(409, "needs_reauth", "The account must be connected again first.")
        run = await self.runs.start(row, join=False)
        rows, lacks = await self.assets.syncs(row), await self.runs.lacks(row)
        return json({"run": _run(run), "data": [_sync(each, lacks) for each in rows]}, 202)

    async def run(self, request: Request) -> Response:
        """What became of it."""
        subject = await subject_of(request, self.access, READ)
        row = await self._one(request, subject)
        return json(_run(await self.runs.show(row, str(request.path_params["run_id"]))))

    async def balances(self, request: Request) -> Response:
        subject = await subject_of(request, self.access, ASSETS, TRANSACTIONS)
        row = await self._one(request, subject)
        lines = await self.assets.balances(row.tenant_id, row.id)
        return json({"data": [_balance(line) for line in lines]})

    async def _one(self, request: Request, subject: Subject) -> Connection:
        """A live connection of the caller's; 404 for any other."""
        id = str(request.path_params["connection_id"])
        return await self.connections.get(subject.tenant_id, id, user_id=subject.user_id)


def document(row: Connection, refreshed_at: int | None) -> dict[str, Any]:
    """A linked account. `refreshed_at` says when its data last came in whole."""
    return {
        "id": row.id,
        "user_id": row.user_id,
        "provider_id": row.provider_id,
        "account_name": row.account_name,
        "display_label": row.display_label,
        "auth_mode": row.auth_mode,
        "placeholders": read_site(row.site),
        "proof": row.proof,
        "scope": format_scope(row.scope),
        "status": row.status,
        "reason": row.reason,
        "version": row.version,
        "created_at": row.created_at,
        "updated_at": row.updated_at,
        "refreshed_at": refreshed_at,
        "ended_at": row.ended_at,
    }


def _sync(row: Sync, lacks: Sequence[str]) -> dict[str, Any]:
    """`lacks`: what happens there too, and cannot be read."""
    return {
        "capability": row.capability,
        "lacks": list(lacks) if row.capability == "transactions" else [],
        "status": row.status,
        "error": row.error,
        "requested_at": row.requested_at,
        "started_at": row.started_at,
        "succeeded_at": row.succeeded_at,
    }


def _run(run: SyncRun) -> dict[str, Any]:
    return {
        "id": run.id,
        "connection_id": run.connection_id,
        "status": run.status,
        "processed": run.processed,
        "errors": list(run.errors),
        "requested_at": run.requested_at,
        "completed_at": run.completed_at,
    }


def _require(subject: Subject, scopes: Sequence[str]) -> None:
    """The scopes of all that is read; an operator has shown another already."""
    if subject.bearer.user_id is not None and ADMIN not in subject.bearer.scope:
        subject.bearer.require(*scopes)


def _balance(line: Balance) -> dict[str, Any]:
    return {
        "account": line.account,
        "asset": line.asset,
        "opening": plain(line.opening),
        "movements": plain(line.movements),
        "closing": plain(line.closing),
        "gap": plain(line.gap),
    }


_BOTH = f"{ASSETS} {TRANSACTIONS}"
_TAG = "connections"

DESCRIPTION = Description(
    paths={
        "/api/v1/connections": {
            "get": operation(
                "listConnections",
                "List linked accounts",
                tag=_TAG,
                scope=READ,
                answers={200: ("A page of connections", "ConnectionPage")},
                fails=(400, 404),
                parameters=(*LIST, WHOSE),
            )
        },
        "/api/v1/connections/{connection_id}": {
            "parameters": [in_path("connection_id")],
            "get": operation(
                "showConnection",
                "Show a linked account",
                tag=_TAG,
                scope=READ,
                answers={200: ("The connection", "Connection")},
                fails=(404,),
            ),
            "delete": operation(
                "deleteConnection",
                "Unlink an account: its secret is destroyed and revoked at the provider, "
                "its data no longer served and erased",
                tag=_TAG,
                scope=WRITE,
                answers={204: ("Done", None)},
                fails=(404,),
            ),
        },
        "/api/v1/connections/{connection_id}/syncs": {
            "parameters": [in_path("connection_id")],
            "get": operation(
                "listSyncs",
                "Say how far each kind of data has been read",
                tag=_TAG,
                scope=READ,
                answers={200: ("By capability", "Syncs")},
                fails=(404,),
            ),
            "post": operation(
                "requestSync",
                "Have everything read again soon",
                tag=_TAG,
                scope="of everything that the provider has",
                answers={202: ("It will be", "Requested")},
                fails=(404, 409, 429),
            ),
        },
        "/api/v1/connections/{connection_id}/syncs/{run_id}": {
            "parameters": [in_path("connection_id"), in_path("run_id")],
            "get": operation(
                "showSync",
                "Say what became of a wish to have everything read",
                tag=_TAG,
                scope=READ,
                answers={200: ("The run", "SyncRun")},
                fails=(404,),
            ),
        },
        "/api/v1/connections/{connection_id}/balances": {
            "parameters": [in_path("connection_id")],
            "get": operation(
                "showBalances",
                "Compare what is held with what the movements explain; each gap is a quantity",
                tag=_TAG,
                scope=_BOTH,
                answers={200: ("By account and asset", "Balances")},
                fails=(404,),
            ),
        },
    },
    schemas={
        "Connection": record(
            id=TEXT,
            user_id=TEXT,
            provider_id=TEXT,
            account_name=TEXT_OR_NULL,
            display_label=TEXT_OR_NULL,
            auth_mode=TEXT,
            placeholders=TEXTS,
            proof=TEXT_OR_NULL,
            scope=TEXT,
            status={
                "enum": ["active", "degraded", "uncertain", "needs_reauth", "revoked", "deleted"]
            },
            reason=TEXT_OR_NULL,
            version={"type": "integer"},
            created_at=TIME,
            updated_at=TIME,
            refreshed_at=TIME_OR_NULL,
            ended_at=TIME_OR_NULL,
        ),
        "ConnectionPage": page("Connection"),
        "Sync": record(
            capability={"enum": [*CAPABILITIES]},
            lacks={"type": "array", "items": {"enum": [*get_args(Lacking)]}},
            status={"enum": ["idle", "running", "failed"]},
            error=TEXT_OR_NULL,
            requested_at=TIME_OR_NULL,
            started_at=TIME_OR_NULL,
            succeeded_at=TIME_OR_NULL,
        ),
        "Syncs": record(data=many("Sync")),
        "SyncRun": record(
            id=TEXT,
            connection_id=TEXT,
            status={"enum": ["running", "completed", "failed"]},
            processed={"type": "integer"},
            errors=WORDS,
            requested_at=TIME,
            completed_at=TIME_OR_NULL,
        ),
        "Requested": record(run=ref("SyncRun"), data=many("Sync")),
        "Balance": record(
            account=TEXT,
            asset=TEXT,
            opening=DECIMAL,
            movements=DECIMAL,
            closing=DECIMAL,
            gap=DECIMAL,
        ),
        "Balances": record(data=many("Balance")),
    },
)
