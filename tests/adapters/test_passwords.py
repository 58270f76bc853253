"""Argon2id behind a short queue."""

import asyncio
import threading

import pytest
from argon2 import PasswordHasher

from safeconduct.adapters.passwords import Argon2Passwords
from safeconduct.core.secret import Secret
from safeconduct.ports.passwords import Busy


class Counted(PasswordHasher):
    """Counts verifications, and waits for leave to finish them."""

    def __init__(self) -> None:
        super().__init__(1, 8, 1)
        self.verified = 0
        self.gate = threading.Event()
        self.gate.set()

    def verify(self, hash: str | bytes, password: str | bytes) -> bool:  # type: ignore[override]
        self.verified += 1
        self.gate.wait(5)
        return super().verify(hash, password)


async def test_right_and_wrong() -> None:
    passwords = Argon2Passwords(hasher=PasswordHasher(1, 8, 1))
    stored = await passwords.hash(Secret("pässword"))
    assert stored.startswith("$argon2id$")
    assert await passwords.verify(stored, Secret("pässword"))
    assert not await passwords.verify(stored, Secret("password"))
    assert not await passwords.verify("no hash at all", Secret("x"))
    assert stored != await passwords.hash(Secret("pässword"))
    passwords.close()


async def test_the_defaults_are_those_that_are_recommended() -> None:
    passwords = Argon2Passwords()
    assert "$m=19456,t=2,p=1$" in await passwords.hash(Secret("x"))
    passwords.close()


@pytest.mark.attack("K1")
async def test_nobodys_password_costs_as_much() -> None:
    hasher = Counted()
    passwords = Argon2Passwords(hasher=hasher)
    assert not await passwords.verify(None, Secret("anything"))
    assert hasher.verified == 1
    passwords.close()


@pytest.mark.invariant("F27")
async def test_a_flood_is_turned_away_and_leaves_no_debt() -> None:
    hasher = Counted()
    passwords = Argon2Passwords(threads=1, queue=2, hasher=hasher)
    hasher.gate.clear()
    waiting = [asyncio.create_task(passwords.verify(None, Secret("x"))) for _ in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(Busy):
        await passwords.verify(None, Secret("x"))
    waiting[0].cancel()
    await asyncio.sleep(0.01)
    with pytest.raises(Busy):
        await passwords.verify(None, Secret("x"))  # the thread is still at work
    hasher.gate.set()
    assert await asyncio.gather(*waiting[1:]) == [False, False]
    assert not await passwords.verify(None, Secret("x"))
    passwords.close()
