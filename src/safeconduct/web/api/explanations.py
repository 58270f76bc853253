"""/api/v1/explanations/{id}: why something was refused, and what to do about it."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from safeconduct.services.explanations import Explanations
from safeconduct.web.api.describe import TEXT, TEXT_OR_NULL, TIME, in_path, operation, record
from safeconduct.web.api.events import READ
from safeconduct.web.api.openapi import Description
from safeconduct.web.api.subject import api_route, json
from safeconduct.web.kit.bearer import Judge, bearer_of


class ExplanationsApi:
    def __init__(self, *, explanations: Explanations, access: Judge) -> None:
        self.explanations, self.access = explanations, access

    def routes(self) -> list[Route]:
        return [api_route("/api/v1/explanations/{explained_id}", "GET", self.show)]

    async def show(self, request: Request) -> Response:
        bearer = await bearer_of(request, self.access)
        bearer.require(READ)
        id = str(request.path_params["explained_id"])
        return json((await self.explanations.of(bearer.tenant_id, id)).document())


DESCRIPTION = Description(
    paths={
        "/api/v1/explanations/{explained_id}": {
            "parameters": [in_path("explained_id")],
            "get": operation(
                "explain",
                "Explain a refusal: by the id in an error answer, or by what it is about",
                tag="events",
                scope=READ,
                answers={200: ("The refusal, its rule, and the fix", "Explanation")},
                fails=(404,),
            ),
        },
    },
    schemas={
        "Explanation": record(
            id=TEXT,
            at=TIME,
            type=TEXT,
            outcome={"enum": ["done", "denied"]},
            actor=TEXT,
            client_id=TEXT_OR_NULL,
            user_id=TEXT_OR_NULL,
            subject=TEXT_OR_NULL,
            rule=TEXT_OR_NULL,
            rfc=TEXT_OR_NULL,
            specification=TEXT_OR_NULL,
            expected=TEXT_OR_NULL,
            got=TEXT_OR_NULL,
            fix=TEXT_OR_NULL,
            detail={"type": "object"},
        ),
    },
)
