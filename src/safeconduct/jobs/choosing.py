"""Which of the due jobs to start: fair between tenants, and between the lanes of a tenant."""

from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Sequence

from safeconduct.core.model import Job
from safeconduct.jobs.pacing import Lane, lane_of


def choose(due: Iterable[Job], running: Sequence[Job], slots: int) -> list[Job]:
    """At most `slots - len(running)` of `due`, one tenant after the other, oldest first.

    One tenant gets at most three quarters of the slots and one lane at most half, even when
    nobody else wants them just now: whoever comes next must not wait for a sick provider.
    """
    by_tenant: dict[str, deque[Job]] = defaultdict(deque)
    for job in due:
        by_tenant[job.tenant_id].append(job)
    tenants: Counter[str] = Counter(job.tenant_id for job in running)
    lanes: Counter[Lane] = Counter(lane_of(job) for job in running)
    tenant_cap, lane_cap = max(1, slots - slots // 4), max(1, slots // 2)
    order = deque(sorted(by_tenant, key=lambda tenant: tenants[tenant]))
    chosen: list[Job] = []
    while order and len(running) + len(chosen) < slots:
        tenant = order.popleft()
        if tenants[tenant] >= tenant_cap:
            continue
        found = _next(by_tenant[tenant], lanes, lane_cap)
        if found is None:
            continue
        chosen.append(found)
        tenants[tenant] += 1
        lanes[lane_of(found)] += 1
        order.append(tenant)
    return chosen


def _next(waiting: deque[Job], lanes: Counter[Lane], lane_cap: int) -> Job | None:
    while waiting:
        job = waiting.popleft()
        if lanes[lane_of(job)] < lane_cap:
            return job
    return None
