"""`/v2/auth/oauth2`: apps that users let in, apart from clients that manage users.

The token endpoint is flat on both sides (RFC 6749 §5), and says why with a key, not a sentence.
"""

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from safeconduct.core.client_auth import Presented, read_client
from safeconduct.core.errors import ApiError, OAuthError, invalid_request
from safeconduct.core.form import Form
from safeconduct.core.form import read_form as parse_form
from safeconduct.core.model import Client, TenantId
from safeconduct.core.ownership import NOT_APPROVED
from safeconduct.core.permissions import SCOPE_NAMES
from safeconduct.core.pkce import is_challenge
from safeconduct.core.redirect_uri import matches
from safeconduct.core.sessions import SignedIn
from safeconduct.services.platform_clients import PROFILE
from safeconduct.web.compat.calcom.caller import Callers
from safeconduct.web.compat.calcom.errors import CalDialect, answer
from safeconduct.web.compat.calcom.fields import list_of, read, text
from safeconduct.web.compat.calcom.flow import with_query
from safeconduct.web.kit.json_body import MAX_BYTES, json_of, parse_object
from safeconduct.web.kit.surface import Services

_NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}
FORM, JSON = "application/x-www-form-urlencoded", "application/json"

REASONS: Mapping[str, str] = {
    "code.redirect_uri": "redirect_uri_mismatch",
    "code.redirect_uri_missing": "redirect_uri_mismatch",
    "code.client": "client_id_mismatch",
    "pkce.missing": "pkce_missing_parameters_or_invalid_method",
    "pkce.downgrade": "pkce_missing_parameters_or_invalid_method",
    "pkce.mismatch": "pkce_verification_failed",
    "refresh.client": "client_id_mismatch",
    "refresh.reused": "refresh_token_revoked",
    "family.revoked": "refresh_token_revoked",
    "client.not_before": "refresh_token_revoked",
    "scope.exceeds": "scope_exceeds_client_registration",
}
"""A reason's key by the rule that refused."""

KINDS: tuple[tuple[str, str], ...] = (
    ("client.", "invalid_client_credentials"),
    ("code.", "code_invalid_or_expired"),
    ("refresh.", "invalid_refresh_token"),
    ("family.", "invalid_refresh_token"),
)
"""… and by the kind of rule, where no key of its own is known."""


class CalOAuth2:
    def __init__(self, p: Services, callers: Callers, dialect: CalDialect) -> None:
        self.p, self.callers, self.dialect = p, callers, dialect

    async def client(self, request: Request) -> Response:
        """Facts of a client, for whoever is signed in or holds an API key."""
        tenant_id = await self._anybody(request)
        found = await self.p.clients.find(str(request.path_params["clientId"]), tenant_id)
        if found is None or found.tenant_id != tenant_id or found.profile != PROFILE:
            body = {"error": "unauthorized_client", "error_description": "client_not_found"}
            return JSONResponse(body, 404, headers=_NO_STORE)
        return answer(
            {
                "client_id": found.id,
                "name": found.client_name,
                "redirect_uris": list(found.redirect_uris),
                "logo": found.metadata.get("logo_uri"),
                "is_trusted": found.verified,
                "client_type": "CONFIDENTIAL" if found.confidential else "PUBLIC",
            }
        )

    async def _anybody(self, request: Request) -> TenantId:
        if "authorization" in request.headers:
            return (await self.callers.of(request, "key")).tenant_id
        return (await self.callers.session(request)).tenant_id

    # A code

    async def authorize(self, request: Request) -> Response:
        """303 with the code, or with the error; never to a place that is not registered."""
        who = await self.callers.session(request)
        body = await json_of(request)
        asked = read(
            body,
            {
                "redirect_uri": text,
                "state": text,
                "scopes": list_of(text),
                "team_slug": text,
                "code_challenge": text,
                "code_challenge_method": text,
            },
            "redirect_uri",
        )
        client = await self.p.clients.find(str(request.path_params["clientId"]), who.tenant_id)
        if client is None or client.tenant_id != who.tenant_id or client.profile != PROFILE:
            return self.dialect.status(404, "unauthorized_client", code="HttpException")
        if not matches(client.redirect_uris, asked["redirect_uri"]):
            return self.dialect.status(400, "invalid_request", code="HttpException")
        try:
            back: dict[str, str | None] = {"code": await self._code(client, who, asked)}
        except OAuthError as error:
            back = {"error": error.error, "error_description": error.description}
        target = with_query(asked["redirect_uri"], **back, state=asked.get("state"))
        return RedirectResponse(target, 303, {**_NO_STORE, "Referrer-Policy": "no-referrer"})

    async def _code(self, client: Client, who: SignedIn, asked: Mapping[str, Any]) -> str:
        if client.status != "active":
            raise OAuthError("access_denied", "client_rejected")
        challenge = _challenge(client, asked)
        wanted = frozenset(asked.get("scopes") or ())
        if not wanted <= SCOPE_NAMES:
            raise OAuthError("invalid_scope", "unknown_scope")
        if not wanted <= client.scope:
            raise OAuthError("invalid_scope", "scope_exceeds_client_registration")
        scope = wanted or client.default_scope & SCOPE_NAMES
        if not scope:
            raise OAuthError("invalid_scope", "scope_required")
        try:
            return await self.p.session_codes.give(
                client,
                who,
                redirect_uri=asked["redirect_uri"],
                scope=scope,
                resources=(self.p.realms.issuer(client.tenant_id),),
                code_challenge=challenge,
                claims=await self._team(who, asked.get("team_slug")),
            )
        except ApiError as error:
            why = NOT_APPROVED if error.code == NOT_APPROVED else "client_rejected"
            raise OAuthError("access_denied", why) from None

    async def _team(self, who: SignedIn, slug: str | None) -> Mapping[str, Any]:
        if slug is None:
            return {}
        team = await self.p.organizations.find_team(who.tenant_id, slug=slug)
        if team is None or not await self.p.organizations.manages(
            who.tenant_id, who.user_id, team.id
        ):
            raise OAuthError("access_denied", "team_not_found_or_no_access")
        return {"team_id": team.id}

    # Tokens

    async def token(self, request: Request) -> Response:
        """RFC 6749 §3.2, with a form or with JSON."""
        try:
            form = await _form(request)
            values = request.headers.getlist("authorization")
            presented = read_client(values[0].encode("latin-1") if values else None, form)
            client = await self._proven(presented)
            given = await self.p.tokens.exchange(client, form)
        except OAuthError as error:
            return _flat(error)
        shown = ("access_token", "token_type", "refresh_token", "expires_in", "scope")
        return JSONResponse({name: given[name] for name in shown}, headers=_NO_STORE)

    async def _proven(self, presented: Presented) -> Client:
        client = await self.p.authentication.authenticate(presented)
        if client.profile != PROFILE:
            raise OAuthError("invalid_client", "", status=401, rule="client.profile")
        return client


async def _form(request: Request) -> Form:
    raw, types = b"", request.headers.getlist("content-type")
    async for part in request.stream():
        raw += part
        if len(raw) > MAX_BYTES:
            raise ApiError(413, "too_large", "the body is too large")
    media = types[0].partition(";")[0].strip().lower() if len(types) == 1 else ""
    if media == JSON:
        form = Form()
        try:
            fields = parse_object(raw)
        except ApiError:
            raise invalid_request("the body is not JSON") from None
        for name, value in fields.items():
            if not isinstance(value, str):
                raise invalid_request("every member is a string")
            if value:
                form[name] = value
        return form
    if media != FORM:
        raise ApiError(415, "unsupported_media_type", "a form or JSON is expected")
    try:
        form = parse_form(raw)
    except ValueError:
        raise invalid_request("the body is no form") from None
    if form.repeated:
        raise invalid_request("a parameter is given twice")
    return form


def _challenge(client: Client, asked: Mapping[str, Any]) -> str | None:
    """RFC 7636 §4.3: S256, and for everybody who has no secret."""
    challenge = asked.get("code_challenge")
    if asked.get("code_challenge_method", "S256") != "S256":
        raise OAuthError("invalid_request", "invalid_code_challenge_method")
    if challenge is None:
        if not client.confidential or client.require_pkce:
            raise OAuthError("invalid_request", "pkce_required")
        return None
    if not is_challenge(challenge):
        raise OAuthError("invalid_request", "invalid_code_challenge_method")
    return str(challenge)


def reason_of(error: OAuthError) -> str | None:
    """The key of a reason; None where there is none to tell."""
    if error.rule in REASONS:
        return REASONS[error.rule]
    return next((key for start, key in KINDS if error.rule.startswith(start)), None)


def _flat(error: OAuthError) -> Response:
    body = {"error": error.error}
    reason = reason_of(error)
    if reason is not None:
        body["error_description"] = reason
    headers = dict(_NO_STORE)
    if error.retry_after is not None:
        headers["Retry-After"] = str(max(1, error.retry_after))
    return JSONResponse(body, error.status, headers=headers)
