"""A shelf of holdings: connections, positions and transactions, put there by hand."""

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from tests.conftest import SettableClock
from tests.jobs.work import MINT
from tests.services.linked import T1, new_connection

from safeconduct.core.holdings import Filters
from safeconduct.core.model import Connection, Leg, Position, Transaction
from safeconduct.core.unit import Done, Insert
from safeconduct.ports.store import Store
from safeconduct.services.assets import Assets

START = 1_772_755_200_000
ALL = Filters()


@dataclass
class Shelf:
    """Connections, positions and transactions, put there by hand."""

    store: Store
    clock: SettableClock
    assets: Assets

    async def put(self, *rows: Any) -> None:
        await self.store.run((), lambda facts: Done(None, [Insert(row) for row in rows]))

    async def connection(self, owner: str = "usr_1", **more: Any) -> Connection:
        columns = {"id": MINT.id("con"), "user_id": owner, **more}
        row = replace(new_connection(self.clock.now()), **columns)
        await self.put(row)
        return row

    async def history(self, owner: Connection, count: int, assets: str = "BTC ETH USD") -> None:
        """One transaction a second, each moving two of the assets in turn."""
        names = assets.split()
        rows: list[Any] = []
        for n in range(count):
            id, at = MINT.id("txn"), START + n * 1000
            kind = ("trade", "buy", "sell")[n % 3]
            rows.append(new_transaction(owner, f"r{n}", id, at, kind))
            for number in range(2):
                asset = names[(n + number) % len(names)]
                rows.append(new_leg(owner, f"r{n}", number, id, at, kind, asset))
        await self.put(*rows)

    async def positions(self, owner: Connection, count: int) -> None:
        coins = ("BTC", "ETH")
        rows = [new_position(owner, f"a{n:03}", coins[n % 2], START + n) for n in range(count)]
        await self.put(*rows)

    async def walk(self, name: str, user: str, filters: Filters, limit: int) -> list[Any]:
        """All pages to the end."""
        found: list[Any] = []
        cursor: str | None = None
        while True:
            page = await getattr(self.assets, name)(T1, user, filters, cursor, limit)
            rows = page.positions if name == "positions" else [t for t, _ in page.transactions]
            assert len(rows) <= limit
            found += rows
            cursor = page.next_cursor
            if cursor is None:
                return found
            assert len(rows) == limit


def new_transaction(owner: Connection, ref: str, id: str, at: int, kind: str) -> Transaction:
    return Transaction(
        tenant_id=owner.tenant_id,
        connection_id=owner.id,
        ref=ref,
        id=id,
        user_id=owner.user_id,
        provider_id=owner.provider_id,
        at=at,
        category="input_output",
        kind=kind,
        tx_hash=None,
        counterparty=None,
        network=None,
        description=None,
        value_currency=None,
        value_amount=None,
        rule="r",
        rule_version=1,
        confidence="certain",
        created_at=at,
        updated_at=at,
    )


def new_leg(
    owner: Connection, ref: str, number: int, id: str, at: int, kind: str, asset: str
) -> Leg:
    return Leg(
        tenant_id=owner.tenant_id,
        connection_id=owner.id,
        ref=ref,
        number=number,
        transaction_id=id,
        user_id=owner.user_id,
        provider_id=owner.provider_id,
        kind=kind,
        account="a",
        asset=asset,
        amount=Decimal(1 - 2 * number),
        role="principal",
        fee_type=None,
        outside=False,
        value_currency=None,
        value_amount=None,
        at=at,
    )


def new_position(owner: Connection, account: str, asset: str, at: int) -> Position:
    return Position(
        tenant_id=owner.tenant_id,
        connection_id=owner.id,
        account=account,
        asset=asset,
        id=MINT.id("pos"),
        user_id=owner.user_id,
        provider_id=owner.provider_id,
        asset_name=None,
        quantity=Decimal("1.50"),
        value_currency=None,
        value_amount=None,
        run=1,
        updated_at=at,
    )
