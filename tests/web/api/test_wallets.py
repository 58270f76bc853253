"""Wallets over the API: watched by their address, or shown to be one's own (EIP-4361)."""

from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from tests.services.connections.test_enter import LOCAL, MINE, OTHER
from tests.web.harness import TENANT, Front, snapshot

from safeconduct.core.attempts import TTL_MS
from safeconduct.core.model import User

SCOPE = "connections:read connections:write"
ATTEMPTS = "/api/v1/attempts"


@dataclass
class Desk:
    site: Front
    http: httpx.AsyncClient

    async def token(self, user: User, **app: Any) -> dict[str, str]:
        client = await self.site.client(**{"scope": SCOPE, **app})
        issued = await self.site.platform.issuing.issue(
            TENANT, client.id, user.id, frozenset(client.scope), actor="operator"
        )
        return {"authorization": f"Bearer {issued['access_token']}"}

    async def begin(self, head: dict[str, str], **changed: Any) -> httpx.Response:
        body = {"provider_id": LOCAL, "auth_mode": "wallet", "address": MINE.address, **changed}
        return await self.http.post(ATTEMPTS, json=body, headers=head)

    async def prove(self, id: str, signature: str, head: dict[str, str]) -> httpx.Response:
        body = {"signature": signature}
        return await self.http.post(f"{ATTEMPTS}/{id}/proof", json=body, headers=head)


@pytest.fixture
async def desk(site: Front) -> Any:
    await site.platform.providers.configure(
        TENANT, LOCAL, client_id="", client_secret=None, base_url="http://127.0.0.1:1", actor="o"
    )
    transport = httpx.ASGITransport(app=site.app)
    async with httpx.AsyncClient(transport=transport, base_url=site.issuer) as http:
        yield Desk(site, http)


@pytest.mark.attack("L17")
async def test_a_wallet_is_watched_and_then_proven(desk: Desk) -> None:
    head = await desk.token(await desk.site.user())
    fields = {"address": MINE.address.lower(), "chain": "anvil"}
    body = {"provider_id": LOCAL, "fields": fields, "display_label": "Cold"}
    watched = await desk.http.post("/api/v1/connections", json=body, headers=head)
    assert watched.status_code == 201, watched.text
    assert (watched.json()["auth_mode"], watched.json()["proof"]) == ("wallet", None)
    begun = await desk.begin(head)
    assert (begun.status_code, begun.json()["status"]) == (201, "pending")
    message, id = begun.json()["message"], begun.json()["id"]
    assert message.startswith("id.example wants you to sign in with your Ethereum account:")
    assert MINE.address in message
    done = await desk.prove(id, MINE.sign(message), head)
    assert (done.status_code, done.json()["status"]) == (200, "completed")
    assert done.json()["connection_id"] == watched.json()["id"]
    shown = await desk.http.get(f"/api/v1/connections/{watched.json()['id']}", headers=head)
    assert (shown.json()["proof"], shown.json()["display_label"]) == ("eip4361", "Cold")
    assert (await desk.prove(id, MINE.sign(message), head)).status_code == 404, "once"


@pytest.mark.attack("L17")
async def test_only_the_owners_word_for_whom_it_was_asked_counts(desk: Desk) -> None:
    ann = await desk.site.user()
    head = await desk.token(ann)
    bob = await desk.token(await desk.site.user("bob@example.org"))
    elsewhere = await desk.token(ann, client_name="Other")

    async def begun(**changed: Any) -> Any:
        return (await desk.begin(head, **changed)).json()

    for wrong in (OTHER.sign, lambda text: MINE.sign(text + " "), lambda _: "0x"):
        attempt = await begun()
        answer = (await desk.prove(attempt["id"], wrong(attempt["message"]), head)).json()
        assert (answer["status"], answer["connection_id"]) == ("failed", None)
        assert answer["reason"] == "wrong_signature"
    attempt = await begun()
    before = await snapshot(desk.site.store)
    signature = MINE.sign(attempt["message"])
    for stranger in (bob, elsewhere):
        assert (await desk.prove(attempt["id"], signature, stranger)).status_code == 404
    assert await snapshot(desk.site.store) == before
    desk.site.clock.advance(TTL_MS)
    assert (await desk.prove(attempt["id"], signature, head)).status_code == 404, "too late"
    attempt = await begun()
    done = await desk.prove(attempt["id"], MINE.sign(attempt["message"]), head)
    assert done.json()["status"] == "completed"


async def test_what_is_no_address_or_no_signature_is_said_so(desk: Desk) -> None:
    head = await desk.token(await desk.site.user())
    for address in ("nobody", "", 7, None):
        answer = await desk.begin(head, address=address)
        assert (answer.status_code, answer.json()["field"]) == (400, "address")
    attempt = (await desk.begin(head)).json()
    for body in ({}, {"signature": 7}, {"signature": ""}):
        answer = await desk.http.post(f"{ATTEMPTS}/{attempt['id']}/proof", json=body, headers=head)
        assert (answer.status_code, answer.json()["field"]) == (400, "signature")
    reader = await desk.token(await desk.site.user("c@example.org"), scope="connections:read")
    assert (await desk.begin(reader)).status_code == 403
    assert (await desk.prove(attempt["id"], "0x", reader)).status_code == 403
