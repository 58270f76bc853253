"""OpenID Connect Core §5.3: the claims about a user that a scope opens (§5.4)."""

from collections.abc import Iterable
from typing import Any

from safeconduct.core.model import Identifier, User, Words

CLAIMS: dict[str, tuple[str, ...]] = {
    "openid": ("sub",),
    "profile": ("name", "updated_at"),
    "email": ("email", "email_verified"),
    "phone": ("phone_number", "phone_number_verified"),
}
"""By scope; metadata names them as supported."""


def claims_about(user: User, identifiers: Iterable[Identifier], scope: Words) -> dict[str, Any]:
    """§5.3.2: "The sub […] Claim MUST always be returned"; what is unknown is left out."""
    claims: dict[str, Any] = {"sub": user.id}
    if "profile" in scope:
        if user.name:
            claims["name"] = user.name
        claims["updated_at"] = user.updated_at // 1000
    ordered = sorted(identifiers, key=lambda row: (row.verified_at is None, row.created_at))
    for kind, claim in (("email", "email"), ("phone", "phone_number")):
        found = next((row for row in ordered if row.kind == kind), None)
        if kind in scope and found is not None:
            claims[claim] = found.value
            claims[f"{claim}_verified"] = found.verified_at is not None
    return claims
