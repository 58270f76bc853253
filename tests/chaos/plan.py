"""What is to happen, drawn from a seed: who dies, at which step, and when the database stops.

A fate belongs to the n-th refresh of one connection, so the same seed kills the same refreshes at
the same steps, in whatever order and process they come to run.
"""

from dataclasses import dataclass
from random import Random
from typing import Literal, get_args

Step = Literal[
    "claiming",  # the lease is on its way to the database
    "claimed",  # the lease is durable
    "sending",  # looking up, connecting
    "intending",  # the connection stands, the intent is on its way to the database
    "intended",  # the intent is durable, no byte has left
    "asked",  # the provider has the request, or is about to
    "answered",  # the answer is here and nowhere else
    "writing",  # the answer is on its way to the database
    "written",  # the answer is durable, nobody was told
]
STEPS: tuple[Step, ...] = get_args(Step)
LATEST_S = 0.004
"""How long into a step that takes time the end may come."""


@dataclass(frozen=True, slots=True)
class Fate:
    step: Step
    after_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`kills`: the share of refreshes that take their process with them."""

    seed: int = 1
    refreshes: int = 100_000
    connections: int = 12_000
    workers: int = 3
    kills: float = 0.05
    restarts: int = 20
    minutes: float = 60.0

    def fate(self, connection: int, number: int) -> Fate | None:
        chance = Random(f"{self.seed}/{connection}/{number}")
        if chance.random() >= self.kills:
            return None
        return Fate(chance.choice(STEPS), chance.random() * LATEST_S)

    def restarts_at(self) -> list[int]:
        """After how many refreshes the database is stopped."""
        chance = Random(f"{self.seed}/restarts")
        part = self.refreshes / (self.restarts + 1)
        return sorted(
            round(part * (n + 1 + chance.uniform(-0.4, 0.4))) for n in range(self.restarts)
        )
