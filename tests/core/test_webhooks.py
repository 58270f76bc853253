"""Webhooks as values: the schedule, the ids, secrets, patterns."""

import re
from base64 import b64decode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safeconduct.adapters.clock import SystemMint
from safeconduct.core.errors import ApiError
from safeconduct.core.published import PUBLISHED, SPREAD, is_pattern, wanted
from safeconduct.core.webhooks import (
    DAY,
    SCHEDULE,
    delivery_id,
    new_secret,
    next_try,
    read_event_types,
    read_secret,
    read_url,
    rfc3339,
)

chances = st.floats(min_value=0, max_value=1, exclude_max=True)


@given(st.integers(min_value=1, max_value=len(SCHEDULE)), chances)
def test_a_try_is_spread_around_its_time(attempts: int, chance: float) -> None:
    at = next_try(attempts, 0, chance, None)
    assert at is not None
    assert 0.9 * SCHEDULE[attempts - 1] <= at <= 1.1 * SCHEDULE[attempts - 1]


@given(chances, st.integers(min_value=0, max_value=10 * DAY))
def test_a_receivers_wish_is_kept_up_to_a_day(chance: float, asked: int) -> None:
    at = next_try(1, 0, chance, asked)
    assert at is not None
    assert min(asked, DAY) <= at <= max(1.1 * SCHEDULE[0], DAY)


def test_there_is_a_last_try() -> None:
    assert next_try(len(SCHEDULE) + 1, 0, 0.0, None) is None
    assert sum(SCHEDULE) > 3 * DAY


@pytest.mark.attack("O7")
def test_ids_and_types_have_nothing_that_a_signature_could_confuse() -> None:
    """`id.timestamp.body` is signed: an id with a point in it could be read as another message."""
    mint = SystemMint()
    for prefix in ("evt", "dlv"):
        assert re.fullmatch(r"[a-z]+_[a-z0-9]+", mint.id(prefix))
    assert delivery_id("evt_06h15", 3) == "dlv_06h15_3"
    assert all(re.fullmatch(r"[a-z]+\.[a-z_]+", type) for type in PUBLISHED)


def test_secrets_are_read_as_standard_webhooks_has_them() -> None:
    made = new_secret(SystemMint().secret())
    assert read_secret(made.reveal()).reveal() == made.reveal()
    assert len(b64decode(made.reveal().removeprefix("whsec_"))) == 32
    for text in ("", "whsec_", "whsec_!!!", "whsec_" + "A" * 20, "A" * 44, None, 5):
        with pytest.raises(ApiError):
            read_secret(text)


def test_patterns_mean_what_they_say() -> None:
    assert wanted(("*",), "grant.revoked")
    assert wanted(("connection.*",), "connection.healed")
    assert not wanted(("connection.*", "grant.created"), "grant.revoked")
    assert is_pattern("assets.*")
    assert not any(map(is_pattern, ("", ".*", "con.*", "session.created", "connection.*.x")))
    assert "webhook.ping" not in SPREAD


@pytest.mark.parametrize("value", [[], "*", [5], ["*", "nothing"], None, ["session.*"]])
def test_other_event_types_are_refused(value: object) -> None:
    with pytest.raises(ApiError):
        read_event_types(value)


@pytest.mark.parametrize(
    "url", ["", "http://far.example", "https://u@x.example", "https://x.example/#a", None, "//x"]
)
def test_other_addresses_are_refused(url: object) -> None:
    with pytest.raises(ApiError):
        read_url(url)


def test_times_are_written_as_rfc_3339_has_them() -> None:
    assert rfc3339(1_711_182_811_851) == "2024-03-23T08:33:31.851Z"
