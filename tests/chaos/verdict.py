"""What every connection says of itself, held against the provider's books.

works      the token that we hold is the newest that the provider gave
told       it is not, and the connection says so: an answer died with its process
in doubt   it is, and the connection says that it does not know: the process died between the
           written intent and the first byte, which nobody can tell from the moment after it
false      it is, the connection says otherwise, and nobody died there
broken     it is not, and the connection does not say so
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from tests.chaos.plan import STEPS, Step
from tests.chaos.scene import GRACES, Scene
from tests.connected import ROOT, T1

from safeconduct.adapters.clock import SystemMint
from safeconduct.adapters.keyring import RootKeyring
from safeconduct.adapters.store import open_store
from safeconduct.core.model import Connection, Credential, Event
from safeconduct.core.unit import Find
from safeconduct.ports.store import Store
from safeconduct.services.keys import Keys
from safeconduct.services.vault import Vault

Fact = Literal["works", "told", "in doubt", "false", "broken"]
AFTER_ISSUE: frozenset[Step] = frozenset({"asked", "answered", "writing"})
"""Steps at which an answer may be lost: the provider has, or may have, given a new token."""

UNDECIDABLE: frozenset[Step] = frozenset({"intending", "intended", "asked"})
"""Steps at which the intent may be durable and no byte be on its way."""

SLACK_MS = 10_000
"""From the written intent to a death that was found, and what of a window is left for sending."""

DOUBTS = ("connection.uncertain", "connection.needs_reauth")
LOST = "refresh.answer_lost"
PAGE = 1_000


@dataclass(frozen=True, slots=True)
class Death:
    """`held`: the version that the lease was taken of. `target`: the plan wanted this one; the
    others were in the same process. `at`: when it was found, on everybody's clock.
    """

    connection: int
    held: int
    step: Step
    target: bool
    at: int


@dataclass(frozen=True, slots=True)
class Held:
    """Our side of a connection at the end. `doubted_at`: when it began to say so."""

    status: str
    reason: str | None
    refresh_token: str
    version: int
    doubted_at: int | None


@dataclass(slots=True)
class Verdict:
    facts: Counter[Fact] = field(default_factory=Counter)
    by_step: dict[str, Counter[str]] = field(default_factory=dict)
    wrong: list[dict[str, Any]] = field(default_factory=list)
    refreshes: int = 0
    requests: int = 0
    reuses: int = 0
    overlaps: int = 0
    graced: int = 0

    @property
    def good(self) -> bool:
        return not (self.wrong or self.reuses or self.overlaps)


async def held_of(scene: Scene) -> dict[int, Held]:
    """All connections, with what their secrets say."""
    store = await open_store(scene.database, clock=scene.board, serving=False)
    keys = Keys(store=store, clock=scene.board, mint=SystemMint(), keyring=RootKeyring([ROOT]))
    await keys.load()
    vault, found, doubts = Vault(keys), dict[int, Held](), await _doubts(store)
    after = ""
    while True:
        where = {"tenant_id": T1}
        rows = await store.find(Find(Connection, where, order=("id",), after=(after,), limit=PAGE))
        secrets = await store.find(
            Find(Credential, where, order=("connection_id",), after=(after,), limit=PAGE)
        )
        for row, secret in zip(rows, secrets, strict=True):
            pair = await vault.open_tokens(T1, row.id, secret.sealed)
            assert pair.refresh_token is not None
            found[scene.numbers[row.id]] = Held(
                row.status,
                row.reason,
                pair.refresh_token.reveal(),
                secret.version,
                doubts.get(row.id),
            )
        if len(rows) < PAGE:
            break
        after = rows[-1].id
    await store.close()
    return found


async def _doubts(store: Store) -> dict[str, int]:
    """When each connection was first not said to work any more."""
    found: dict[str, int] = {}
    after = ""
    while True:
        where = {"tenant_id": T1}
        rows = await store.find(Find(Event, where, order=("id",), after=(after,), limit=PAGE))
        for row in rows:
            if row.type in DOUBTS and row.subject is not None:
                found[row.subject] = min(found.get(row.subject, row.at), row.at)
        if len(rows) < PAGE:
            return found
        after = rows[-1].id


def judged(
    held: Mapping[int, Held], books: Mapping[str, Mapping[str, Any]], deaths: Iterable[Death]
) -> Verdict:
    deaths_of: dict[int, list[Death]] = defaultdict(list)
    counts: dict[str, Counter[str]] = {step: Counter() for step in STEPS}
    for death in deaths:
        deaths_of[death.connection].append(death)
        counts[death.step]["target" if death.target else "beside"] += 1
    verdict = Verdict(by_step=counts)
    for number, row in held.items():
        book = books[f"user{number}"]
        # An answer that was written ended every doubt before it, whoever could count it.
        since = [d for d in deaths_of[number] if d.held >= row.version]
        fact, step = fact_of(row, book, since, GRACES[list(GRACES)[number % len(GRACES)]])
        verdict.facts[fact] += 1
        if step is not None:
            counts[step][fact] += 1
        elif fact != "works":
            seen = {"status": row.status, "reason": row.reason, "version": row.version}
            verdict.wrong.append(
                {
                    "connection": number,
                    "fact": fact,
                    **seen,
                    "deaths": [str(d) for d in deaths_of[number]],
                }
            )
        for name in ("refreshes", "requests", "reuses", "overlaps", "graced"):
            setattr(verdict, name, getattr(verdict, name) + book[name])
    return verdict


def fact_of(
    row: Held, book: Mapping[str, Any], deaths: Sequence[Death], grace_s: int
) -> tuple[Fact, Step | None]:
    """The fact, and the step at which a process died that excuses it.

    Whoever may ask again for a while is not excused before that while is over. It runs from the
    first intent that may be durable: nobody can tell whether a byte followed it, and if one did,
    the provider's window runs since then, however often it is asked in between.
    """
    usable = book["ended"] is None and row.refresh_token == book["newest"]
    if row.status in ("active", "degraded"):
        return ("works" if usable else "broken"), None
    intents = [death.at for death in deaths if death.step in UNDECIDABLE | AFTER_ISSUE]
    steps = [death.step for death in deaths]
    excusing = [step for step in steps if step in (UNDECIDABLE if usable else AFTER_ISSUE)]
    if row.reason != LOST or row.doubted_at is None or not excusing:
        return ("false" if usable else "broken"), None
    if row.doubted_at - min(intents) < grace_s * 1000 - SLACK_MS:
        return ("false" if usable else "broken"), None
    return ("in doubt" if usable else "told"), excusing[0]
