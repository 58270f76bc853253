"""A suspended tenant's work in the background rests, and goes on when it is activated."""

from tests.tenants.conftest import Town

from safeconduct.adapters.outbound import GuardedOutbound
from safeconduct.app.work import runner_of
from safeconduct.core.model import Job
from safeconduct.core.unit import Find


async def test_work_rests_while_its_tenant_is_suspended(town: Town) -> None:
    platform, acme, zenith = town.site.platform, town.acme, town.zenith
    for firm in (acme, zenith):
        await platform.webhooks.create(
            firm.tenant.tenant_id,
            {"url": "https://127.0.0.1:9/in", "event_types": ["user.*"]},
            actor="operator",
        )
    runner = runner_of(platform)

    async def waiting() -> set[str]:
        rows = await town.site.store.find(Find(Job, {"settled_at": None}, limit=100))
        return {row.tenant_id for row in rows if row.kind == "webhooks.fan_out"}

    ids = {acme.tenant.tenant_id, zenith.tenant.tenant_id}
    for firm in (acme, zenith):
        await firm.user()
    assert await waiting() == ids
    await platform.tenants.suspend(acme.tenant.tenant_id, actor="operator")
    await runner.drain()
    assert await waiting() == {acme.tenant.tenant_id}
    town.site.clock.advance(61_000)
    await runner.drain()
    assert await waiting() == {acme.tenant.tenant_id}
    await platform.tenants.activate(acme.tenant.tenant_id, actor="operator")
    town.site.clock.advance(61_000)
    await runner.drain()
    assert await waiting() == set()
    outbound = platform.outbound
    assert isinstance(outbound, GuardedOutbound)
    await outbound.close()
