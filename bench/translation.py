"""What a dialect costs: `python -m bench.translation [--calls N] [--publish]`.

Each call of a surface and the same call through `/api/v1`, in turn, over the same rows and with a
credential of its kind: on the whole platform and a durable store, without HTTP. What is compared is
the median of the process's CPU time, so that whatever else the machine does falls on both alike.
"""

import argparse
import asyncio
import gc
import json
import statistics
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import process_time
from typing import Any

import structlog
import uvloop
from rich.console import Console
from rich.table import Table
from starlette.types import ASGIApp
from tests.postgres import Cluster
from tests.services.shelf import Shelf
from tests.web.harness import TENANT, Front, front, link

from bench.processes import Others, scratch
from bench.report import into_page
from safeconduct.adapters.clock import SystemClock
from safeconduct.adapters.store import PostgresStore, SqliteStore, open_store
from safeconduct.core.api_keys import BROKER
from safeconduct.core.model import User
from safeconduct.services.delegation import PERMISSION

BEGIN = "<!-- translation: python -m bench.translation --publish -->"
GOAL = 5.0  # per cent
USERS, CONNECTIONS = 40, 5
DATA = "openid connections:read assets:read transactions:read"


@dataclass(frozen=True, slots=True)
class Call:
    method: str
    path: str
    query: str = ""
    body: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pair:
    """The same, asked in a dialect and in our own words."""

    surface: str
    what: str
    dialect: Call
    own: Call


async def ask(app: ASGIApp, call: Call) -> None:
    """One request straight into the application; anything but a 2xx is a mistake of this file."""
    raw = b"" if call.body is None else json.dumps(call.body).encode()
    given = {"host": "127.0.0.1", "content-type": "application/json", **call.headers}
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": call.method,
        "scheme": "http",
        "path": call.path,
        "raw_path": call.path.encode(),
        "query_string": call.query.encode(),
        "root_path": "",
        "headers": [(name.lower().encode(), value.encode()) for name, value in given.items()],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    answered: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": raw, "more_body": False}

    async def send(message: Any) -> None:
        answered.append(message)

    await app(scope, receive, send)
    if not 200 <= answered[0]["status"] < 300:
        raise RuntimeError(f"{call.method} {call.path}: {answered}")


# What is there to ask for


async def calico_and_loop(site: Front, user: User) -> list[Pair]:
    """What a user has: accounts, holdings, history."""
    clock: Any = site.clock
    shelf = Shelf(site.store, clock, site.platform.assets)
    for number in range(CONNECTIONS):
        row = await link(site, user, account_key=f"acc-{number}")
        await shelf.history(row, 100)
        await shelf.positions(row, 40)
    calico = await token(site, user, "calico")
    loop = await token(site, user, "loop")
    lists = [
        ("transactions, newest 100", "transactions", "limit=100"),
        ("assets, first 30", "assets", "limit=30"),
    ]
    return [
        *(
            Pair(
                "Calico",
                what,
                Call("GET", f"/accounts/v2/{name}", query, headers=calico),
                Call("GET", f"/api/v1/{name}", query, headers=calico),
            )
            for what, name, query in lists
        ),
        Pair(
            "Calico v1",
            "transactions, newest 100",
            Call("GET", "/platform/v1/transactions", "limit=100", headers=calico),
            Call("GET", "/api/v1/transactions", "limit=100", headers=calico),
        ),
        Pair(
            "Loop",
            f"{CONNECTIONS} connections",
            Call("GET", "/v1/connections", f"userId={user.id}", headers=loop),
            Call("GET", "/api/v1/connections", headers=loop),
        ),
    ]


async def token(site: Front, user: User, profile: str) -> dict[str, str]:
    app = await site.client(profile=profile, scope=DATA)
    scope = frozenset(DATA.split())
    issued = await site.platform.issuing.issue(TENANT, app.id, user.id, scope, actor="operator")
    return bearer(issued["access_token"])


async def alpaca(site: Front, user: User) -> list[Pair]:
    """A broker lets an app into an account."""
    app = await site.client(profile="alpaca", scope="general trading")
    account = await site.platform.accounts.create(TENANT, user.id, "paper", actor="operator")
    _, key = await site.platform.api_keys.create(
        TENANT, name="b", scope=frozenset({PERMISSION}), actor="operator", prefix=BROKER
    )
    asked = {
        "client_id": app.id,
        "client_secret": site.secrets[app.id],
        "redirect_uri": app.redirect_uris[0],
        "scope": "general",
    }
    pairs = b64encode(key.reveal().replace(".", ":", 1).encode()).decode()
    basic, at = {"authorization": f"Basic {pairs}"}, f"/api/v1/accounts/{account.id}/authorizations"
    dialect, own = {**asked, "account_id": account.id}, bearer(key.reveal())
    return [
        Pair(
            "Alpaca",
            f"a {kind} for an app",
            Call("POST", f"/v1/oauth/{path}", body=dialect, headers=basic),
            Call("POST", at, body={**asked, "response_type": kind}, headers=own),
        )
        for kind, path in (("code", "authorize"), ("token", "token"))
    ]


async def calcom(site: Front) -> list[Pair]:
    """A client with the users that it manages. It shows its secret, to us an operator's key."""
    p = site.platform
    scope = frozenset({"users:read", "users:write"})
    _, key = await p.api_keys.create(TENANT, name="o", scope=scope, actor="operator")
    data = {"client_name": "C", "redirect_uris": ["https://app.example/cb"]}
    client, secret = await p.platform_clients.create(TENANT, data, 4, {}, actor="operator")
    made = [
        await p.managed_users.create(client, f"u{n}@example.org", f"User {n}", {})
        for n in range(USERS)
    ]
    theirs, ours = {"x-cal-secret-key": secret.reveal()}, bearer(key.reveal())
    row, user, _ = made[0]
    dialect, own = f"/v2/oauth-clients/{client.id}/users", f"/api/v1/clients/{client.id}/users"
    return [
        Pair(
            "Cal.com",
            "30 managed users",
            Call("GET", dialect, "limit=30", headers=theirs),
            Call("GET", own, "limit=30", headers=ours),
        ),
        Pair(
            "Cal.com",
            "new tokens of a managed user",
            Call("POST", f"{dialect}/{row.number}/force-refresh", headers=theirs),
            Call("POST", f"{own}/{user.id}/tokens", headers=ours),
        ),
    ]


def bearer(text: str) -> dict[str, str]:
    return {"authorization": f"Bearer {text}"}


# Measuring


async def compare(app: ASGIApp, pair: Pair, calls: int) -> dict[str, Any]:
    """Medians in microseconds, and what the dialect adds in per cent."""
    sides = (pair.dialect, pair.own)
    times: tuple[list[float], list[float]] = ([], [])
    for number in range(2 * calls + 20):
        side = number % 2
        began = process_time()
        await ask(app, sides[side])
        if number >= 20:  # warm by then
            times[side].append(process_time() - began)
    dialect, own = (statistics.median(each) * 1e6 for each in times)
    return {
        "surface": pair.surface,
        "what": pair.what,
        "dialect_us": round(dialect, 1),
        "own_us": round(own, 1),
        "adds_per_cent": round((dialect / own - 1) * 100, 1),
    }


async def measure(store: SqliteStore | PostgresStore, calls: int) -> list[dict[str, Any]]:
    clock: Any = SystemClock()
    site = await front(store, clock, "http://127.0.0.1")
    user = await site.user()
    pairs = [*await calico_and_loop(site, user), *await alpaca(site, user), *await calcom(site)]
    gc.collect()
    gc.freeze()
    return [await compare(site.app, pair, calls) for pair in pairs]


@asynccontextmanager
async def stores() -> AsyncIterator[dict[str, SqliteStore | PostgresStore]]:
    cluster = Cluster(shared_buffers="128MB")
    await asyncio.to_thread(cluster.start)
    clock = SystemClock()
    with scratch() as folder:
        urls = {"SQLite": f"sqlite:///{folder / 't.db'}", "PostgreSQL": cluster.dsn()}
        found = {
            name: await open_store(url, clock=clock, serving=True, migrate=True)
            for name, url in urls.items()
        }
        try:
            yield found
        finally:
            for store in found.values():
                await store.close()
            cluster.stop()
            cluster.remove()


async def everything(calls: int) -> dict[str, Any]:
    async with stores() as found:
        others = Others()
        rows = {name: await measure(store, calls) for name, store in found.items()}
        return {"rows": rows, "others": others.sentence()}


def markdown(found: Mapping[str, Any]) -> str:
    lines = [
        "| Surface | Call | Engine | the dialect | `/api/v1` | adds |",
        "|---|---|---|--:|--:|--:|",
    ]
    for engine, rows in found["rows"].items():
        for row in rows:
            name, what, dialect, own, adds = row.values()
            cells = (name, what, engine, f"{dialect:,.0f} µs", f"{own:,.0f} µs", f"{adds:+.1f} %")
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + f"\n\n{found['others']}"


def show(found: Mapping[str, Any], console: Console) -> None:
    table = Table("surface", "call", "engine", "dialect, µs", "/api/v1, µs", "adds", "")
    for engine, rows in found["rows"].items():
        for row in rows:
            name, what, dialect, own, adds = row.values()
            mark = "[green]met[/green]" if adds <= GOAL else "[red]missed[/red]"
            table.add_row(name, what, engine, str(dialect), str(own), f"{adds:+.1f} %", mark)
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.translation", description=__doc__)
    parser.add_argument("--calls", type=int, default=1_000, help="of each side of each pair")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--publish", action="store_true", help="put it into the documentation")
    given = parser.parse_args()
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    found = uvloop.run(everything(given.calls))
    if given.json:
        print(json.dumps(found, indent=2))
    else:
        show(found, Console())
    if given.publish:
        into_page(BEGIN, "\n" + markdown(found))


if __name__ == "__main__":
    main()
