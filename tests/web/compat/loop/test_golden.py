"""Golden exchanges: a health device from its offer to its end."""

from pathlib import Path
from typing import Any

import pytest
from tests.web.compat.golden import Story
from tests.web.compat.loop.desk import BACK, SLEPT, Desk, listen
from tests.web.connect.stage import DEVICE

from safeconduct.core.model import Attempt, Connection
from safeconduct.web.compat.loop import sync

COLUMNS: dict[type[Any], tuple[str, ...]] = {
    Attempt: ("provider_id", "mode", "return_to", "consumed_at", "outcome"),
    Connection: ("user_id", "provider_id", "status", "reason", "scope", "version"),
}


async def test_the_golden_exchanges(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sync, "PATIENCE_MS", 30)
    story = Story(desk.server.stage.site.store, COLUMNS)
    mine = {"params": {"userId": desk.user_id}}
    await desk.server.stage.sim.set_clock(desk.platform.clock.now())
    await story.begin()

    async def tell(operation: str, **more: Any) -> Any:
        return (await story.tell(await desk.call(operation, **more))).json()

    await tell("listProviders")
    await tell("authorizeConnection", json={"provider": DEVICE, "redirectUri": "https://evil/"})
    begun = await tell("authorizeConnection", json={"provider": DEVICE, "redirectUri": BACK})
    back = await desk.returned(begun)
    await tell("connectionCallback", json=back | {"state": "x"})
    made = (await tell("connectionCallback", json=back))["connection"]
    await tell("connectionCallback", json=back)
    await tell("syncConnection", id=made["id"])
    await desk.work()
    await tell("syncConnection", id=made["id"])
    await tell("listConnections", **mine)
    await listen(desk)
    await story.tell(await desk.send({**SLEPT, "client_user_id": desk.user_id}))
    await story.tell(await desk.send(SLEPT, **{"svix-signature": "v1,AAAA"}))
    await tell("deleteConnection", id=made["id"], **mine)
    await tell("deleteConnection", id=made["id"], **mine)
    story.holds(Path(__file__).parent)
