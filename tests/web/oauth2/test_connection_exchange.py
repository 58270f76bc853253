"""A grant's token for the use of one of the user's connections: by our API, or at the provider."""

from typing import Any

import httpx
import pytest
from tests.web.harness import TENANT, Front, link

from safeconduct.core.evidence import ACCESS_TOKEN, CONNECTION
from safeconduct.core.grants.token_exchange import NAME
from safeconduct.core.model import Client, Connection, Credential, Event, User
from safeconduct.core.secret import Secret
from safeconduct.core.unit import Done, Find, Insert
from safeconduct.services.vault import TokenPair

SCOPE = "openid connections:read connections:token assets:read transactions:read"
EXAMPLE = "exchangeExample"


async def app(site: Front, **policy: Any) -> Client:
    return await site.client(
        grant_types=["authorization_code", "refresh_token", NAME],
        scope=SCOPE,
        token_exchange=policy,
    )


async def token_of(site: Front, client: Client, user: User, scope: str = SCOPE) -> str:
    made = await site.platform.issuing.issue(
        TENANT, client.id, user.id, frozenset(scope.split()), actor="operator"
    )
    return str(made["access_token"])


async def exchange(site: Front, client: Client, token: str, **more: str) -> httpx.Response:
    form = {"grant_type": NAME, "subject_token": token, "subject_token_type": ACCESS_TOKEN, **more}
    auth = httpx.BasicAuth(client.id, site.secrets[client.id])
    return await site.person().http.post("/oauth2/token", data=form, auth=auth)


async def ask(site: Front, path: str, token: str) -> int:
    headers = {"authorization": f"Bearer {token}"}
    return (await site.person().http.get(path, headers=headers)).status_code


async def with_credential(site: Front, row: Connection) -> None:
    """A credential as linking leaves it, with an hour to live."""
    vault, now = site.platform.vault, site.clock.now()
    await site.platform.providers.configure(
        TENANT, EXAMPLE, client_id="ours", client_secret=Secret("s" * 20), actor="operator"
    )
    sealed = vault.seal_tokens(TENANT, row.id, TokenPair(Secret("provider-token-1"), None))
    credential = Credential(
        tenant_id=TENANT,
        connection_id=row.id,
        version=1,
        sealed=sealed,
        refreshable=False,
        expires_at=now + 3_600_000,
        refresh_at=None,
        obtained_at=now,
        fence=0,
        leased_until=None,
        intent_at=None,
        intent_version=None,
        doubts=0,
        failures=0,
        updated_at=now,
    )
    await site.store.run((), lambda _: Done(None, (Insert(credential),)))


@pytest.mark.rfc("8693#2.1")
@pytest.mark.parametrize("token_format", ["jwt", "opaque"])
async def test_a_token_for_one_connection_opens_that_one(site: Front, token_format: str) -> None:
    client, user = await app(site), await site.user()
    await site.clients.update(
        TENANT, client.id, {"access_token_format": token_format}, actor="operator"
    )
    row, other = await link(site, user), await link(site, user, account_key="2")
    token = await token_of(site, client, user)
    assert await ask(site, f"/api/v1/connections/{other.id}", token) == 200
    reply = await exchange(site, client, token, audience=row.id)
    assert reply.status_code == 200, reply.text
    assert reply.json()["scope"] == "connections:read assets:read transactions:read"
    narrow = reply.json()["access_token"]
    assert await ask(site, f"/api/v1/connections/{row.id}", narrow) == 200
    assert await ask(site, f"/api/v1/connections/{other.id}", narrow) == 403
    assert await ask(site, "/api/v1/connections", narrow) == 403
    assert await ask(site, f"/api/v1/assets?connection_id={row.id}", narrow) == 200
    assert await ask(site, f"/api/v1/assets?connection_id={other.id}", narrow) == 403
    assert await ask(site, "/api/v1/assets", narrow) == 403
    assert await ask(site, "/oauth2/userinfo", narrow) == 403
    assert await ask(site, "/accounts/v2/asset", narrow) in (401, 403, 404)
    again = await exchange(site, client, narrow, audience=other.id)
    assert again.json()["error"] == "invalid_request"
    by_url = await exchange(
        site, client, token, resource=f"{site.issuer}/connections/{row.id}", scope="assets:read"
    )
    assert by_url.json()["scope"] == "assets:read"


@pytest.mark.attack("N10")
@pytest.mark.attack("H9")
async def test_only_the_users_own_connections_and_one_at_a_time(site: Front) -> None:
    client, user = await app(site), await site.user()
    stranger = await site.user("eve@example.org")
    row, theirs = await link(site, user), await link(site, stranger, account_key="9")
    token = await token_of(site, client, user)
    for audience in (theirs.id, "con_unknown", "noSuchProvider"):
        reply = await exchange(site, client, token, audience=audience)
        assert reply.json()["error"] == "invalid_target"
    assert (await exchange(site, client, token, audience=EXAMPLE)).status_code == 200
    await link(site, user, account_key="2")
    assert (await exchange(site, client, token, audience=EXAMPLE)).status_code == 400
    two = await exchange(site, client, token, audience=row.id, resource=site.issuer)
    assert two.json()["error"] == "invalid_target"
    poor = await token_of(site, client, user, "openid")
    reply = await exchange(site, client, poor, audience=row.id)
    assert reply.json()["error"] == "invalid_scope"


@pytest.mark.rfc("8693#2.2.1")
async def test_the_providers_token_is_given_by_leave_of_operator_and_user(site: Front) -> None:
    client = await app(site, connection_tokens=[EXAMPLE])
    user = await site.user()
    row = await link(site, user, scope=frozenset({"wallet:accounts:read"}))
    await with_credential(site, row)
    token = await token_of(site, client, user)
    wanted = {"audience": row.id, "requested_token_type": CONNECTION}
    reply = await exchange(site, client, token, **wanted)
    assert reply.status_code == 200, reply.text
    answer = reply.json()
    assert answer["access_token"] == "provider-token-1"
    assert answer["issued_token_type"] == CONNECTION
    assert (answer["scope"], answer["expires_in"]) == ("wallet:accounts:read", 3_600)
    assert reply.headers["cache-control"] == "no-store"
    rows = await site.store.find(Find(Event, {"tenant_id": TENANT, "subject": row.id}))
    (read,) = [event for event in rows if event.type == "credential.read"]
    assert (read.client_id, read.user_id) == (client.id, user.id)
    assert "provider-token-1" not in repr(rows)
    # without the scope, without the permission, for another provider, without naming one
    plain = await token_of(site, client, user, "openid connections:read assets:read")
    assert (await exchange(site, client, plain, **wanted)).json()["error"] == "invalid_scope"
    forbidden = await app(site, connection_tokens=["another"])
    theirs = await token_of(site, forbidden, user)
    refused = await exchange(site, forbidden, theirs, **wanted)
    assert refused.json()["error"] == "invalid_target"
    unnamed = await exchange(site, client, token, requested_token_type=CONNECTION)
    assert unnamed.json()["error"] == "invalid_target"


async def test_the_scope_is_off_unless_it_is_asked_for(site: Front) -> None:
    made = await site.clients.create(
        TENANT,
        {"client_name": "App", "redirect_uris": ["https://app.example/cb"]},
        actor="operator",
    )
    assert "connections:token" not in made.client.scope  # type: ignore[union-attr]


async def test_a_connection_without_a_credential_says_so(site: Front) -> None:
    client, user = await app(site, connection_tokens=["*"]), await site.user()
    row = await link(site, user)
    token = await token_of(site, client, user)
    wanted = {"audience": row.id, "requested_token_type": CONNECTION}
    reply = await exchange(site, client, token, **wanted)
    assert (reply.status_code, reply.json()["error"]) == (400, "invalid_target")
