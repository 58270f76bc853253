"""What a request carries so that the API knows whose it is: RFC 6750 §2, RFC 7617, or the entry's
own places.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import parse_qsl, quote, urlencode

from safeconduct.core.errors import ProviderError
from safeconduct.core.secret import Secret
from safeconduct.core.upstream.basic import Basic
from safeconduct.core.upstream.custom_form import CustomForm
from safeconduct.core.upstream.keys import unpack
from safeconduct.core.upstream.provider import Provider
from safeconduct.core.upstream.served import Api

BODILESS = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class Put:
    """One thing to add to a request."""

    place: Literal["header", "query", "body"]
    name: str
    value: str = field(repr=False)


def placed(provider: Provider, api: Api, secret: Secret) -> Sequence[Put]:
    """Everything that a request with this credential carries."""
    match None if provider.dialect else provider.auth.brings:
        case Basic() as basic:
            return (Put("header", "authorization", f"Basic {basic.encoded(unpack(secret))}"),)
        case CustomForm() as form:
            fields = unpack(secret)
            filled = ((one, one.value.fill(fields)) for one in form.places)
            return [Put(one.place, one.name, text) for one, text in filled if text is not None]
    token = secret.reveal()
    if api.token.field is not None:
        token = unpack(secret).get(api.token.field, "")
    if api.token.place == "query":
        return (Put("query", api.token.name, token),)
    return (Put("header", api.token.name.lower(), f"{api.token.prefix}{token}"),)


def token_type(provider: Provider) -> str:
    """RFC 8693 §2.2.1: how the credential is used, "N_A" where no `Authorization` carries it."""
    match None if provider.dialect else provider.auth.brings:
        case Basic():
            return "Basic"
        case CustomForm():
            return "N_A"
    return "Bearer"


def shown(provider: Provider, secret: Secret) -> str:
    """The credential as it stands behind its type; what has no such form, as JSON."""
    basic = None if provider.dialect else provider.auth.brings
    return basic.encoded(unpack(secret)) if isinstance(basic, Basic) else secret.reveal()


def taken_from_query(provider: Provider) -> frozenset[str]:
    """Parameters that carry the credential, and so are none of a caller's."""
    form = None if provider.dialect else provider.auth.brings
    if isinstance(form, CustomForm):
        return frozenset(one.name for one in form.places if one.place == "query")
    token = provider.api.token if provider.api else None
    return frozenset({token.name} if token and token.place == "query" else ())


def with_query(url: str, puts: Sequence[Put]) -> str:
    """The URL with what belongs into its query."""
    for put in puts:
        if put.place == "query":
            mark = "&" if "?" in url else "?"
            url = f"{url}{mark}{quote(put.name)}={quote(put.value, safe='')}"
    return url


def members(puts: Sequence[Put], method: str) -> dict[str, str]:
    """What belongs into the body, of a request that has one."""
    if method in BODILESS:
        return {}
    return {put.name: put.value for put in puts if put.place == "body"}


def with_members(provider: Provider, body: bytes | None, added: Mapping[str, str]) -> bytes:
    """A caller's body with what the API wants to find in it. Theirs must be of the same kind."""
    form = provider.auth.custom_form
    try:
        if form is not None and form.body == "form":
            pairs = parse_qsl((body or b"").decode(), keep_blank_values=True, max_num_fields=1_000)
            return urlencode([*(p for p in pairs if p[0] not in added), *added.items()]).encode()
        document = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise ProviderError(
            "body_not_extendable", remedy="retry", sent=False, detail="must be an object or form"
        )
    return json.dumps({**document, **added}).encode()
