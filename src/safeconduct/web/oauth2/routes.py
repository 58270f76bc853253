"""The endpoints of the authorization server that are no pages, by path."""

from collections.abc import Callable, Collection
from functools import partial
from typing import Any

from safeconduct.core.metadata import Features, openid_metadata, server_metadata
from safeconduct.core.realm import Realm
from safeconduct.services.access import Access
from safeconduct.services.authentication import Authentication
from safeconduct.services.ciba import Ciba
from safeconduct.services.denials import Denials
from safeconduct.services.devices import Devices
from safeconduct.services.introspection import Introspection
from safeconduct.services.keys import Keys
from safeconduct.services.realms import Realms
from safeconduct.services.requests import Requests
from safeconduct.services.revocation import Revocation
from safeconduct.services.tenant_keys import TenantKeys
from safeconduct.services.tokens import Tokens
from safeconduct.services.userinfo import Userinfo
from safeconduct.web.kit.http import Handler
from safeconduct.web.kit.language import LANGUAGES
from safeconduct.web.oauth2.bc_authorize import bc_authorize
from safeconduct.web.oauth2.device_authorization import device_authorization
from safeconduct.web.oauth2.introspect import introspect
from safeconduct.web.oauth2.jwks import jwks
from safeconduct.web.oauth2.metadata import OAUTH_PATH, OPENID_PATH, document
from safeconduct.web.oauth2.par import par
from safeconduct.web.oauth2.register import PATH as REGISTER_PATH
from safeconduct.web.oauth2.revoke import revoke
from safeconduct.web.oauth2.token import token
from safeconduct.web.oauth2.userinfo import userinfo as userinfo_handler

TOKEN_PATH = "/oauth2/token"
COMMON_TOKEN_PATH = "/oauth/token"
"""Where Calico's and Alpaca's apps look, of every tenant; the client's profile tells them apart."""

SHARED_TOKEN_PATH = "/v1/oauth/token"
"""Where Loop's apps look. A JSON body there is a broker's: no path for the short cut."""


def hot(
    *,
    keys: Keys,
    realms: Realms,
    authentication: Authentication,
    tokens: Tokens,
    devices: Devices,
    ciba: Ciba,
    access: Access,
    introspection: Introspection,
    revocation: Revocation,
    userinfo: Userinfo,
    denials: Denials,
    requests: Requests,
    pages: Collection[str] = (),
    prompts: Collection[str] = (),
    client_documents: bool = False,
) -> dict[str, Handler]:
    """Handlers by path. `pages` are the paths that are served elsewhere, for the metadata."""
    exchange: dict[str, Any] = {
        "authentication": authentication,
        "tokens": tokens,
        "denials": denials,
    }
    handlers: dict[str, Handler] = {
        TOKEN_PATH: token(**exchange),
        COMMON_TOKEN_PATH: token(**exchange, shared=True),
        "/oauth2/introspect": introspect(
            authentication=authentication, introspection=introspection, denials=denials
        ),
        "/oauth2/revoke": revoke(
            authentication=authentication, revocation=revocation, denials=denials
        ),
        "/oauth2/bc-authorize": bc_authorize(
            authentication=authentication, ciba=ciba, denials=denials
        ),
        "/oauth2/device_authorization": device_authorization(
            authentication=authentication, devices=devices, denials=denials
        ),
        "/oauth2/par": par(
            authentication=authentication,
            requests=requests,
            proofs=tokens.proofs,
            denials=denials,
        ),
        "/oauth2/userinfo": userinfo_handler(access=access, userinfo=userinfo, denials=denials),
        "/oauth2/jwks": jwks(keys, realms),
    }
    paths = {*handlers, *pages}

    def features(realm: Realm, its: TenantKeys) -> Features:
        return Features(
            issuer=realm.issuer,
            grant_types=tokens.grants,
            paths=paths - {REGISTER_PATH} if realm.policy.registration == "off" else paths,
            response_types=requests.rules.response_types,
            fetch_request_uris=requests.rules.fetch_request_uris,
            push=requests.rules.push or realm.policy.require_pushed_authorization_requests,
            detail_types=requests.detail_types(realm),
            prompts=prompts,
            ui_locales=LANGUAGES,
            auth_methods=authentication.methods,
            client_documents=client_documents and realm.policy.client_documents,
            client_certificates=tokens.proofs.certificates,
            mtls_origin=_mtls(tokens.proofs.mtls_origin, realm),
        )

    for path, write in ((OAUTH_PATH, server_metadata), (OPENID_PATH, openid_metadata)):
        content = partial(_written, write, features)
        handlers[path] = document(content, realms=realms, keys=keys)
    return handlers


def _mtls(origin: str | None, realm: Realm) -> str | None:
    """A tenant with a host name of its own has its own address for everything."""
    if origin is None or not (realm.shared or realm.prefix):
        return None
    return origin + realm.prefix


def _written(
    write: Callable[[Features], dict[str, Any]],
    features: Callable[[Realm, TenantKeys], Features],
    realm: Realm,
    its: TenantKeys,
) -> dict[str, Any]:
    return write(features(realm, its))
