"""An entry turned towards a simulator, and the layout that both sides of it agree on.

{base}/{provider}/authorize · token · refresh · revoke · api/…

What a user brings to fill the URLs goes along, each as a segment behind a tilde (`/token/~eu`), so
that the simulator sees whether it is right.
"""

from dataclasses import replace
from typing import TypeVar

from safeconduct.core.upstream.client_credentials import ClientCredentials
from safeconduct.core.upstream.provider import Provider
from safeconduct.core.upstream.service_account import ServiceAccount
from safeconduct.core.upstream.template import Template

Mode = TypeVar("Mode", ClientCredentials, ServiceAccount)


def simulated(provider: Provider, base_url: str) -> Provider:
    """The entry with every URL below `{base_url}/{id}`; its dialect stays as it is."""
    root = f"{base_url.rstrip('/')}/{provider.id}"
    code = provider.auth.oauth2_code
    if code is not None:
        refresh = code.refresh
        if refresh.url is not None:
            refresh = replace(refresh, url=Template.plain(f"{root}/refresh"))
        revocation = code.revocation
        if revocation is not None:
            revocation = replace(revocation, url=Template.plain(f"{root}/revoke"))
        code = replace(
            code,
            authorize_url=Template.plain(f"{root}/authorize"),
            token_url=Template.plain(f"{root}/token"),
            issuer=root if code.issuer else None,
            refresh=refresh,
            revocation=revocation,
        )
    api = provider.api
    if api is not None:
        # What the operator runs is at its own address, and no simulator's
        brought = _brought(api.base_url) if provider.auth.brings else ""
        at = base_url.rstrip("/") if api.own else f"{root}/api{brought}"
        api = replace(api, base_url=Template.plain(at))
    auth = replace(
        provider.auth,
        oauth2_code=code,
        oauth2_client_credentials=_got_at(provider.auth.oauth2_client_credentials, root),
        service_account=_got_at(provider.auth.service_account, root),
    )
    return replace(provider, auth=auth, api=api)


def _got_at(mode: Mode | None, root: str) -> Mode | None:
    if mode is None:
        return None
    revocation = mode.revocation
    if revocation is not None:
        revocation = replace(revocation, url=Template.plain(f"{root}/revoke"))
    url = Template.plain(f"{root}/token{_brought(mode.token_url)}")
    return replace(mode, token_url=url, revocation=revocation)


def _brought(url: Template) -> str:
    return "".join(f"/~{{{name}}}" for name in dict.fromkeys(url.names))
