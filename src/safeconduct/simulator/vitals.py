"""How a user slept and moved: made up, plausible, and the same every time."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from random import Random
from uuid import NAMESPACE_URL, uuid5

from safeconduct.core.upstream.records import HealthKind

NIGHTS = 60
EXERCISE_EVERY = 3  # nights


@dataclass(frozen=True, slots=True, kw_only=True)
class Spell:
    """One night or one exercise; `figures` are in the units of `METRICS`."""

    id: str
    kind: HealthKind
    start: datetime
    end: datetime
    figures: dict[str, Decimal]


class Vitals:
    """What one user's device has measured, up to last night."""

    def __init__(self, provider: str, user: str, now: float) -> None:
        self._seed = f"{provider}/{user}/vitals"
        self._count = 0
        self.spells: list[Spell] = []
        today = datetime.fromtimestamp(now, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        for back in range(NIGHTS, 0, -1):
            self.add("sleep", today - timedelta(days=back, hours=1, minutes=back % 50))
            if back % EXERCISE_EVERY == 0:
                self.add("activity", today - timedelta(days=back, hours=6))

    def newest_first(self, kind: HealthKind) -> list[Spell]:
        mine = [spell for spell in self.spells if spell.kind == kind]
        return sorted(mine, key=lambda spell: (spell.start, spell.id), reverse=True)

    def add(self, kind: HealthKind, start: datetime) -> Spell:
        """One more, that began then."""
        self._count += 1
        name = f"sim:{self._seed}/{self._count}"
        seed = int.from_bytes(sha256(name.encode()).digest()[:8])
        chance = Random(seed)  # noqa: S311 (a story, not a secret)
        figures = _night(chance) if kind == "sleep" else _exercise(chance)
        spell = Spell(
            id=str(uuid5(NAMESPACE_URL, name)),
            kind=kind,
            start=start,
            end=start + timedelta(seconds=int(figures["duration"])),
            figures=figures,
        )
        self.spells.append(spell)
        return spell


def _night(chance: Random) -> dict[str, Decimal]:
    deep, rem = chance.randint(50, 110) * 60, chance.randint(60, 130) * 60
    light, awake = chance.randint(170, 280) * 60, chance.randint(10, 70) * 60
    asleep, total = deep + rem + light, deep + rem + light + awake
    lowest = chance.randint(42, 55)
    return {
        "duration": Decimal(total),
        "asleep": Decimal(asleep),
        "deep": Decimal(deep),
        "rem": Decimal(rem),
        "light": Decimal(light),
        "awake": Decimal(awake),
        "latency": Decimal(chance.randint(2, 30) * 60),
        "efficiency": Decimal(100 * asleep // total),
        "heart_rate_avg": Decimal(2 * lowest + chance.randint(8, 20)) / 2,
        "heart_rate_min": Decimal(lowest),
        "hrv": Decimal(chance.randint(25, 95)),
        "respiratory_rate": Decimal(chance.randint(96, 136)) / 8,
        "score": Decimal(chance.randint(60, 97)),
    }


def _exercise(chance: Random) -> dict[str, Decimal]:
    minutes = chance.randint(20, 95)
    steps, average = minutes * chance.randint(90, 165), chance.randint(105, 150)
    return {
        "duration": Decimal(minutes * 60),
        "steps": Decimal(steps),
        "distance": Decimal(steps * chance.randint(70, 110)) / 100,
        "energy": Decimal(minutes * chance.randint(16, 26)) / 2,
        "energy_active": Decimal(minutes * chance.randint(14, 24)) / 2,
        "heart_rate_avg": Decimal(average),
        "heart_rate_max": Decimal(average + chance.randint(10, 35)),
        "score": Decimal(chance.randint(60, 97)),
    }
