"""The simulator, driven the way Safeconduct drives a provider."""

from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from tests.simulator_fixture import EXAMPLE, Running, simulator

from safeconduct.adapters.outbound import GuardedOutbound
from safeconduct.core.errors import ProviderError
from safeconduct.core.secret import Secret
from safeconduct.core.upstream import flow
from safeconduct.core.upstream.api import api_request
from safeconduct.core.upstream.http import OutboundRequest, OutboundResponse
from safeconduct.core.upstream.provider import Provider
from safeconduct.core.upstream.simulated import simulated
from safeconduct.simulator import CLIENT_ID, CLIENT_SECRET

__all__ = ["simulator"]

CALLBACK = "http://127.0.0.1:8400/cb"
OURS = flow.Registration(CLIENT_ID, Secret(CLIENT_SECRET))
VERIFIER = "v" * 43
CHALLENGE = urlsafe_b64encode(sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()


@dataclass
class Client:
    """Our side: the flow of the core through the guarded way out."""

    provider: Provider
    outbound: GuardedOutbound
    it: Running
    ours: flow.Registration = OURS
    now: int = 1_800_000_000_000

    async def send(self, request: OutboundRequest | None) -> OutboundResponse:
        assert request is not None
        return await self.outbound.send(request)

    def url(self, **more: Any) -> str:
        return flow.authorization_url(
            self.provider, self.ours, "st8", CALLBACK, CHALLENGE, "n0nce", **more
        )

    async def code(self, *, user: str | None = None, **more: Any) -> Secret:
        location = await self.it.approve(self.url(**more), user=user)
        answer = flow.read_callback(
            self.provider,
            parse_qsl(urlsplit(location).query),
            issuer=self.provider.oauth2.issuer,
        )
        assert isinstance(answer, flow.Granted), answer
        return answer.code

    async def redeem(self, code: Secret, verifier: str = VERIFIER) -> flow.Tokens:
        return await self.judged(
            flow.token_request(
                self.provider, self.ours, code=code, redirect_uri=CALLBACK, code_verifier=verifier
            )
        )

    async def tokens(self, **more: Any) -> flow.Tokens:
        return await self.redeem(await self.code(**more))

    async def refresh(self, tokens: flow.Tokens) -> flow.Tokens:
        return await self.judged(
            flow.refresh_request(
                self.provider,
                self.ours,
                refresh_token=tokens.refresh_token,
                access_token=tokens.access_token,
            )
        )

    async def judged(self, request: OutboundRequest) -> flow.Tokens:
        answer = await self.send(request)
        return flow.read_token_response(
            self.provider, answer.status, answer.headers, answer.body, self.now
        )

    async def identity(self, tokens: flow.Tokens) -> flow.Account:
        request = flow.identity_request(self.provider, self.ours, access_token=tokens.access_token)
        answer = await self.send(request)
        return flow.read_identity(
            self.provider, answer.status, answer.headers, answer.body, self.now
        )

    async def get(self, tokens: flow.Tokens, path: str, **query: str) -> OutboundResponse:
        return await self.send(
            api_request(self.provider, self.ours, tokens.access_token, path=path, query=query)
        )

    async def refused(self, tokens: flow.Tokens) -> ProviderError:
        with pytest.raises(ProviderError) as caught:
            await self.refresh(tokens)
        return caught.value


@pytest.fixture
async def client(simulator: Running) -> AsyncIterator[Client]:
    provider = simulator.simulator.street.houses[EXAMPLE].provider
    outbound = GuardedOutbound(["127.0.0.1"])
    yield Client(simulated(provider, simulator.base_url), outbound, simulator)
    await outbound.close()
