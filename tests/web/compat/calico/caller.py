"""An app with a user's token, whose every answer is judged by a contract."""

import re
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
from tests.contracts.contract import Contract
from tests.contracts.server import Server, bearer
from tests.simulator_fixture import EXAMPLE

SCOPE = "openid offline_access connections:read connections:write assets:read transactions:read"


class Caller:
    def __init__(self, server: Server, token: str, contract: Contract) -> None:
        self.server, self.headers, self.contract = server, bearer(token), contract

    async def call(self, operation_id: str, **more: Any) -> httpx.Response:
        operation = self.contract.named(operation_id)
        url = re.sub(r"\{.*?\}", more.pop("at", EXAMPLE), operation.url)
        headers = {**self.headers, **more.pop("headers", {})}
        answer = await self.server.http.request(operation.method, url, headers=headers, **more)
        self.contract.check(operation.method, operation.path, answer.status_code, answer.json())
        return answer

    async def approved(self, redirect_url: str) -> dict[str, str]:
        """The person signs in there and allows it; what the app is handed."""
        location = await self.server.stage.sim.approve(redirect_url)
        return dict(parse_qsl(urlsplit(location).query))

    async def add(self, **body: Any) -> dict[str, str]:
        asked = {"provider_id": EXAMPLE, "connection": {"type": "oauth2"}, **body}
        answer = await self.call("addProviders", json=asked)
        return await self.approved(answer.json()["data"]["redirect_url"])

    async def connect(self, **body: Any) -> None:
        back = await self.add(**body)
        done = await self.call("authorizationCallback", params=back)
        assert done.status_code == 201, done.text
