"""Calico v2 `/accounts/v2/providers`, `/integrations`, and the last step of signing in there."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from safeconduct.core.errors import ApiError
from safeconduct.core.upstream.site import read_given
from safeconduct.web.compat.calico import translate_providers as translate
from safeconduct.web.compat.calico.envelope import ErrorItem, answer
from safeconduct.web.compat.calico.errors import NAME, calico_route, render
from safeconduct.web.compat.calico.linking import (
    Added,
    Begun,
    Linking,
    NotAdded,
    Wanted,
    read_connection,
    text,
)
from safeconduct.web.kit.bearer import bearer_at
from safeconduct.web.kit.json_body import json_of
from safeconduct.web.kit.surface import Services


class CalicoProviders:
    def __init__(self, p: Services) -> None:
        self.p, self.linking = p, Linking(p)

    def routes(self) -> list[Route]:
        methods = {"GET": self.list, "POST": self.add, "DELETE": self.remove}
        callback = "/accounts/v2/oauth/callback/{provider_id}"
        return [
            calico_route("/accounts/v2/providers", methods),
            calico_route("/accounts/v2/integrations", {"GET": self.integrations}),
            calico_route(callback, {"POST": self.finish}),
        ]

    async def add(self, request: Request) -> Response:
        bearer = await bearer_at(request, self.p.access, NAME)
        bearer.require("connections:write")
        body = await json_of(request)
        provider_id = text(body, "provider_id", required=True) or ""
        label = text(body, "display_label", blank=True)
        kind, given = read_connection(body, "connection")
        wanted = Wanted(
            provider_id=provider_id,
            kind=kind,
            given=given,
            label=label,
            redirect_uri=text(body, "redirect_uri"),
            placeholders=read_given(body["connection"]),
        )
        try:
            return _told(await self.linking.add(bearer, wanted))
        except ApiError as error:
            return render(_worded(error), provider_id)

    async def finish(self, request: Request) -> Response:
        """201 when it is connected, 200 with the reason when it was handled and is not."""
        bearer = await bearer_at(request, self.p.access, NAME)
        bearer.require("connections:write")
        provider_id = request.path_params["provider_id"]
        try:
            return _told(await self.linking.finish(bearer, provider_id, request))
        except ApiError as error:
            return render(error, provider_id)

    async def list(self, request: Request) -> Response:
        bearer = await bearer_at(request, self.p.access, NAME)
        bearer.require("connections:read")
        rows = await self.p.connections.of_user(bearer.tenant_id, bearer.user())
        read_at = await self.p.connections.freshness(rows)
        shown = [
            translate.connected(
                row,
                await self.p.providers.entries.get(row.tenant_id, row.provider_id),
                read_at.get(row.id),
            )
            for row in rows
        ]
        return answer({"providers": shown})

    async def remove(self, request: Request) -> Response:
        """Without `connection_id`, every connection to the provider."""
        bearer = await bearer_at(request, self.p.access, NAME)
        bearer.require("connections:write")
        body = await json_of(request)
        provider_id = text(body, "provider_id", required=True) or ""
        if await self.linking.remove(bearer, provider_id, text(body, "connection_id")):
            return answer({"removed": True})
        missing = ErrorItem(
            cause="not_found", message="nothing is connected", provider_id=provider_id
        )
        return answer({"removed": False}, [missing])

    async def integrations(self, request: Request) -> Response:
        bearer = await bearer_at(request, self.p.access, NAME)
        bearer.require("connections:read")
        offered = await self.p.providers.offered(bearer.tenant_id)
        # Its contract has words for three ways of linking; what is linked otherwise is not its own
        known = [entry for entry in offered if translate.auth_types(entry)]
        return answer({"integrations": [translate.integration(entry) for entry in known]})


def _told(outcome: Begun | Added | NotAdded) -> Response:
    match outcome:
        case Begun(redirect_url):
            return answer({"redirect_url": redirect_url, "added": False})
        case Added():
            return answer({"added": True}, status=201)
        case NotAdded(why):
            return answer({"added": False}, [why])


def _worded(error: ApiError) -> ApiError:
    """The contract's words for what is not there."""
    if error.code != "provider_not_found":
        return error
    return ApiError(error.status, error.code, "unknown provider")
