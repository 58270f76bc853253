"""OpenID Connect Core §5.3: userinfo, with the token in the Authorization header or a form."""

import re
from uuid import uuid4

from msgspec.json import encode

from safeconduct.core.errors import OAuthError, invalid_request
from safeconduct.core.form import read_form
from safeconduct.core.resource import metadata_url
from safeconduct.ports.keyring import Sealed
from safeconduct.ports.store import Conflict, Unavailable
from safeconduct.services.access import Access
from safeconduct.services.denials import Denials
from safeconduct.services.userinfo import Userinfo
from safeconduct.web.kit.bearer import token_of
from safeconduct.web.kit.errors import ANY_ORIGIN, EXPOSED, NO_STORE, oauth_answer, unavailable
from safeconduct.web.kit.forms import form_of
from safeconduct.web.kit.http import Answer, Handler, Headers, Request
from safeconduct.web.kit.sender import shown_with
from safeconduct.web.oauth2.back_channel import not_allowed, tenant_of

_ANSWER: Headers = NO_STORE + ANY_ORIGIN
_JWT: Headers = tuple(
    (name, b"application/jwt" if name == b"content-type" else value) for name, value in _ANSWER
)
_ON_ERROR: Headers = (*ANY_ORIGIN, *EXPOSED)
_INTERACTION = b"x-fapi-interaction-id"
_UUID = re.compile(rb"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_PREFLIGHT: Headers = (
    *ANY_ORIGIN,
    (b"access-control-allow-methods", b"GET, POST"),
    (b"access-control-allow-headers", b"authorization, content-type, dpop"),
    (b"access-control-max-age", b"600"),
)


def userinfo(*, access: Access, userinfo: Userinfo, denials: Denials) -> Handler:
    async def handle(request: Request) -> Answer:
        told = await answer(request)
        return Answer(told.status, told.headers + _interaction(request), told.body)

    async def answer(request: Request) -> Answer:
        if request.method == "OPTIONS":
            return Answer(204, _PREFLIGHT)
        if request.method not in ("GET", "HEAD", "POST"):
            return not_allowed("GET", "HEAD", "POST", "OPTIONS")
        try:
            scheme, token = _shown(request)
            bearer = await access.bearer(
                token,
                shown_with(request, scheme),
                request.realm.tenant_id if request.realm else None,
            )
            said = await userinfo.about(bearer)
            if isinstance(said, str):
                return Answer(200, _JWT, said.encode("ascii"))
            return Answer(200, _ANSWER, encode(said))
        except OAuthError as error:
            if request.realm is not None:
                error.resource_metadata = metadata_url(request.realm.issuer)
            denials.record(error, "userinfo", None, tenant_of(request.realm))
            return oauth_answer(error, _ON_ERROR)
        except (Unavailable, Conflict, Sealed) as error:
            return oauth_answer(unavailable(error), _ON_ERROR)

    return handle


def _interaction(request: Request) -> Headers:
    """FAPI 1.0 Baseline §6.2.1 item 11: "shall set the response header x-fapi-interaction-id to the
    value received […] or to a RFC 4122 UUID value", by which both sides find the exchange in their
    logs. Nothing but a UUID is echoed.
    """
    sent = request.header(_INTERACTION) or b""
    return ((_INTERACTION, sent if _UUID.fullmatch(sent) else str(uuid4()).encode()),)


def _shown(request: Request) -> tuple[str, str]:
    """RFC 6750 §2: in the header or in a form, "MUST NOT use more than one method", and never in
    the query, which is logged. What comes in a form can only be a bearer token (RFC 9449 §7.1).
    """
    sent = [value for name, value in request.headers if name == b"authorization"]
    in_form = _names_token(request.body)
    if _names_token(request.query) or (sent and in_form):
        raise invalid_request(
            "the access token belongs in one place, the Authorization header or a form",
            rule="bearer.elsewhere",
            rfc="6750#2",
        )
    if in_form and request.method == "POST":
        sent = [b"Bearer " + form_of(request).get("access_token", "").encode()]
    return token_of(sent)


def _names_token(part: bytes) -> bool:
    try:
        return b"access" in part and "access_token" in read_form(part)
    except ValueError:
        return True
