"""Client-id metadata documents: one address, and at each tenant a client of its own."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from json import dumps
from secrets import token_urlsafe
from typing import Any

import httpx
import pytest
from tests.conftest import SettableClock
from tests.key_server import key, key_server, public, signed
from tests.tenants.conftest import MACHINE, Firm, Town, town_of
from tests.web.harness import VERIFIER, Person, answer_of, front
from tests.web.oauth2.document_host import Host, app_server

from safeconduct.adapters.outbound import GuardedOutbound
from safeconduct.adapters.store import PostgresStore, SqliteStore
from safeconduct.app import Switches
from safeconduct.core.model import Client
from safeconduct.core.pkce import challenge_of
from safeconduct.core.unit import Find

Store = SqliteStore | PostgresStore
METHOD = "private_key_jwt"
JWT = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
URI = "http://127.0.0.1:5555/cb"
SECOND, MINUTE = 1_000, 60_000


@dataclass
class Stage:
    town: Town
    host: Host

    def request(self) -> dict[str, str]:
        return {
            "client_id": self.host.id,
            "redirect_uri": URI,
            "response_type": "code",
            "scope": "openid offline_access",
            "code_challenge": challenge_of(VERIFIER),
            "code_challenge_method": "S256",
        }

    async def arrive(self, firm: Firm, person: Person) -> httpx.Response:
        return await person.get(firm.issuer + "/oauth2/authorize", params=self.request())

    async def prove(
        self, firm: Firm, with_key: Any, path: str, issuer: str | None = None, **form: str
    ) -> httpx.Response:
        """Call an endpoint of this firm with an assertion made out to it, or to another issuer."""
        now = self.town.site.clock.now() // 1000
        claims = {"iss": self.host.id, "sub": self.host.id, "aud": issuer or firm.issuer}
        claims |= {"iat": now, "exp": now + 60, "jti": token_urlsafe()}
        proof = {"client_assertion_type": JWT, "client_assertion": signed(dumps(claims), with_key)}
        return await firm.post(path, {**form, **proof})

    async def code(self, firm: Firm) -> str:
        """Somebody of this firm lets the app in."""
        if not await firm.site.users.find(firm.tenant.tenant_id, "ann@example.org"):
            await firm.user()
        person = await firm.signed_in()
        await self.arrive(firm, person)
        page = await firm.follow(person)
        assert page.status_code == 200, page.text
        await firm.press(person, "consent-allow")
        answer = answer_of(await firm.follow(person))
        assert answer["iss"] == firm.issuer
        return answer["code"]

    async def redeem(self, firm: Firm, code: str) -> httpx.Response:
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": URI}
        return await self.token(firm, **form, code_verifier=VERIFIER)

    async def tokens(self, firm: Firm) -> dict[str, Any]:
        answer = await self.redeem(firm, await self.code(firm))
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def token(self, firm: Firm, **form: str) -> httpx.Response:
        return await firm.post("/oauth2/token", {"client_id": self.host.id, **form})

    async def renew(self, firm: Firm, token: str) -> httpx.Response:
        return await self.token(firm, grant_type="refresh_token", refresh_token=token)

    async def userinfo(self, firm: Firm, token: str) -> int:
        headers = {"authorization": f"Bearer {token}"}
        return (await firm.get("/oauth2/userinfo", headers=headers)).status_code

    async def policy(self, firm: Firm, **policy: Any) -> None:
        change = firm.site.platform.tenants.update
        await change(firm.tenant.tenant_id, {"policy": policy}, actor="operator")
        self.town.site.clock.advance(SECOND)  # for which a client is held

    async def says(self, firm: Firm, well_known: str) -> Any:
        document = (await firm.get(well_known)).json()
        assert document["issuer"] == firm.issuer
        return document.get("client_id_metadata_document_supported")


@asynccontextmanager
async def staged(
    store: Store, clock: SettableClock, switches: Switches | None = None
) -> AsyncIterator[Stage]:
    outbound = GuardedOutbound(["127.0.0.1"])
    async with app_server() as host:
        site = await front(store, clock, outbound=outbound, switches=switches)
        yield Stage(await town_of(site), host)
    await outbound.close()


@pytest.fixture
async def stage(store: Store, clock: SettableClock) -> AsyncIterator[Stage]:
    async with staged(store, clock) as it:
        yield it


@pytest.fixture
async def small(sqlite_store: SqliteStore, clock: SettableClock) -> AsyncIterator[Stage]:
    """On one store, for what no store decides."""
    async with staged(sqlite_store, clock) as it:
        yield it


@pytest.mark.rfc("CIMD#4")
async def test_each_tenant_has_a_client_of_the_same_address(stage: Stage) -> None:
    firms = (stage.town.root, stage.town.acme, stage.town.zenith)
    for firm in firms:
        tokens = await stage.tokens(firm)
        assert await stage.userinfo(firm, tokens["access_token"]) == 200
        renewed = await stage.renew(firm, tokens["refresh_token"])
        assert renewed.status_code == 200
        (row,) = await firm.site.store.find(Find(Client, {"tenant_id": firm.tenant.tenant_id}))
        assert (row.id, row.tenant_id) == (stage.host.id, firm.tenant.tenant_id)
    assert stage.host.requests == 1, "what lies at an address is the same for everybody"


@pytest.mark.attack("D10")
@pytest.mark.attack("F1")
@pytest.mark.attack("H2")
async def test_one_that_signs_proves_itself_to_each_issuer(stage: Stage) -> None:
    """Pushed requests, codes and introspection, by an assertion that is made out to one issuer."""
    mine, firms = key("k1"), (stage.town.acme, stage.town.zenith)
    async with key_server() as server:
        server.jwks = public(mine)
        stage.host.changed = {"token_endpoint_auth_method": METHOD, "jwks_uri": server.url}
        for firm, other in (firms, firms[::-1]):
            await firm.user()
            person, form = await firm.signed_in(), stage.request()
            pushed = await stage.prove(firm, mine, "/oauth2/par", **form)
            assert pushed.status_code == 201, pushed.text
            refused = await stage.prove(firm, mine, "/oauth2/par", issuer=other.issuer, **form)
            assert refused.status_code == 401
            there = {"client_id": stage.host.id, "request_uri": pushed.json()["request_uri"]}
            foreign = await other.person().get(other.issuer + "/oauth2/authorize", params=there)
            assert foreign.status_code == 400
            await person.get(firm.issuer + "/oauth2/authorize", params=there)
            await firm.follow(person)
            await firm.press(person, "consent-allow")
            answer = answer_of(await firm.follow(person))
            form = {"code": answer["code"], "redirect_uri": URI, "code_verifier": VERIFIER}
            form |= {"grant_type": "authorization_code"}
            token = (await stage.prove(firm, mine, "/oauth2/token", **form)).json()["access_token"]
            shown = await stage.prove(firm, mine, "/oauth2/introspect", token=token)
            assert (shown.json()["active"], shown.json()["iss"]) == (True, firm.issuer)
            shown = await stage.prove(other, mine, "/oauth2/introspect", token=token)
            assert shown.json() == {"active": False}
        assert (server.requests, stage.host.requests) == (1, 1)


@pytest.mark.attack("B17")
@pytest.mark.attack("H2")
async def test_what_was_given_at_one_says_nothing_at_another(stage: Stage) -> None:
    acme, zenith, root = stage.town.acme, stage.town.zenith, stage.town.root
    await stage.tokens(zenith)
    code = await stage.code(acme)
    for firm in (zenith, root):
        assert (await stage.redeem(firm, code)).json()["error"] == "invalid_grant"
    # A code that came to the wrong address is not burnt by it: it is another tenant's secret
    tokens = (await stage.redeem(acme, code)).json()
    for firm in (zenith, root):
        answer = await stage.renew(firm, tokens["refresh_token"])
        assert answer.json()["error"] == "invalid_grant"
        revoked = {"token": tokens["refresh_token"], "client_id": stage.host.id}
        assert (await firm.post("/oauth2/revoke", revoked)).status_code == 200
    for firm in (zenith, root):
        api = await firm.client(**MACHINE)
        for kind in ("access_token", "refresh_token"):
            shown = await firm.post("/oauth2/introspect", {"token": tokens[kind]}, api)
            assert shown.json() == {"active": False}
    assert await stage.userinfo(zenith, tokens["access_token"]) == 401
    assert await stage.userinfo(acme, tokens["access_token"]) == 200
    assert (await stage.renew(acme, tokens["refresh_token"])).status_code == 200


async def test_switched_off_at_one_it_works_on_at_another(stage: Stage) -> None:
    acme, zenith = stage.town.acme, stage.town.zenith
    ours, theirs = await stage.tokens(acme), await stage.tokens(zenith)
    await acme.site.clients.disable(acme.tenant.tenant_id, stage.host.id, actor="operator")
    assert (await stage.renew(acme, ours["refresh_token"])).status_code == 400
    assert await stage.userinfo(acme, ours["access_token"]) == 401
    person = acme.person()
    assert (await stage.arrive(acme, person)).status_code == 400
    assert person.markup.error == "client_disabled"
    renewed = (await stage.renew(zenith, theirs["refresh_token"])).json()
    await acme.site.clients.delete(acme.tenant.tenant_id, stage.host.id, actor="operator")
    assert (await stage.renew(zenith, renewed["refresh_token"])).status_code == 200
    acme.site.clock.advance(SECOND)
    # Deleted, it is what it was before anybody knew it; nothing that it held comes back
    await stage.tokens(acme)
    assert await stage.userinfo(acme, ours["access_token"]) == 401


async def test_a_tenant_that_wants_none_has_none(small: Stage) -> None:
    acme, zenith = small.town.acme, small.town.zenith
    tokens = await small.tokens(acme)
    await small.policy(acme, client_documents=False)
    assert (await small.arrive(acme, acme.person())).status_code == 400
    assert (await small.renew(acme, tokens["refresh_token"])).status_code == 401
    assert await small.userinfo(acme, tokens["access_token"]) == 401
    assert (await small.arrive(zenith, zenith.person())).status_code == 303
    await small.policy(acme, client_documents=None)
    assert (await small.renew(acme, tokens["refresh_token"])).status_code == 200


@pytest.mark.attack("G9")
async def test_a_tenant_chooses_the_hosts(small: Stage) -> None:
    acme, zenith = small.town.acme, small.town.zenith
    await small.policy(acme, client_document_hosts=["trusted.example", "127.0.0.1.example"])
    assert (await small.arrive(acme, acme.person())).status_code == 400
    assert small.host.requests == 0, "nobody is asked who would not be believed"
    assert (await small.arrive(zenith, zenith.person())).status_code == 303
    await small.policy(acme, client_document_hosts=["trusted.example", "127.0.0.1"])
    assert (await small.arrive(acme, acme.person())).status_code == 303


async def test_a_tenants_rules_are_over_its_documents_too(small: Stage) -> None:
    """A public client is none that FAPI 2.0 lets in (§5.3.2.1), wherever it is described."""
    acme = small.town.acme
    tokens = await small.tokens(acme)
    await small.policy(acme, security="fapi2")
    assert (await small.renew(acme, tokens["refresh_token"])).status_code == 401
    assert (await small.renew(acme, "x")).json()["error"] == "invalid_client"
    await small.policy(acme, security=None)
    assert (await small.renew(acme, tokens["refresh_token"])).status_code == 200
    (row,) = await acme.site.store.find(Find(Client, {"tenant_id": acme.tenant.tenant_id}))
    assert row.security_profile is None


@pytest.mark.attack("G2")
async def test_many_tenants_at_once_knock_once(small: Stage) -> None:
    small.host.slow = asyncio.Event()
    firms = (small.town.root, small.town.acme, small.town.zenith)
    waiting = [asyncio.create_task(small.arrive(firm, firm.person())) for firm in firms]
    await small.host.asked.wait()
    small.host.slow.set()
    assert [(await task).status_code for task in waiting] == [303, 303, 303]
    assert small.host.requests == 1


@pytest.mark.attack("H12")
async def test_the_metadata_of_each_says_what_is_true(small: Stage) -> None:
    acme, zenith, root = small.town.acme, small.town.zenith, small.town.root
    await small.policy(acme, client_documents=False)
    for document in ("oauth-authorization-server", "openid-configuration"):
        there = f"/.well-known/{document}"
        assert await small.says(acme, there) is None
        assert await small.says(zenith, there) is True
        assert await small.says(root, there) is True


async def test_a_deployment_without_them_has_them_nowhere(
    sqlite_store: SqliteStore, clock: SettableClock
) -> None:
    async with staged(sqlite_store, clock, Switches(client_documents=False)) as stage:
        acme = stage.town.acme
        await stage.policy(acme, client_documents=True)
        assert (await stage.arrive(acme, acme.person())).status_code == 400
        assert await stage.says(acme, "/.well-known/oauth-authorization-server") is None
        assert stage.host.requests == 0


async def test_a_suspended_tenant_knows_nobody(small: Stage) -> None:
    acme = small.town.acme
    tokens = await small.tokens(acme)
    await acme.site.platform.tenants.suspend(acme.tenant.tenant_id, actor="operator")
    assert (await small.renew(acme, tokens["refresh_token"])).status_code >= 400
    await acme.site.platform.tenants.activate(acme.tenant.tenant_id, actor="operator")
    assert (await small.renew(acme, tokens["refresh_token"])).status_code == 200
