"""Limits against SMS pumping: who makes a server send texts to numbers that earn them money.

A code costs us something, so what is counted is sending, known number or not: per number, per
block of numbers (pumped numbers lie side by side), per country, per address that asks, and for
the tenant as a whole. All are counted in one unit before the message is sent.
"""

from collections.abc import Iterable

from safeconduct.core.model import Counter, TenantId
from safeconduct.core.throttle import MINUTE, Limit
from safeconduct.core.unit import Facts, Ref, Write

HOUR = 60 * MINUTE
BLOCK = 4  # trailing digits that a block of numbers leaves out

NUMBER = Limit("sms.number", 5, 60 * MINUTE)
PREFIX = Limit("sms.block", 15, HOUR)
COUNTRY = Limit("sms.country", 500, HOUR)
PEER = Limit("sms.peer", 10, HOUR)
TENANT = Limit("sms.tenant", 2_000, HOUR)

Counted = tuple[Limit, Ref[Counter]]


def shared(key: bytes, tenant_id: TenantId, number: str, country: str) -> tuple[Counted, ...]:
    """The counters of one message that nobody asked for: what it costs counts, not who it is for,
    so that a warning does not use up the codes of its own number.
    """
    subjects = ((PREFIX, number[:-BLOCK]), (COUNTRY, country), (TENANT, ""))
    return tuple((limit, limit.ref(key, tenant_id, subject)) for limit, subject in subjects)


def counted(
    key: bytes, tenant_id: TenantId, number: str, country: str, peer: str
) -> tuple[Counted, ...]:
    """The counters of one message."""
    own = ((NUMBER, number), (PEER, peer))
    return (
        *((limit, limit.ref(key, tenant_id, subject)) for limit, subject in own),
        *shared(key, tenant_id, number, country),
    )


def wait_of(counters: Iterable[Counted], facts: Facts, now: int) -> int:
    """Milliseconds until another message may go; 0 when it may go now."""
    return max(limit.wait(facts.get(ref), now) for limit, ref in counters)


def count_all(counters: Iterable[Counted], facts: Facts, now: int) -> list[Write]:
    return [limit.count(ref, facts.get(ref), now) for limit, ref in counters]
