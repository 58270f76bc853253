"""Each way in which a token is dead, and who may ask about it."""

from dataclasses import replace
from typing import Any

import pytest
from tests.core.test_resource import CLIENT
from tests.core.test_revocation import _family

from safeconduct.core.access_token import Bearer
from safeconduct.core.introspection import may_introspect, token_trouble
from safeconduct.core.model import AccessToken, DeniedToken, TenantId

T1 = TenantId("t1")
NOW = 100_000
CALLER = replace(CLIENT, id="c")
FAMILY = replace(_family(T1, "f", "1"), created_at=50_000, expires_at=200_000)
DENIED = DeniedToken(tenant_id=T1, jti="at_1", expires_at=200_000)
BEARER = Bearer(
    tenant_id=T1,
    client_id="c",
    user_id="u1",
    grant_id="g1",
    scope=frozenset(),
    resources=("https://id.example",),
    issued_at=50_000,
    expires_at=150_000,
    jti="at_1",
    family_id="f",
)
OPAQUE = replace(BEARER, kind="opaque")
ROW = AccessToken(
    tenant_id=T1,
    id="at_1",
    digest=b"",
    client_id="c",
    user_id="u1",
    grant_id="g1",
    family_id="f",
    scope=frozenset(),
    resources=(),
    claims={},
    created_at=50_000,
    expires_at=150_000,
    revoked_at=None,
)


def trouble(**changed: Any) -> str | None:
    given: dict[str, Any] = {
        "bearer": BEARER,
        "client": CALLER,
        "family": FAMILY,
        "denied": None,
        "row": None,
        "now": NOW,
        **changed,
    }
    return token_trouble(**given)


@pytest.mark.parametrize(
    ("changed", "rule"),
    [
        ({}, None),
        ({"now": 149_999}, None),
        ({"now": 150_000}, "token.expired"),
        ({"denied": DENIED}, "token.revoked"),
        ({"bearer": OPAQUE, "row": ROW}, None),
        ({"bearer": OPAQUE, "row": replace(ROW, revoked_at=1)}, "token.revoked"),
        ({"client": None}, "client.gone"),
        ({"client": replace(CALLER, tenant_id=TenantId("t2"))}, "client.gone"),
        ({"client": replace(CALLER, status="disabled")}, "client.disabled"),
        ({"client": replace(CALLER, not_before=60_000)}, "client.not_before"),
        ({"bearer": replace(BEARER, epoch=60_000)}, "client.not_before"),
        ({"bearer": OPAQUE, "client": replace(CALLER, not_before=50_001)}, "client.not_before"),
        (
            {
                "bearer": replace(BEARER, epoch=50_001),
                "client": replace(CALLER, not_before=50_001),
            },
            "client.not_before",
        ),
        (
            {
                "bearer": replace(BEARER, epoch=50_000),
                "client": replace(CALLER, not_before=50_000),
            },
            None,
        ),
        ({"family": None}, "family.gone"),
        ({"family": replace(FAMILY, client_id="other")}, "family.gone"),
        ({"family": replace(FAMILY, revoked_at=1)}, "family.revoked"),
        ({"family": replace(FAMILY, expires_at=NOW)}, "family.expired"),
        ({"bearer": replace(BEARER, family_id=None), "family": None}, None),
        ({"bearer": replace(OPAQUE, expires_at=None), "row": ROW, "now": 199_999}, None),
    ],
)
@pytest.mark.attack("H4")
def test_the_rule_by_which_a_token_is_dead(changed: dict[str, Any], rule: str | None) -> None:
    assert trouble(**changed) == rule


@pytest.mark.rfc("7662#4")
def test_who_may_ask() -> None:
    api = ("https://api.example",)
    assert may_introspect(CALLER, "c", api)
    assert not may_introspect(CALLER, "other", api)
    assert may_introspect(replace(CALLER, resources=api), "other", api)
    assert not may_introspect(replace(CALLER, resources=("https://b.example",)), "other", api)
    assert not may_introspect(CALLER, "other", ())
