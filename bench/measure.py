"""What is done to each server: closed loops at full speed, and open loops at 70 % of it."""

import gc
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from statistics import median
from time import process_time
from typing import Any

from bench.load import Source, Tally, closed_loop, open_loop
from bench.processes import Process, busy_seconds
from bench.sources import (
    BoundClientCredentials,
    ClientCredentials,
    Introspection,
    Refresh,
    SignIn,
    Target,
)

PHASES = ("client_credentials", "dpop", "refresh", "introspection", "sign_in")
POOL = 512
SHARE = 0.7  # of the maximum, for the latency that is promised


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    connections: int = 32
    seconds: float = 5.0
    rounds: int = 3


@dataclass(slots=True)
class Subject:
    """A running server, and what was prepared in it."""

    target: Target
    server: Process
    refresh_tokens: list[str]
    verify: Callable[[list[str]], None]
    database: Process | None = None
    phases: tuple[str, ...] = PHASES  # what it can do
    browsers: list[str] = field(default_factory=list)  # Cookie headers of sessions
    pool: list[str] = field(default_factory=list)


def measure(subject: Subject, plan: Plan, progress: Callable[[str], None]) -> dict[str, Any]:
    """One round on one server."""
    found: dict[str, Any] = {"ready_seconds": round(subject.server.ready_seconds, 3)}
    chains = deal(subject.refresh_tokens, plan.connections)
    browsers = deal(subject.browsers, plan.connections)
    makers: dict[str, Callable[[], list[Source]]] = {
        "client_credentials": lambda: [
            ClientCredentials(subject.target) for _ in range(plan.connections)
        ],
        "dpop": lambda: [BoundClientCredentials(subject.target) for _ in range(plan.connections)],
        "refresh": lambda: [Refresh(subject.target, chain) for chain in chains],
        "introspection": lambda: _introspections(subject, plan.connections),
        "sign_in": lambda: [SignIn(subject.target, chain) for chain in browsers],
    }
    for phase in subject.phases:
        progress(f"{subject.target.name}: {phase.replace('_', ' ')}")
        found[phase] = _full_speed(subject, makers[phase](), plan)
    for phase in subject.phases:
        progress(f"{subject.target.name}: {phase.replace('_', ' ')} at 70 %")
        rate = SHARE * found[phase]["per_second"]
        sources = makers[phase]()
        with _no_collector():
            tally = open_loop(subject.target.address, sources, rate=rate, seconds=plan.seconds)
        _verify(subject, sources)
        found[phase]["at_70_percent"] = tally.summary()
    found["resident_mib"] = subject.server.resident_mib()
    return found


def _full_speed(subject: Subject, sources: list[Source], plan: Plan) -> dict[str, Any]:
    processes = [subject.server, *([subject.database] if subject.database else [])]
    before: list[float] = []
    after: list[float] = []

    def note(into: list[float]) -> None:
        into += [process.cpu_seconds() for process in processes]
        into += [process_time(), busy_seconds()]

    with _no_collector():
        tally = closed_loop(
            subject.target.address,
            sources,
            seconds=plan.seconds,
            at_start=lambda: note(before),
            at_end=lambda: note(after),
        )
    _verify(subject, sources)
    *ours, generator, busy = (a - b for b, a in zip(before, after, strict=True))
    used = [_micros(seconds, tally) for seconds in ours]
    others = (busy - sum(ours) - generator) / tally.seconds
    cpu = {"cpu_us": used[0], **({"database_cpu_us": used[1]} if len(used) > 1 else {})}
    return {**tally.summary(), **cpu, "others_cores": round(max(0.0, others), 3)}


def _micros(seconds: float, tally: Tally) -> float:
    return round(seconds * 1e6 / max(1, len(tally.latencies)), 1)


def _verify(subject: Subject, sources: list[Source]) -> None:
    """Check a sample of the tokens properly, and keep live ones to introspect later."""
    tokens = [token for source in sources for token in getattr(source, "sample", ())]
    if tokens:
        subject.verify(tokens)
        subject.pool = (subject.pool + tokens)[-POOL:]


def _introspections(subject: Subject, connections: int) -> list[Source]:
    size = max(1, len(subject.pool) // connections)
    pools = [subject.pool[at * size : (at + 1) * size] for at in range(connections)]
    return [Introspection(subject.target, pool or subject.pool) for pool in pools]


def deal(tokens: list[str], connections: int) -> list[deque[str]]:
    """Every connection has its own: no refresh token, and no browser, is used by two at once."""
    return [deque(tokens[at::connections]) for at in range(connections)]


class _no_collector:
    """No garbage collection of ours inside a measurement."""

    def __enter__(self) -> None:
        gc.collect()
        gc.disable()

    def __exit__(self, *_: object) -> None:
        gc.enable()


def middle(rounds: list[dict[str, Any]]) -> dict[str, Any]:
    """The median of every number over the rounds; errors are added up."""
    out: dict[str, Any] = {}
    for key, value in rounds[0].items():
        values = [one[key] for one in rounds]
        if isinstance(value, dict):
            out[key] = middle(values)
        elif key in ("errors", "unsent"):
            out[key] = sum(values)
        elif key == "first_error":
            out[key] = next((text for text in values if text), None)
        else:
            numbers = [number for number in values if number is not None]
            out[key] = round(median(numbers), 3) if numbers else None
    return out


def describe(plan: Plan) -> dict[str, Any]:
    return asdict(plan)
