"""How fast jobs may go at one provider: the hook by which a runner holds work back.

A lane is a tenant, a provider, and the family of the work (`sync.…`, `credential.…`). What a
provider says with `Retry-After` holds its whole lane, not only the job that was told; but an API
that has had enough does not keep credentials from being renewed.
"""

from collections.abc import Mapping
from math import ceil
from typing import Protocol

from safeconduct.core.model import Job

Lane = tuple[str, str, str]
MOST_PLACES = 50_000


def lane_of(job: Job) -> Lane:
    provider = job.payload.get("provider_id")
    return job.tenant_id, str(provider or ""), job.kind.partition(".")[0]


class Pace(Protocol):
    def admit(self, job: Job, now: int) -> int:
        """When this job may start: `now` or earlier means at once. Called before every lease."""
        ...

    def pause(self, job: Job, until: int) -> None:
        """The provider asked for a pause."""
        ...


class LanePace:
    """Starts in one lane are spaced evenly: `per_second` by provider id, else unlimited.

    A job that comes too early is given a place of its own further on, so that ten thousand of
    them move once each and not every time the lane is looked at. Kept in this process: with
    several nodes each keeps its own pace, and `Retry-After` stops each as soon as it is told.
    """

    def __init__(self, per_second: Mapping[str, float] | None = None) -> None:
        self._per_second = per_second or {}
        self._free_at: dict[Lane, float] = {}  # when the next place of a lane begins
        self._held: dict[Lane, int] = {}
        self._places: dict[str, int] = {}  # by job id

    def admit(self, job: Job, now: int) -> int:
        lane = lane_of(job)
        held = self._held.get(lane, 0)
        if held > now:
            return held
        self._held.pop(lane, None)
        rate = self._per_second.get(lane[1])
        if not rate:
            return now
        place = self._places.pop(job.id, None)
        if place is not None and place <= now:
            return now
        start = max(float(now), self._free_at.get(lane, 0.0))
        self._free_at[lane] = start + 1000 / rate
        if start > now and len(self._places) < MOST_PLACES:
            self._places[job.id] = ceil(start)
        return ceil(start)

    def pause(self, job: Job, until: int) -> None:
        lane = lane_of(job)
        self._held[lane] = max(self._held.get(lane, 0), until)
