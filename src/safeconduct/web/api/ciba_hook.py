"""POST /_test/ciba: a test says yes or no in somebody's name, without a browser.

    POST /_test/ciba?auth_req_id=…&action=allow
    Authorization: Bearer <the setting ciba_test_hook>

It is there only where that setting is. Whoever knows the setting can act for anybody in any tenant,
so it is for test suites; `safeconduct doctor` calls it a problem at any address but this machine's.
"""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from safeconduct.core.errors import bad_request, invalid_token
from safeconduct.core.realm import ROOT
from safeconduct.core.secret import Secret, same
from safeconduct.services.deferrals import Deferrals
from safeconduct.web.api.subject import api_route
from safeconduct.web.kit.bearer import tenant_at, token_of
from safeconduct.web.kit.paging import parameter, read_text

PATH = "/_test/ciba"
ACTOR = "test_hook"


class CibaHook:
    def __init__(self, *, deferrals: Deferrals, secret: Secret | None) -> None:
        self.deferrals, self.secret = deferrals, secret

    def routes(self) -> list[Route]:
        return [] if self.secret is None else [api_route(PATH, "POST", self.decide)]

    async def decide(self, request: Request) -> Response:
        self._admit(request)
        id = parameter(request, "auth_req_id", read_text, "")
        action = parameter(request, "action", read_text, "")
        if action not in ("allow", "deny"):
            raise bad_request("invalid_parameter", "action is allow or deny.", field="action")
        tenant_id = tenant_at(request) or ROOT
        await self.deferrals.answer(tenant_id, id, allow=action == "allow", actor=ACTOR)
        return Response(status_code=204)

    def _admit(self, request: Request) -> None:
        _, shown = token_of([v for name, v in request.headers.raw if name == b"authorization"])
        if self.secret is None or not same(shown.encode(), self.secret.reveal().encode()):
            raise invalid_token("this is not the secret of the hook", rule="hook.secret")
