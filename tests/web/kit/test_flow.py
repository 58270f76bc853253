"""What travels sealed with the browser."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.web.harness import TENANT, Front

from safeconduct.web.kit.flow import Flows


@pytest.fixture
def flows(site: Front) -> Flows:
    return Flows(keys=site.keys, clock=site.clock)


@pytest.mark.attack("A21")
def test_opens_in_its_browser_for_its_purpose_in_its_time(flows: Flows, site: Front) -> None:
    text = flows.seal(TENANT, "browser-1", "login", {"a": 1}, 1_000)
    opened = flows.open(TENANT, "browser-1", "login", text)
    assert opened is not None
    assert opened["a"] == 1
    assert flows.open(TENANT, "browser-2", "login", text) is None
    assert flows.open(TENANT, "browser-1", "consent", text) is None
    assert flows.open(TENANT, "", "login", text) is None
    site.clock.advance(999)
    assert flows.open(TENANT, "browser-1", "login", text) is not None
    site.clock.advance(1)
    assert flows.open(TENANT, "browser-1", "login", text) is None


@pytest.mark.attack("A21")
@pytest.mark.attack("F7")
def test_says_nothing_and_bends_nowhere(flows: Flows) -> None:
    text = flows.seal(TENANT, "b", "p", {"secret": "CANARY"}, 1_000)
    assert text != flows.seal(TENANT, "b", "p", {"secret": "CANARY"}, 1_000)
    assert "CANARY" not in text
    assert flows.open(TENANT, "b", "p", text) is not None
    for position in (*range(0, len(text), 7), len(text) - 1):
        swapped = "A" if text[position] != "A" else "B"
        assert (
            flows.open(TENANT, "b", "p", text[:position] + swapped + text[position + 1 :]) is None
        )
    for part in ("", text[:-3], text + "AAAA", text[1:], "A" * 30_000, "ä", None):
        assert flows.open(TENANT, "b", "p", part) is None


@given(text=st.text(max_size=100))
@settings(
    deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50
)
def test_garbage_does_not_open(flows: Flows, text: str) -> None:
    assert flows.open(TENANT, "b", "p", text) is None


async def test_survives_a_change_of_keys(flows: Flows, site: Front) -> None:
    text = flows.seal(TENANT, "b", "p", {}, 1_000)
    await site.keys.rotate(TENANT, "seal", actor="operator")
    assert flows.open(TENANT, "b", "p", text) is not None
    assert flows.open(TENANT, "b", "p", flows.seal(TENANT, "b", "p", {}, 1_000)) is not None
