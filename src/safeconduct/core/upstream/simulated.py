"""An entry turned towards a simulator, and the layout that both sides of it agree on.

{base}/{provider}/authorize · token · refresh · revoke · api/…
"""

from dataclasses import replace

from safeconduct.core.upstream.provider import Provider
from safeconduct.core.upstream.template import Template


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
        at = base_url.rstrip("/") if api.own else f"{root}/api"
        api = replace(api, base_url=Template.plain(at))
    return replace(provider, auth=replace(provider.auth, oauth2_code=code), api=api)
