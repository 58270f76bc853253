"""The `claims` parameter: OpenID Connect Core §5.5.

It asks for single claims, for one user (`sub`), or for a way of signing in (`acr`). What is asked
for voluntarily and cannot be had is passed over; what is essential decides about the answer.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from safeconduct.core.errors import invalid_request
from safeconduct.core.jws import json_object
from safeconduct.core.model import Json

PLACES = ("id_token", "userinfo")
MOST = 50

_CLAIM = re.compile(r"[!-~]{1,100}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """`names` are the claims asked for, by place. `acr` None: nothing was said about it."""

    subject: str | None = None  # only this user will do
    names: Json = field(default_factory=dict)
    acr: tuple[str, ...] | None = None
    acr_essential: bool = False


def read_claims(text: str | None) -> Wanted:
    if text is None:
        return Wanted()
    asked = {where: _members(part) for where, part in _object(text).items() if where in PLACES}
    subjects = {_text(_members(members.get("sub")).get("value")) for members in asked.values()}
    if len(subjects - {None}) > 1:
        raise invalid_request("claims names two users", rule="claims.sub", rfc="OIDC#5.5")
    names = {
        where: sorted(filter(_CLAIM.fullmatch, members))[:MOST] for where, members in asked.items()
    }
    acr = asked.get("id_token", {}).get("acr")
    return Wanted(
        subject=next(iter(subjects - {None}), None),
        names={where: some for where, some in names.items() if some},
        acr=_values(acr),
        acr_essential=_members(acr).get("essential") is True,
    )


def _object(text: str) -> dict[str, Any]:
    try:
        return json_object(text.encode())
    except ValueError:
        raise invalid_request(
            "claims is not a JSON object", rule="claims", rfc="OIDC#5.5"
        ) from None


def _members(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _values(member: Any) -> tuple[str, ...] | None:
    """§5.5.1: `value` or `values`, in order of preference."""
    if not isinstance(member, dict):
        return None
    several = member.get("values")
    found = several if isinstance(several, list) else [member.get("value")]
    texts = tuple(value for value in found[:MOST] if isinstance(value, str))
    return texts or None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
