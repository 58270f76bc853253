"""How long a page takes: `python -m bench.lists [--rows N] [--pages N] [--publish]`.

A tenant with so many transactions, most of them other users', and one user with a tenth of them.
A page is one HTTP-less call of the Calico endpoint: token check, filters, rows, legs, cursor and
JSON, durable store, one caller. The same through `/api/v1` stands beside it; what a dialect adds is
measured by `bench.translation`.
"""

import argparse
import itertools
import json
import os
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import structlog
import uvloop
from rich.console import Console
from rich.table import Table
from starlette.applications import Starlette
from tests.postgres import Cluster
from tests.services.shelf import START, Shelf, new_leg, new_transaction

from bench.processes import Others
from bench.report import into_page
from safeconduct.adapters.catalog import load_catalog
from safeconduct.adapters.clock import SystemClock, SystemMint
from safeconduct.adapters.keyring import RootKeyring
from safeconduct.adapters.store import PostgresStore, SqliteStore, open_store
from safeconduct.core.access_token import Bearer
from safeconduct.core.model import Connection, Tenant, TenantId
from safeconduct.core.unit import Done, Insert
from safeconduct.services.assets import Assets
from safeconduct.services.connections import Connections
from safeconduct.services.keys import Keys
from safeconduct.web.api.assets import AssetsApi
from safeconduct.web.api.connections import ConnectionsApi
from safeconduct.web.api.transactions import TransactionsApi
from safeconduct.web.compat.calico.assets import CalicoAssets
from safeconduct.web.compat.calico.transactions import CalicoTransactions

Store = SqliteStore | PostgresStore
CLOCK, MINT = SystemClock(), SystemMint()
T1 = TenantId("t1")
USER = "usr_bench"
USERS = 9  # others
BEGIN = "<!-- lists: python -m bench.lists --publish -->"


class Anyone:
    """Lets everybody in as one user: what a token check costs is measured elsewhere."""

    async def bearer(self, token: str, *_: object) -> Bearer:
        return Bearer(
            tenant_id=T1,
            client_id="c",
            user_id=USER,
            grant_id=None,
            scope=frozenset({"assets:read", "transactions:read", "connections:read"}),
            resources=(),
            issued_at=0,
            expires_at=None,
            jti="j",
        )


async def furnish(store: Store, rows: int) -> httpx.AsyncClient:
    tenant = Tenant(
        tenant_id=T1,
        number=1,
        slug="t",
        host=None,
        name="t",
        status="active",
        policy={},
        branding={},
        created_at=0,
        updated_at=0,
    )
    await store.run((), lambda facts: Done(None, (Insert(tenant),)))
    keys = Keys(store=store, keyring=RootKeyring([os.urandom(32)]), clock=CLOCK, mint=MINT)
    await keys.load()
    assets = Assets(store=store, keys=keys, clock=CLOCK, mint=MINT, catalog=load_catalog())
    shelf = Shelf(store, CLOCK, assets)  # type: ignore[arg-type]
    owners: list[Connection] = []
    for n in range(USERS + 1):
        user = USER if n == 0 else f"usr_{n}"
        for part in range(2):
            owners.append(await shelf.connection(user, account_key=f"{n}/{part}"))
    share = rows // len(owners)
    for owner in owners:
        for _ in range(0, share, 500):
            await history(shelf, owner, min(500, share))
        await shelf.positions(owner, 40)
    access: Any = Anyone()
    disconnects: Any = None  # nothing is unlinked here
    runs: Any = None  # and nothing read
    mine = Connections(store=store, catalog=load_catalog(), disconnects=disconnects)
    parts = (
        CalicoAssets(assets=assets, access=access),
        CalicoTransactions(assets=assets, access=access),
        AssetsApi(assets=assets, connections=mine, access=access),
        TransactionsApi(assets=assets, connections=mine, access=access),
        ConnectionsApi(
            connections=mine, assets=assets, sync_runs=runs, disconnect=disconnects, access=access
        ),
    )
    routes = [route for part in parts for route in part.routes()]
    transport = httpx.ASGITransport(app=Starlette(routes=routes))
    headers = {"authorization": "Bearer x"}
    return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", headers=headers)


NUMBERS = itertools.count()
ASSETS = ("BTC", "ETH", "USD", "SOL", "USDC")
KINDS = ("trade", "buy", "sell")


async def history(shelf: Shelf, owner: Connection, count: int) -> None:
    """Transactions of two legs each, later than all before."""
    rows: list[Any] = []
    for n in itertools.islice(NUMBERS, count):
        id, at, ref, kind = MINT.id("txn"), START + n * 1000, f"r{n}", KINDS[n % 3]
        rows.append(new_transaction(owner, ref, id, at, kind))
        rows += [new_leg(owner, ref, side, id, at, kind, ASSETS[(n + side) % 5]) for side in (0, 1)]
    await shelf.put(*rows)


LISTS = {
    "transactions, newest 30": "/accounts/v2/transactions",
    "transactions, newest 100": "/accounts/v2/transactions?limit=100",
    "transactions, of one asset": "/accounts/v2/transactions?asset_symbols=BTC",
    "transactions, of one type": "/accounts/v2/transactions?types=buy",
    "assets, first 30": "/accounts/v2/assets",
    "/api/v1/transactions, newest 100": "/api/v1/transactions?limit=100",
    "/api/v1/assets, first 30": "/api/v1/assets?limit=30",
    "/api/v1/connections": "/api/v1/connections",
}


async def middle(http: httpx.AsyncClient, pages: int) -> str:
    """A cursor half way through the user's history."""
    cursor = ""
    for _ in range(pages):
        query = {"limit": "100", **({"cursor": cursor} if cursor else {})}
        page = (await http.get("/accounts/v2/transactions", params=query)).json()["data"]["page"]
        cursor = page["next_cursor"]
    return cursor


async def measure(store: Store, rows: int, pages: int, dsn: str | None = None) -> dict[str, Any]:
    http = await furnish(store, rows)
    if dsn is not None:
        # As autovacuum does within a minute of such a change.
        connection = await asyncpg.connect(dsn)
        await connection.execute("ANALYZE")
        await connection.close()
    depth = max(1, rows // (USERS + 1) // 200)
    deep = {"cursor": await middle(http, depth), "limit": "100"}
    calls: dict[str, Callable[[], Awaitable[httpx.Response]]] = {
        name: (lambda path=path: http.get(path))  # type: ignore[misc]
        for name, path in LISTS.items()
    }
    calls["transactions, 100 in the middle"] = lambda: http.get(
        "/accounts/v2/transactions", params=deep
    )
    found: dict[str, Any] = {}
    for name, call in calls.items():
        assert (await call()).status_code == 200
        times, busy = [], time.process_time()
        for _ in range(pages):
            began = time.perf_counter()
            await call()
            times.append((time.perf_counter() - began) * 1e3)
        busy = time.process_time() - busy
        times.sort()
        found[name] = {
            "p50_ms": round(statistics.median(times), 2),
            "p99_ms": round(times[int(len(times) * 0.99)], 2),
            "cpu_ms": round(busy / pages * 1e3, 2),
        }
    await http.aclose()
    return found


async def all_of_it(rows: int, pages: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        url = f"sqlite:///{Path(folder) / 'lists.db'}"
        store = await open_store(url, clock=CLOCK, serving=True, migrate=True)
        found["sqlite"] = await measure(store, rows, pages)
        await store.close()
    cluster = Cluster(shared_buffers="128MB")
    cluster.start()
    try:
        store = await open_store(cluster.dsn(), clock=CLOCK, serving=True, migrate=True)
        found["postgres"] = await measure(store, rows, pages, cluster.dsn())
        await store.close()
    finally:
        cluster.stop()
        cluster.remove()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--pages", type=int, default=300)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--publish", action="store_true", help="put it into the documentation")
    chosen = parser.parse_args()
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    others = Others()
    found = uvloop.run(all_of_it(chosen.rows, chosen.pages))
    if chosen.json:
        print(json.dumps(found, indent=2))
    table = Table("ms a page", "SQLite p50", "p99", "CPU", "PostgreSQL p50", "p99", "CPU")
    for name in found["sqlite"]:
        cells = [
            str(found[engine][name][figure])
            for engine in ("sqlite", "postgres")
            for figure in ("p50_ms", "p99_ms", "cpu_ms")
        ]
        table.add_row(name, *cells)
    Console().print(table)
    if chosen.publish:
        into_page(BEGIN, f"\n{markdown(found)}\n{others.sentence()}")


def markdown(found: dict[str, Any]) -> str:
    lines = ["| A page | SQLite p50, p99 | PostgreSQL p50, p99 |", "|---|--:|--:|"]
    for name in found["sqlite"]:
        each = [found[engine][name] for engine in ("sqlite", "postgres")]
        cells = [f"{one['p50_ms']:.2f}, {one['p99_ms']:.2f} ms" for one in each]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
