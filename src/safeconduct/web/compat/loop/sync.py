"""`POST /v1/sync/{connectionId}`: read now, and wait for it a while."""

from starlette.requests import Request
from starlette.responses import Response

from safeconduct.core.errors import ApiError
from safeconduct.services.connections import Connections
from safeconduct.services.sync_runs import SyncRuns
from safeconduct.web.compat.loop import translate
from safeconduct.web.compat.loop.callers import WRITE, caller, owned
from safeconduct.web.compat.loop.connections import answer
from safeconduct.web.kit.bearer import Judge

PATIENCE_MS = 25_000
"""Below the half minute after which most clients give up."""


class LoopSync:
    def __init__(self, *, access: Judge, connections: Connections, runs: SyncRuns) -> None:
        self.access, self.connections, self.runs = access, connections, runs

    async def run(self, request: Request) -> Response:
        """Only counts come back, so that no scope for the data itself is needed."""
        bearer = await caller(request, self.access, WRITE)
        connection_id = request.path_params["connection_id"]
        row = await owned(self.connections, bearer, connection_id, bearer.user_id)
        run = await self.runs.settled(row, await self.runs.start(row), PATIENCE_MS)
        if run.status == "failed":
            reason = ", ".join(run.errors) or "provider did not answer"
            raise ApiError(500, "sync_failed", reason)
        return answer({"syncRun": translate.sync_run(run)})
