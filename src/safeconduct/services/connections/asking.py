"""As whom a provider is asked, and what for: by the mode that the account was linked in."""

import asyncio

from safeconduct.core.upstream import flow
from safeconduct.core.upstream.brought import Moment, registration_of, token_request
from safeconduct.core.upstream.flow import Registration
from safeconduct.core.upstream.http import OutboundRequest
from safeconduct.ports.clock import Clock, Mint
from safeconduct.services.connections.providers import Ready
from safeconduct.services.vault import TokenPair


def asking(ready: Ready, tokens: TokenPair) -> Registration:
    """Our client, or the user's own; and what fills the URLs."""
    return registration_of(
        ready.provider, ready.registration, tokens.access_token, tokens.refresh_token
    )


async def renewing(ready: Ready, tokens: TokenPair, clock: Clock, mint: Mint) -> OutboundRequest:
    """The request for the next access token."""
    brought = tokens.refresh_token
    if ready.provider.auth.brings is None or brought is None:
        return flow.refresh_request(
            ready.provider,
            ready.registration,
            refresh_token=brought,
            access_token=tokens.access_token,
        )
    moment = Moment(now=clock.now(), jti=mint.id("jti"))
    # In a thread: to read a key of 2048 bits takes tens of milliseconds
    return await asyncio.to_thread(
        token_request, ready.provider, asking(ready, tokens), brought, moment
    )
