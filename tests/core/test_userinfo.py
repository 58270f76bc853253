"""Claims about a user, by scope."""

import pytest

from safeconduct.core.model import Identifier, TenantId, User
from safeconduct.core.userinfo import claims_about

USER = User(
    tenant_id=TenantId("t1"),
    id="usr_1",
    number=1,
    role="admin",
    status="active",
    name="Ada",
    profile={"given_name": "Ada", "address": {"country": "UK"}},
    password_hash="$argon2id$",
    not_before=0,
    created_at=1_000,
    updated_at=7_500,
)


def named(kind: str, value: str, verified_at: int | None, created_at: int = 1) -> Identifier:
    return Identifier(
        tenant_id=USER.tenant_id,
        kind=kind,
        value=value,
        user_id=USER.id,
        verified_at=verified_at,
        created_at=created_at,
    )


NAMES = (
    named("email", "new@example.org", None),
    named("email", "ada@example.org", 5, created_at=2),
    named("phone", "+4912345", None),
)


@pytest.mark.rfc("OIDC#5.4")
@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        ("openid", {}),
        ("openid profile", {"name": "Ada", "given_name": "Ada", "updated_at": 7}),
        ("openid address", {"address": {"country": "UK"}}),
        ("openid email", {"email": "ada@example.org", "email_verified": True}),
        ("openid phone", {"phone_number": "+4912345", "phone_number_verified": False}),
    ],
)
def test_a_scope_opens_its_claims_and_no_others(scope: str, expected: dict[str, object]) -> None:
    found = claims_about(USER, NAMES, frozenset(scope.split()))
    assert found == {"sub": "usr_1", **expected}


def test_what_is_not_known_is_left_out() -> None:
    scope = frozenset({"openid", "email", "phone"})
    assert claims_about(USER, (), scope) == {"sub": "usr_1"}
