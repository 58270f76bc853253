"""The chain of events: an edit, a removal or a reordering of the log shows.

Events are written by everybody at once and chained afterwards, by one job, in batches:

    link 1 ◀──previous── link 2 ◀──previous── link 3        … and events too young to be chained
    events 1–500         501–620              621–640

A link's digest folds the digest of the link before it and its events in the order of their ids;
its tag is a MAC over all of it, under a key that does not lie in the database in the clear. Who can
write to the database alone can therefore change nothing that has been chained. What nobody can see
without a note kept elsewhere is that the newest links are gone together with their events: for
that, `head` is a short text to keep.
"""

import hmac
import json
from collections.abc import Iterable
from dataclasses import dataclass, fields
from hashlib import sha256

from safeconduct.core.model import Event, EventLink, TenantId

SETTLED_MS = 60_000
"""An event's id is made before its COMMIT. After this long (several times the longest that a
transaction may take) nothing can come in before it any more."""
BATCH = 500
START = bytes(32)

_NAMES = tuple(field.name for field in fields(Event))


def fold(previous: bytes, events: Iterable[Event]) -> bytes:
    """The digest of a batch behind a link. Every field of every event counts."""
    digest = sha256(previous)
    for event in events:
        values = {name: getattr(event, name) for name in _NAMES}
        text = json.dumps(values, sort_keys=True, separators=(",", ":"), default=dict).encode()
        digest.update(len(text).to_bytes(8, "big") + text)
    return digest.digest()


def link(
    tenant_id: TenantId,
    last: EventLink | None,
    events: tuple[Event, ...],
    *,
    kid: str,
    key: bytes,
    now: int,
) -> EventLink:
    """The next link, over events that follow the last one's. `events` is not empty."""
    number = 1 if last is None else last.number + 1
    previous = START if last is None else last.digest
    digest = fold(previous, events)
    ends = (events[0].id, events[-1].id)
    return EventLink(
        tenant_id=tenant_id,
        number=number,
        first_id=ends[0],
        last_id=ends[1],
        count=len(events),
        previous=previous,
        digest=digest,
        kid=kid,
        tag=_tag(key, tenant_id, number, ends, len(events), previous, digest, now),
        at=now,
    )


def head(row: EventLink) -> str:
    """What to keep elsewhere: whoever holds it can tell whether this link is still there."""
    return f"{row.number}:{row.digest.hex()}"


@dataclass(frozen=True, slots=True)
class Flaw:
    """Something that was changed behind the server's back. Ids are those at the ends of a batch."""

    number: int
    says: str
    first_id: str
    last_id: str


def judge(
    row: EventLink, before: EventLink | None, events: tuple[Event, ...], key: bytes | None
) -> Flaw | None:
    """What is wrong with a link and the events found where its own should be, if anything."""
    return judge_link(row, before, key) or _judge_events(row, events)


def judge_link(row: EventLink, before: EventLink | None, key: bytes | None) -> Flaw | None:
    """The link alone: for one whose events were let go when their time was past."""
    ends = (row.first_id, row.last_id)
    if before is not None and row.number != before.number + 1:
        return _flaw(row, f"links {before.number + 1} to {row.number - 1} are gone")
    if before is not None and row.previous != before.digest:
        return _flaw(row, "does not continue the link before it")
    if key is None:
        return _flaw(row, f"was made under key {row.kid!r}, which is not here")
    tag = _tag(key, row.tenant_id, row.number, ends, row.count, row.previous, row.digest, row.at)
    if not hmac.compare_digest(tag, row.tag):
        return _flaw(row, "was not made by this deployment")
    return None


def _judge_events(row: EventLink, events: tuple[Event, ...]) -> Flaw | None:
    if len(events) < row.count:
        return _flaw(row, f"{row.count - len(events)} of its {row.count} events are gone")
    if len(events) > row.count:
        return _flaw(row, "has more events than it had")
    if fold(row.previous, events) != row.digest:
        return _flaw(row, "an event of it was changed")
    return None


def _flaw(row: EventLink, says: str) -> Flaw:
    return Flaw(row.number, says, row.first_id, row.last_id)


def _tag(
    key: bytes,
    tenant_id: TenantId,
    number: int,
    ends: tuple[str, str],
    count: int,
    previous: bytes,
    digest: bytes,
    at: int,
) -> bytes:
    told = [tenant_id, number, *ends, count, previous.hex(), digest.hex(), at]
    return hmac.digest(key, json.dumps(told).encode(), "sha256")
