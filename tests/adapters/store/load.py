"""A process that writes as fast as it can and says what was acknowledged; made to be killed.

    python load.py URL ROUND      a line `event ID` or `family ID GENERATION` per acknowledgement

Every family's generation counts its events, so that a half-written unit would show.
"""

import asyncio
import os
import sys

import uvloop
from tests.adapters.store.rows import event, family, write

from safeconduct.adapters.clock import SystemClock
from safeconduct.adapters.store import open_store
from safeconduct.core.model import TokenFamily
from safeconduct.core.unit import Done, Facts, Insert, Ref, Update
from safeconduct.ports.store import Store, Unavailable

CALLERS = 32


def say(line: str) -> None:
    os.write(1, f"{line}\n".encode())  # one call: a line is there or it is not


async def caller(store: Store, name: str) -> None:
    here = Ref(TokenFamily, tenant_id="t1", id=name)
    await write(store, Insert(family(name)))
    number = 0
    while True:
        number += 1
        id_ = f"{name}_{number:06}"

        def decide(facts: Facts, id_: str = id_) -> Done[int]:
            found = facts.get(here)
            assert found is not None
            generation = found.generation + 1
            return Done(
                generation,
                (Update(here, {"generation": generation}), Insert(event(id_, subject=name))),
            )

        generation = (await store.run((here,), decide)).answer
        say(f"family {name} {generation}")


async def main(url: str, round_: str) -> None:
    store = await open_store(url, clock=SystemClock(), serving=True)
    try:
        await asyncio.gather(*(caller(store, f"fam_{round_}_{n}") for n in range(CALLERS)))
    except Unavailable:
        say("unavailable")
        await store.close()


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:]))
