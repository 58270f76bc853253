"""What an app may do while its approval is withdrawn, and who may own one."""

from typing import Any

import httpx
import pytest
from tests.web.harness import TENANT, Front, answer_of, snapshot

from safeconduct.core.errors import ApiError
from safeconduct.core.model import Client

TOKEN = "/oauth2/token"
ANN, BOB = "ann@example.org", "bob@example.org"


async def code_for(site: Front, app: Client, email: str) -> dict[str, str]:
    """An authorization response to the app, by a person of their own browser."""
    person = site.person()
    await person.sign_in(email)
    await person.authorize(app, scope="openid offline_access", prompt="consent")
    assert (await person.follow()).status_code == 200
    return answer_of(await person.press("consent-allow"))


async def refresh(site: Front, app: Client, tokens: dict[str, Any]) -> httpx.Response:
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    return await site.push(app, TOKEN, **form)


async def test_an_approval_that_is_withdrawn_ends_access_to_others_at_once(site: Front) -> None:
    """Tokens, codes and refresh tokens of everybody but the owner, who needs no approval."""
    ann, _ = await site.user(ANN), await site.user(BOB)
    app = await site.client(owner_id=ann.id)
    held: dict[str, Any] = {}
    for email in (ANN, BOB):
        held[email] = (await site.redeem(app, await code_for(site, app, email))).json()
    open_code = await code_for(site, app, BOB)

    async def approve(approved: bool) -> None:
        await site.clients.update(TENANT, app.id, {"approved": approved}, actor="operator")

    async def live(email: str) -> list[bool]:
        tokens = [held[email][name] for name in ("access_token", "refresh_token")]
        asked = [await site.push(app, "/oauth2/introspect", token=token) for token in tokens]
        return [answer.json()["active"] for answer in asked]

    async def userinfo(email: str) -> int:
        token = held[email]["access_token"]
        headers = {"authorization": f"Bearer {token}"}
        return (await site.person().get("/oauth2/userinfo", headers=headers)).status_code

    assert (await live(ANN), await live(BOB)) == ([True, True], [True, True])
    await approve(False)
    assert (await live(ANN), await live(BOB)) == ([True, True], [False, False])
    assert (await userinfo(ANN), await userinfo(BOB)) == (200, 401)
    for refused in (await site.redeem(app, open_code), await refresh(site, app, held[BOB])):
        assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")
    kept = await refresh(site, app, held[ANN])
    assert kept.status_code == 200
    held[ANN] = kept.json()
    await approve(True)
    assert (await live(BOB), await userinfo(BOB)) == ([True, True], 200), (
        "it was stopped, not ended"
    )
    assert (await refresh(site, app, held[BOB])).status_code == 200


async def test_an_owner_is_a_user_of_the_tenant(site: Front) -> None:
    ann = await site.user()
    app = await site.client(approved=False, owner_id=ann.id)
    before = await snapshot(site.store)
    with pytest.raises(ApiError) as made:
        await site.client(approved=False, owner_id="usr_0000")
    with pytest.raises(ApiError) as changed:
        await site.clients.update(TENANT, app.id, {"owner_id": "usr_0000"}, actor="operator")
    for refused in (made.value, changed.value):
        assert (refused.status, refused.code) == (400, "invalid_client_metadata")
        assert refused.field == "owner_id"
    assert await snapshot(site.store) == before
    bare = await site.clients.update(TENANT, app.id, {"owner_id": None}, actor="operator")
    assert bare.owner_id is None
