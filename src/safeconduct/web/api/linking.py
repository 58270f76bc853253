"""/api/v1/connections: an account linked by what its user brings, and the forms that ask for it.

What is brought is tried at the provider first; a wallet is watched by its address. Accounts at
which people sign in, and wallets that prove themselves, take two steps (`attempts`).
"""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from safeconduct.core.errors import ApiError, bad_request
from safeconduct.core.proxying import refused
from safeconduct.core.upstream.keys import KeyField
from safeconduct.core.upstream.provider import BROUGHT
from safeconduct.services.connections import (
    Completed,
    Connections,
    Enter,
    NotCompleted,
    Providers,
    Starter,
)
from safeconduct.web.api.connections import READ, WRITE, document
from safeconduct.web.api.describe import (
    TEXT,
    TEXT_OR_NULL,
    TIME,
    WHOSE,
    in_path,
    many,
    operation,
    record,
)
from safeconduct.web.api.openapi import Description, json_body
from safeconduct.web.api.subject import Subject, api_route, json, subject_of
from safeconduct.web.kit.bearer import Judge
from safeconduct.web.kit.json_body import json_of

CONNECTIONS = "/api/v1/connections"
FORMS = "/api/v1/providers/{provider_id}/forms"
TEXTS = ("provider_id", "auth_mode", "display_label", "connection_id")

WALLET = "wallet"
AT_ONCE = (*BROUGHT, WALLET)
"""The ways of linking that take one step."""

CONFLICTS = {
    "account_mismatch": "These belong to another account than the one to be linked again.",
    "connection_gone": "The account was unlinked meanwhile.",
    "too_many": "This user has linked as many accounts as one person can.",
}


class LinkingApi:
    def __init__(
        self, *, enter: Enter, providers: Providers, connections: Connections, access: Judge
    ) -> None:
        self.enter, self.providers = enter, providers
        self.connections, self.access = connections, access

    def routes(self) -> list[Route]:
        return [
            api_route(CONNECTIONS, "POST", self.create),
            api_route(FORMS, "GET", self.forms),
        ]

    async def create(self, request: Request) -> Response:
        """201 for an account that was not linked before, 200 for one that is linked again."""
        subject = await subject_of(request, self.access, WRITE)
        body = await json_of(request)
        ends_at = _end(body)
        texts, fields = _asked(body)
        provider_id = texts.get("provider_id")
        if provider_id is None:
            raise bad_request("missing_field", "provider_id is needed.", field="provider_id")
        mode = texts.get("auth_mode") or await self._mode(subject, provider_id)
        who, label = _starter(subject), texts.get("display_label")
        if mode == WALLET and ends_at is not None:
            raise bad_request("invalid_field", "An address does not end.", field="expires_at")
        if mode == WALLET:
            address, chain = fields.get("address", ""), fields.get("chain")
            outcome = await self.enter.wallet(
                who, provider_id, address, chain=chain, display_label=label
            )
        else:
            outcome = await self.enter.keys(
                who,
                provider_id,
                fields,
                mode=mode,
                display_label=label,
                connection_id=texts.get("connection_id"),
                ends_at=ends_at,
            )
        if isinstance(outcome, NotCompleted):
            raise _failed(outcome)
        return await self._linked(outcome)

    async def forms(self, request: Request) -> Response:
        """The ways in which a user brings what is needed, and what each asks for."""
        subject = await subject_of(request, self.access, READ)
        ready = await self.providers.need(
            subject.tenant_id, str(request.path_params["provider_id"])
        )
        entries = [(mode, ready.by(mode).provider) for mode in ready.modes if mode in BROUGHT]
        return json(
            {
                "data": [
                    {
                        "auth_mode": mode,
                        "where": entry.auth.brings.where if entry.auth.brings else None,
                        "ends": entry.auth.brings.ends if entry.auth.brings else False,
                        "fields": [
                            _field(one)
                            for one in entry.form
                            if one.name not in ready.registration.values
                        ],
                    }
                    for mode, entry in entries
                ]
            }
        )

    async def _linked(self, outcome: Completed) -> Response:
        row = outcome.connection
        read_at = await self.connections.refreshed_at(row)
        return json(document(row, read_at), 200 if outcome.again else 201)

    async def _mode(self, subject: Subject, provider_id: str) -> str:
        """The only way there is; where there are several, the caller has to say."""
        ready = await self.providers.need(subject.tenant_id, provider_id)
        open_ways = [mode for mode in ready.modes if mode in AT_ONCE]
        if len(open_ways) != 1:
            title = f"auth_mode is one of: {', '.join(open_ways)}." if open_ways else "Not here."
            raise bad_request("auth_mode", title, field="auth_mode")
        return open_ways[0]


def _end(data: dict[str, Any]) -> int | None:
    """Taken out of the body: when what is brought ends, in milliseconds since the epoch."""
    ends_at = data.pop("expires_at", None)
    if ends_at is not None and (not isinstance(ends_at, int) or isinstance(ends_at, bool)):
        title = "expires_at is a time in milliseconds since the epoch."
        raise bad_request("invalid_field", title, field="expires_at")
    return ends_at


def _asked(data: dict[str, Any]) -> tuple[dict[str, str], dict[str, str]]:
    for name, value in data.items():
        if name not in (*TEXTS, "fields"):
            raise bad_request("unknown_field", f"{name} cannot be set.", field=name)
        if name != "fields" and (not isinstance(value, str) or not 0 < len(value) <= 256):
            raise bad_request("invalid_field", f"{name} must be a short text.", field=name)
    fields = data.get("fields")
    if not isinstance(fields, dict) or not all(isinstance(one, str) for one in fields.values()):
        raise bad_request("invalid_field", "fields must be an object of texts.", field="fields")
    return {name: data[name] for name in TEXTS if name in data}, fields


def _starter(subject: Subject) -> Starter:
    bearer = subject.bearer
    return Starter(
        tenant_id=subject.tenant_id,
        user_id=subject.user(),
        client_id=bearer.client_id,
        grant_id=bearer.grant_id,
    )


def _failed(outcome: NotCompleted) -> ApiError:
    """What was brought is refused with 422; a provider that is out of order is 424, not ours."""
    if outcome.reason == "invalid_credentials":
        title = "The provider did not accept these credentials."
        return ApiError(422, "invalid_credentials", title, field="fields")
    if outcome.error is not None:
        return refused(outcome.error)
    title = CONFLICTS.get(outcome.reason, "The account could not be linked.")
    return ApiError(409, outcome.reason, title)


def _field(one: KeyField) -> dict[str, Any]:
    return {
        "name": one.name,
        "label": one.label,
        "help": one.help or (f"Such as {one.example}" if one.example else None),
        "kind": one.kind,
        "secret": one.secret,
        "required": not one.optional,
        "max_length": one.max_length,
        "pattern": one.pattern,
        "example": None if one.secret else one.example,
    }


DESCRIPTION = Description(
    paths={
        CONNECTIONS: {
            "post": operation(
                "createConnection",
                "Link an account by what its user brings: keys, a password, a client or key file "
                "of their own. It is tried at the provider before anything is kept. A wallet is "
                "watched by its `address`; whose it is can be proven by an attempt",
                tag="connections",
                scope=WRITE,
                answers={
                    200: ("Linked again", "Connection"),
                    201: ("Linked", "Connection"),
                },
                fails=(400, 404, 409, 413, 415, 422, 424, 429),
                parameters=(WHOSE,),
            )
            | {"requestBody": {"required": True, **json_body("ConnectionFields")}}
        },
        FORMS: {
            "parameters": [in_path("provider_id")],
            "get": operation(
                "listForms",
                "Say what a user has to bring to link an account at a provider",
                tag="connections",
                scope=READ,
                answers={200: ("The ways there are", "Forms")},
                fails=(404,),
            ),
        },
    },
    schemas={
        "ConnectionFields": {
            "type": "object",
            "required": ["provider_id", "fields"],
            "additionalProperties": False,
            "properties": {
                "provider_id": TEXT,
                "auth_mode": {"enum": [*AT_ONCE], "description": "Where there are several"},
                "fields": {"type": "object", "additionalProperties": TEXT},
                "display_label": TEXT,
                "connection_id": {**TEXT, "description": "Link this one again"},
                "expires_at": {
                    **TIME,
                    "description": "When what is brought ends, in milliseconds since the epoch; "
                    "`connection.expiring` says so a week before",
                },
            },
        },
        "FormField": record(
            name=TEXT,
            label=TEXT,
            help=TEXT_OR_NULL,
            kind={"enum": ["text", "lines", "json"]},
            secret={"type": "boolean"},
            required={"type": "boolean"},
            max_length={"type": "integer"},
            pattern=TEXT_OR_NULL,
            example=TEXT_OR_NULL,
        ),
        "Form": record(
            auth_mode={"enum": [*BROUGHT]},
            where=TEXT_OR_NULL,
            ends={"type": "boolean", "description": "Whether it may end: ask for `expires_at`"},
            fields=many("FormField"),
        ),
        "Forms": record(data=many("Form")),
    },
)
