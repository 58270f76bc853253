"""Guessing costs time: tries are counted in a fixed number of buckets.

A bucket is chosen by a keyed hash of what is guarded, so nobody can aim at a neighbour, and
guessing fills no disk however many names are tried. A try is counted before it is judged, so
that a hundred guesses at once are still a hundred. Where a try came from plays no part: headers
that claim an origin are free to invent.
"""

import hmac
from dataclasses import dataclass
from hashlib import sha256
from zlib import crc32

from safeconduct.core.model import Counter, TenantId
from safeconduct.core.unit import Insert, Ref, Update, Write

BUCKETS = 1 << 18
MINUTE = 60_000


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `tries` in `window` milliseconds, counted from the first of them.

    What one subject does hundreds of times a second is counted in several `places`, each with its
    share of the tries, because whoever writes one row waits for whoever wrote it before.
    """

    kind: str
    tries: int
    window: int
    places: int = 1

    def ref(self, key: bytes, tenant_id: TenantId, subject: str, id: str = "") -> Ref[Counter]:
        """The bucket that counts for `subject`; the `id` of what is counted chooses the place."""
        if self.places > 1:
            subject = f"{subject}\0{crc32(id.encode()) % self.places}"
        tag = hmac.digest(key, f"{self.kind}\0{subject}".encode(), sha256)
        bucket = int.from_bytes(tag[:8]) % BUCKETS
        return Ref(Counter, tenant_id=tenant_id, kind=self.kind, bucket=bucket)

    def wait(self, counter: Counter | None, now: int) -> int:
        """Milliseconds until another try is allowed; 0 when it is."""
        if counter is None or counter.count < self.tries // self.places:
            return 0
        return max(0, counter.window_at + self.window - now)

    def count(self, ref: Ref[Counter], counter: Counter | None, now: int) -> Write:
        """Count one try."""
        tenant_id, kind, bucket = ref.key
        if counter is None:
            return Insert(
                Counter(tenant_id=tenant_id, kind=kind, bucket=bucket, window_at=now, count=1)
            )
        if now >= counter.window_at + self.window:
            return Update(ref, {"window_at": now, "count": 1})
        return Update(ref, {"count": counter.count + 1})

    def forgive(self, ref: Ref[Counter], counter: Counter | None) -> tuple[Write, ...]:
        """Take back the try that turned out to be right."""
        if counter is None or counter.count == 0:
            return ()
        return (Update(ref, {"count": counter.count - 1}),)
