"""Users as values: how one is made, together with what names them."""

from collections.abc import Sequence
from typing import Any

from safeconduct.core.events import EventType, event
from safeconduct.core.identifiers import Address
from safeconduct.core.model import Identifier, Json, Tenant, TenantId, User
from safeconduct.core.unit import Find, Insert, Ref, Write

NOTHING: Json = {}


def new_user(
    tenant_id: TenantId,
    ids: Sequence[str],
    address: Address,
    number: int,
    now: int,
    *,
    type: EventType,
    actor: str | None = None,
    role: str = "user",
    name: str | None = None,
    profile: Json = NOTHING,
    password_hash: str | None = None,
    verified: bool = True,
    more: Sequence[Address] = (),
) -> tuple[User, tuple[Write, ...]]:
    """A user with one identifier, or `more`. `ids` are a fresh user id and a fresh event id.

    The id is never given again: a person who returns with the same address is somebody new.
    """
    user = User(
        tenant_id=tenant_id,
        id=ids[0],
        number=number,
        role=role,
        status="active",
        name=name,
        profile=profile,
        password_hash=password_hash,
        not_before=now,
        created_at=now,
        updated_at=now,
    )
    record = event(
        ids[1],
        now,
        tenant_id,
        type,
        actor=actor or f"user:{user.id}",
        user_id=user.id,
        subject=user.id,
        detail={"role": role, "identifier": address.kind},
    )
    named = [
        Identifier(
            tenant_id=tenant_id,
            kind=one.kind,
            value=one.value,
            user_id=user.id,
            verified_at=now if verified else None,
            created_at=now,
        )
        for one in (address, *more)
    ]
    return user, (Insert(user), *map(Insert, named), Insert(record))


def user_ref(tenant_id: TenantId, user_id: str) -> Ref[User]:
    return Ref(User, tenant_id=tenant_id, id=user_id)


def identifier_ref(tenant_id: TenantId, address: Address) -> Ref[Identifier]:
    return Ref(Identifier, tenant_id=tenant_id, kind=address.kind, value=address.value)


def identifiers_of(tenant_id: TenantId, user_id: str) -> Find[Identifier]:
    """What somebody signs in with."""
    return Find(Identifier, {"tenant_id": tenant_id, "user_id": user_id}, order=("kind", "value"))


class Numbering:
    """Gives users, and other records with a `number`, theirs, one after the other; the tenant's
    row is the lock.
    """

    def __init__(self, tenant_id: TenantId, record: type[Any] = User) -> None:
        self.anchor = Ref(Tenant, tenant_id=tenant_id)
        self.last: Find[Any] = Find(record, {"tenant_id": tenant_id}, order=("-number",), limit=1)

    @staticmethod
    def after(found: tuple[Any, ...]) -> int:
        return int(found[0].number) + 1 if found else 1
