"""RFC 3339 §5.6: what is written is read again as the same moment."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safeconduct.core.times import rfc3339

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@pytest.mark.rfc("3339#5.6")
@given(st.integers(-62_135_596_800_000, 253_402_300_799_999))
def test_a_moment_there_and_back(ms: int) -> None:
    text = rfc3339(ms)
    assert datetime.fromisoformat(text) - EPOCH == timedelta(milliseconds=ms)
    assert (len(text), text[-1]) == (24, "Z")
