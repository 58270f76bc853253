"""The host's clock and entropy."""

import os
import secrets
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from struct import Struct

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base32
_NUMBERS = Struct(">Q")
_SUPPLY = 4_096
_PAIRS = [high + low for high in _ALPHABET for low in _ALPHABET]


class SystemClock:
    """The wall clock, held so that it never runs backwards.

    `floor` is the committed high-water mark: after a restart with the clock moved back, nothing
    that had expired lives again.
    """

    def __init__(self, floor: int = 0) -> None:
        self._floor = floor

    def now(self) -> int:
        wall = time.time_ns() // 1_000_000
        if wall > self._floor:
            self._floor = wall
        return self._floor

    def boot(self) -> int:
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000

    def raise_floor(self, at: int) -> None:
        """Never give a time before `at` again."""
        self._floor = max(self._floor, at)


class SystemMint:
    """Ids that sort by time, and secrets that nobody guesses.

    An id is 48 bits of milliseconds, 18 bits that count within the millisecond from a random
    start, and 64 random bits, in 26 characters of base32. Ids are not secret, so their random
    bits come from a supply; a secret is asked of the operating system each time. Made after a
    fork, never before: two processes must not share a supply.
    """

    def __init__(self) -> None:
        self._at = 0
        self._sequence = 0
        self._supply: Iterator[tuple[int]] = iter(())

    def id(self, prefix: str) -> str:
        at = max(time.time_ns() // 1_000_000, self._at)
        if at > self._at:
            self._at, self._sequence = at, self._random() & 0xFFFF
        else:
            self._sequence += 1
            if self._sequence >> 18:
                self._at, self._sequence = at + 1, 0
        number = (self._at << 82) | (self._sequence << 64) | self._random()
        return f"{prefix}_{_base32(number)}"

    def _random(self) -> int:
        found = next(self._supply, None)
        if found is None:
            self._supply = _NUMBERS.iter_unpack(os.urandom(_SUPPLY))
            found = next(self._supply)
        return found[0]

    def secret(self) -> str:
        return urlsafe_b64encode(os.urandom(32)).rstrip(b"=").decode()

    def digits(self, count: int) -> str:
        return f"{secrets.randbelow(10**count):0{count}d}"


def _base32(number: int) -> str:
    return "".join([_PAIRS[(number >> shift) & 1023] for shift in range(120, -1, -10)])
