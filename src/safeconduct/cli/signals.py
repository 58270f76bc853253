"""Running until somebody says stop."""

import asyncio
import signal
from collections.abc import Coroutine
from contextlib import suppress


async def until_told(work: Coroutine[object, object, None]) -> None:
    """Run `work` until it ends, or until SIGINT or SIGTERM cancels it."""
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, task.cancel)
    with suppress(asyncio.CancelledError):
        await task
