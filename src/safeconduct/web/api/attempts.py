"""/api/v1/attempts: link an account from an app, by signing in there, on another screen, or with
the signature of a wallet.

POST /api/v1/attempts             begin: an address for the browser, a code to show, or a message
GET  /api/v1/attempts/{id}        what came of it, as often as one likes: only we ask the provider
POST /api/v1/attempts/callback    what came back with the browser, brought here with the bearer
POST /api/v1/attempts/{id}/proof  the message (EIP-4361) signed by the owner of the wallet
"""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from safeconduct.core.access_token import Bearer
from safeconduct.core.errors import ApiError, ProviderError, bad_request
from safeconduct.core.model import Attempt
from safeconduct.core.proxying import refused
from safeconduct.core.redirect_uri import matches
from safeconduct.core.upstream.site import read_given, read_site
from safeconduct.ports.clock import Clock
from safeconduct.services.authorize import FindsClients
from safeconduct.services.connections import (
    Complete,
    DeviceLinks,
    Enter,
    Linking,
    Returning,
    Start,
    Started,
    Starter,
)
from safeconduct.services.connections.device_links import MODE
from safeconduct.web.api.connections import READ, WRITE
from safeconduct.web.api.describe import (
    TEXT,
    TEXT_OR_NULL,
    TEXTS,
    TIME,
    in_path,
    operation,
    record,
)
from safeconduct.web.api.openapi import Description, json_body
from safeconduct.web.api.subject import api_route, holder_of, json
from safeconduct.web.kit.bearer import Judge
from safeconduct.web.kit.json_body import json_of

PATH = "/api/v1/attempts"
WALLET = "wallet"
BACK = ("code", "oauth_token", "oauth_verifier", "error", "error_description", "iss")
MAX_VALUE = 4_096


class AttemptsApi:
    def __init__(
        self,
        *,
        start: Start,
        complete: Complete,
        device_links: DeviceLinks,
        enter: Enter,
        clients: FindsClients,
        clock: Clock,
        access: Judge,
    ) -> None:
        self.start, self.complete, self.device_links = start, complete, device_links
        self.enter, self.clients, self.clock, self.access = enter, clients, clock, access

    def routes(self) -> list[Route]:
        return [
            api_route(PATH, "POST", self.begin),
            api_route(f"{PATH}/callback", "POST", self.callback),
            api_route(f"{PATH}/{{attempt_id}}", "GET", self.show),
            api_route(f"{PATH}/{{attempt_id}}/proof", "POST", self.prove),
        ]

    async def begin(self, request: Request) -> Response:
        bearer = await self._caller(request, WRITE)
        body = await json_of(request)
        provider_id = _text(body, "provider_id")
        if provider_id is None:
            raise bad_request("invalid_body", "provider_id is required", field="provider_id")
        mode = _text(body, "auth_mode")
        who = await self._starter(bearer, _text(body, "redirect_uri"))
        label = _text(body, "display_label")
        if mode == WALLET:
            address = _text(body, "address") or ""
            made = await self.enter.challenge(who, provider_id, address, display_label=label)
            begun = await self.device_links.show(who, made.id)
            return json({**self._shown(begun), "message": made.message}, 201)
        connection_id, places = _text(body, "connection_id"), read_given(body)
        try:
            if mode == MODE:
                linking = await self.device_links.begin(
                    who,
                    provider_id,
                    display_label=label,
                    connection_id=connection_id,
                    placeholders=places,
                )
                return json(self._shown(linking), 201)
            started = await self.start.start(
                who,
                provider_id,
                auth_mode=mode,
                display_label=label,
                connection_id=connection_id,
                placeholders=places,
            )
        except ProviderError as error:
            raise refused(error) from None
        return json(self._begun(started), 201)

    async def show(self, request: Request) -> Response:
        bearer = await self._caller(request, READ)
        attempt_id = str(request.path_params["attempt_id"])
        return json(self._shown(await self.device_links.show(_who(bearer), attempt_id)))

    async def prove(self, request: Request) -> Response:
        """The first signature that comes spends the attempt, good or bad."""
        bearer = await self._caller(request, WRITE)
        signature = _text(await json_of(request), "signature")
        if signature is None:
            raise bad_request("invalid_body", "signature is required", field="signature")
        who, attempt_id = _who(bearer), str(request.path_params["attempt_id"])
        provider_id = (await self.device_links.show(who, attempt_id)).attempt.provider_id
        await self.enter.prove(who, provider_id, attempt_id, signature)
        return json(self._shown(await self.device_links.show(who, attempt_id)))

    async def callback(self, request: Request) -> Response:
        """The bearer's user and client must be those that began: there is no cookie here."""
        bearer = await self._caller(request, WRITE)
        body = await json_of(request)
        state = _text(body, "state")
        if state is None:
            raise bad_request("invalid_body", "state is required", field="state")
        given = {name: value for name in BACK if (value := _text(body, name)) is not None}
        back = Returning(
            tenant_id=bearer.tenant_id,
            mode="api",
            user_id=bearer.user(),
            client_id=bearer.client_id,
            state=state,
            params=[*given.items(), ("state", state)],
        )
        known = await self.complete.attempt(bearer.tenant_id, state)
        await self.complete.complete(back)
        assert known is not None, "what is complete was known"
        return json(self._shown(await self.device_links.show(_who(bearer), known.id)))

    async def _caller(self, request: Request, scope: str) -> Bearer:
        bearer = await holder_of(request, self.access)
        bearer.require(scope)
        bearer.user()
        return bearer

    async def _starter(self, bearer: Bearer, redirect_uri: str | None) -> Starter:
        """Where the browser goes after the provider is the app's own address, or its first."""
        if redirect_uri is not None:
            client = None
            if bearer.kind != "api_key":
                client = await self.clients.find(bearer.client_id, bearer.tenant_id)
            if client is None or not matches(client.redirect_uris, redirect_uri):
                raise bad_request(
                    "invalid_redirect_uri",
                    "redirect_uri is not registered for this app",
                    field="redirect_uri",
                )
        return _who(bearer, redirect_uri)

    def _begun(self, begun: Started) -> dict[str, Any]:
        found = self._shown(Linking(begun.attempt, None))
        return {**found, "authorization_url": begun.redirect_url, "state": begun.state}

    def _shown(self, found: Linking) -> dict[str, Any]:
        attempt, link = found.attempt, found.link
        ended = attempt.outcome == "completed"
        return {
            "id": attempt.id,
            "provider_id": attempt.provider_id,
            "auth_mode": attempt.auth_mode,
            "placeholders": read_site(attempt.site),
            "status": self._status(attempt),
            "reason": attempt.reason or self._lapsed(attempt),
            "connection_id": attempt.connection_id if ended else None,
            "expires_at": attempt.expires_at,
            "user_code": link.user_code if link else None,
            "verification_uri": link.verification_uri if link else None,
            "verification_uri_complete": link.verification_uri_complete if link else None,
            "interval": link.interval_s if link else None,
        }

    def _status(self, attempt: Attempt) -> str:
        if attempt.outcome in ("completed", "failed"):
            return attempt.outcome
        return "failed" if self._lapsed(attempt) else "pending"

    def _lapsed(self, attempt: Attempt) -> str | None:
        over = attempt.outcome != "completed" and self.clock.now() >= attempt.expires_at
        return "expired" if over else None


def _who(bearer: Bearer, return_to: str | None = None) -> Starter:
    return Starter(
        tenant_id=bearer.tenant_id,
        user_id=bearer.user(),
        client_id=bearer.client_id,
        grant_id=bearer.grant_id,
        return_to=return_to,
    )


def _text(body: dict[str, Any], name: str) -> str | None:
    value = body.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or not 0 < len(value) <= MAX_VALUE:
        raise ApiError(400, "invalid_body", f"{name} must be text", field=name)
    return value


_TAG = "connections"
_OPTIONAL_TEXT = {"type": "string", "minLength": 1, "maxLength": MAX_VALUE}

DESCRIPTION = Description(
    paths={
        PATH: {
            "post": {
                **operation(
                    "beginAttempt",
                    "Begin to link an account: by signing in there, on another screen, or with the "
                    "signature of a wallet, whose address is given",
                    tag=_TAG,
                    scope=WRITE,
                    answers={201: ("It has begun", "AttemptBegun")},
                    fails=(400, 404, 409, 424),
                ),
                "requestBody": {"required": True, **json_body("AttemptWish")},
            }
        },
        f"{PATH}/callback": {
            "post": {
                **operation(
                    "finishAttempt",
                    "Finish with what came back with the browser: a code, or the two values of "
                    "OAuth 1.0a",
                    tag=_TAG,
                    scope=WRITE,
                    answers={200: ("What came of it", "Attempt")},
                    fails=(400, 404),
                ),
                "requestBody": {"required": True, **json_body("AttemptCallback")},
            }
        },
        f"{PATH}/{{attempt_id}}/proof": {
            "parameters": [in_path("attempt_id")],
            "post": {
                **operation(
                    "proveAttempt",
                    "Show that a wallet is the user's own, by its signature of the message "
                    "(EIP-4361, EIP-191)",
                    tag=_TAG,
                    scope=WRITE,
                    answers={200: ("What came of it", "Attempt")},
                    fails=(400, 404),
                ),
                "requestBody": {"required": True, **json_body("AttemptProof")},
            },
        },
        f"{PATH}/{{attempt_id}}": {
            "parameters": [in_path("attempt_id")],
            "get": operation(
                "showAttempt",
                "Say what came of it, with the code to type in while it is of use",
                tag=_TAG,
                scope=READ,
                answers={200: ("The attempt", "Attempt")},
                fails=(404,),
            ),
        },
    },
    schemas={
        "AttemptWish": {
            "type": "object",
            "properties": {
                name: _OPTIONAL_TEXT
                for name in (
                    "provider_id",
                    "auth_mode",
                    "display_label",
                    "connection_id",
                    "redirect_uri",
                    "address",
                )
            }
            | {
                "placeholders": {
                    **TEXTS,
                    "description": "What fills the provider's URLs, by the names that it lists",
                }
            },
            "required": ["provider_id"],
        },
        "AttemptProof": {
            "type": "object",
            "properties": {"signature": _OPTIONAL_TEXT},
            "required": ["signature"],
        },
        "AttemptCallback": {
            "type": "object",
            "properties": {name: _OPTIONAL_TEXT for name in ("state", *BACK)},
            "required": ["state"],
        },
        "Attempt": record(
            id=TEXT,
            provider_id=TEXT,
            auth_mode=TEXT,
            placeholders=TEXTS,
            status={"enum": ["pending", "completed", "failed"]},
            reason=TEXT_OR_NULL,
            connection_id=TEXT_OR_NULL,
            expires_at=TIME,
            user_code=TEXT_OR_NULL,
            verification_uri=TEXT_OR_NULL,
            verification_uri_complete=TEXT_OR_NULL,
            interval={"type": ["integer", "null"]},
        ),
        "AttemptBegun": {
            "allOf": [{"$ref": "#/components/schemas/Attempt"}],
            "type": "object",
            "properties": {"authorization_url": TEXT, "state": TEXT, "message": TEXT},
        },
    },
)
