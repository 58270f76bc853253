"""A node that redeems one code, and dies where it is told to.

`python -m tests.services.redeemer DATABASE AT CLIENT SECRET CODE STAGE`: it kills itself `inside`
the transaction, when all is decided, or `after` its commit and before the answer.
"""

import asyncio
import os
import signal
import sys
from typing import Any

from tests.back import REDIRECT, VERIFIER, back_of, basic
from tests.conftest import SettableClock

from safeconduct.adapters.clock import SystemMint
from safeconduct.adapters.store import open_store


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Deadly:
    """A store up to the unit that is its last."""

    def __init__(self, store: Any, stage: str) -> None:
        self.store, self.stage = store, stage

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)

    async def run(self, reads: Any, decide: Any) -> Any:
        def last(facts: Any) -> Any:
            verdict = decide(facts)
            if self.stage == "inside":
                die()
            return verdict

        done = await self.store.run(reads, last)
        if self.stage == "after":
            die()
        return done


async def main(url: str, at: str, client: str, secret: str, code: str, stage: str) -> None:
    clock = SettableClock(int(at))
    store = await open_store(url, clock=clock, serving=False)
    back = await back_of(store, clock, SystemMint())
    back.tokens.store = Deadly(store, stage)
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": REDIRECT,
        "code_verifier": VERIFIER,
    }
    head = {"authorization": basic(client, secret)}
    await back.post("/oauth2/token", form, headers=head)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
