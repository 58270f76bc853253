"""The cascade: exactly what the table lists ends, and nothing beside it."""

from typing import Any

import pytest

from safeconduct.core.model import AccessToken, ApiKey, Grant, Session, TenantId, TokenFamily
from safeconduct.core.revocation import CASCADE, ended, not_before
from safeconduct.core.unit import Done, Find, Insert
from safeconduct.ports.store import Store

TENANTS = (TenantId("t1"), TenantId("t2"))
NOW = 5_000


def rows(tenant_id: TenantId) -> list[Any]:
    """Users u1, u2; each with a grant g1, g2 to client c; families, a session and a key each.

    Of every family there is an access token without an end (a…) and one with (x…).
    """
    made: list[Any] = []
    for number in ("1", "2"):
        made.append(
            Grant(
                tenant_id=tenant_id,
                id=f"g{number}",
                user_id=f"u{number}",
                client_id="c",
                scope=frozenset({"a"}),
                resources=(),
                created_at=1,
                updated_at=1,
                revoked_at=None,
            )
        )
        for part in ("a", "b"):
            made.append(_family(tenant_id, f"f{number}{part}", number))
            made.append(_token(tenant_id, f"a{number}{part}", number, part, None))
            made.append(_token(tenant_id, f"x{number}{part}", number, part, 9))
        made.append(
            Session(
                tenant_id=tenant_id,
                id=f"s{number}",
                digest=b"x",
                user_id=f"u{number}",
                auth_time=1,
                amr=(),
                acr=None,
                created_at=1,
                expires_at=9,
                revoked_at=None,
            )
        )
        made.append(
            ApiKey(
                tenant_id=tenant_id,
                id=f"k{number}",
                prefix="sc_key_",
                digest=b"x",
                suffix="abcd",
                name="k",
                user_id=f"u{number}",
                scope=frozenset(),
                created_at=1,
                expires_at=None,
                revoked_at=None,
            )
        )
    return made


def _family(tenant_id: TenantId, id: str, number: str) -> TokenFamily:
    return TokenFamily(
        tenant_id=tenant_id,
        id=id,
        client_id="c",
        user_id=f"u{number}",
        grant_id=f"g{number}",
        session_id=f"s{number}",
        scope=frozenset(),
        resources=(),
        generation=0,
        digest=b"x",
        previous_digest=None,
        previous_request=None,
        rotated_at=None,
        leaf_presented=False,
        kid="k",
        auth_time=1,
        acr=None,
        amr=(),
        claims={},
        created_at=1,
        idle_expires_at=9,
        expires_at=9,
        revoked_at=None,
        revoked_reason=None,
    )


def _token(
    tenant_id: TenantId, id: str, number: str, part: str, expires_at: int | None
) -> AccessToken:
    return AccessToken(
        tenant_id=tenant_id,
        id=id,
        digest=b"x",
        client_id="c",
        user_id=f"u{number}",
        grant_id=f"g{number}",
        family_id=f"f{number}{part}",
        scope=frozenset(),
        resources=(),
        claims={},
        created_at=1,
        expires_at=expires_at,
        revoked_at=None,
    )


ENDS: dict[str, tuple[str, set[str]]] = {
    "family": ("f1a", {"f1a", "a1a"}),
    "grant": ("g1", {"g1", "f1a", "f1b", "a1a", "a1b"}),
    "session": ("s1", {"s1"}),
    "user.signed_out": ("u1", {"f1a", "f1b", "s1"}),
    "user.disabled": ("u1", {"f1a", "f1b", "s1"}),
    "user.deleted": ("u1", {"g1", "f1a", "f1b", "s1", "k1"}),
    "client.disabled": ("c", set()),
    "client.deleted": ("c", set()),
}


async def living(store: Store) -> set[tuple[str, str]]:
    found: set[tuple[str, str]] = set()
    for record in (Grant, TokenFamily, Session, ApiKey, AccessToken):
        for row in await store.find(Find(record, {"revoked_at": None})):
            found.add((row.tenant_id, row.id))  # type: ignore[attr-defined]
    return found


def test_every_line_of_the_table_is_tested() -> None:
    assert ENDS.keys() == CASCADE.keys()


@pytest.mark.attack("C7")
@pytest.mark.attack("C9")
@pytest.mark.parametrize("what", ENDS)
async def test_what_ends_with_what(store: Store, what: str) -> None:
    everything = [Insert(row) for tenant_id in TENANTS for row in rows(tenant_id)]
    await store.run((), lambda facts: Done(None, everything))
    before = await living(store)
    subject, ends = ENDS[what]
    writes = ended(what, TENANTS[0], subject, NOW, "because")
    await store.run((), lambda facts: Done(None, writes))
    assert before - await living(store) == {("t1", id) for id in ends}


@pytest.mark.invariant("V3")
async def test_what_has_ended_keeps_its_first_reason(store: Store) -> None:
    await store.run((), lambda facts: Done(None, [Insert(row) for row in rows(TENANTS[0])]))
    for now, reason in ((NOW, "first"), (NOW + 1, "second")):
        writes = ended("grant", TENANTS[0], "g1", now, reason)
        await store.run((), lambda facts, writes=writes: Done(None, writes))  # type: ignore[misc]
    families = await store.find(Find(TokenFamily, {"grant_id": "g1"}))
    assert {(row.revoked_at, row.revoked_reason) for row in families} == {(NOW, "first")}


@pytest.mark.invariant("V14")
def test_not_before_only_moves_on() -> None:
    assert not_before(10, 0) == 11
    assert not_before(10, 50) == 51
