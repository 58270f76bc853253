"""What ends with what: the one cascade table. RFC 7009 §2.1; RFC 6749 §4.1.2, §10.4.

                    families  grants  sessions  API keys     also, in the row itself
    family             ×
    grant              ×        ×
    session                                ×
    user signed out    ×                   ×                 not_before
    user disabled      ×                   ×                 not_before, status
    user deleted       ×        ×          ×        ×        not_before, status
    client disabled                                          not_before, status
    client deleted                                           the row is gone; its users, see below
    tenant suspended                                         status: its clients look disabled
    connection ended                                         tokens for it alone, see below
    provider removed                                         its connections, see below
    token revoked                                            what was exchanged for it, see below

Access tokens are not in the table, because they name their family (or, if no user is behind
them, their client), and whoever checks one looks there. So do codes, with grant and user. Only
tokens that never expire are told, by family and grant: nothing else would clear them up. A client
may have millions of families: those from before its `not_before` are dead without being touched.
An exchanged token names all that it came from: family, both clients, the tokens in between (`par`),
and the connection that it is for (`con`); it is dead when any of them is.
A connection belongs to the user and outlives the grants through which it is seen; it ends through
`services.connections`, which has a provider to tell. What ends many of them (`UNLINKED`) ends them
one by one, in a job. Users whom a client managed end with it as users who are deleted, because
nobody else can reach them or what they have linked: one by one as well (`managed_ended`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from safeconduct.core.model import (
    AccessToken,
    ApiKey,
    Connection,
    Grant,
    ManagedUser,
    Session,
    TenantId,
    TokenFamily,
)
from safeconduct.core.unit import Find, UpdateAll, Write


@dataclass(frozen=True, slots=True)
class Ends:
    """Live rows of `record` end whose `column` is the id of what was ended."""

    record: type[Any]
    column: str
    while_null: str = "revoked_at"


def _endless(column: str) -> Ends:
    """Access tokens that do not expire: they get an end, so that their rows can be cleared up."""
    return Ends(AccessToken, column, while_null="expires_at")


CASCADE: Mapping[str, tuple[Ends, ...]] = {
    "family": (Ends(TokenFamily, "id"), _endless("family_id")),
    "grant": (Ends(Grant, "id"), Ends(TokenFamily, "grant_id"), _endless("grant_id")),
    "session": (Ends(Session, "id"),),
    "user.signed_out": (Ends(TokenFamily, "user_id"), Ends(Session, "user_id")),
    "user.disabled": (Ends(TokenFamily, "user_id"), Ends(Session, "user_id")),
    "user.deleted": (
        Ends(Grant, "user_id"),
        Ends(TokenFamily, "user_id"),
        Ends(Session, "user_id"),
        Ends(ApiKey, "user_id"),
    ),
    "client.disabled": (),
    "client.deleted": (),
}


UNLINKED: Mapping[str, str] = {"provider.removed": "provider_id"}
"""What ends live connections, and the column in which they name it."""


def connections_ended(what: str, tenant_id: TenantId, id: str, *, limit: int) -> Find[Connection]:
    """The connections that are still to end by the table, some at a time."""
    where = {"tenant_id": tenant_id, UNLINKED[what]: id, "ended_at": None}
    return Find(Connection, where, limit=limit)


def managed_ended(tenant_id: TenantId, client_id: str, *, limit: int) -> Find[ManagedUser]:
    """The users of a client that is gone who are still to end, some at a time."""
    where = {"tenant_id": tenant_id, "client_id": client_id}
    return Find(ManagedUser, where, order=("number",), limit=limit)


def ended(what: str, tenant_id: TenantId, id: str, now: int, reason: str) -> tuple[Write, ...]:
    """The writes by which everything ends that the table lists; what has ended stays as it is.

    The unit must also read (and so lock) the row of `what` itself, as everybody does who starts
    something under it: else a family that begins at the same moment would survive.
    """
    return tuple(
        UpdateAll(
            end.record,
            {"tenant_id": tenant_id, end.column: id, end.while_null: None},
            _marks(end.record, now, reason),
        )
        for end in CASCADE[what]
    )


def _marks(record: type[Any], now: int, reason: str) -> dict[str, Any]:
    if record is TokenFamily:
        return {"revoked_at": now, "revoked_reason": reason, "expires_at": now}
    if record is AccessToken:
        return {"revoked_at": now, "expires_at": now}
    return {"revoked_at": now}


def not_before(now: int, previous: int) -> int:
    """The moment before which nothing counts: after everything made up to now, even in this ms."""
    return max(now, previous) + 1
