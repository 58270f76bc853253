"""`/v2/oauth-clients`: clients that manage users."""

from starlette.requests import Request
from starlette.responses import Response

from safeconduct.web.compat.calcom import translate
from safeconduct.web.compat.calcom.caller import Caller, Callers
from safeconduct.web.compat.calcom.errors import answer
from safeconduct.web.kit.json_body import json_of
from safeconduct.web.kit.surface import Services


class CalClients:
    def __init__(self, p: Services, callers: Callers) -> None:
        self.p, self.callers = p, callers

    async def list(self, request: Request) -> Response:
        caller = await self.callers.of(request, "key")
        await self.callers.member(caller, writes=False)
        number = await self.p.organizations.number(caller.tenant_id)
        found = await self.p.platform_clients.list(caller.tenant_id)
        return answer([translate.client(one, number) for one in found])

    async def create(self, request: Request) -> Response:
        caller = await self.callers.of(request, "key")
        await self.callers.member(caller, writes=True)
        registration, settings, mask = translate.read_new_client(await json_of(request))
        client, secret = await self.p.platform_clients.create(
            caller.tenant_id, registration, mask, settings, actor=caller.actor
        )
        return answer({"clientId": client.id, "clientSecret": secret.reveal()}, 201)

    async def show(self, request: Request) -> Response:
        caller, id = await self._of(request, writes=False)
        found = await self.p.platform_clients.get(caller.tenant_id, id)
        return answer(translate.client(found, await self._number(caller)))

    async def update(self, request: Request) -> Response:
        caller, id = await self._of(request, writes=True)
        registration, settings = translate.read_client_changes(await json_of(request))
        found = await self.p.platform_clients.update(
            caller.tenant_id, id, registration, settings, actor=caller.actor
        )
        return answer(translate.client(found, await self._number(caller)))

    async def delete(self, request: Request) -> Response:
        caller, id = await self._of(request, writes=True)
        found = await self.p.platform_clients.delete(caller.tenant_id, id, actor=caller.actor)
        return answer(translate.client(found, await self._number(caller)))

    async def _of(self, request: Request, *, writes: bool) -> tuple[Caller, str]:
        caller = await self.callers.of(request, "secret", "key")
        id = str(request.path_params["clientId"])
        return caller, (await self.callers.client(caller, id, writes=writes)).id

    async def _number(self, caller: Caller) -> int:
        return await self.p.organizations.number(caller.tenant_id)
