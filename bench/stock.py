"""A tenant as it is after some years: so many people, each with an app, an account, a history.

Rows are put into the store as they lie there, a few thousand a transaction. Everybody has one row
of each kind, so that every table stands at the same length; `Stock.user` has what one busy person
may have.
"""

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from rich.progress import Progress
from tests.services.linked import new_connection
from tests.services.shelf import START, new_leg, new_position, new_transaction
from tests.web.harness import TENANT, Front

from safeconduct.adapters.clock import SystemMint
from safeconduct.core.api_keys import BROKER, KEY_SCOPES
from safeconduct.core.managed_users import BLOCK, stored_address
from safeconduct.core.model import (
    Account,
    ApiKey,
    Client,
    Connection,
    Delivery,
    Event,
    Grant,
    HealthRecord,
    Identifier,
    ManagedBlock,
    ManagedUser,
    Membership,
    PlatformClient,
    Session,
    Sync,
    Team,
    User,
    WebhookEndpoint,
)
from safeconduct.core.organizations import ORGANIZATION
from safeconduct.core.secret import Secret
from safeconduct.core.unit import Done, Insert
from safeconduct.core.upstream.site import withheld

MINT = SystemMint()
TOGETHER = 4_000  # rows in a transaction
YEAR = 365 * 86_400_000
ASSETS = ("BTC", "ETH", "USD", "SOL", "USDC")
KINDS = ("trade", "buy", "sell")
DATA = "openid connections:read assets:read transactions:read health:read"
SOME = 100  # of what one person or client may have several of
FIRST = 1_000  # number
BUSY = 10  # people with all of the transactions between them
PROVIDERS = 30  # that can be linked


@dataclass(frozen=True, slots=True)
class Stock:
    """Who asks, and what is asked for by id."""

    user: User
    client: Client
    webhook: str
    team: int
    calico: dict[str, str]
    loop: dict[str, str]
    operator: dict[str, str]
    owner: dict[str, str]
    secret: dict[str, str]


async def stocked(site: Front, rows: int, progress: Progress) -> Stock:
    """Fill the store, and make the credentials of those who ask."""
    user = await site.user()
    stock = await _askers(site, user)
    await _put(site, list(_blocks(stock.client, rows)))
    task = progress.add_task("people", total=rows)
    apps = [await site.client(client_name=f"App {n}") for n in range(SOME)]
    for batch in _batches(range(rows), 200):
        await _put(site, [row for n in batch for row in _person(stock, apps[n % SOME], n)])
        progress.advance(task, len(batch))
    task = progress.add_task("transactions", total=rows)
    owners = [row for n in range(BUSY) for row in _accounts(user.id if n == 0 else f"usr_busy{n}")]
    await _put(site, [*owners, *(_read(row) for row in owners)])
    for batch in _batches(range(rows), 1_000):
        await _put(site, [row for n in batch for row in _moved(owners[n % len(owners)], n)])
        progress.advance(task, len(batch))
    await _put(site, list(_own(user, apps)))
    return stock


async def _askers(site: Front, user: User) -> Stock:
    p = site.platform

    async def key(scope: Iterable[str], **more: Any) -> dict[str, str]:
        _, text = await p.api_keys.create(
            TENANT, name="k", scope=frozenset(scope), actor="operator", **more
        )
        return _bearer(text.reveal())

    async def token(profile: str) -> dict[str, str]:
        app = await site.client(profile=profile, scope=DATA)
        scope = frozenset(DATA.split())
        issued = await p.issuing.issue(TENANT, app.id, user.id, scope, actor="operator")
        return _bearer(issued["access_token"])

    data = {"client_name": "C", "redirect_uris": ["https://app.example/cb"]}
    client, secret = await p.platform_clients.create(TENANT, data, 4, {}, actor="operator")
    team = await p.organizations.create_team(TENANT, "Harbour", actor="operator")
    await p.organizations.set_member(TENANT, user.id, "OWNER", actor="operator")
    ready = [entry for entry in p.catalog.all() if not withheld(entry)]
    for entry in ready[:PROVIDERS]:
        await p.providers.configure(
            TENANT, entry.id, actor="operator", client_id="c", client_secret=Secret("s")
        )
    await _put(site, list(_clients_beside(client)))
    hook = _endpoint(client.id, 10_000_000)
    await _put(site, [hook, *(_endpoint(client.id, hook.number + n) for n in range(1, SOME))])
    return Stock(
        user=user,
        client=client,
        webhook=hook.id,
        team=team.number,
        calico=await token("calico"),
        loop=await token("loop"),
        operator=await key(KEY_SCOPES),
        owner=await key({"connections:read"}, user_id=user.id, prefix="cal_"),
        secret={"x-cal-secret-key": secret.reveal()},
    )


def _clients_beside(client: Client) -> Iterator[Any]:
    """Other clients that manage users; their list has no pages."""
    for n in range(SOME // 2):
        twin = replace(client, id=MINT.id("cli"), client_name=f"Platform {n}")
        yield twin
        yield PlatformClient(
            tenant_id=TENANT, client_id=twin.id, permissions=4, settings={}, created_at=START
        )


def _bearer(text: str) -> dict[str, str]:
    return {"authorization": f"Bearer {text}"}


def _batches(numbers: range, size: int) -> Iterator[range]:
    for start in range(numbers.start, numbers.stop, size):
        yield range(start, min(start + size, numbers.stop))


async def _put(site: Front, rows: list[Any]) -> None:
    for start in range(0, len(rows), TOGETHER):
        some = [Insert(row) for row in rows[start : start + TOGETHER]]
        await site.store.run((), lambda facts, some=some: Done(None, some))  # type: ignore[misc]


def _blocks(client: Client, rows: int) -> Iterator[ManagedBlock]:
    counts = Counter((n + FIRST) // BLOCK for n in range(rows))
    for block, count in counts.items():
        yield ManagedBlock(tenant_id=TENANT, client_id=client.id, block=block, count=count)


# Everybody


def _person(stock: Stock, app: Client, n: int) -> Iterator[Any]:
    """One row of every kind, some a little different from the last."""
    id, at, number = MINT.id("usr"), START + n * 1_000, n + FIRST
    address = stored_address(f"u{n}@example.org", stock.client.id).value
    yield User(
        tenant_id=TENANT,
        id=id,
        number=number,
        role="user",
        status="active",
        name=f"User {n}",
        profile={},
        password_hash=None,
        not_before=0,
        created_at=at,
        updated_at=at,
    )
    yield Identifier(
        tenant_id=TENANT,
        kind="email",
        value=address,
        user_id=id,
        verified_at=at,
        created_at=at,
    )
    yield ManagedUser(
        tenant_id=TENANT,
        user_id=id,
        client_id=stock.client.id,
        number=number,
        email=address,
        asked_email=f"u{n}@example.org",
        username=f"u{n}",
        profile={},
        created_at=at,
        updated_at=at,
    )
    yield Membership(
        tenant_id=TENANT,
        team_id=ORGANIZATION,
        user_id=id,
        role="MEMBER",
        accepted_at=at,
        created_at=at,
    )
    yield replace(app, id=MINT.id("cli"), client_name=f"Of {n}", created_at=at)
    yield Team(
        tenant_id=TENANT,
        id=MINT.id("team"),
        number=number,
        name=f"Team {n}",
        slug=f"team-{n}",
        created_at=at,
        updated_at=at,
    )
    yield _endpoint(f"cli_{n}", number)
    yield _key(id, "cal_", at)
    linked = replace(new_connection(at), id=MINT.id("con"), user_id=id)
    yield linked
    yield _read(linked)
    yield new_position(linked, "a", ASSETS[n % 5], at)
    yield from _habits(stock, id, app.id, linked, at)


def _habits(stock: Stock, id: str, app_id: str, linked: Connection, at: int) -> Iterator[Any]:
    """What a person who uses an app leaves behind."""
    happened = _event(id, at)
    yield _grant(id, app_id, at)
    yield _session(id, at)
    yield _account(id, at)
    yield _slept(linked, at)
    yield happened
    yield Delivery(
        tenant_id=TENANT,
        id=MINT.id("dlv"),
        endpoint_id=stock.webhook,
        event_id=happened.id,
        type=happened.type,
        subject=None,
        version=None,
        status="delivered",
        attempts=1,
        response_status=200,
        error=None,
        next_at=None,
        created_at=at,
        settled_at=at,
        expires_at=at + YEAR,
    )


# One busy person, and others like them


def _accounts(user_id: str) -> Iterator[Connection]:
    for part in range(2):
        at = START + part
        row = new_connection(at)
        yield replace(row, id=MINT.id("con"), user_id=user_id, account_key=f"{user_id}/{part}")


def _moved(owner: Connection, n: int) -> Iterator[Any]:
    """A transaction of two legs, later than all before."""
    id, at, ref, kind = MINT.id("txn"), START + n * 1_000, f"r{n}", KINDS[n % 3]
    yield new_transaction(owner, ref, id, at, kind)
    for side in (0, 1):
        yield new_leg(owner, ref, side, id, at, kind, ASSETS[(n + side) % 5])


def _own(user: User, apps: list[Client]) -> Iterator[Any]:
    """Of the one who asks: grants, sessions, accounts, nights, positions, keys of brokers."""
    for n, app in enumerate(apps):
        at = START + n
        yield _grant(user.id, app.id, at)
        yield _session(user.id, at)
        yield _account(user.id, at)
        yield _event(user.id, at)
        yield _key(None, BROKER, at)
    linked = replace(
        new_connection(START), id=MINT.id("con"), user_id=user.id, account_key="positions"
    )
    yield linked
    yield _read(linked)
    for n in range(SOME):
        yield new_position(linked, f"a{n:03}", ASSETS[n % 5], START + n)
    for n in range(10 * SOME):
        yield _slept(linked, START + n)


# One of a kind


def _read(connection: Connection) -> Sync:
    at = connection.created_at
    return Sync(
        tenant_id=TENANT,
        connection_id=connection.id,
        capability="transactions",
        status="idle",
        cursor=None,
        mark=None,
        run=1,
        pages=1,
        rule_version=1,
        failures=0,
        error=None,
        requested_at=at,
        started_at=at,
        succeeded_at=at,
        updated_at=at,
    )


def _grant(user_id: str, client_id: str, at: int) -> Grant:
    return Grant(
        tenant_id=TENANT,
        id=MINT.id("gra"),
        user_id=user_id,
        client_id=client_id,
        scope=frozenset(DATA.split()),
        resources=(),
        created_at=at,
        updated_at=at,
        revoked_at=None,
    )


def _session(user_id: str, at: int) -> Session:
    return Session(
        tenant_id=TENANT,
        id=MINT.id("ses"),
        digest=b"",
        user_id=user_id,
        auth_time=at // 1000,
        amr=("pwd",),
        acr=None,
        created_at=at,
        expires_at=at + 10 * YEAR,
        revoked_at=None,
    )


def _account(user_id: str, at: int) -> Account:
    id = MINT.id("acc")
    return Account(
        tenant_id=TENANT, id=id, user_id=user_id, env="paper", status="active", created_at=at
    )


def _event(user_id: str, at: int) -> Event:
    return Event(
        tenant_id=TENANT,
        id=MINT.id("evt"),
        type="token.refreshed",
        outcome="done",
        actor=f"user:{user_id}",
        client_id=None,
        user_id=user_id,
        subject=None,
        version=None,
        rule=None,
        rfc=None,
        detail={},
        at=at,
    )


def _slept(connection: Connection, at: int) -> HealthRecord:
    id = MINT.id("hea")
    return HealthRecord(
        tenant_id=TENANT,
        connection_id=connection.id,
        kind="sleep",
        ref=id,
        id=id,
        user_id=connection.user_id,
        provider_id=connection.provider_id,
        started_at=at,
        ended_at=at + 1,
        metrics={"duration_s": "27000"},
        updated_at=at,
    )


_SUFFIXES = itertools.count()


def _key(user_id: str | None, prefix: str, at: int) -> ApiKey:
    return ApiKey(
        tenant_id=TENANT,
        id=MINT.id("key"),
        prefix=prefix,
        digest=str(next(_SUFFIXES)).encode(),
        suffix="abcd",
        name="k",
        user_id=user_id,
        scope=frozenset({"connections:read"}),
        created_at=at,
        expires_at=None,
        revoked_at=None,
    )


def _endpoint(client_id: str, number: int) -> WebhookEndpoint:
    return WebhookEndpoint(
        tenant_id=TENANT,
        id=MINT.id("whk"),
        number=number,
        client_id=client_id,
        dialect="calcom",
        url=f"https://hooks.example/{number}",
        description=None,
        event_types=("webhook.ping",),
        options={"triggers": [], "payloadTemplate": None, "signed": False},
        status="active",
        reason=None,
        failures=0,
        failing_since=None,
        succeeded_at=None,
        failed_at=None,
        created_at=START,
        updated_at=START,
    )
