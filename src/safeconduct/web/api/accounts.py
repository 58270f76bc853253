"""Brokerage-style accounts of users, keys of brokers, and letting apps into accounts."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from safeconduct.core.access_token import Bearer
from safeconduct.core.api_keys import BROKER, split_key
from safeconduct.core.errors import bad_request, not_found
from safeconduct.core.model import Account, ApiKey
from safeconduct.core.scopes import format_scope
from safeconduct.services.accounts import Accounts
from safeconduct.services.api_keys import ApiKeys
from safeconduct.services.delegation import PERMISSION, Delegated, Delegation
from safeconduct.services.users import Users
from safeconduct.web.api.describe import TEXT, TIME, in_path, many, operation, record, ref
from safeconduct.web.api.openapi import Description, json_body
from safeconduct.web.api.subject import api_route, json
from safeconduct.web.kit.bearer import Judge, bearer_of
from safeconduct.web.kit.json_body import json_of

READ, WRITE = "accounts:read", "accounts:write"
MOST_KEYS = 1_000
RESPONSE_TYPES = ("code", "token")


class AccountsApi:
    def __init__(
        self,
        *,
        accounts: Accounts,
        users: Users,
        api_keys: ApiKeys,
        delegation: Delegation,
        access: Judge,
    ) -> None:
        self.accounts, self.users, self.keys = accounts, users, api_keys
        self.delegation, self.access = delegation, access

    def routes(self) -> list[Route]:
        return [
            api_route("/api/v1/users/{user_id}/accounts", "GET", self.list),
            api_route("/api/v1/users/{user_id}/accounts", "POST", self.open),
            api_route("/api/v1/accounts/{account_id}", "GET", self.show),
            api_route("/api/v1/accounts/{account_id}/authorizations", "POST", self.authorize),
            api_route("/api/v1/broker-keys", "GET", self.list_keys),
            api_route("/api/v1/broker-keys", "POST", self.make_key),
            api_route("/api/v1/broker-keys/{key_id}", "DELETE", self.revoke_key),
        ]

    async def list(self, request: Request) -> Response:
        bearer = await self._caller(request, READ)
        user_id = await self._user(bearer, request)
        rows = await self.accounts.of_user(bearer.tenant_id, user_id)
        return json({"data": [document(row) for row in rows]})

    async def open(self, request: Request) -> Response:
        bearer = await self._caller(request, WRITE)
        user_id, body = await self._user(bearer, request), await json_of(request)
        env = _text(body, "env")
        row = await self.accounts.create(bearer.tenant_id, user_id, env, actor=bearer.actor)
        return json(document(row), 201)

    async def show(self, request: Request) -> Response:
        bearer = await self._caller(request, READ)
        return json(document(await self.accounts.get(bearer.tenant_id, _id(request, "account_id"))))

    async def authorize(self, request: Request) -> Response:
        """A code or a token for an app, in the name of the account's owner."""
        bearer = await self._caller(request, PERMISSION)
        body = await json_of(request)
        kind = _text(body, "response_type")
        if kind not in RESPONSE_TYPES:
            raise bad_request(
                "invalid_body", "response_type is code or token.", field="response_type"
            )
        asked = Delegated(
            client_id=_text(body, "client_id"),
            client_secret=_text(body, "client_secret"),
            redirect_uri=_text(body, "redirect_uri"),
            scope=_text(body, "scope") if "scope" in body else "",
            account_id=_id(request, "account_id"),
        )
        if kind == "token":
            return json(await self.delegation.token(bearer, asked), 201)
        given = await self.delegation.authorize(bearer, asked)
        return json({"code": given.code, "scope": format_scope(given.scope)}, 201)

    async def list_keys(self, request: Request) -> Response:
        bearer = await self._caller(request, READ)
        return json({"data": [_key(row) for row in await self._keys(bearer)]})

    async def make_key(self, request: Request) -> Response:
        """Only for whoever may do what the key may: a key gives nobody more than they have."""
        bearer = await self._caller(request, WRITE, PERMISSION)
        name = _text(await json_of(request), "name")
        row, text = await self.keys.create(
            bearer.tenant_id,
            name=name,
            scope=frozenset({PERMISSION}),
            actor=bearer.actor,
            prefix=BROKER,
        )
        key, secret = split_key(text.reveal())
        return json({**_key(row), "key": key, "secret": secret}, 201)

    async def revoke_key(self, request: Request) -> Response:
        bearer = await self._caller(request, WRITE)
        id = _id(request, "key_id")
        if id not in {row.id for row in await self._keys(bearer)}:
            raise not_found("broker_key")
        await self.keys.revoke(bearer.tenant_id, id, actor=bearer.actor)
        return Response(status_code=204)

    async def _keys(self, bearer: Bearer) -> tuple[ApiKey, ...]:
        return await self.keys.list(bearer.tenant_id, prefix=BROKER, limit=MOST_KEYS)

    async def _caller(self, request: Request, *scopes: str) -> Bearer:
        bearer = await bearer_of(request, self.access)
        bearer.require(*scopes)
        return bearer

    async def _user(self, bearer: Bearer, request: Request) -> str:
        row = await self.users.get(bearer.tenant_id, _id(request, "user_id"))
        if row is None:
            raise not_found("user")
        return row.id


def document(row: Account) -> dict[str, Any]:
    return {
        "id": row.id,
        "user_id": row.user_id,
        "env": row.env,
        "status": row.status,
        "created_at": row.created_at,
    }


def _key(row: ApiKey) -> dict[str, Any]:
    return {"id": row.id, "name": row.name, "suffix": row.suffix, "created_at": row.created_at}


def _id(request: Request, name: str) -> str:
    return str(request.path_params[name])


def _text(body: dict[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= 2_000:
        raise bad_request("invalid_body", f"{name} must be text.", field=name)
    return value


_TAG = "accounts"
_KEY = {"id": TEXT, "name": TEXT, "suffix": TEXT, "created_at": TIME}


def _body(schema: str) -> dict[str, Any]:
    return {"requestBody": {"required": True, **json_body(schema)}}


DESCRIPTION = Description(
    paths={
        "/api/v1/users/{user_id}/accounts": {
            "parameters": [in_path("user_id")],
            "get": operation(
                "listAccounts",
                "List a user's brokerage-style accounts",
                tag=_TAG,
                scope=READ,
                answers={200: ("The accounts", "Accounts")},
                fails=(404,),
            ),
            "post": operation(
                "openAccount",
                "Open an account for a user",
                tag=_TAG,
                scope=WRITE,
                answers={201: ("The account", "Account")},
                fails=(400, 404, 409, 413, 415),
            )
            | _body("NewAccount"),
        },
        "/api/v1/accounts/{account_id}": {
            "parameters": [in_path("account_id")],
            "get": operation(
                "showAccount",
                "Show an account",
                tag=_TAG,
                scope=READ,
                answers={200: ("The account", "Account")},
                fails=(404,),
            ),
        },
        "/api/v1/accounts/{account_id}/authorizations": {
            "parameters": [in_path("account_id")],
            "post": operation(
                "authorizeApp",
                "Let an app into an account in its owner's name: a code for it, or a token",
                tag=_TAG,
                scope=PERMISSION,
                answers={201: ("What the app gets", "Authorized")},
                fails=(400, 404, 413, 415, 429),
            )
            | _body("Delegation"),
        },
        "/api/v1/broker-keys": {
            "get": operation(
                "listBrokerKeys",
                "List broker keys that nobody revoked",
                tag=_TAG,
                scope=READ,
                answers={200: ("The keys, without their secrets", "BrokerKeys")},
            ),
            "post": operation(
                "makeBrokerKey",
                "Make a broker key; its secret is in this answer and nowhere else",
                tag=_TAG,
                scope=f"{WRITE} {PERMISSION}",
                answers={201: ("The key", "NewBrokerKey")},
                fails=(400, 413, 415),
            )
            | _body("BrokerKeyName"),
        },
        "/api/v1/broker-keys/{key_id}": {
            "parameters": [in_path("key_id")],
            "delete": operation(
                "revokeBrokerKey",
                "End a broker key at once",
                tag=_TAG,
                scope=WRITE,
                answers={204: ("Done", None)},
                fails=(404,),
            ),
        },
    },
    schemas={
        "Account": record(
            id=TEXT, user_id=TEXT, env={"enum": ["live", "paper"]}, status=TEXT, created_at=TIME
        ),
        "Accounts": record(data=many("Account")),
        "NewAccount": record(env={"enum": ["live", "paper"]}),
        "Delegation": {
            "type": "object",
            "required": ["response_type", "client_id", "client_secret", "redirect_uri"],
            "properties": {
                "response_type": {"enum": [*RESPONSE_TYPES]},
                "client_id": TEXT,
                "client_secret": TEXT,
                "redirect_uri": TEXT,
                "scope": TEXT,
            },
        },
        "Authorized": {
            "type": "object",
            "required": ["scope"],
            "properties": {"code": TEXT, "access_token": TEXT, "token_type": TEXT, "scope": TEXT},
        },
        "BrokerKeyName": record(name=TEXT),
        "BrokerKey": record(**_KEY),
        "BrokerKeys": record(data=many("BrokerKey")),
        "NewBrokerKey": {"allOf": [ref("BrokerKey"), record(key=TEXT, secret=TEXT)]},
    },
)
