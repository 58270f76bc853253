"""Roles in an organisation and its teams, as values."""

from safeconduct.core.model import Membership, TenantId, User
from safeconduct.core.unit import Ref

ROLES = ("MEMBER", "ADMIN", "OWNER")
MANAGING = frozenset({"ADMIN", "OWNER"})
ORGANIZATION = ""
"""In the place of a team: the organisation itself."""


def membership_ref(tenant_id: TenantId, team_id: str, user_id: str) -> Ref[Membership]:
    return Ref(Membership, tenant_id=tenant_id, team_id=team_id, user_id=user_id)


def role_of(user: User | None, membership: Membership | None) -> str | None:
    """The accepted role of a user, if they have one. Who administers the tenant owns it."""
    if user is None or user.status != "active":
        return None
    if membership is not None and membership.accepted_at is not None:
        return membership.role
    return "OWNER" if user.role == "admin" else None
