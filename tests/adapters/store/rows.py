"""Rows to write in tests of the store, and the rotation that everything is about."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, TypeVar

from safeconduct.adapters.store.schema import Kind, columns
from safeconduct.core.model import Counter, Event, Leg, Spent, Tenant, TokenFamily, User
from safeconduct.core.unit import Done, Facts, Insert, Ref, Update, Write
from safeconduct.ports.store import Store

R = TypeVar("R")

EMPTY: dict[Kind, Any] = {
    Kind.TEXT: "",
    Kind.INTEGER: 0,
    Kind.BOOLEAN: False,
    Kind.BLOB: b"",
    Kind.WORDS: frozenset(),
    Kind.LIST: (),
    Kind.JSON: {},
    Kind.DECIMAL: Decimal(0),
}


def sample(record: type[R], **given: Any) -> R:
    """A row with these values, and as little as may be elsewhere."""
    made = {
        column.name: None if column.nullable else EMPTY[column.kind] for column in columns(record)
    }
    tenant_id = {"tenant_id": "t1"} if "tenant_id" in made else {}
    return record(**{**made, **tenant_id, **given})


def tenant(tenant_id: str = "t1", **given: Any) -> Tenant:
    return sample(Tenant, tenant_id=tenant_id, **given)


def user(id_: str, number: int, **given: Any) -> User:
    return sample(User, id=id_, number=number, **given)


def event(id_: str, **given: Any) -> Event:
    return sample(Event, id=id_, **given)


def leg(number: int, amount: str, **given: Any) -> Leg:
    return sample(
        Leg, connection_id="con", ref="ref", number=number, amount=Decimal(amount), **given
    )


def family(id_: str, **given: Any) -> TokenFamily:
    made = {
        "grant_id": "gra",
        "scope": frozenset({"b", "a"}),
        "resources": ("https://one.example", "https://two.example"),
        "digest": b"0",
        "amr": ("pwd",),
        "claims": {"nested": [1, 2.5, None, {"ü": "\u2028"}]},
    }
    return sample(TokenFamily, id=id_, **{**made, **given})


def counter(bucket: int, count: int = 0) -> Counter:
    return Counter(tenant_id="t1", kind="login", bucket=bucket, window_at=0, count=count)


def spent(id_: str, kind: str = "jti", expires_at: int = 1) -> Spent:
    return Spent(tenant_id="t1", kind=kind, id=id_, expires_at=expires_at)


async def write(store: Store, *writes: Write) -> None:
    await store.run((), lambda _: Done(None, writes))


async def insert(store: Store, rows: Sequence[Any]) -> None:
    await write(store, *map(Insert, rows))


async def rotate(store: Store, id_: str, presented: bytes, successor: bytes) -> bool:
    """Use a refresh token once; whoever comes second is refused, and leaves a trace."""
    here = Ref(TokenFamily, tenant_id="t1", id=id_)

    def decide(facts: Facts) -> Done[bool]:
        found = facts.get(here)
        assert found is not None
        if found.digest != presented:
            return Done(False, (Insert(event(f"reuse-{successor.decode()}", subject=id_)),))
        change = {"digest": successor, "generation": found.generation + 1}
        return Done(
            True, (Update(here, change), Insert(event(f"use-{successor.decode()}", subject=id_)))
        )

    return (await store.run((here,), decide)).answer
