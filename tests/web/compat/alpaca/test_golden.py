"""Golden exchanges: a broker lets an app into an account, by a token and by a code, and ends it."""

from pathlib import Path
from typing import Any

from tests.web.compat.alpaca.desk import Desk
from tests.web.compat.golden import Story

from safeconduct.core.model import AccessToken, Client, Code, Grant, TokenFamily

ACCOUNTS = ("live_account", "paper_account")
COLUMNS: dict[type[Any], tuple[str, ...]] = {
    Client: ("status", "live_trading_approved"),
    Grant: ("client_id", "user_id", "scope", "revoked_at"),
    Code: ("redirect_uri", "scope", *ACCOUNTS, "expires_at", "consumed_at"),
    TokenFamily: ("scope", *ACCOUNTS, "revoked_reason"),
    AccessToken: ("scope", "expires_at", "revoked_at"),
}


async def test_the_golden_exchanges(desk: Desk) -> None:
    story = Story(desk.site.store, COLUMNS)
    await story.begin()
    await story.tell(await desk.look_up(response_type="code", scope="general"))
    await story.tell(await desk.look_up("0" * 32))
    issued = await story.tell(await desk.issue(scope="general"))
    await story.tell(await desk.issue(scope=""))
    await story.tell(await desk.issue(client_secret="wrong"))
    await story.tell(await desk.issue(redirect_uri="http://elsewhere"))
    await story.tell(await desk.issue(scope="everything"))
    await story.tell(await desk.issue(account_id=None))
    live = await desk.account(desk.ann, "live")
    await story.tell(await desk.issue(account_id=live.id))
    given = await story.tell(await desk.authorize(scope="trading data"))
    await story.tell(await desk.redeem(given.json()["code"]))
    await story.tell(await desk.redeem(given.json()["code"]))
    await story.tell(await desk.delete(issued.json()["access_token"]))
    await story.tell(await desk.delete(issued.json()["access_token"]))
    await desk.site.clients.disable(desk.app.tenant_id, desk.app.id, actor="operator")
    await story.tell(await desk.look_up())
    await story.tell(await desk.issue())
    story.holds(Path(__file__).parent)
