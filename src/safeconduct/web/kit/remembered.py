"""Refusals of pages and of the platform API are remembered, so that they can be explained."""

from starlette.requests import Request

from safeconduct.core.errors import ApiError, OAuthError
from safeconduct.core.realm import ROOT
from safeconduct.services.denials import Denials
from safeconduct.web.kit.page_error import PageError
from safeconduct.web.kit.request_log import route_of


def kept(request: Request, error: ApiError | OAuthError | PageError) -> str | None:
    """The id of the record; None for what is no refusal, or is recorded already."""
    denials: Denials | None = getattr(request.app.state, "denials", None)
    if denials is None or error.status >= 500 or getattr(error, "id", None) is not None:
        return None
    realm = getattr(request.state, "realm", None)
    endpoint = f"{request.method} {route_of(request.scope)}"
    tenant_id = realm.tenant_id if realm else ROOT
    match error:
        case OAuthError():
            denials.record(error, endpoint, None, tenant_id)
            return error.id
        case ApiError():
            return denials.keep(
                error=error.code,
                rule=error.code,
                description=error.title,
                detail=error.field or error.detail,
                endpoint=endpoint,
                tenant_id=tenant_id,
            )
        case PageError():
            return denials.keep(
                error=error.code,
                rule=error.code,
                description=str(error.message),
                endpoint=endpoint,
                tenant_id=tenant_id,
            )
