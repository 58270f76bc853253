"""Signing keys turn by themselves: published before use, refused when they are over."""

import pytest
from tests.conftest import SettableClock
from tests.web.harness import ISSUER, TENANT, Front, front

from safeconduct.adapters.store import PostgresStore, SqliteStore
from safeconduct.app import Switches
from safeconduct.core.keys import SPENT_MS
from safeconduct.core.policy import DAY


@pytest.fixture
async def site(store: SqliteStore | PostgresStore, clock: SettableClock) -> Front:
    return await front(store, clock, switches=Switches(key_rotation_days=30))


async def turn(site: Front) -> tuple[str, set[str]]:
    """The kid that signs afterwards, and those that are published."""
    await site.platform.key_turning.turn(TENANT)
    keys = site.keys.of(TENANT)
    return keys.signer.kid, set(keys.public)


@pytest.mark.attack("D14")
@pytest.mark.rfc("OIDC#10.1.1")
async def test_a_key_is_published_a_day_before_it_signs(site: Front, clock: SettableClock) -> None:
    first, published = await turn(site)
    assert published == {first}
    clock.advance(29 * DAY - 1)
    assert await turn(site) == (first, {first})
    clock.advance(1)
    used, published = await turn(site)
    assert used == first
    (coming,) = published - {first}
    clock.advance(DAY - 1)
    assert (await turn(site))[0] == first
    clock.advance(1)
    used, published = await turn(site)
    assert used == coming
    assert first in published  # it verifies until nothing that it signed can be valid
    clock.advance(SPENT_MS)
    used, published = await turn(site)
    assert used == coming
    assert first not in published


@pytest.mark.attack("D14")
async def test_a_former_key_is_refused_when_it_is_over(site: Front, clock: SettableClock) -> None:
    """Whether or not anybody has cleared it away."""
    signed = site.keys.of(TENANT).signer.sign({"iss": ISSUER}, typ="JWT")
    for _ in range(2):
        await site.keys.rotate(TENANT, "sign", actor="operator")
    clock.advance(SPENT_MS - 1)
    assert site.keys.verify(signed, typ="JWT")[1] == {"iss": ISSUER}
    clock.advance(1)
    with pytest.raises(ValueError, match="over"):
        site.keys.verify(signed, typ="JWT")


async def test_it_may_be_left_to_people(sqlite_store: SqliteStore, clock: SettableClock) -> None:
    site = await front(sqlite_store, clock, switches=Switches(key_rotation_days=0))
    before = site.keys.of(TENANT).signer.kid
    clock.advance(1_000 * DAY)
    assert await turn(site) == (before, {before})
