"""Figures for Prometheus: counted in this process, shown on a port of their own.

Labels are bounded: routes as they are registered, known methods, statuses, kinds of jobs. None
names a tenant, a client or a person, and no value comes from a request.
"""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

PATH = "/metrics"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """One in each serving process; without one, nothing is counted."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._requests = Counter(
            "safeconduct_http_requests",
            "Requests that were answered.",
            ("route", "method", "status"),
            registry=self.registry,
        )
        self._seconds = Histogram(
            "safeconduct_http_request_seconds",
            "How long the answers took.",
            ("route",),
            buckets=BUCKETS,
            registry=self.registry,
        )
        self._jobs = Counter(
            "safeconduct_job_turns",
            "Turns of background jobs, by what became of them: done, again, failed.",
            ("kind", "outcome"),
            registry=self.registry,
        )
        self._known: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def request(self, route: str, method: str, status: int, seconds: float) -> None:
        known = self._known.get((route, method, status))
        if known is None:
            said = method if method in METHODS else "other"
            known = self._requests.labels(route, said, str(status)), self._seconds.labels(route)
            if said == method:
                self._known[route, method, status] = known
        known[0].inc()
        known[1].observe(seconds)

    def log_dropped(self, lines: Callable[[], int]) -> None:
        """Where to ask for the lines of the log that nobody took."""
        Gauge(
            "safeconduct_log_lines_dropped",
            "Lines of the log that were dropped, because nobody read them or the disk was full.",
            registry=self.registry,
        ).set_function(lines)

    def job(self, kind: str, outcome: str) -> None:
        self._jobs.labels(kind, outcome).inc()

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        """What is served on the port of their own: `GET /metrics`, and nothing else."""
        if scope["type"] != "http":
            return
        if scope["path"] != PATH or scope["method"] not in ("GET", "HEAD"):
            await Response(status_code=404)(scope, receive, send)
            return
        body = generate_latest(self.registry)
        headers = {"content-type": CONTENT_TYPE_LATEST, "cache-control": "no-store"}
        await Response(body, headers=headers)(scope, receive, send)
