"""The refresh flow of `@calcom/atoms`, imitated from its public contract.

    page ─▶ API: 498 ─▶ the customer's own refreshUrl, with the old token ─▶ API: refresh, with the
    client's secret ─▶ page: the new token, and the same request once more

The page knows the client's id and its access token; secret and refresh token stay with the
customer's server.
"""

from dataclasses import dataclass, field
from typing import Any

import httpx
from tests.conftest import SettableClock
from tests.web.compat.calcom.desk import HOME, App, Desk

HOUR = 3_600_000


@dataclass
class CustomersServer:
    """Keeps what belongs to each of its users; a page shows whose it is by its access token."""

    desk: Desk
    app: App
    kept: dict[str, dict[str, Any]] = field(default_factory=dict)

    async def sign_up(self, email: str) -> str:
        made = await self.desk.managed(self.app, email=email, name="A. User")
        self.kept[made["accessToken"]] = made
        return str(made["accessToken"])

    async def refresh_url(self, authorization: str) -> dict[str, str]:
        mine = self.kept.pop(authorization.removeprefix("Bearer "))
        answer = await self.desk.call(
            "refreshManagedUserTokens",
            self.app.headers,
            clientId=self.app.id,
            json={"refreshToken": mine["refreshToken"]},
        )
        if answer.status_code != 200:
            answer = await self.desk.call(
                "forceRefreshTokens",
                self.app.headers,
                clientId=self.app.id,
                userId=mine["user"]["id"],
            )
        pair = {**mine, **answer.json()["data"]}
        self.kept[pair["accessToken"]] = pair
        return {"accessToken": pair["accessToken"]}


@dataclass
class Page:
    """What the provider component does with every request."""

    desk: Desk
    server: CustomersServer
    token: str
    refreshes: int = 0

    async def get(self, path: str) -> httpx.Response:
        answer = await self._send(path)
        if answer.status_code == 498:
            self.refreshes += 1
            fresh = await self.server.refresh_url(f"Bearer {self.token}")
            self.token = fresh["accessToken"]
            answer = await self._send(path)
        return answer

    async def _send(self, path: str) -> httpx.Response:
        headers = {
            "authorization": f"Bearer {self.token}",
            "x-cal-client-id": self.server.app.id,
            "cal-api-version": "2024-06-14",
            "origin": HOME,
        }
        return await self.desk.http.get(path, headers=headers)


async def test_a_page_refreshes_when_it_is_told_498(any_desk: Desk, clock: SettableClock) -> None:
    desk = any_desk
    server = CustomersServer(desk, await desk.app())
    page = Page(desk, server, await server.sign_up("ann@example.com"))
    assert (await page.get("/v2/conferencing")).json() == {"status": "success", "data": []}
    for turn in range(1, 4):
        clock.advance(HOUR)
        assert (await page.get("/v2/conferencing")).status_code == 200
        assert (await page.get("/v2/conferencing/default")).status_code == 200
        assert page.refreshes == turn


async def test_a_lost_one_is_replaced_by_force(any_desk: Desk, clock: SettableClock) -> None:
    desk = any_desk
    server = CustomersServer(desk, await desk.app())
    page = Page(desk, server, await server.sign_up("ann@example.com"))
    server.kept[page.token]["refreshToken"] = "lost"
    clock.advance(HOUR)
    assert (await page.get("/v2/conferencing")).status_code == 200
    assert page.refreshes == 1


async def test_two_users_of_one_page_do_not_meet(any_desk: Desk, clock: SettableClock) -> None:
    desk = any_desk
    server = CustomersServer(desk, await desk.app())
    ann = Page(desk, server, await server.sign_up("ann@example.com"))
    ben = Page(desk, server, await server.sign_up("ben@example.com"))
    await desk.call(
        "connectConferencingApp", {"authorization": f"Bearer {ann.token}"}, app="google-meet"
    )
    clock.advance(HOUR)
    assert len((await ann.get("/v2/conferencing")).json()["data"]) == 1
    assert (await ben.get("/v2/conferencing")).json()["data"] == []
