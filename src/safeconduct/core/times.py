"""Times on the wire (RFC 3339 §5.6). Inside, a time is milliseconds since the Unix epoch.

Lists have a time or two in every row, so that what a time is put together from is written once.
"""

from datetime import date
from functools import lru_cache

DAY = 86_400_000
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
