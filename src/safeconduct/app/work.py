"""Work in the background of a serving process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from safeconduct.app.platform import Platform
from safeconduct.jobs.bell import BellStore
from safeconduct.jobs.runner import Runner
from safeconduct.jobs.table import (
    CHAIN,
    NOTICE,
    SWEEP,
    chaining,
    checking,
    counting,
    data,
    keeping,
    leaving,
    mailing,
    noticing,
    pinging,
    polling,
    resting,
    sweeping,
    taking_leave,
    telling,
    unregistering,
)
from safeconduct.web.kit.metrics import Metrics


def runner_of(platform: Platform, metrics: Metrics | None = None) -> Runner:
    """A runner for every kind of job there is."""
    p = platform
    outward = {
        **data(p.syncing, p.erasure),
        **taking_leave(p.farewells),
        **keeping(p.refresh, p.giving_back),
        **unregistering(p.unregistering),
        **checking(p.checking),
        **leaving(p.leaving, p.managed_users),
        **pinging(p.ciba),
        **mailing(p.security_mail),
        **polling(p.device_links),
        **telling(p.fan_out, p.deliveries),
    }
    turns = (p.registration.expire, p.key_turning.turn, p.unregistering.turn)
    table = {
        **sweeping(p.expiry, p.clock, *turns),
        **chaining(p.chain),
        **noticing(p.notices),
        **resting(outward, lambda tenant_id: p.realms.of(tenant_id).suspended, p.clock),
    }
    if metrics is not None:
        table = counting(table, metrics.job)
    store = BellStore(p.store, p.bell)
    return Runner(store=store, clock=p.clock, mint=p.mint, table=table, bell=p.bell)


@asynccontextmanager
async def working(platform: Platform, metrics: Metrics | None = None) -> AsyncIterator[Runner]:
    """Run jobs while inside; on the way out, let what runs finish and give the rest back."""
    runner = runner_of(platform, metrics)
    for kind in (CHAIN, NOTICE):
        await runner.ensure(platform.tenant_id, kind, "-")
    for realm in platform.realms.all():
        await runner.ensure(realm.tenant_id, SWEEP, "-")
    task = asyncio.create_task(runner.run())
    reading = asyncio.create_task(asyncio.to_thread(platform.catalog.all))  # before it is asked for
    try:
        async with platform.denials.written():
            yield runner
    finally:
        await reading
        await runner.stop()
        await platform.refresh.close()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
