"""What the endpoints that clients call directly have in common: form, authentication, errors.

    POST ─▶ form ─▶ client ─▶ the endpoint's own act ─▶ JSON, never stored

Scripts of public clients may call some of them from a page of theirs, so these answer any origin,
without credentials: there is no cookie here that a foreign page could ride on.
"""

from collections.abc import Awaitable, Callable

from safeconduct.core.client_auth import Presented, read_client
from safeconduct.core.errors import OAuthError
from safeconduct.core.form import Form
from safeconduct.core.model import Client, TenantId
from safeconduct.core.realm import ROOT, Realm
from safeconduct.core.sender import Sender
from safeconduct.ports.keyring import Sealed
from safeconduct.ports.store import Conflict, Unavailable
from safeconduct.services.authentication import Authentication
from safeconduct.services.denials import Denials
from safeconduct.web.kit.errors import ANY_ORIGIN, NO_STORE, oauth_answer, unavailable
from safeconduct.web.kit.forms import form_of, only
from safeconduct.web.kit.http import Answer, Handler, Headers, Request
from safeconduct.web.kit.sender import sender_of

Act = Callable[[Client, Form, Sender], Awaitable[bytes | Answer]]
"""What an endpoint does for an authenticated client; a body alone is answered with 200."""

_PREFLIGHT: Headers = (
    *ANY_ORIGIN,
    (b"access-control-allow-methods", b"POST"),
    (b"access-control-allow-headers", b"content-type, dpop"),
    (b"access-control-max-age", b"600"),
)


_WRONG_METHOD = (
    b'{"error":"invalid_request","error_description":"this method is not for this address"}'
)


def not_allowed(*methods: str, extra: Headers = ()) -> Answer:
    """RFC 9110 §15.5.6; the body is that of every other refusal here (RFC 6749 §5.2)."""
    allow = (b"allow", ", ".join(methods).encode("ascii"))
    return Answer(405, (*NO_STORE, allow, *extra), _WRONG_METHOD)


async def nothing_here(_: Request) -> Answer:
    """Below an endpoint that several surfaces share, said as all of them say it."""
    error = OAuthError("invalid_request", "there is nothing at this address", status=404)
    return oauth_answer(error)


def back_channel(
    name: str,
    act: Act,
    *,
    authentication: Authentication,
    denials: Denials,
    from_pages: bool,
    status: int = 200,
    shared: bool = False,
    by_page: bool = False,
) -> Handler:
    """The handler of an endpoint; `from_pages` lets scripts of public clients in. `by_page` tells
    of a refusal by `error_uri`, where the specification says all that an error may hold.

    An issuer's endpoint knows the clients of its tenant. A `shared` one, at the bare issuer,
    knows all, and learns the tenant from the client.
    """
    public: Headers = NO_STORE + ANY_ORIGIN if from_pages else NO_STORE
    on_error = ANY_ORIGIN if from_pages else ()
    methods = ("POST", "OPTIONS") if from_pages else ("POST",)

    async def handle(request: Request) -> Answer:
        if request.method != "POST":
            if from_pages and request.method == "OPTIONS":
                return Answer(204, _PREFLIGHT)
            return not_allowed(*methods)
        presented: Presented | None = None
        try:
            form = form_of(request)
            presented, sender = (
                read_client(only(request, b"authorization"), form),
                sender_of(request),
            )
            at = _tenant(request.realm, shared)
            client = await authentication.authenticate(presented, sender, at)
            body = await act(client, form, sender)
        except OAuthError as error:
            client_id = presented.client_id if presented else None
            denials.record(error, name, client_id, tenant_of(request.realm))
            page = request.realm.issuer if by_page and request.realm is not None else None
            return oauth_answer(error, on_error, page)
        except (Unavailable, Conflict, Sealed) as error:
            return oauth_answer(unavailable(error), on_error)
        headers = NO_STORE if client.confidential else public
        if isinstance(body, Answer):
            return Answer(body.status, headers + body.headers, body.body)
        return Answer(status, headers, body)

    return handle


def tenant_of(realm: Realm | None) -> TenantId:
    """Who may have a refusal at this address explained."""
    return ROOT if realm is None else realm.tenant_id


def _tenant(realm: Realm | None, shared: bool) -> TenantId | None:
    return None if realm is None or (shared and realm.shared) else realm.tenant_id
