"""Giving back what a provider gave, by an entry that has one mode: the request, and its answer.

    oauth2_…                     RFC 7009, or what the entry has instead   (`flow`)
    oauth1                       a signed call of the API                  (`oauth1_flow`)
    oauth2_yields_api_key        a call by which a key ends itself         (`minting`)

What a user typed in, and what lives on an address, is not ours to end.
"""

from safeconduct.core.secret import Secret
from safeconduct.core.upstream import flow, minting, oauth1_flow
from safeconduct.core.upstream.api import Registration
from safeconduct.core.upstream.http import OutboundRequest, OutboundResponse
from safeconduct.core.upstream.provider import Provider


def revocation_request(
    provider: Provider,
    registration: Registration,
    *,
    access_token: Secret,
    refresh_token: Secret | None,
) -> OutboundRequest | None:
    """None where there is no way."""
    if provider.auth.oauth1 is not None:
        return oauth1_flow.revocation_request(provider, registration, access_token)
    if provider.auth.oauth2_yields_api_key is not None:
        return minting.revocation_request(provider, registration, access_token)
    return flow.revocation_request(
        provider, registration, access_token=access_token, refresh_token=refresh_token
    )


def read_revocation(provider: Provider, said: OutboundResponse, now: int) -> None:
    """`ProviderError` if it is not given back yet."""
    if provider.dialect is not None:
        flow.read_revocation(provider, said.status, said.headers, said.body, now)
    else:
        oauth1_flow.read_revocation(said.status, said.headers, now)
