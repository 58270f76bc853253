"""`/v2/api-keys/refresh`: a new key for the one that asks."""

from starlette.requests import Request
from starlette.responses import Response

from safeconduct.core.api_keys import day_end
from safeconduct.core.errors import ApiError, bad_request
from safeconduct.web.compat.calcom.caller import Callers
from safeconduct.web.compat.calcom.errors import answer, unauthorized
from safeconduct.web.compat.calcom.fields import flag, read, whole
from safeconduct.web.kit.json_body import json_of
from safeconduct.web.kit.surface import Services

USUAL_DAYS, MOST_DAYS = 30, 36_500


class CalApiKeys:
    def __init__(self, p: Services, callers: Callers) -> None:
        self.p, self.callers = p, callers

    async def refresh(self, request: Request) -> Response:
        caller = await self.callers.of(request, "key")
        body = await json_of(request) if request.headers.get("content-type") else {}
        asked = read(body, {"apiKeyDaysValid": whole(1, MOST_DAYS), "apiKeyNeverExpires": flag})
        if len(asked) > 1:
            raise bad_request("invalid_field", "give one of apiKeyDaysValid and apiKeyNeverExpires")
        end = day_end(self.p.clock.now(), asked.get("apiKeyDaysValid", USUAL_DAYS))
        try:
            _, key = await self.p.api_keys.renew(
                caller.tenant_id,
                caller.key_id or "",
                expires_at=None if asked.get("apiKeyNeverExpires") else end,
                actor=caller.actor,
            )
        except ApiError:
            raise unauthorized("the API key is not valid") from None
        return answer({"apiKey": key.reveal()})
