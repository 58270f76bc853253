"""Times on the wire (RFC 3339 §5.6). Inside, a time is milliseconds since the Unix epoch.

Lists have a time or two in every row, so that what a time is put together from is written once.
"""

import re
from datetime import date
from functools import lru_cache

from safeconduct.core.errors import bad_request

DAY = 86_400_000
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
EPOCH = date(1970, 1, 1).toordinal()

_MINUTES = tuple(f"T{hour:02}:{minute:02}:" for hour in range(24) for minute in range(60))
_SECONDS = tuple(f"{second:02}." for second in range(60))
_THOUSANDTHS = tuple(f"{part:03}Z" for part in range(1000))


def rfc3339(ms: int) -> str:
    """In UTC, with milliseconds."""
    seconds, thousandth = divmod(ms, 1000)
    minutes, second = divmod(seconds, 60)
    day, minute = divmod(minutes, 1440)
    return f"{_date(day)}{_MINUTES[minute]}{_SECONDS[second]}{_THOUSANDTHS[thousandth]}"


@lru_cache(maxsize=512)
def _date(day: int) -> str:
    return date.fromordinal(EPOCH + day).isoformat()


def start_of(day: str) -> int:
    """The beginning of a day in UTC, as a form or a command has it (RFC 3339 full-date)."""
    try:
        found = date.fromisoformat(day if _DAY.fullmatch(day) else "")
    except ValueError:
        title = "A day is written as 2027-03-01."
        raise bad_request("invalid_expires_at", title, field="expires_at") from None
    return (found.toordinal() - EPOCH) * DAY
