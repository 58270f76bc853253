"""A code whose node is killed while it redeems it, and the client that tries again elsewhere."""

import asyncio
import signal
import sys

import pytest
from tests.back import TENANT, back_of, secret_of
from tests.conftest import SettableClock

from safeconduct.adapters.clock import SystemMint
from safeconduct.adapters.store import open_store
from safeconduct.core.model import Code, TokenFamily
from safeconduct.core.unit import Find


@pytest.fixture(params=["sqlite_url", "postgres_dsn"])
def database(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(request.param))


@pytest.mark.invariant("V1")
@pytest.mark.invariant("V2")
@pytest.mark.invariant("V9")
@pytest.mark.invariant("F1")
@pytest.mark.parametrize("stage", ["inside", "after"])
async def test_killed_while_redeeming_a_code_gives_no_second_set(
    database: str, clock: SettableClock, mint: SystemMint, stage: str
) -> None:
    store = await open_store(database, clock=clock, serving=False, migrate=True)
    back = await back_of(store, clock, mint)
    app = await back.client()
    code = await back.code(app)
    before = len(await back.events())
    program = (sys.executable, "-m", "tests.services.redeemer", database, str(clock.now()))
    process = await asyncio.create_subprocess_exec(
        *program, app.client.id, secret_of(app), code, stage
    )
    async with asyncio.timeout(60):
        assert await process.wait() == -signal.SIGKILL

    (row,) = await store.find(Find(Code, {"tenant_id": TENANT}))
    families = await store.find(Find(TokenFamily, {"tenant_id": TENANT}))
    told = len(await back.events()) - before
    again = await back.redeem(app, code)
    if stage == "inside":  # nothing of it is there, and the code is as good as new
        assert (row.consumed_at, families, told) == (None, (), 0)
        assert again.status == 200
        assert (await back.introspect(app, again.json["access_token"]))["active"]
        assert (await back.refresh(app, again.json["refresh_token"])).status == 200
    else:  # all of it is there, and whoever brings the code again ends it: nobody has an answer
        assert row.consumed_at is not None
        assert (len(families), told > 0) == (1, True)
        assert (again.status, again.json["error"]) == (400, "invalid_grant")
        (ended,) = await store.find(Find(TokenFamily, {"tenant_id": TENANT}))
        assert ended.revoked_at is not None
    await store.close()
