"""Apps learn that a session is over: sid, front channel, back channel, on both stores."""

import json
from base64 import urlsafe_b64decode
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet
from tests.conftest import SettableClock
from tests.relying_party import RelyingParty, relying_party
from tests.web.harness import ISSUER, PASSWORD, TENANT, Front, Person, answer_of, front

from safeconduct.adapters.outbound import GuardedOutbound
from safeconduct.adapters.store import PostgresStore, SqliteStore
from safeconduct.app import runner_of
from safeconduct.core.logout import EVENT
from safeconduct.core.model import Client, Job, User
from safeconduct.core.unit import Find

Store = SqliteStore | PostgresStore
BYE = "https://app.example/bye"
HOUR = 3_600_000


@pytest.fixture
async def party() -> AsyncIterator[RelyingParty]:
    async with relying_party() as made:
        yield made


@pytest.fixture
async def house(store: Store, clock: SettableClock) -> AsyncIterator[Front]:
    outbound = GuardedOutbound(["127.0.0.1"])
    yield await front(store, clock, outbound=outbound)
    await outbound.close()


async def app_of(site: Front, party: RelyingParty, **more: Any) -> Client:
    return await site.client(
        **{"backchannel_logout_uri": f"{party.origin}/back", "scope": "openid email", **more}
    )


async def used(site: Front, person: Person, client: Client) -> dict[str, Any]:
    """The person signs in to the app; what the ID token says."""
    await person.authorize(client, scope="openid email")
    page = await person.follow()
    if page.status_code == 200:
        page = await person.press("consent-allow")
    tokens = (await site.redeem(client, answer_of(page))).json()
    claims = verified(site, tokens["id_token"])
    return {**claims, "token": tokens["id_token"]}


def verified(site: Front, token: str) -> dict[str, Any]:
    keys = KeySet.import_key_set(site.keys.of(TENANT).jwks())
    return dict(jwt.decode(token, keys, algorithms=["ES256", "PS256"]).claims)


async def signed_in(site: Front, email: str = "ann@example.org") -> Person:
    if await site.users.find(TENANT, email) is None:
        await site.user(email)
    person = site.person()
    await person.sign_in(email)
    return person


async def sign_out(person: Person, **query: str) -> httpx.Response:
    await person.get("/oauth2/logout", params=query)
    return await person.press("logout-confirm")


async def drain(site: Front) -> None:
    await runner_of(site.platform).drain()


async def deliveries(site: Front) -> list[Job]:
    where = {"tenant_id": TENANT, "kind": "logout.deliver"}
    return list(await site.store.find(Find(Job, where, limit=100)))


@pytest.mark.rfc("OIDC-BACK#2.4")
async def test_a_logout_token_says_which_session_is_over(
    house: Front, party: RelyingParty, clock: SettableClock
) -> None:
    client = await app_of(house, party)
    person = await signed_in(house)
    claims = await used(house, person, client)
    assert claims["sid"]
    await sign_out(person)
    assert party.posted == []  # nobody waits for an app
    await drain(house)
    (sent,) = party.posted
    assert list(sent) == ["logout_token"]
    keys = KeySet.import_key_set(house.keys.of(TENANT).jwks())
    token = jwt.decode(sent["logout_token"], keys, algorithms=["ES256"])
    assert token.header["typ"] == "logout+jwt"
    assert token.claims.pop("jti")
    now = clock.now() // 1000
    assert token.claims == {
        "iss": ISSUER,
        "aud": client.id,
        "sub": claims["sub"],
        "sid": claims["sid"],
        "iat": now,
        "exp": now + 120,
        "events": {EVENT: {}},
    }


@pytest.mark.rfc("OIDC-BACK#2.4")
async def test_it_is_signed_and_names_the_user_as_the_id_token_does(
    house: Front, party: RelyingParty
) -> None:
    client = await app_of(
        house, party, subject_type="pairwise", id_token_signed_response_alg="PS256"
    )
    person = await signed_in(house)
    claims = await used(house, person, client)
    await sign_out(person)
    await drain(house)
    told = verified(house, party.posted[0]["logout_token"])
    assert told["sub"] == claims["sub"]
    (user,) = await house.store.find(Find(User, {"tenant_id": TENANT}))
    assert told["sub"] != user.id
    assert algorithm(claims["token"]) == algorithm(party.posted[0]["logout_token"]) == "PS256"


def algorithm(token: str) -> str:
    head = token.partition(".")[0]
    return str(json.loads(urlsafe_b64decode(head + "=" * (-len(head) % 4)))["alg"])


@pytest.mark.rfc("OIDC-BACK#2.5")
async def test_only_apps_of_the_session_that_want_to_be_told(
    house: Front, party: RelyingParty
) -> None:
    used_here, used_elsewhere = await app_of(house, party), await app_of(house, party)
    silent = await house.client(scope="openid email")
    await app_of(house, party)  # used by nobody
    person, other_browser = await signed_in(house), await signed_in(house)
    await used(house, person, used_here)
    await used(house, person, used_here)
    await used(house, person, silent)
    await used(house, other_browser, used_elsewhere)
    await sign_out(person)
    await drain(house)
    told = [verified(house, sent["logout_token"])["aud"] for sent in party.posted]
    assert told == [used_here.id]


@pytest.mark.rfc("OIDC-BACK#2.8")
async def test_an_app_that_fails_is_told_again_and_one_that_refuses_is_not(
    house: Front, party: RelyingParty, clock: SettableClock
) -> None:
    client = await app_of(house, party)
    person = await signed_in(house)
    await used(house, person, client)
    party.statuses = [503, 302, 204]
    await sign_out(person)
    for tries in (1, 2, 3, 3):
        await drain(house)
        assert len(party.posted) == tries
        clock.advance(HOUR)
    tokens = [verified(house, sent["logout_token"]) for sent in party.posted]
    assert len({token["jti"] for token in tokens}) == 3
    assert tokens[0]["exp"] < tokens[1]["iat"]  # each try has a token of its own
    assert [row.status for row in await deliveries(house)] == ["done"]

    person = await signed_in(house)
    await used(house, person, client)
    party.statuses = [400]
    await sign_out(person)
    for _ in range(2):
        await drain(house)
        clock.advance(HOUR)
    assert len(party.posted) == 4
    assert sorted(row.status for row in await deliveries(house)) == ["dead", "done"]


@pytest.mark.attack("G1")
async def test_the_egress_guard_stands_before_every_app(
    store: Store, clock: SettableClock, party: RelyingParty
) -> None:
    outbound = GuardedOutbound()  # as it is by default: no private addresses
    shut = await front(store, clock, outbound=outbound)
    client = await app_of(shut, party)
    person = await signed_in(shut)
    await used(shut, person, client)
    await sign_out(person)
    await drain(shut)
    assert party.posted == []
    assert [row.status for row in await deliveries(shut)] != ["done"]
    await outbound.close()


async def test_whoever_proves_again_who_they_are_goes_on_with_the_session(
    house: Front, party: RelyingParty
) -> None:
    client = await app_of(house, party)
    person = await signed_in(house)
    first = await used(house, person, client)
    await person.authorize(client, scope="openid email", prompt="login")
    await person.follow()
    await person.press("login-submit", username="ann@example.org", password=PASSWORD)
    page = await person.follow()
    tokens = (await house.redeem(client, answer_of(page))).json()
    assert verified(house, tokens["id_token"])["sid"] == first["sid"]
    await drain(house)
    assert party.posted == []
    await sign_out(person)
    await drain(house)
    (sent,) = party.posted
    assert verified(house, sent["logout_token"])["sid"] == first["sid"]


@pytest.mark.attack("I5")
async def test_another_person_in_the_same_browser_ends_the_session(
    house: Front, party: RelyingParty
) -> None:
    client = await app_of(house, party)
    person = await signed_in(house)
    first = await used(house, person, client)
    await house.user("ben@example.org")
    await person.authorize(client, scope="openid email", prompt="login")
    await person.follow()
    await person.press("login-submit", username="ben@example.org", password=PASSWORD)
    await person.follow()
    page = await person.press("consent-allow")
    tokens = (await house.redeem(client, answer_of(page))).json()
    assert verified(house, tokens["id_token"])["sid"] != first["sid"]
    await drain(house)
    told = verified(house, party.posted[0]["logout_token"])
    assert (told["sid"], told["sub"]) == (first["sid"], first["sub"])


async def test_every_way_in_which_a_session_ends(house: Front, party: RelyingParty) -> None:
    client = await app_of(house, party)
    user = await house.user()

    async def ended(by: Any) -> list[dict[str, Any]]:
        person = await signed_in(house)
        claims = await used(house, person, client)
        party.posted.clear()
        await by(person)
        await drain(house)
        told = [verified(house, sent["logout_token"]) for sent in party.posted]
        assert {token["sub"] for token in told} == {user.id}
        assert {token.get("sid", claims["sid"]) for token in told} == {claims["sid"]}
        return told

    async def by_the_user_elsewhere(person: Person) -> None:
        other = await signed_in(house)
        await other.get("/account")
        await other.press("end-others")

    async def by_an_operator(person: Person) -> None:
        (row, *_) = await house.sessions.of_user(TENANT, user.id)
        assert await house.sessions.end(TENANT, user.id, row.id, actor="operator")

    async def by_disabling(person: Person) -> None:
        await house.users.disable(TENANT, user.id, actor="operator")
        await house.users.enable(TENANT, user.id, actor="operator")

    assert len(await ended(by_the_user_elsewhere)) == 1
    assert len(await ended(by_an_operator)) == 1
    (whole,) = await ended(by_disabling)
    assert "sid" not in whole  # every session of the user is over


async def test_the_session_stays_with_renewed_tokens(house: Front, party: RelyingParty) -> None:
    client = await app_of(house, party, scope="openid offline_access")
    person = await signed_in(house)
    await person.authorize(client, scope="openid offline_access")
    await person.follow()
    page = await person.press("consent-allow")
    tokens = (await house.redeem(client, answer_of(page))).json()
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=house.app), base_url=ISSUER
    ) as http:
        renewed = await http.post(
            "/oauth2/token",
            data={"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]},
            auth=(client.id, house.secrets[client.id]),
        )
    first, second = (verified(house, some["id_token"]) for some in (tokens, renewed.json()))
    assert first["sid"] == second["sid"]


# Front channel


@pytest.mark.rfc("OIDC-FRONT#2")
@pytest.mark.attack("I3")
async def test_the_browser_tells_the_apps_in_frames(house: Front, party: RelyingParty) -> None:
    there = {"redirect_uris": [f"{party.origin}/cb"]}
    first = await house.client(
        **there, scope="openid email", frontchannel_logout_uri=f"{party.origin}/front?app=1"
    )
    second = await house.client(scope="openid email", post_logout_redirect_uris=[BYE])
    person = await signed_in(house)
    claims = await used(house, person, first)
    hint = (await used(house, person, second))["token"]
    page = await sign_out(person, id_token_hint=hint, post_logout_redirect_uri=BYE, state="s&t")
    assert page.status_code == 200
    sid = claims["sid"]
    frame = f"{party.origin}/front?app=1&iss=https%3A%2F%2Fid.example&sid={sid}"
    assert person.markup.by_id("signed-out") is not None
    assert f'src="{frame.replace("&", "&amp;")}"' in page.text
    policy = page.headers["content-security-policy"]
    assert f"frame-src {party.origin};" in policy
    assert "frame-ancestors 'none'" in policy
    assert page.headers["cache-control"] == "no-store"
    assert f'href="{BYE}?state=s%26t" id="left-onward"' in page.text
    # A browser whose script goes on must not go a second time, five seconds later
    assert '<noscript><meta http-equiv="refresh"' in page.text
    assert f'content="5;url={BYE}?state=s%26t"' in page.text
    assert (await person.get("/account")).status_code == 303


async def test_without_such_apps_the_way_is_straight(house: Front, party: RelyingParty) -> None:
    client = await app_of(house, party, post_logout_redirect_uris=[BYE])
    person = await signed_in(house)
    hint = (await used(house, person, client))["token"]
    answer = await sign_out(person, id_token_hint=hint, post_logout_redirect_uri=BYE)
    assert answer.headers["location"] == BYE


async def test_the_metadata_says_so(house: Front) -> None:
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=house.app), base_url=ISSUER
    ) as http:
        metadata = (await http.get("/.well-known/openid-configuration")).json()
    for channel in ("frontchannel", "backchannel"):
        assert metadata[f"{channel}_logout_supported"] is True
        assert metadata[f"{channel}_logout_session_supported"] is True
    assert metadata["end_session_endpoint"] == f"{ISSUER}/oauth2/logout"
