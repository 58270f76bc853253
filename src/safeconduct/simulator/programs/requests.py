"""Requests of an API that is asked with what a user typed in. A judge does not borrow the judged
one's code: what is compared here is put together here.
"""

import json
from base64 import b64decode
from collections.abc import Mapping
from urllib.parse import parse_qsl

from aiohttp import web

from safeconduct.core.upstream.basic import Basic
from safeconduct.core.upstream.custom_form import CustomForm, Place
from safeconduct.core.upstream.provider import Provider
from safeconduct.core.upstream.served import Api
from safeconduct.simulator.programs.owners import Owner


async def carries(
    request: web.Request, entry: Provider, owner: Owner, values: Mapping[str, str]
) -> bool:
    """Whether a request is this owner's: all of what they made, each where the entry wants it."""
    names = entry.api.base_url.names if entry.api else ()
    if any(owner.fields.get(name) != values.get(name) for name in names):
        return False
    match entry.auth.brings:
        case Basic() as how:
            return _basic(request) == (how.user.fill(owner.fields), how.password.fill(owner.fields))
        case CustomForm() as how:
            body = await _body(request, how)
            return all(
                _found(request, body, one) == one.value.fill(owner.fields) for one in how.places
            )
        case _ if entry.api is not None and entry.api.token.field is not None:
            return _token(request, entry.api) == owner.fields.get(entry.api.token.field)
    return False


def _basic(request: web.Request) -> tuple[str, str] | None:
    """RFC 7617 §2: the first colon ends the user."""
    scheme, _, text = request.headers.get("Authorization", "").partition(" ")
    try:
        user, colon, password = b64decode(text, validate=True).decode().partition(":")
    except ValueError:
        return None
    return (user, password) if scheme == "Basic" and colon else None


def _found(request: web.Request, body: Mapping[str, str], one: Place) -> str | None:
    if one.place == "header":
        return request.headers.get(one.name)
    return (request.query if one.place == "query" else body).get(one.name)


async def _body(request: web.Request, how: CustomForm) -> Mapping[str, str]:
    if not how.in_body or not request.body_exists:
        return {}
    text = await request.text()
    if how.body == "form":
        return dict(parse_qsl(text))
    try:
        document = json.loads(text)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _token(request: web.Request, api: Api) -> str | None:
    if api.token.place == "query":
        return request.query.get(api.token.name)
    value = request.headers.get(api.token.name, "")
    return value.removeprefix(api.token.prefix) if value.startswith(api.token.prefix) else None
