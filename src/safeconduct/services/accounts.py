"""Brokerage-style accounts: a user has several, each live or paper."""

from base64 import urlsafe_b64decode
from uuid import UUID

from safeconduct.core.accounts import ENVS, MOST, accounts_of
from safeconduct.core.errors import ApiError, bad_request, not_found
from safeconduct.core.events import event
from safeconduct.core.model import Account, TenantId, User
from safeconduct.core.unit import Done, Facts, Insert, Ref
from safeconduct.ports.clock import Clock, Mint
from safeconduct.ports.store import Store


class Accounts:
    def __init__(self, *, store: Store, clock: Clock, mint: Mint) -> None:
        self.store, self.clock, self.mint = store, clock, mint

    async def create(self, tenant_id: TenantId, user_id: str, env: str, *, actor: str) -> Account:
        if env not in ENVS:
            raise bad_request("invalid_env", "An account is live or paper.", field="env")
        user = Ref(User, tenant_id=tenant_id, id=user_id)
        row = Account(
            tenant_id=tenant_id,
            id=_uuid7(self.clock.now(), self.mint.secret()),
            user_id=user_id,
            env=env,
            status="active",
            created_at=self.clock.now(),
        )
        record = event(
            self.mint.id("evt"),
            row.created_at,
            tenant_id,
            "account.created",
            actor=actor,
            user_id=user_id,
            subject=row.id,
            detail={"env": env},
        )

        others = accounts_of(tenant_id, user_id)

        def decide(facts: Facts) -> Done[None]:
            if facts.get(user) is None:
                raise not_found("user")
            if len(facts.all(others)) >= MOST:
                raise ApiError(409, "too_many_accounts", f"A user has at most {MOST} accounts.")
            return Done(None, (Insert(row), Insert(record)))

        await self.store.run((user, others), decide)
        return row

    async def get(self, tenant_id: TenantId, account_id: str) -> Account:
        row = await self.store.get(Ref(Account, tenant_id=tenant_id, id=account_id))
        if row is None:
            raise not_found("account")
        return row

    async def of_user(self, tenant_id: TenantId, user_id: str) -> tuple[Account, ...]:
        return await self.store.find(accounts_of(tenant_id, user_id))


def _uuid7(now: int, secret: str) -> str:
    """RFC 9562 §5.7: time-ordered, as every key of ours, in the form that brokers expect."""
    chance = int.from_bytes(urlsafe_b64decode(secret + "=")[:10])
    number = (now << 80) | (chance & ((1 << 80) - 1))
    number = number & ~(0xF << 76) | (0x7 << 76)
    return str(UUID(int=number & ~(0x3 << 62) | (0x2 << 62)))
