"""What ends with what, from outside: every kind of ending against every kind of thing that lives.

`core.revocation` has the table; here each cell of it is asked of the served platform.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from tests.conftest import SettableClock
from tests.web.harness import TENANT, VERIFIER, Front, answer_of, front, link

from safeconduct.adapters.store import SqliteStore
from safeconduct.core.deferred import INTERVAL
from safeconduct.core.evidence import ACCESS_TOKEN
from safeconduct.core.form import Form, read_form
from safeconduct.core.grants.ciba import NAME as CIBA
from safeconduct.core.grants.device_code import NAME as DEVICE
from safeconduct.core.grants.token_exchange import NAME as EXCHANGE
from safeconduct.core.model import Client
from safeconduct.core.sessions import SignedIn

SCOPE = "openid offline_access connections:read assets:read"
GRANTS = ["authorization_code", "refresh_token", EXCHANGE, DEVICE, CIBA]
THINGS = (
    "jwt", "opaque", "refresh", "code", "exchanged", "restricted", "device", "ciba", "session",
)  # fmt: skip
"""jwt, opaque: access tokens of two apps. exchanged: another app's, for the first. restricted: the
first app's, for one connection. code, device, ciba: given, not yet redeemed."""


@pytest.fixture
async def site(sqlite_store: SqliteStore, clock: SettableClock) -> Front:
    """On one store: what the other does with these writes, its own tests say."""
    return await front(sqlite_store, clock)


class World:
    """One user with everything there is, and a bystander with the same."""

    def __init__(self, site: Front) -> None:
        self.site = site

    async def make(self) -> None:
        site = self.site
        self.user = await site.user()
        self.row = await link(site, self.user)
        self.app = await site.client(scope=SCOPE, grant_types=GRANTS)
        self.other = await site.client(
            scope=SCOPE, grant_types=GRANTS, access_token_format="opaque"
        )
        policy = {"subject_clients": [self.app.id], "impersonation": True}
        self.helper = await site.client(scope=SCOPE, grant_types=GRANTS, token_exchange=policy)
        self.person = site.person()
        await self.person.sign_in()
        self.tokens = (await self.redeem(self.app, await self.code(self.app))).json()
        self.opaque = (await self.redeem(self.other, await self.code(self.other))).json()
        self.pending = await self.code(self.app)
        token = self.tokens["access_token"]
        self.exchanged = await self.exchange(self.helper, token)
        self.restricted = await self.exchange(self.app, token, audience=self.row.id)
        self.device = await site.platform.devices.start(self.app, Form())
        self.ciba = await site.platform.ciba.start(
            self.app, read_form(b"scope=openid&login_hint=ann%40example.org")
        )
        who = SignedIn(
            tenant_id=TENANT, user_id=self.user.id, session_id="", auth_time=site.clock.now(),
            amr=(), acr=None,
        )  # fmt: skip
        deferrals = site.platform.deferrals
        found = await deferrals.by_code(who, self.device["user_code"])
        assert found is not None
        await deferrals.decide(who, found.row.id, allow=True)
        (asked,) = await deferrals.waiting(TENANT, self.user.id)
        await deferrals.decide(who, asked.row.id, allow=True)

    async def code(self, app: Client) -> str:
        await self.person.authorize(app, scope=SCOPE)
        await self.person.follow()
        assert self.person.page is not None
        if "location" not in self.person.page.headers:
            await self.person.press("consent-allow")
            assert self.person.page is not None
        return answer_of(self.person.page)["code"]

    async def post(self, app: Client, path: str = "/oauth2/token", **form: str) -> httpx.Response:
        auth = httpx.BasicAuth(app.id, self.site.secrets[app.id])
        return await self.site.person().http.post(path, data=form, auth=auth)

    async def redeem(self, app: Client, code: str) -> httpx.Response:
        return await self.post(
            app,
            grant_type="authorization_code",
            code=code,
            redirect_uri=app.redirect_uris[0],
            code_verifier=VERIFIER,
        )

    async def exchange(self, app: Client, token: str, **more: str) -> str:
        shown = {"subject_token": token, "subject_token_type": ACCESS_TOKEN}
        response = await self.post(app, grant_type=EXCHANGE, **shown, **more)
        assert response.status_code == 200, response.text
        return str(response.json()["access_token"])

    async def lives(self, thing: str) -> bool:
        match thing:
            case "jwt":
                return await self._opens(self.tokens["access_token"])
            case "opaque":
                return await self._opens(self.opaque["access_token"])
            case "exchanged":
                return await self._opens(self.exchanged)
            case "restricted":
                return await self._opens(self.restricted)
            case "refresh":
                token = self.tokens["refresh_token"]
                done = await self.post(self.app, grant_type="refresh_token", refresh_token=token)
                return done.status_code == 200
            case "code":
                return (await self.redeem(self.app, self.pending)).status_code == 200
            case "device":
                return await self._polls(DEVICE, device_code=self.device["device_code"])
            case "ciba":
                return await self._polls(CIBA, auth_req_id=self.ciba["auth_req_id"])
            case _:
                page = await self.person.get("/account")
                return page.status_code == 200

    async def _opens(self, token: str) -> bool:
        path = f"/api/v1/connections/{self.row.id}/syncs"
        headers = {"authorization": f"Bearer {token}"}
        status = (await self.site.person().http.get(path, headers=headers)).status_code
        assert status in (200, 401, 404), status
        return status != 401

    async def _polls(self, grant: str, **form: str) -> bool:
        assert isinstance(self.site.clock, SettableClock)
        self.site.clock.advance(INTERVAL)
        return (await self.post(self.app, grant_type=grant, **form)).status_code == 200

    # Endings

    async def revoke_token(self) -> None:
        token = self.tokens["access_token"]
        assert (await self.post(self.app, "/oauth2/revoke", token=token)).status_code == 200

    async def revoke_family(self) -> None:
        token = self.tokens["refresh_token"]
        assert (await self.post(self.app, "/oauth2/revoke", token=token)).status_code == 200

    async def revoke_grant(self) -> None:
        for grant in await self.site.platform.grants.of_user(TENANT, self.user.id):
            if grant.client_id == self.app.id:
                await self.site.platform.grants.revoke(TENANT, grant.id, actor="operator")

    async def disable_user(self) -> None:
        await self.site.users.disable(TENANT, self.user.id, actor="operator")

    async def disable_client(self) -> None:
        await self.site.clients.disable(TENANT, self.app.id, actor="operator")

    async def disable_and_enable_client(self) -> None:
        await self.disable_client()
        await self.site.clients.enable(TENANT, self.app.id, actor="operator")

    async def delete_client(self) -> None:
        await self.site.clients.delete(TENANT, self.app.id, actor="operator")

    async def disable_helper(self) -> None:
        await self.site.clients.disable(TENANT, self.helper.id, actor="operator")

    async def end_connection(self) -> None:
        connections = self.site.platform.connections
        await connections.disconnect(TENANT, self.row.id, f"user:{self.user.id}")

    async def end_session(self) -> None:
        (session,) = await self.site.sessions.of_user(TENANT, self.user.id)
        assert await self.site.sessions.end(TENANT, self.user.id, session.id)


ALL = frozenset(THINGS)
OF_APP = ALL - {"opaque", "session"}
ENDED: dict[str, frozenset[str]] = {
    "nothing": frozenset(),
    "revoke_token": frozenset({"jwt", "exchanged", "restricted"}),
    "revoke_family": frozenset({"jwt", "refresh", "exchanged", "restricted"}),
    "revoke_grant": OF_APP,
    "disable_user": ALL,
    "disable_client": OF_APP,
    "disable_and_enable_client": OF_APP,
    "delete_client": OF_APP,
    "disable_helper": frozenset({"exchanged"}),
    "end_connection": frozenset({"restricted"}),
    "end_session": frozenset({"session"}),
}
"""What ends with what; everything else lives on."""


@pytest.mark.attack("C7")
@pytest.mark.attack("C9")
@pytest.mark.invariant("V3")
@pytest.mark.parametrize("ending", ENDED)
async def test_exactly_what_the_table_says_ends(site: Front, ending: str) -> None:
    world = World(site)
    await world.make()
    if ending != "nothing":
        assert isinstance(site.clock, SettableClock)
        site.clock.advance(1_000)
        end: Callable[[], Awaitable[None]] = getattr(world, ending)
        await end()
    dead = {thing for thing in THINGS if not await world.lives(thing)}
    assert dead == ENDED[ending]


@pytest.mark.attack("C7")
@pytest.mark.invariant("V3")
async def test_a_suspended_tenant_holds_nothing_that_lives(site: Front) -> None:
    made = await site.platform.tenants.create({"name": "Acme", "slug": "acme"}, actor="operator")
    tenant_id = made.tenant_id
    await site.platform.keys.load()
    user = await site.users.create(tenant_id, "bob@example.org", actor="operator")
    client = await site.clients.create(
        tenant_id,
        {"client_name": "App", "redirect_uris": ["https://app.example/cb"], "scope": SCOPE},
        actor="operator",
    )
    issued: dict[str, Any] = await site.platform.issuing.issue(
        tenant_id,
        client.client.id,
        user.id,
        actor="operator",  # type: ignore[union-attr]
    )
    token = issued["access_token"]
    assert not hasattr(await site.platform.access.judge(token), "rule")
    await site.platform.tenants.suspend(tenant_id, actor="operator")
    assert hasattr(await site.platform.access.judge(token), "rule")


def test_every_thing_is_somewhere_in_the_table() -> None:
    assert frozenset().union(*ENDED.values()) == ALL
