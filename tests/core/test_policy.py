"""Lifetimes by profile."""

from dataclasses import replace

import pytest
from tests.core.test_resource import CLIENT

from safeconduct.core.policy import DAY, HOUR, MINUTE, PROFILES, SECOND, YEAR, Policy, policy_of


@pytest.mark.parametrize(
    ("profile", "code", "access", "idle"),
    [
        ("native", 60 * SECOND, 15 * MINUTE, 30 * DAY),
        ("calico", 60 * SECOND, 15 * MINUTE, YEAR),
        ("alpaca", 600 * SECOND, None, None),
        ("calcom", 600 * SECOND, 30 * MINUTE, 30 * DAY),
        ("loop", 60 * SECOND, HOUR, 90 * DAY),
    ],
)
def test_the_lifetimes_of_each_profile(
    profile: str, code: int, access: int | None, idle: int | None
) -> None:
    policy = policy_of(profile)
    assert (policy.code_ttl, policy.access_ttl) == (code, access)
    assert idle is None or (policy.refresh and policy.refresh_idle == idle)


@pytest.mark.attack("C8")
def test_every_refresh_token_has_an_absolute_end() -> None:
    assert all(policy.refresh_ttl <= YEAR for policy in PROFILES.values())


@pytest.mark.parametrize("bad", [{"retry_window": MINUTE + 1}, {"code_ttl": 10 * MINUTE + 1}])
def test_a_policy_beyond_the_bounds_cannot_be_made(bad: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="at most"):
        Policy(**bad)  # type: ignore[arg-type]
    Policy(retry_window=MINUTE, code_ttl=10 * MINUTE)


@pytest.mark.rfc("OIDC#11")
def test_offline_access_is_asked_of_native_apps_only() -> None:
    app = replace(CLIENT, grant_types=("authorization_code", "refresh_token"))
    offline = frozenset({"openid", "offline_access"})
    assert policy_of("native").refreshes(app, offline)
    assert not policy_of("native").refreshes(app, frozenset({"openid"}))
    assert policy_of("calico").refreshes(app, frozenset({"openid"}))
    assert not policy_of("alpaca").refreshes(app, offline)
    assert not policy_of("calico").refreshes(replace(app, grant_types=()), offline)
