"""Safeconduct as the benchmark finds it: a deployment with users, and the server by its command.

The client is registered and the keys are made by the services. The users' consents are put into
the store as the authorization endpoint would have left them: going through pages for a thousand
users would take longer than the measurement.
"""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Any

import asyncpg

from bench.measure import Subject
from bench.processes import Process, spawn, until_ready
from bench.sources import Target
from bench.verify import Signatures
from safeconduct.app import Platform, opened
from safeconduct.cli.staging import free_row
from safeconduct.core.model import Grant, TokenFamily, User
from safeconduct.core.refresh_token import first_token
from safeconduct.core.secret import digest
from safeconduct.core.unit import Done, Insert
from safeconduct.services.clients import Created
from safeconduct.settings import load
from safeconduct.web.kit.cookies import SESSION

SCOPE = frozenset({"offline_access", "assets:read"})
DAY = 86_400_000
CLIENT: dict[str, Any] = {
    "client_name": "Bench",
    "redirect_uris": ["https://app.example.com/callback"],
    "grant_types": ["authorization_code", "refresh_token", "client_credentials"],
    "scope": "offline_access assets:read",
    "token_endpoint_auth_method": "client_secret_basic",
}


@contextmanager
def start_safeconduct(name: str, url: str, folder: Path, families: int) -> Iterator[Subject]:
    """Fill a database, serve it with one worker on the server's core, and stop."""
    (port,) = free_row(1)
    issuer = f"http://127.0.0.1:{port}"
    flags = {"database": url, "data_dir": str(folder / "data"), "port": port, "issuer": issuer}
    client_id, secret, tokens, browsers = asyncio.run(fill(flags, families))
    if url.startswith("postgresql"):
        asyncio.run(analyze(url))
    command = [sys.executable, "-m", "safeconduct", "serve"]
    for flag, value in flags.items():
        command += [f"--{flag.replace('_', '-')}", str(value)]
    began = monotonic()
    log = folder / "serve.log"
    popen = spawn(command, env={}, log=log)
    server = Process(popen.pid, popen)
    try:
        server.ready_seconds = until_ready(popen, port, "/readyz", began, log)
        target = Target(
            name,
            "127.0.0.1",
            port,
            "/oauth2/token",
            "/oauth2/introspect",
            client_id,
            secret,
            par_path="/oauth2/par",
            authorize_path="/oauth2/authorize",
        )
        signatures = Signatures(target, issuer)
        yield Subject(target, server, tokens, signatures, browsers=browsers)
    finally:
        server.stop()


async def fill(flags: dict[str, Any], families: int) -> tuple[str, str, list[str], list[str]]:
    """Id and secret of the client, and of each user a refresh token and a browser's Cookie."""
    async with opened(load({}, flags).settings) as platform:
        made = await platform.clients.create(platform.tenant_id, CLIENT, actor="operator")
        assert isinstance(made, Created)
        client = made.document()
        numbers = range(families)
        work = [_consent(platform, client["client_id"], n) for n in numbers]
        pairs = await asyncio.gather(*work)
        tokens, browsers = (list(column) for column in zip(*pairs, strict=True))
        return client["client_id"], client["client_secret"], tokens, browsers


async def analyze(url: str) -> None:
    """What PostgreSQL does by itself within a minute of a table's filling."""
    connection = await asyncpg.connect(url)
    await connection.execute("ANALYZE")
    await connection.close()


async def _consent(platform: Platform, client_id: str, number: int) -> tuple[str, str]:
    """A user who has allowed the client everything, and has just signed in: the first refresh
    token of the family, and the session's cookie.
    """
    tenant_id, now, mint = platform.tenant_id, platform.clock.now(), platform.mint
    keys = platform.keys.of(tenant_id)
    user_id, grant_id, family_id = mint.id("usr"), mint.id("gra"), mint.id("fam")
    token = first_token(keys.key("refresh"), tenant_id, family_id, mint.secret())
    user = User(
        tenant_id=tenant_id,
        id=user_id,
        number=1_000_000 + number,
        role="user",
        status="active",
        name=None,
        profile={},
        password_hash=None,
        not_before=0,
        created_at=now,
        updated_at=now,
    )
    grant = Grant(
        tenant_id=tenant_id,
        id=grant_id,
        user_id=user_id,
        client_id=client_id,
        scope=SCOPE,
        resources=(platform.issuer,),
        created_at=now,
        updated_at=now,
        revoked_at=None,
    )
    family = TokenFamily(
        tenant_id=tenant_id,
        id=family_id,
        client_id=client_id,
        user_id=user_id,
        grant_id=grant_id,
        session_id=None,
        scope=SCOPE,
        resources=(platform.issuer,),
        generation=0,
        digest=digest(keys.digest_key, token),
        previous_digest=None,
        previous_request=None,
        rotated_at=None,
        leaf_presented=False,
        kid=keys.current["refresh"],
        auth_time=now,
        acr=None,
        amr=("pwd",),
        claims={},
        created_at=now,
        idle_expires_at=now + 30 * DAY,
        expires_at=now + 365 * DAY,
        revoked_at=None,
        revoked_reason=None,
    )
    rows = tuple(Insert(row) for row in (user, grant, family))
    await platform.store.run((), lambda facts: Done(None, rows))
    started = await platform.sessions.start(tenant_id, user_id, amr=("pwd",))
    assert started is not None
    return token, f"{SESSION}={started.cookie}"
