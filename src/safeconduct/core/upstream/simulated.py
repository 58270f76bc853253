"""An entry turned towards a simulator, and the layout that both sides of it agree on.

{base}/{provider}/authorize · token · refresh · revoke · api/…
                  .well-known/openid-configuration · jwks   OpenID
                  device/code                          RFC 8628
                  oauth1/request · authorize · token   RFC 5849
                  key · userinfo                       signing in that ends with an API key

What fills the placeholders of the URLs goes along, each as a segment behind a tilde (`/token/~eu`),
so that the simulator sees whether it is right: what was granted at one site is unknown at another.
"""

from dataclasses import replace
from typing import TypeVar

from safeconduct.core.upstream.client_credentials import ClientCredentials
from safeconduct.core.upstream.device import Device
from safeconduct.core.upstream.dialect import OAuth2Code
from safeconduct.core.upstream.minted import YieldsApiKey
from safeconduct.core.upstream.oauth1 import OAuth1
from safeconduct.core.upstream.provider import Provider
from safeconduct.core.upstream.service_account import ServiceAccount
from safeconduct.core.upstream.template import Template

Mode = TypeVar("Mode", ClientCredentials, ServiceAccount)


def simulated(provider: Provider, base_url: str) -> Provider:
    """The entry with every URL below `{base_url}/{id}`; its dialect stays as it is."""
    root, auth = f"{base_url.rstrip('/')}/{provider.id}", provider.auth
    auth = replace(
        auth,
        oauth2_code=auth.oauth2_code and _oauth2(auth.oauth2_code, root),
        oauth2_device=auth.oauth2_device and _device(auth.oauth2_device, root),
        oauth2_yields_api_key=auth.oauth2_yields_api_key
        and _yields(auth.oauth2_yields_api_key, root),
        oauth1=auth.oauth1 and _oauth1(auth.oauth1, root),
        oauth2_client_credentials=_got_at(auth.oauth2_client_credentials, root),
        service_account=_got_at(auth.service_account, root),
    )
    api = provider.api
    if api is not None:
        # What an operator runs is at its own address, and no simulator's; so is a chain
        exact = api.own or provider.auth.modes == ("wallet",)
        at = base_url.rstrip("/") if exact else f"{root}/api{_filled(api.base_url)}"
        via = None if api.via is None else replace(api.via, hosts=())
        api = replace(api, base_url=Template.plain(at), via=via)
    mcp, identity = provider.mcp, provider.identity
    if mcp is not None:
        mcp = replace(mcp, url=Template.plain(f"{root}/mcp"))
    if identity is not None and identity.base_url is not None:
        at = f"{root}/api{_filled(identity.base_url)}"
        identity = replace(identity, base_url=Template.plain(at))
    return replace(provider, auth=auth, api=api, mcp=mcp, identity=identity)


def _got_at(mode: Mode | None, root: str) -> Mode | None:
    if mode is None:
        return None
    revocation = mode.revocation
    if revocation is not None:
        revocation = replace(revocation, url=Template.plain(f"{root}/revoke"))
    return replace(mode, token_url=_at(root, "token", mode.token_url), revocation=revocation)


def _at(root: str, path: str, url: Template) -> Template:
    return Template.plain(f"{root}/{path}{_filled(url)}")


def _filled(url: Template) -> str:
    return "".join(f"/~{{{name}}}" for name in dict.fromkeys(url.names))


def _oauth2(code: OAuth2Code, root: str) -> OAuth2Code:
    refresh, revocation, registering = code.refresh, code.revocation, code.registering
    tokens = code.id_token
    if tokens is not None and tokens.jwks_uri is not None:
        tokens = replace(tokens, jwks_uri=_at(root, "jwks", tokens.jwks_uri))
    if refresh.url is not None:
        refresh = replace(refresh, url=_at(root, "refresh", refresh.url))
    if revocation is not None:
        revocation = replace(revocation, url=_at(root, "revoke", revocation.url))
    if registering is not None and registering.url is not None:
        registering = replace(registering, url=Template.plain(f"{root}/register"))
    return replace(
        code,
        authorize_url=_at(root, "authorize", code.authorize_url),
        token_url=_at(root, "token", code.token_url),
        issuer=root if code.issuer else None,
        id_token=tokens,
        refresh=refresh,
        revocation=revocation,
        registering=registering,
    )


def _device(device: Device, root: str) -> Device:
    return replace(
        device,
        device_url=_at(root, "device/code", device.device_url),
        token_url=device.token_url and _at(root, "device/token", device.token_url),
    )


def _yields(yields: YieldsApiKey, root: str) -> YieldsApiKey:
    identity = yields.identity
    return replace(
        yields,
        oauth=_oauth2(yields.oauth, root),
        key=replace(yields.key, url=_at(root, "key", yields.key.url)),
        identity=identity and replace(identity, url=_at(root, "userinfo", identity.url)),
    )


def _oauth1(oauth1: OAuth1, root: str) -> OAuth1:
    return replace(
        oauth1,
        request_url=_at(root, "oauth1/request", oauth1.request_url),
        authorize_url=_at(root, "oauth1/authorize", oauth1.authorize_url),
        token_url=_at(root, "oauth1/token", oauth1.token_url),
    )
