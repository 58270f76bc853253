"""Several questions at once: so many at a time, and none left running when one of them fails."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


async def together(work: Callable[[T], Awaitable[R]], items: Iterable[T], at_once: int) -> list[R]:
    """What `work` made of each, in their order; the first failure, once all have ended."""
    room = asyncio.Semaphore(at_once)

    async def one(item: T) -> R:
        async with room:
            return await work(item)

    done = await asyncio.gather(*(one(item) for item in items), return_exceptions=True)
    made: list[R] = []
    for outcome in done:
        if isinstance(outcome, BaseException):
            raise outcome
        made.append(outcome)
    return made
