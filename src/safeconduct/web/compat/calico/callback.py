"""Calico v2 `POST /accounts/v2/oauth/callback/{provider_id}?state&code`: the last step of a link.

201 when it is connected, 200 with `added: false` and the reason when it was handled and is not.
The bearer's user and client must be those that began: there is no cookie of ours at this place.
"""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from safeconduct.core.access_token import Bearer
from safeconduct.core.errors import ApiError, bad_request
from safeconduct.services.connections import (
    Complete,
    Completed,
    NotCompleted,
    Providers,
    Returning,
)
from safeconduct.web.compat.calico.envelope import answer
from safeconduct.web.compat.calico.errors import calico_route, not_added, render
from safeconduct.web.kit.bearer import Judge, bearer_of

MAX_VALUE = 4_096
CARRIED = ("state", "code", "error", "error_description", "iss")


class CalicoCallback:
    def __init__(self, *, access: Judge, providers: Providers, complete: Complete) -> None:
        self.access, self.providers, self.complete = access, providers, complete

    def routes(self) -> list[Route]:
        return [calico_route("/accounts/v2/oauth/callback/{provider_id}", {"POST": self.finish})]

    async def finish(self, request: Request) -> Response:
        bearer = await bearer_of(request, self.access)
        bearer.require("connections:write")
        provider_id = request.path_params["provider_id"]
        try:
            if await self.providers.ready(bearer.tenant_id, provider_id) is None:
                raise ApiError(404, "provider_not_found", "unknown provider")
            outcome = await self.complete.complete(_returning(request, bearer, provider_id))
        except ApiError as error:
            return render(error, provider_id)
        match outcome:
            case Completed():
                return answer({"added": True}, status=201)
            case NotCompleted():
                return answer({"added": False}, [not_added(outcome, provider_id)])


def _returning(request: Request, bearer: Bearer, provider_id: str) -> Returning:
    pairs = [pair for pair in request.query_params.multi_items() if pair[0] in CARRIED]
    values = dict(pairs)
    if len(values) != len(pairs):
        raise bad_request("invalid_callback", "a parameter is given more than once")
    for name in ("state", "code"):
        if name == "code" and "error" in values:
            continue
        if not 0 < len(values.get(name, "")) <= MAX_VALUE:
            raise bad_request("invalid_callback", f"{name} is missing or malformed", field=name)
    return Returning(
        tenant_id=bearer.tenant_id,
        mode="api",
        user_id=bearer.user(),
        client_id=bearer.client_id,
        provider_id=provider_id,
        state=values["state"],
        params=pairs,
    )
