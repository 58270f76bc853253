"""Brokerage-style accounts behind an authorization: one live, one paper, or one of each.

Which ones may be asked for depends on the app (live trading needs an approval) and on the request
(`env`); which ones are given, on the person, or on the broker that vouches for them. Both are
looked at again in the unit that makes the code, and the approval at every use of the token.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from safeconduct.core.model import Account, Client, TenantId
from safeconduct.core.ownership import is_open_to, trades_live
from safeconduct.core.unit import Find

ENVS = ("live", "paper")
MOST = 200
"""Accounts of one user that are offered; nobody picks from a longer list."""


@dataclass(frozen=True, slots=True)
class Covered:
    """The accounts that an authorization is for, by id. Without any, it opens none."""

    live: str | None = None
    paper: str | None = None

    def __bool__(self) -> bool:
        return self.live is not None or self.paper is not None

    @classmethod
    def just(cls, account: Account) -> "Covered":
        return cls(live=account.id) if account.env == "live" else cls(paper=account.id)

    def columns(self) -> dict[str, str | None]:
        """As codes and families keep it."""
        return {"live_account": self.live, "paper_account": self.paper}


NO_ACCOUNTS = Covered()


def accounts_of(tenant_id: TenantId, user_id: str) -> Find[Account]:
    return Find(Account, {"tenant_id": tenant_id, "user_id": user_id}, limit=MOST)


def offered(accounts: Iterable[Account], client: Client, env: str | None) -> tuple[Account, ...]:
    """The accounts that this app may be given, if `env` (None: either) is what it asked for."""
    return tuple(
        account
        for account in accounts
        if account.status == "active"
        and env in (None, account.env)
        and is_open_to(client, account.user_id)
        and (account.env != "live" or trades_live(client, account.user_id))
    )


def picked(offer: Sequence[Account], picks: Mapping[str, str]) -> Covered | None:
    """What a person chose, by env; None if that was not among the offer, or is nothing at all.

    An environment without a pick gets its first account, an empty pick leaves it out.
    """
    chosen: dict[str, str] = {}
    for env in ENVS:
        ids = [account.id for account in offer if account.env == env]
        pick = picks.get(env, ids[0] if ids else "")
        if pick and pick not in ids:
            return None
        if pick:
            chosen[env] = pick
    covered = Covered(**chosen)
    return covered if covered or not offer else None
