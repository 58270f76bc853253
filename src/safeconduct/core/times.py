"""Times on the wire (RFC 3339 §5.6). Inside, a time is milliseconds since the Unix epoch."""

from datetime import date
from functools import lru_cache

DAY = 86_400_000
EPOCH = date(1970, 1, 1).toordinal()


def rfc3339(ms: int) -> str:
    """In UTC, with milliseconds. Lists have many times of few days, so dates are remembered."""
    day, rest = divmod(ms, DAY)
    seconds, thousandths = divmod(rest, 1000)
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes, 60)
    return f"{_date(day)}T{hour:02}:{minute:02}:{second:02}.{thousandths:03}Z"


@lru_cache(maxsize=512)
def _date(day: int) -> str:
    return date.fromordinal(EPOCH + day).isoformat()
