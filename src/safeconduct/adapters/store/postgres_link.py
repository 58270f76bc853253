"""Connections to PostgreSQL, few and kept; every wait for the server has an end."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import asyncpg

from safeconduct.ports.store import Unavailable

CONNECT_S = 5.0
CALL_S = 10.0
WORK_S = 12.0
ATTEMPTS = 3
PAUSE_S = 0.02

SETTINGS = {
    "application_name": "safeconduct",
    "synchronous_commit": "on",  # an answer means durable, whatever the role's default is
    "default_transaction_isolation": "read committed",
    "statement_timeout": "8000",
    "lock_timeout": "2000",
    "idle_in_transaction_session_timeout": "15000",
    "jit": "off",
}

UNSURE = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
)
"""The line went dead, or the server under it: what was sent last may have been done."""

TROUBLE = (
    *UNSURE,
    asyncpg.InsufficientResourcesError,
    asyncpg.PostgresSystemError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.ReadOnlySQLTransactionError,
)
"""The server is away, going, full, or too slow: nothing is wrong with the request."""


HOPELESS = (asyncio.CancelledError, TimeoutError, OSError, asyncpg.InternalClientError)
"""After one of these the connection is in the middle of something that nobody waits for."""

FAULTS = (ValueError, TypeError, OverflowError)
"""What the driver says of a value that a column cannot hold."""

AGAIN = (
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.InvalidCachedStatementError,
    asyncpg.OutdatedSchemaCacheError,
)
"""Nothing was written, and another try may succeed."""

STALE = (
    ConnectionError,
    asyncpg.ConnectionDoesNotExistError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
)
"""The connection went away; as long as COMMIT was not sent, another one may be asked."""


def unsent(error: BaseException) -> bool:
    """Whether the driver saw that the connection was gone before it sent anything."""
    if isinstance(error, asyncpg.InternalClientError):
        return "cannot switch to state" in str(error)  # it is reading the server's farewell
    return isinstance(error, asyncpg.InterfaceError)


async def connect(dsn: str) -> asyncpg.Connection:
    return await asyncpg.connect(
        dsn,
        timeout=CONNECT_S,
        command_timeout=CALL_S,
        statement_cache_size=1024,
        max_cached_statement_lifetime=0,
        server_settings=SETTINGS,
    )


async def persist(attempt: Callable[[], Awaitable[None]]) -> None:
    """Try again what the server gave up, and once what a stale connection swallowed."""
    stale = True
    for number in range(ATTEMPTS + 1):
        try:
            async with asyncio.timeout(WORK_S):
                await attempt()
            return
        except AGAIN as error:
            if number >= ATTEMPTS:
                raise Unavailable(f"PostgreSQL keeps refusing: {type(error).__name__}") from error
            jitter = random.uniform(0.5, 1.5)  # noqa: S311 -- not a secret
            await asyncio.sleep(PAUSE_S * jitter * (1 << number))
        except FAULTS:
            raise
        except TROUBLE as error:
            if not (stale and (isinstance(error, STALE) or unsent(error))):
                raise Unavailable(f"PostgreSQL: {type(error).__name__}") from error
            stale = False


def refusal(error: Exception) -> Exception:
    """What the caller is told: not the driver's words, which quote values."""
    if isinstance(error, asyncpg.LockNotAvailableError):
        return Unavailable("a row is held by another for too long")
    if isinstance(error, asyncpg.PostgresError):
        return ValueError(f"{type(error).__name__} {error.constraint_name or ''}".strip())
    if isinstance(error, asyncpg.InterfaceError):
        return ValueError(type(error).__name__)
    return error


class Link:
    """Connections that are opened when they are needed, kept, and dropped after trouble.

    Their number is that of the pieces of work that the caller has under way.
    """

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._idle: list[asyncpg.Connection] = []

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[asyncpg.Connection]:
        """One connection for one piece of work."""
        found: asyncpg.Connection | None = None
        try:
            found = await self._open()
            yield found
        except BaseException as error:
            if found is not None:
                await self._clean(found, error)
            raise
        finally:
            if found is not None and not found.is_closed():
                self._idle.append(found)

    async def _clean(self, found: asyncpg.Connection, error: BaseException) -> None:
        """Roll back; where the server may still be at work, hang up instead."""
        if found.is_closed():
            self._drop()  # the others most likely went with it
        elif isinstance(error, HOPELESS):
            found.terminate()
        elif found.is_in_transaction():
            try:
                await found.execute("ROLLBACK", timeout=CONNECT_S)
            except (*TROUBLE, asyncpg.PostgresError):
                found.terminate()

    def _drop(self) -> None:
        for found in self._idle:
            found.terminate()
        self._idle.clear()

    async def _open(self) -> asyncpg.Connection:
        while self._idle:
            found = self._idle.pop()
            if not found.is_closed():
                return found
        try:
            return await connect(self._dsn)
        except (*TROUBLE, asyncpg.PostgresError) as error:
            raise Unavailable(f"PostgreSQL cannot be reached: {error}") from error

    async def close(self) -> None:
        for found in self._idle:
            try:
                await found.close(timeout=CONNECT_S)
            except (*TROUBLE, asyncpg.PostgresError):
                found.terminate()
        self._idle.clear()
