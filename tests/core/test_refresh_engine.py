"""What decides about a refresh, row by row; whole histories are in `test_refresh_model`."""

from dataclasses import replace
from typing import Any

import pytest
from tests.core.test_connections import NOW, connection

from safeconduct.core.credentials import (
    CONFIRM_MS,
    LEASE_MS,
    READ_AGO_MS,
    SEND_MS,
    Context,
    is_fresh,
    is_leased,
)
from safeconduct.core.errors import ProviderError
from safeconduct.core.model import Credential, TenantId
from safeconduct.core.refresh_engine import Refuse, Send, Use, Wait, Wish, claim, intend
from safeconduct.core.refresh_outcome import failure_of
from safeconduct.core.unit import Done
from safeconduct.core.upstream.answers import api_failure
from safeconduct.core.upstream.dialect import Refresh

BOOT = 5_000_000
CTX = Context(now=NOW, lease_now=BOOT, event_ids=("evt_1", "evt_2", "evt_3"))
STRICT = Refresh(rotates=True)
GRACE = Refresh(rotates=True, grace_s=60)
LASTING = Refresh(rotates=False)
HOUR = 3_600_000


def credential(**columns: Any) -> Credential:
    row = Credential(
        tenant_id=TenantId("t1"),
        connection_id="con_1",
        version=7,
        sealed=b"",
        refreshable=True,
        expires_at=NOW - 1,
        refresh_at=NOW - 300_000,
        obtained_at=NOW - HOUR,
        fence=2,
        leased_until=None,
        intent_at=None,
        intent_version=None,
        doubts=0,
        failures=0,
        updated_at=0,
    )
    return replace(row, **columns)


FRESH = {"expires_at": NOW + HOUR, "refresh_at": NOW + HOUR - 300_000}
ALIVE = {"expires_at": NOW + 30_000}


@pytest.mark.parametrize(
    ("status", "row", "wish", "how", "verdict"),
    [
        ("active", FRESH, Wish(), STRICT, Use),
        ("active", FRESH, Wish(ahead=True), STRICT, Use),
        ("active", FRESH, Wish(rejected=6), STRICT, Use),
        ("active", FRESH, Wish(rejected=7), STRICT, Send),
        ("active", {"expires_at": None, "refresh_at": None}, Wish(), STRICT, Use),
        ("active", {}, Wish(), STRICT, Send),
        ("degraded", {}, Wish(), STRICT, Send),
        ("active", {**FRESH, "refresh_at": NOW}, Wish(ahead=True), STRICT, Send),
        ("active", {**FRESH, "refresh_at": NOW}, Wish(), STRICT, Use),
        ("needs_reauth", FRESH, Wish(), STRICT, Refuse),
        ("deleted", FRESH, Wish(), STRICT, Refuse),
        ("revoked", {}, Wish(), STRICT, Refuse),
        # somebody is asking
        ("active", {"leased_until": BOOT + 1}, Wish(), STRICT, Wait),
        ("active", {"leased_until": BOOT}, Wish(), STRICT, Send),
        ("active", {"leased_until": BOOT + LEASE_MS + 1}, Wish(), STRICT, Wait),  # just taken
        ("active", {"leased_until": BOOT + LEASE_MS + READ_AGO_MS + 1}, Wish(), STRICT, Send),
        # an answer is missing
        ("active", {"intent_at": BOOT - 1}, Wish(), STRICT, Refuse),
        ("active", {"intent_at": BOOT - 1, **ALIVE}, Wish(), STRICT, Use),
        ("uncertain", {"intent_at": BOOT - 1, **ALIVE}, Wish(rejected=7), STRICT, Refuse),
        ("active", {"intent_at": BOOT - 50_000}, Wish(), GRACE, Send),
        ("active", {"intent_at": BOOT - 60_000 + SEND_MS // 5}, Wish(), GRACE, Refuse),
        ("active", {"intent_at": BOOT + 1}, Wish(), GRACE, Send),  # just now, by another
        ("active", {"intent_at": BOOT + READ_AGO_MS + 1}, Wish(), GRACE, Refuse),  # another clock's
        ("active", {"intent_at": BOOT - HOUR}, Wish(), LASTING, Send),
        ("active", {"intent_at": BOOT - 1}, Wish(), Refresh(), Refuse),  # nobody knows: careful
        # a pause
        ("degraded", {"failures": 1, "refresh_at": NOW + 1}, Wish(), STRICT, Refuse),
        ("degraded", {"failures": 1, "refresh_at": NOW + 1, **ALIVE}, Wish(), STRICT, Use),
        ("degraded", {"failures": 1, "refresh_at": NOW}, Wish(), STRICT, Send),
        ("degraded", {"doubts": 1, "refresh_at": NOW + 1}, Wish(), STRICT, Refuse),
        ("active", {**FRESH, "obtained_at": NOW - 1}, Wish(rejected=7), STRICT, Refuse),
        ("active", {**FRESH, "obtained_at": NOW - CONFIRM_MS}, Wish(rejected=7), STRICT, Send),
        # no refresh token
        ("active", {"refreshable": False}, Wish(), STRICT, Refuse),
        ("active", {"refreshable": False, **ALIVE}, Wish(), STRICT, Use),
        ("active", {"refreshable": False, **ALIVE}, Wish(rejected=7), STRICT, Refuse),
    ],
)
def test_who_may_ask(status: str, row: Any, wish: Wish, how: Refresh, verdict: type[Any]) -> None:
    found = claim(connection(status), credential(**row), wish, how, CTX)
    assert type(found) is verdict, found


def test_nothing_to_ask_about() -> None:
    for pair in ((None, credential()), (connection(), None), (None, None)):
        found = claim(*pair, Wish(), STRICT, CTX)
        assert isinstance(found, Refuse)
        assert found.code == "connection_gone"


@pytest.mark.invariant("V5")
def test_a_lease_is_written_first() -> None:
    found = claim(connection(), credential(), Wish(), STRICT, CTX)
    assert isinstance(found, Send)
    (write,) = found.writes
    assert dict(write.set) == {  # type: ignore[union-attr]
        "fence": 3,
        "leased_until": BOOT + LEASE_MS,
        "updated_at": NOW,
    }
    assert (found.fence, found.version, found.after_loss) == (3, 7, False)


def test_a_repetition_does_not_lengthen_the_window() -> None:
    row = credential(intent_at=BOOT - 40_000, intent_version=7)
    found = claim(connection(), row, Wish(), GRACE, CTX)
    assert isinstance(found, Send)
    assert found.after_loss
    taken = replace(row, fence=found.fence)
    assert intend(found, taken, CTX) == Done(True)


@pytest.mark.invariant("V5")
def test_the_intent_is_written_by_whoever_has_the_lease() -> None:
    found = claim(connection(), credential(), Wish(), STRICT, CTX)
    assert isinstance(found, Send)
    said = intend(found, replace(found.credential, fence=found.fence), CTX)
    assert said.answer
    (write,) = said.writes
    assert dict(write.set) == {  # type: ignore[union-attr]
        "intent_at": BOOT,
        "intent_version": 7,
        "updated_at": NOW,
    }
    for other in (credential(fence=4), credential(fence=3, version=8), None):
        assert intend(found, other, CTX) == Done(False)


def test_short_lives_are_used_up_to_their_last_quarter() -> None:
    row = credential(obtained_at=NOW, expires_at=NOW + 40_000)
    assert is_fresh(row, NOW + 29_999)
    assert not is_fresh(row, NOW + 30_000)
    long = credential(obtained_at=NOW, expires_at=NOW + HOUR)
    assert is_fresh(long, NOW + HOUR - 60_001)
    assert not is_fresh(long, NOW + HOUR - 60_000)


def test_leases_end() -> None:
    assert not is_leased(credential(), BOOT)
    assert is_leased(credential(leased_until=BOOT + 1), BOOT)
    assert not is_leased(credential(leased_until=BOOT), BOOT)


@pytest.mark.invariant("V6")
@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ProviderError("unreachable", remedy="retry", sent=False), "transient"),
        (ProviderError("no_answer", remedy="retry"), "lost"),
        (ProviderError("malformed_answer", remedy="retry"), "lost"),  # cut off half way
        (ProviderError("malformed_answer", remedy="retry", status=200), "transient"),
        (ProviderError("answer_too_large", remedy="retry", status=200), "transient"),
        (ProviderError("invalid_grant", remedy="reconnect", status=400), "invalid_grant"),
        (ProviderError("invalid_client", remedy="misconfigured", status=401), "invalid_client"),
        (ProviderError("bad_placeholder", remedy="misconfigured", sent=False), "invalid_client"),
        (ProviderError("temporarily_unavailable", remedy="retry", status=400), "transient"),
        *((api_failure(status, {}, NOW), "transient") for status in (401, 403, 404, 429, 500, 503)),
    ],
    ids=lambda value: getattr(value, "code", value),
)
def test_what_an_error_means(error: ProviderError, kind: str) -> None:
    assert failure_of(error).kind == kind


def test_only_a_confirmed_answer_ends_a_connection() -> None:
    """Not an error by itself: `retry` never means anything but later."""
    error = ProviderError("rate_limited", remedy="retry", status=429, retry_after=2.5)
    assert failure_of(error).retry_after_ms == 2_500
