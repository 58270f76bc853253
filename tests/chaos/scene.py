"""The providers, and connections to them as linking would have left them.

The grants are made in the simulator's books and the rows put into the store: going through pages
twelve thousand times would take longer than everything that follows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from tests.chaos.board import Board
from tests.chaos.plan import Plan
from tests.connected import ISSUER, ROOT, T1, USER, example, seed, with_refresh

from safeconduct.adapters.catalog import Catalog
from safeconduct.adapters.clock import SystemMint
from safeconduct.adapters.keyring import RootKeyring
from safeconduct.adapters.store import open_store
from safeconduct.cli.staging import free_row
from safeconduct.core.credentials import fresh_columns
from safeconduct.core.jobs import job
from safeconduct.core.model import Connection, Credential, TenantId, Words
from safeconduct.core.secret import Secret
from safeconduct.core.unit import Done, Insert, Write
from safeconduct.core.upstream.answers import Tokens
from safeconduct.core.upstream.provider import Provider
from safeconduct.ports.clock import Mint
from safeconduct.services.connections import Providers
from safeconduct.services.connections.outcomes import REFRESH_JOB, answer_of
from safeconduct.services.keys import Keys
from safeconduct.services.vault import TokenPair, Vault
from safeconduct.simulator import CLIENT_ID, CLIENT_SECRET, Simulator
from safeconduct.simulator.grants import Given

HOUR_S = 3_600
GRACES = {"strict": 0, "strictJson": 0, "twoMinutes": 120, "halfHour": 1_800}
BATCH = 250
HOLLOW = TokenPair(Secret("access"), Secret("refresh"))


def dialects() -> Sequence[Provider]:
    """All of them rotate: two take a token once, two take it again for a while."""
    return [_dialect(id, grace_s) for id, grace_s in GRACES.items()]


def _dialect(id: str, grace_s: int) -> Provider:
    entry = replace(with_refresh(example(), grace_s=grace_s, rotates=True), id=id, name=id)
    if id == "strictJson":
        code = replace(entry.oauth2, body="json")
        entry = replace(entry, auth=replace(entry.auth, oauth2_code=code))
    assert entry.api is not None
    # No limit to keep to: all that can come at once shall come.
    return replace(entry, api=replace(entry.api, rate_limit=None))


@dataclass(frozen=True, slots=True)
class Scene:
    plan: Plan
    board: Board
    simulator: Simulator
    port: int
    catalog: Catalog
    given: Sequence[Given]
    database: str
    numbers: Mapping[str, int]  # by connection id
    ids: Sequence[str]  # of the providers

    def provider(self, number: int) -> Provider:
        found = self.catalog.get(self.ids[number % len(self.ids)])
        assert found is not None
        return found


def scene_of(
    plan: Plan, board: Board, database: str, entries: Sequence[Provider] | None = None
) -> Scene:
    entries = entries or dialects()
    simulator = Simulator(entries, clock=lambda: board.now() / 1000)
    (port,) = free_row(1)
    catalog = Catalog.of(entries).with_simulators(f"http://127.0.0.1:{port}")
    numbers = {connection_id(n): n for n in range(plan.connections)}
    given = [_granted(simulator, entries[n % len(entries)], n) for n in range(plan.connections)]
    ids = [entry.id for entry in entries]
    return Scene(plan, board, simulator, port, catalog, given, database, numbers, ids)


def connection_id(number: int) -> str:
    return f"con_{number:026d}"


def _granted(simulator: Simulator, provider: Provider, number: int) -> Given:
    books = simulator.street.houses[provider.id].grants
    uri, scope = f"{ISSUER}/callback", tuple(provider.oauth2.scopes)
    code = books.issue_code(redirect_uri=uri, scope=scope, user=f"user{number}", challenge=None)
    return books.redeem(code, uri, None, refreshable=True)


async def furnish(scene: Scene) -> None:
    """Schema, tenant, keys, providers, and the connections."""
    board, mint = scene.board, SystemMint()
    store = await open_store(scene.database, clock=board, serving=False, migrate=True)
    await seed(store, board, T1)  # type: ignore[arg-type]
    keys = Keys(store=store, clock=board, mint=mint, keyring=RootKeyring([ROOT]))
    await keys.load()
    vault = Vault(keys)
    providers = Providers(store=store, clock=board, mint=mint, vault=vault, catalog=scene.catalog)
    for id in scene.ids:
        secret = Secret(CLIENT_SECRET)
        await providers.configure(
            T1, id, client_id=CLIENT_ID, client_secret=secret, actor="operator"
        )
    rows = [
        row
        for number, given in enumerate(scene.given)
        for row in linked(
            scene.provider(number),
            vault,
            mint,
            number,
            board.now(),
            _pair(given),
            scope=frozenset(given.scope),
        )
    ]
    for at in range(0, len(rows), BATCH):
        part = rows[at : at + BATCH]
        await store.run((), lambda facts, part=part: Done(None, part))  # type: ignore[misc]
    await store.close()


def _pair(given: Given) -> TokenPair:
    assert given.refresh is not None
    return TokenPair(Secret(given.access.value), Secret(given.refresh.value))


def linked(
    provider: Provider,
    vault: Vault,
    mint: Mint,
    number: int,
    now: int,
    pair: TokenPair = HOLLOW,
    *,
    tenant_id: TenantId = T1,
    user_id: str = USER,
    scope: Words = frozenset(),
) -> list[Write]:
    """A connection whose access token has an hour to live, and the job that will renew it."""
    id = connection_id(number)
    tokens = Tokens(
        access_token=pair.access_token,
        refresh_token=pair.refresh_token,
        obtained_at=now,
        expires_at=now + HOUR_S * 1000,
    )
    answer = answer_of(
        provider,
        tokens,
        vault.seal_tokens(tenant_id, id, pair),
        refresh_token=pair.refresh_token,
        ends_at=None,
        now=now,
        jitter=0.5,
    )
    connection = Connection(
        tenant_id=tenant_id,
        id=id,
        user_id=user_id,
        client_id=None,
        provider_id=provider.id,
        account_key=f"user{number}",
        account_name=None,
        display_label=None,
        auth_mode="oauth2_code",
        scope=scope,
        status="active",
        reason=None,
        version=1,
        created_at=now,
        updated_at=now,
        last_used_at=None,
        ended_at=None,
    )
    columns = fresh_columns(answer, 1)
    credential = Credential(
        tenant_id=tenant_id, connection_id=id, fence=0, updated_at=now, **columns
    )
    payload = {"provider_id": provider.id}
    due = job(mint.id("job"), tenant_id, REFRESH_JOB, id, now, payload, answer.refresh_at)
    return [Insert(connection), Insert(credential), Insert(due)]
