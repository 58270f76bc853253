"""Codes of providers go to the app that asked, at an address it has registered."""

from types import SimpleNamespace
from typing import Any

import pytest

from safeconduct.core.hand_over import handed_over, return_address

FIRST, SECOND = "https://app.example/cb", "https://app.example/links"


def address(return_to: str | None, **client: Any) -> str | None:
    app: Any = SimpleNamespace(
        **{"tenant_id": "t1", "status": "active", "redirect_uris": (FIRST, SECOND), **client}
    )
    attempt: Any = SimpleNamespace(tenant_id="t1", return_to=return_to)
    return return_address(attempt, app)


@pytest.mark.invariant("connection attempts")
def test_only_registered_addresses() -> None:
    assert address(None) == FIRST
    assert address(SECOND) == SECOND
    for other in (SECOND + "/", SECOND + "?x", SECOND.upper(), "https://evil.test/cb", ""):
        assert address(other) is None
    assert address(None, redirect_uris=()) is None
    assert address("http://127.0.0.1:9/cb", redirect_uris=("http://127.0.0.1/cb",)) is not None


def test_an_app_that_is_gone_gets_nothing() -> None:
    attempt: Any = SimpleNamespace(tenant_id="t1", return_to=None)
    assert return_address(attempt, None) is None
    assert address(None, status="disabled") is None
    assert address(None, tenant_id="t2") is None


def test_parameters_join_the_query_that_is_there() -> None:
    assert handed_over(FIRST, {"code": "a&b", "state": "s"}) == FIRST + "?code=a%26b&state=s"
    assert handed_over(FIRST + "?x=1", {"code": "c"}) == FIRST + "?x=1&code=c"
