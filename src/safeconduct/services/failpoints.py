"""Named points at which a test can let this process fail. Nothing here is on unless a test asks.

    with armed("refresh.answered", die):
        …

Production code says `await failpoint("refresh.answered")`, which is a look into an empty mapping.
"""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

Act = Callable[[], Awaitable[None]]

POINTS = (
    "attempt.taken",
    "attempt.exchanged",
    "attempt.linked",
    "device.answered",
    "device.taken",
    "refresh.claimed",
    "refresh.sending",
    "refresh.intended",
    "refresh.answered",
    "refresh.written",
    "revoke.claimed",
    "revoke.answered",
    "rotation.sealed",
    "webhook.verified",
    "surface.called",
)

_armed: dict[str, Act] = {}


async def failpoint(name: str) -> None:
    act = _armed.get(name)
    if act is not None:
        await act()


@contextmanager
def armed(name: str, act: Act) -> Iterator[None]:
    if name not in POINTS:
        raise ValueError(f"there is no failpoint {name}")
    _armed[name] = act
    try:
        yield
    finally:
        _armed.pop(name, None)
