"""`/v2/oauth-clients/{clientId}/users`: managed users and their tokens."""

from starlette.requests import Request
from starlette.responses import Response

from safeconduct.core.errors import ApiError
from safeconduct.core.model import Client
from safeconduct.web.compat.calcom import translate
from safeconduct.web.compat.calcom.caller import Callers
from safeconduct.web.compat.calcom.errors import answer, no_conflict
from safeconduct.web.compat.calcom.paging import integer, window
from safeconduct.web.kit.json_body import json_of
from safeconduct.web.kit.surface import Services

MAX_LISTED = 250
MAX_EMAILS = 100


class CalUsers:
    def __init__(self, p: Services, callers: Callers) -> None:
        self.p, self.callers = p, callers

    async def list(self, request: Request) -> Response:
        client = await self._client(request)
        limit, offset = window(request, "limit", "offset", usual=50, most=None)
        emails = [one for one in request.query_params.get("emails", "").split(",") if one]
        found = await self.p.managed_users.list(
            client,
            emails=tuple(emails[:MAX_EMAILS]),
            limit=min(limit, MAX_LISTED),
            offset=offset,
        )
        return answer([translate.user(*one) for one in found])

    async def create(self, request: Request) -> Response:
        client = await self._client(request)
        email, name, profile = translate.read_new_user(await json_of(request))
        row, person, pair = await self.p.managed_users.create(client, email, name, profile)
        return answer({"user": translate.user(row, person), **translate.keys(pair)}, 201)

    async def show(self, request: Request) -> Response:
        client = await self._client(request)
        found = await self.p.managed_users.get(client, _number(request))
        return answer(translate.user(*found))

    async def update(self, request: Request) -> Response:
        client = await self._client(request)
        email, name, profile = translate.read_user_changes(await json_of(request))
        with no_conflict():
            found = await self.p.managed_users.update(
                client, _number(request), email=email, name=name, profile=profile
            )
        return answer(translate.user(*found))

    async def delete(self, request: Request) -> Response:
        client = await self._client(request)
        found = await self.p.managed_users.delete(client, _number(request))
        return answer(translate.user(*found))

    async def force_refresh(self, request: Request) -> Response:
        client = await self._client(request)
        pair = await self.p.managed_tokens.force_refresh(client, _number(request))
        return answer(translate.keys(pair))

    async def _client(self, request: Request) -> Client:
        caller = await self.callers.of(request, "secret", "key")
        id = str(request.path_params["clientId"])
        return await self.callers.client(caller, id, writes=True)


def _number(request: Request) -> int:
    given = str(request.path_params["userId"])
    number = integer(given)
    if number is None:
        raise ApiError(404, "user_not_found", "this user does not belong to this client")
    return number
