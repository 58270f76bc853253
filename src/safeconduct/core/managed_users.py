"""Users that a client made and looks after, and the tokens it gets for them.

The address that is stored carries the client's id (`ann+<client>@example.org`), so that one person
can be there under several clients. Tokens are for one audience of their own, which is how they
are told from those that users gave to apps themselves.

    access    an hour, cut down to the start of its minute
    refresh   a year, cut down to the start of its day; works once
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from safeconduct.core.errors import bad_request
from safeconduct.core.grants._grant import Issue
from safeconduct.core.identifiers import Address, parse_identifier
from safeconduct.core.model import ManagedBlock, ManagedUser, TenantId, TokenFamily
from safeconduct.core.policy import DAY, MINUTE
from safeconduct.core.unit import Delete, Find, Insert, Ref, Update, Write

AUDIENCE = "/v2"
"""Below the issuer: what tokens for managed users are good for."""

BLOCK = 256
"""Numbers that are counted together: a page is found by the counts, then within its block."""

MOST_BLOCKS = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Times in milliseconds."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    access_expires_at: int
    refresh_expires_at: int


def managed_ref(tenant_id: TenantId, user_id: str) -> Ref[ManagedUser]:
    return Ref(ManagedUser, tenant_id=tenant_id, user_id=user_id)


def block_ref(tenant_id: TenantId, client_id: str, number: int) -> Ref[ManagedBlock]:
    return Ref(ManagedBlock, tenant_id=tenant_id, client_id=client_id, block=number // BLOCK)


def blocks_of(tenant_id: TenantId, client_id: str) -> Find[ManagedBlock]:
    where = {"tenant_id": tenant_id, "client_id": client_id}
    return Find(ManagedBlock, where, order=("block",), limit=MOST_BLOCKS)


def last_block(tenant_id: TenantId, client_id: str) -> Find[ManagedBlock]:
    """Where the next user of a client may have to be counted: numbers only rise."""
    where = {"tenant_id": tenant_id, "client_id": client_id}
    return Find(ManagedBlock, where, order=("-block",), limit=1)


def one_more(
    tenant_id: TenantId, client_id: str, number: int, last: tuple[ManagedBlock, ...]
) -> Write:
    ref = block_ref(tenant_id, client_id, number)
    if last and last[0].block == number // BLOCK:
        return Update(ref, {"count": last[0].count + 1})
    row = ManagedBlock(tenant_id=tenant_id, client_id=client_id, block=number // BLOCK, count=1)
    return Insert(row)


def one_less(ref: Ref[ManagedBlock], block: ManagedBlock | None) -> tuple[Write, ...]:
    if block is None:
        return ()
    return (Update(ref, {"count": block.count - 1}) if block.count > 1 else Delete(ref),)


def place_of(blocks: Iterable[ManagedBlock], offset: int) -> tuple[int, int] | None:
    """The number at which the block of a row begins, and how many rows of it to pass over."""
    for block in blocks:
        if offset < block.count:
            return block.block * BLOCK, offset
        offset -= block.count
    return None


def stored_address(email: str, client_id: str) -> Address:
    """The address under which a client's user is kept."""
    asked = parse_identifier(email) if "@" in email else None
    if asked is not None:
        local, _, domain = asked.value.rpartition("@")
        found = parse_identifier(f"{local}+{client_id.lower()}@{domain}")
        if found is not None:
            return found
    raise bad_request("invalid_email", "email: address expected", field="email")


def username_of(email: str) -> str:
    """Readable, and not a promise: two users may share one."""
    local = email.partition("@")[0].partition("+")[0].lower()
    return "-".join(part for part in local.replace("_", ".").split(".") if part)


def finished(issue: Issue, owner: int, client_id: str, *, renewed: bool) -> Issue:
    """The access token with the claims that such clients read, its end on the full minute."""
    if isinstance(issue.access, str):
        return issue
    claims = dict(issue.access)
    claims["exp"] = claims["exp"] // 60 * 60
    claims |= {
        "type": "access_token",
        "clientId": client_id,
        "ownerId": owner,
        "expiresAt": claims["exp"] * 1000,
        **({"userId": owner} if renewed else {}),
    }
    return replace(issue, access=claims, expires_in=claims["exp"] - claims["iat"])


def access_end(issued_at: int, expires_in: int) -> int:
    """Milliseconds; both are as the token says them."""
    return (issued_at // 1000 + expires_in) * 1000 // MINUTE * MINUTE


def refresh_end(family: TokenFamily) -> int:
    return min(family.idle_expires_at, family.expires_at) // DAY * DAY


def profile_of(known: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    return {**known, **changes}
