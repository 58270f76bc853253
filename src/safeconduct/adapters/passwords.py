"""Argon2id (RFC 9106) in a few threads, with a short queue before them.

Hashing is slow on purpose, so a flood of logins must neither take every core nor wait in line
for ever: who finds the queue full is turned away at once.
"""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from secrets import token_urlsafe
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from safeconduct.core.secret import Secret
from safeconduct.ports.passwords import Busy

R = TypeVar("R")


class Argon2Passwords:
    """Implements `ports.passwords.Passwords`."""

    def __init__(
        self, *, threads: int = 1, queue: int = 24, hasher: PasswordHasher | None = None
    ) -> None:
        # OWASP's first choice for Argon2id: 19 MiB, two passes, one lane; about 20 ms
        self._hasher = hasher or PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="argon2")
        self._slots = threading.BoundedSemaphore(threads + queue)
        self._nobody = self._hasher.hash(token_urlsafe(32))

    async def hash(self, password: Secret) -> str:
        return await self._run(lambda: self._hasher.hash(password.reveal()))

    async def verify(self, stored: str | None, password: Secret) -> bool:
        known = await self._run(lambda: self._verify(stored or self._nobody, password.reveal()))
        return known and stored is not None

    def _verify(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _run(self, work: Callable[[], R]) -> R:
        if not self._slots.acquire(blocking=False):
            raise Busy
        # The slot is free when the thread is done, not when the caller stops waiting
        future: Future[R] = self._pool.submit(work)
        future.add_done_callback(lambda _: self._slots.release())
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
