"""How long a page takes: `python -m bench.lists [--rows N] [--pages N] [--only WORD] [--publish]`.

Every list that a surface or `/api/v1` has, before a tenant with so many rows of its kind
(`bench.stock`). A page is one call of the whole platform without HTTP: token check, filters, rows,
cursor and JSON, durable store, one caller. What a dialect adds is measured by `bench.translation`.
"""

import argparse
import asyncio
import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import structlog
import uvloop
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from tests.postgres import Cluster
from tests.web.harness import Front, front

from bench.processes import Others
from bench.report import into_page
from bench.stock import BUSY, SOME, Stock, stocked
from safeconduct.adapters.clock import SystemClock
from safeconduct.adapters.store import PostgresStore, SqliteStore, open_store

Store = SqliteStore | PostgresStore
Page = tuple[str, Mapping[str, str]]
"""A path with its query, and the credential."""
Pages = Callable[[], Page]

CLOCK = SystemClock()
BEGIN = "<!-- lists: python -m bench.lists --publish -->"
GOAL = 5.0  # ms


def pages_of(stock: Stock, rows: int, cursors: Mapping[str, str]) -> dict[str, Page | Pages]:
    """Every list by its name. A function gives another page at every call."""
    calico, loop, operator = stock.calico, stock.loop, stock.operator
    user, client = stock.user.id, stock.client.id
    managed = f"/v2/oauth-clients/{client}/users"
    chance = random.Random(4)

    def anywhere() -> Page:
        return f"{managed}?limit=50&offset={chance.randrange(rows)}", stock.secret

    v2, api = "/accounts/v2", "/api/v1"
    found: dict[str, Page | Pages] = {
        "Calico transactions, newest 30": (f"{v2}/transactions", calico),
        "Calico transactions, newest 100": (f"{v2}/transactions?limit=100", calico),
        "Calico transactions, 100 in the middle": (
            f"{v2}/transactions?limit=100&cursor={cursors['transactions']}",
            calico,
        ),
        "Calico transactions, of one asset": (f"{v2}/transactions?asset_symbols=BTC", calico),
        "Calico transactions, of one type": (f"{v2}/transactions?types=buy", calico),
        "Calico transactions, of a type that there is none of": (
            f"{v2}/transactions?types=airdrop",
            calico,
        ),
        "Calico assets, first 30": (f"{v2}/assets", calico),
        "Calico providers": (f"{v2}/providers", calico),
        "Calico integrations": (f"{v2}/integrations", calico),
        "Calico v1 transactions, newest 100": (
            "/platform/v1/transactions?limit=100",
            calico,
        ),
        "Calico v1 assets, first 30": ("/platform/v1/assets", calico),
        "Calico v1 provider": ("/platform/v1/provider", calico),
        "Loop connections": (f"/v1/connections?userId={user}", loop),
        "Loop providers": ("/v1/providers", loop),
        f"Cal.com OAuth clients, all {SOME // 2 + 1}": ("/v2/oauth-clients", stock.owner),
        "Cal.com managed users, first 50": (f"{managed}?limit=50", stock.secret),
        "Cal.com managed users, 50 anywhere": anywhere,
        "Cal.com managed users, last 50": (f"{managed}?limit=50&offset={rows - 50}", stock.secret),
        "Cal.com managed users, by address": (
            f"{managed}?emails=u{rows // 2}@example.org",
            stock.secret,
        ),
        f"Cal.com webhooks, all {SOME}": (f"/v2/oauth-clients/{client}/webhooks", stock.secret),
        "Cal.com conferencing": ("/v2/conferencing", stock.owner),
        "Cal.com conferencing of a team": (
            f"/v2/organizations/1/teams/{stock.team}/conferencing",
            stock.owner,
        ),
    }
    ours = {
        "transactions, newest 100": "transactions?limit=100",
        "assets, first 30": "assets?limit=30",
        "health-records, newest 30": "health-records",
        "connections": "connections",
    }
    found |= {f"{api}/{name}": (f"{api}/{path}", calico) for name, path in ours.items()}
    theirs = {
        "connections, of the tenant": "connections?limit=100",
        "users": "users?limit=100",
        "users, in the middle": f"users?limit=100&cursor={cursors['users']}",
        f"users/…/grants, all {SOME}": f"users/{user}/grants",
        f"users/…/sessions, all {SOME}": f"users/{user}/sessions",
        f"users/…/accounts, all {SOME}": f"users/{user}/accounts",
        "clients": "clients?limit=100",
        "clients/…/users": f"clients/{client}/users?limit=100",
        "clients/…/users, in the middle": (
            f"clients/{client}/users?limit=100&cursor={cursors['managed']}"
        ),
        "members": "members",
        "teams": "teams",
        "events, newest 100": "events?limit=100",
        "events, of one user": f"events?limit=100&user_id={user}",
        "events, of a rare type": "events?limit=100&types=client.disabled",
        "webhooks": "webhooks?limit=100",
        "deliveries": "deliveries?limit=100",
        "deliveries, of one webhook": f"deliveries?limit=100&webhook_id={stock.webhook}",
        "deliveries, of a rare status": "deliveries?limit=100&status=dead",
        "providers": "providers",
        "broker-keys": "broker-keys",
        "authentication-requests": "authentication-requests",
        "tenants": "tenants",
    }
    found |= {f"{api}/{name}": (f"{api}/{path}", operator) for name, path in theirs.items()}
    return found


async def middles(http: httpx.AsyncClient, stock: Stock, rows: int) -> dict[str, str]:
    """Cursors half way through: where the list of transactions, users, managed users goes on."""
    found: dict[str, str] = {}
    lists: dict[str, tuple[str, Mapping[str, str], int]] = {
        "transactions": ("/accounts/v2/transactions", stock.calico, rows // BUSY),
        "users": ("/api/v1/users", stock.operator, rows),
        "managed": (f"/api/v1/clients/{stock.client.id}/users", stock.operator, rows),
    }
    for name, (path, headers, count) in lists.items():
        cursor = ""
        for _ in range(max(1, count // 200)):
            query = {"limit": "100", **({"cursor": cursor} if cursor else {})}
            page = (await http.get(path, params=query, headers=headers)).json()
            cursor = (
                page["data"]["page"]["next_cursor"] if "errors" in page else page["next_cursor"]
            )
        found[name] = cursor
    return found


async def measure(
    name: str, store: Store, rows: int, pages: int, only: str, dsn: str | None = None
) -> dict[str, Any]:
    site: Front = await front(store, CLOCK, "http://127.0.0.1")  # type: ignore[arg-type]
    with Progress(transient=True, console=Console(stderr=True)) as progress:
        stock = await stocked(site, rows, progress)
    if dsn is not None:
        # As autovacuum does within a minute of such a change.
        connection = await asyncpg.connect(dsn)
        await connection.execute("VACUUM ANALYZE")
        await connection.close()
    transport = httpx.ASGITransport(app=site.app)
    found: dict[str, Any] = {}
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
        lists = pages_of(stock, rows, await middles(http, stock, rows))
        with Progress(transient=True, console=Console(stderr=True)) as progress:
            for label, page in progress.track(lists.items(), description=name):
                if only in label:
                    found[label] = await timed(http, page, pages)
                await asyncio.sleep(0)
    return found


async def timed(http: httpx.AsyncClient, page: Page | Pages, pages: int) -> dict[str, float]:
    times, busy = [], time.process_time()
    for _ in range(pages):
        path, headers = page() if callable(page) else page
        began = time.perf_counter()
        answer = await http.get(path, headers=headers)
        times.append((time.perf_counter() - began) * 1e3)
        if answer.status_code != 200:
            raise RuntimeError(f"{path}: {answer.status_code} {answer.text}")
    busy = time.process_time() - busy
    times.sort()
    return {
        "p50_ms": round(statistics.median(times), 2),
        "p99_ms": round(times[int(len(times) * 0.99)], 2),
        "cpu_ms": round(busy / pages * 1e3, 2),
    }


async def all_of_it(rows: int, pages: int, only: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        url = f"sqlite:///{Path(folder) / 'lists.db'}"
        store = await open_store(url, clock=CLOCK, serving=True, migrate=True)
        found["sqlite"] = await measure("SQLite", store, rows, pages, only)
        await store.close()
    cluster = Cluster(shared_buffers="256MB")
    cluster.start()
    try:
        store = await open_store(cluster.dsn(), clock=CLOCK, serving=True, migrate=True)
        found["postgres"] = await measure("PostgreSQL", store, rows, pages, only, cluster.dsn())
        await store.close()
    finally:
        cluster.stop()
        cluster.remove()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--pages", type=int, default=300)
    parser.add_argument("--only", default="", help="lists with this in their name")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--publish", action="store_true", help="put it into the documentation")
    chosen = parser.parse_args()
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    others = Others()
    found = uvloop.run(all_of_it(chosen.rows, chosen.pages, chosen.only))
    if chosen.json:
        print(json.dumps(found, indent=2))
    else:
        Console().print(table(found))
    if chosen.publish:
        into_page(BEGIN, f"\n{markdown(found)}\n{others.sentence()}")


def table(found: Mapping[str, Any]) -> Table:
    made = Table("ms a page", "SQLite p50", "p99", "CPU", "PostgreSQL p50", "p99", "CPU", "")
    for name in found["sqlite"]:
        each = [found[engine][name] for engine in ("sqlite", "postgres")]
        figures = [str(one[figure]) for one in each for figure in ("p50_ms", "p99_ms", "cpu_ms")]
        met = all(one["p50_ms"] <= GOAL for one in each)
        made.add_row(name, *figures, "[green]met[/green]" if met else "[red]missed[/red]")
    return made


def markdown(found: Mapping[str, Any]) -> str:
    lines = ["| A page | SQLite p50, p99 | PostgreSQL p50, p99 |", "|---|--:|--:|"]
    for name in found["sqlite"]:
        each = [found[engine][name] for engine in ("sqlite", "postgres")]
        cells = [f"{one['p50_ms']:.2f}, {one['p99_ms']:.2f} ms" for one in each]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
