"""From a device's words to health records: a pure function of a page and what is known.

What a device says of the last days it may still correct, so those are read again each time.
"""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from safeconduct.core.amounts import plain, read_amount
from safeconduct.core.model import Connection, HealthRecord, RawRecord
from safeconduct.core.unit import Insert, Ref, Update, Write
from safeconduct.core.upstream.assets import Absorbed
from safeconduct.core.upstream.classify import read_moment
from safeconduct.core.upstream.records import HealthCapability, HealthMap

DAY_MS = 86_400_000
KEPT_MS = 2 * 366 * DAY_MS
"""How far back records are kept; what is older is not taken in, and not served."""

MOST_KEPT = 5_000
"""Records of one kind and connection; of more, the newest are kept."""

CORRECTED_MS = 3 * DAY_MS
LARGEST = Decimal(10**9)


def absorb_health(
    capability: HealthCapability,
    owner: Connection,
    seen: Sequence[RawRecord],
    known: Mapping[str, HealthRecord],
    *,
    mint: Callable[[], str],
    now: int,
) -> Absorbed:
    """What a page changes: new records, corrected ones, and none that says what it said before."""
    made = Absorbed()
    for raw in seen:
        row = _read(capability, owner, raw, mint, now)
        if row is None:
            made.unreadable += 1
            made.unchanged = False
            continue
        made.newest = max(made.newest or 0, row.started_at)
        made.oldest = min(made.oldest or row.started_at, row.started_at)
        if row.started_at > now - CORRECTED_MS:
            made.unsettled = min(made.unsettled or row.started_at, row.started_at)
        if row.started_at >= now - KEPT_MS:
            _take(made, known.get(row.ref), row)
    return made


def read_metrics(how: HealthMap, body: Mapping[str, Any]) -> dict[str, str]:
    """The figures that the record has, in our units."""
    found: dict[str, str] = {}
    for name, metric in how.metrics.items():
        number = read_amount(metric.value.of(body))
        if number is not None and abs(number) < LARGEST:
            found[name] = plain((number * metric.times).normalize())
    return found


def _read(
    capability: HealthCapability,
    owner: Connection,
    raw: RawRecord,
    mint: Callable[[], str],
    now: int,
) -> HealthRecord | None:
    how = capability.record
    started_at = read_moment(how.started_at.of(raw.body), how.at_format)
    if started_at is None:
        return None
    end = None if how.ended_at is None else how.ended_at.of(raw.body)
    ended_at = None if end is None else read_moment(end, how.at_format)
    return HealthRecord(
        tenant_id=owner.tenant_id,
        connection_id=owner.id,
        kind=capability.kind,
        ref=raw.ref,
        id=mint(),
        user_id=owner.user_id,
        provider_id=owner.provider_id,
        started_at=started_at,
        ended_at=None if ended_at is None or ended_at < started_at else ended_at,
        metrics=read_metrics(how, raw.body),
        updated_at=now,
    )


def _take(made: Absorbed, known: HealthRecord | None, row: HealthRecord) -> None:
    if known is None:
        made.writes.append(Insert(row))
        made.added += 1
        made.unchanged = False
        return
    columns = ("started_at", "ended_at", "metrics")
    changed = {
        name: getattr(row, name) for name in columns if getattr(row, name) != getattr(known, name)
    }
    if changed:
        write: Write = Update(health_ref(known), {**changed, "updated_at": row.updated_at})
        made.writes.append(write)
        made.changed += 1
        made.unchanged = False


def health_ref(row: HealthRecord) -> Ref[HealthRecord]:
    return Ref(
        HealthRecord,
        tenant_id=row.tenant_id,
        connection_id=row.connection_id,
        kind=row.kind,
        ref=row.ref,
    )
