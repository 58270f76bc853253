"""OpenID Connect Core §5.3: the claims about a user that a scope opens (§5.4)."""

from collections.abc import Collection, Mapping
from typing import Any

from safeconduct.core.identifiers import Kind, first_of
from safeconduct.core.model import Identifier, Json, User, Words
from safeconduct.core.profile import PROFILE

CLAIMS: dict[str, tuple[str, ...]] = {
    "openid": ("sub",),
    "profile": ("name", *(one for one in PROFILE if one != "address"), "updated_at"),
    "address": ("address",),
    "email": ("email", "email_verified"),
    "phone": ("phone_number", "phone_number_verified"),
}
"""By scope; metadata names them as supported."""


_NAMED: tuple[tuple[Kind, str], ...] = (("email", "email"), ("phone", "phone_number"))


def claims_about(
    user: User, identifiers: Collection[Identifier], scope: Words, names: Collection[str] = ()
) -> dict[str, Any]:
    """§5.3.2: "The sub […] Claim MUST always be returned"; what is unknown is left out.

    `names` are claims that were asked for one by one (§5.5), and consented to.
    """
    wanted = {claim for word in scope for claim in CLAIMS.get(word, ())} | {"sub", *names}
    known = _known(user, identifiers)
    return {claim: value for claim, value in known.items() if claim in wanted}


def _known(user: User, identifiers: Collection[Identifier]) -> Mapping[str, Any]:
    claims: dict[str, Any] = {**user.profile, "sub": user.id}
    if user.name:
        claims["name"] = user.name
    claims["updated_at"] = user.updated_at // 1000
    for kind, claim in _NAMED:
        found = first_of(identifiers, kind)
        if found is not None:
            claims[claim] = found.value
            claims[f"{claim}_verified"] = found.verified_at is not None
    return claims


def scopes_of(claims: Json) -> Words:
    """The scopes whose claims are asked for by name: what consent has to say about them."""
    asked = {name for names in claims.values() for name in names}
    return frozenset(word for word, names in CLAIMS.items() if asked & set(names)) - {"openid"}


def permitted(claims: Json, scope: Words) -> dict[str, list[str]]:
    """The claims asked for by name, without those that no scope of a consent covers."""
    names = {claim for word in scope for claim in CLAIMS.get(word, ())} - {"sub"}
    kept = {where: [name for name in asked if name in names] for where, asked in claims.items()}
    return {where: some for where, some in kept.items() if some}
