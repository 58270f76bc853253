"""Ids that sort by time and never come twice; secrets and codes of the promised size."""

import os
import re
import time

from safeconduct.adapters.clock import SystemClock, SystemMint


def test_ids_are_unique_and_sort_by_time() -> None:
    mint = SystemMint()
    made = [mint.id("evt") for _ in range(50_000)]
    assert len(set(made)) == len(made)
    assert made == sorted(made)
    assert all(re.fullmatch(r"evt_[0-9a-hjkmnp-tv-z]{26}", each) for each in made[::1_000])
    time.sleep(0.002)
    assert mint.id("evt") > made[-1]


def test_two_mints_do_not_meet() -> None:
    first, second = SystemMint(), SystemMint()
    assert not {first.id("a") for _ in range(2_000)} & {second.id("a") for _ in range(2_000)}


def test_the_random_half_of_an_id_is_random() -> None:
    mint = SystemMint()
    tails = [mint.id("a")[-12:] for _ in range(2_000)]
    assert len(set(tails)) == len(tails)
    for place in range(12):
        assert len({tail[place] for tail in tails}) == 32


def test_a_fork_makes_ids_of_its_own() -> None:
    """Workers make their mint after the fork; the parent's, made before, is not used by them."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        os.write(write, "\n".join(SystemMint().id("a") for _ in range(100)).encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(write)
    with os.fdopen(read) as pipe:
        theirs = pipe.read().split("\n")
    mint = SystemMint()
    assert len(theirs) == 100
    assert not set(theirs) & {mint.id("a") for _ in range(100)}


def test_secrets_and_codes() -> None:
    mint = SystemMint()
    secrets = {mint.secret() for _ in range(100)}
    assert len(secrets) == 100
    assert all(re.fullmatch(r"[\w-]{43}", each) for each in secrets)
    codes = [mint.digits(6) for _ in range(500)]
    assert all(re.fullmatch(r"\d{6}", code) for code in codes)
    assert len(set(codes)) > 450


def test_the_clock_does_not_run_backwards() -> None:
    clock = SystemClock()
    now = clock.now()
    assert abs(now - time.time() * 1000) < 1_000
    clock.raise_floor(now + 60_000)
    assert clock.now() == now + 60_000
    clock.raise_floor(now)
    assert clock.now() == now + 60_000
    assert SystemClock(floor=now + 5_000).now() == now + 5_000
    assert clock.boot() <= clock.boot()
