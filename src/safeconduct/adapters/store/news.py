"""News between the nodes of one PostgreSQL: which cached tables have changed.

The writer says so in its transaction, so the news travels with the commit and only with it.
While a node cannot listen it assumes the worst, once a second.
"""

import asyncio
import contextlib
import secrets
from collections.abc import Callable, Sequence

import asyncpg

from safeconduct.adapters.store.postgres_link import TROUBLE, connect
from safeconduct.core.model import Client, ClientSecret, Key, ProviderSetting, Tenant
from safeconduct.core.unit import DeleteAll, Insert, UpdateAll, Write

CHANNEL = "safeconduct"
CACHED = frozenset({Client, ClientSecret, Key, ProviderSetting, Tenant})
RETRY_S = 1.0


class News:
    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._name = secrets.token_hex(8)
        self._listeners: list[Callable[[], None]] = []
        self._task: asyncio.Task[None] | None = None
        self.listening = asyncio.Event()

    def listen(self, callback: Callable[[], None]) -> None:
        self._listeners.append(callback)
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._keep_listening())

    async def tell(self, connection: asyncpg.Connection) -> None:
        """Announce a change, within the transaction that makes it."""
        await connection.execute("SELECT pg_notify($1, $2)", CHANNEL, self._name)

    async def close(self) -> None:
        if self._task:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _keep_listening(self) -> None:
        while True:
            try:
                await self._listen_once()
            except (*TROUBLE, asyncpg.PostgresError):
                self._call()
            await asyncio.sleep(RETRY_S)

    async def _listen_once(self) -> None:
        connection = await connect(self._dsn)
        lost = asyncio.Event()
        try:
            connection.add_termination_listener(lambda _: lost.set())
            await connection.add_listener(CHANNEL, self._heard)
            self._call()  # whatever happened before
            self.listening.set()
            await lost.wait()
        finally:
            self.listening.clear()
            connection.terminate()
        self._call()

    def _heard(self, _connection: object, _pid: int, _channel: str, sender: object) -> None:
        if sender != self._name:
            self._call()

    def _call(self) -> None:
        for listener in self._listeners:
            listener()


def concerns_caches(units: Sequence[Sequence[Write]]) -> bool:
    """Whether nodes cache what is written here."""
    return any(_record(write) in CACHED for writes in units for write in writes)


def _record(write: Write) -> type[object]:
    if isinstance(write, Insert):
        return type(write.row)
    return write.type if isinstance(write, UpdateAll | DeleteAll) else write.ref.type
