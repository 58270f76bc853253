"""Device authorization: the device's side, the person's side, and whoever is neither (RFC 8628)."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import httpx
import pytest
from tests.conftest import SettableClock
from tests.web.harness import ISSUER, TENANT, Front, Person, snapshot

from safeconduct.core.deferred import (
    ALL_GUESSES,
    GUESSES,
    INTERVAL,
    LIFETIME,
    code_from,
    shown,
    typed,
)
from safeconduct.core.errors import ApiError
from safeconduct.core.grants.device_code import NAME
from safeconduct.core.model import Client, Deferred
from safeconduct.core.sessions import SignedIn
from safeconduct.core.unit import Find

TV = {
    "client_name": "Lantern TV",
    "redirect_uris": [],
    "grant_types": [NAME, "refresh_token"],
    "token_endpoint_auth_method": "none",
    "scope": "openid offline_access assets:read",
}


def said(person: Person) -> str:
    return person.markup.all("main")[0].text


async def post(site: Front, path: str, client: Client, **form: str) -> httpx.Response:
    secret = site.secrets.get(client.id)
    auth = httpx.BasicAuth(client.id, secret) if secret else None
    fields = form if secret else {"client_id": client.id, **form}
    transport = httpx.ASGITransport(app=site.app)
    async with httpx.AsyncClient(transport=transport, base_url=ISSUER) as http:
        return await http.post(path, data=fields, auth=auth)


async def start(site: Front, client: Client, **form: str) -> dict[str, Any]:
    response = await post(site, "/oauth2/device_authorization", client, **form)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


async def poll(site: Front, client: Client, asked: Mapping[str, Any], wait: int = INTERVAL) -> Any:
    assert isinstance(site.clock, SettableClock)
    site.clock.advance(wait)
    code = str(asked["device_code"])
    response = await post(site, "/oauth2/token", client, grant_type=NAME, device_code=code)
    assert response.headers["cache-control"] == "no-store"
    return response.json() | {"status": response.status_code}


async def arrive(site: Front, asked: Mapping[str, Any], email: str = "ann@example.org") -> Person:
    """A person who has typed the code and sees the page that asks."""
    person = site.person()
    await person.sign_in(email)
    await person.get("/device")
    await person.press("device-submit", user_code=asked["user_code"].lower().replace("-", " "))
    await person.follow()
    return person


@pytest.mark.rfc("8628#3.2")
async def test_a_device_is_let_in(site: Front) -> None:
    client, user = await site.client(**TV), await site.user()
    asked = await start(site, client)
    assert asked["verification_uri"] == f"{ISSUER}/device"
    assert asked["verification_uri_complete"].endswith(f"?user_code={asked['user_code']}")
    assert (asked["expires_in"], asked["interval"]) == (600, 5)
    assert (await poll(site, client, asked, 0))["error"] == "authorization_pending"
    person = await arrive(site, asked)
    assert asked["user_code"] in said(person)
    await person.press("consent-allow")
    await person.follow()
    assert "Your device is in" in said(person)
    tokens = await poll(site, client, asked)
    assert tokens["status"] == 200, tokens
    assert tokens["scope"] == "openid offline_access assets:read"
    assert tokens["refresh_token"].startswith("sc_rt_")
    bearer = await site.platform.access.bearer(tokens["access_token"])
    assert bearer.user_id == user.id
    assert tokens["id_token"]
    (grant,) = await site.platform.grants.of_user(TENANT, user.id)
    assert grant.client_id == client.id


@pytest.mark.attack("J3")
@pytest.mark.rfc("8628#5.4")
async def test_the_address_that_carries_the_code_asks_all_the_same(site: Front) -> None:
    client, person = await site.client(**TV), site.person()
    await site.user()
    asked = await start(site, client)
    address = asked["verification_uri_complete"]
    await person.get(address)
    await person.follow()
    assert person.page is not None
    assert person.page.url.path == "/login"
    await person.press("login-submit", username="ann@example.org", password="correct horse battery")
    await person.follow()
    assert person.page.url.path == "/device/confirm"
    page = said(person)
    for part in ("Lantern TV", asked["user_code"], "Another device", "See what you hold"):
        assert part in page
    assert (await poll(site, client, asked))["error"] == "authorization_pending"
    await person.press("consent-allow")
    assert (await poll(site, client, asked))["status"] == 200


@pytest.mark.attack("J5")
async def test_the_page_names_the_client_of_the_request(site: Front) -> None:
    client, other = await site.client(**TV), await site.client(**TV | {"client_name": "Bank"})
    await site.user()
    asked = await start(site, client)
    person = await arrive(site, asked)
    address = str(person.page.url) if person.page else ""
    await person.get(f"{address}&client_id={other.id}&client_name=Bank")
    assert "Lantern TV" in said(person)
    assert "Bank" not in said(person)


@pytest.mark.attack("J4")
@pytest.mark.rfc("8628#3.5")
async def test_polling(site: Front) -> None:
    client, other = await site.client(**TV), await site.client(**TV)
    await site.user()
    asked = await start(site, client)
    assert (await poll(site, client, asked))["error"] == "authorization_pending"
    assert (await poll(site, client, asked, 1_000))["error"] == "slow_down"
    assert (await poll(site, client, asked, INTERVAL))["error"] == "slow_down", "5 s more"
    assert (await poll(site, client, asked, 3 * INTERVAL))["error"] == "authorization_pending"
    assert (await poll(site, other, asked, 0))["error"] == "invalid_grant"
    person = await arrive(site, asked)
    await person.press("consent-allow")
    assert (await poll(site, other, asked, 0))["error"] == "invalid_grant"
    assert (await poll(site, client, asked, 6 * INTERVAL))["status"] == 200
    assert (await poll(site, client, asked, 6 * INTERVAL))["error"] == "invalid_grant"


@pytest.mark.attack("J4")
async def test_a_request_that_nobody_answers_expires(site: Front) -> None:
    client = await site.client(**TV)
    await site.user()
    asked = await start(site, client)
    person = await arrive(site, asked)
    assert (await poll(site, client, asked, LIFETIME))["error"] == "expired_token"
    response = await person.press("consent-allow")
    assert response.status_code in (400, 409)
    assert (await poll(site, client, asked))["error"] == "expired_token"
    late = site.person()
    await late.sign_in()
    await late.get("/device")
    assert (await late.press("device-submit", user_code=asked["user_code"])).status_code == 403


@pytest.mark.rfc("8628#3.5")
async def test_a_no_is_final(site: Front) -> None:
    client = await site.client(**TV)
    await site.user()
    asked = await start(site, client)
    person, second = await arrive(site, asked), await arrive(site, asked)
    await person.press("consent-deny")
    assert (await person.follow()).status_code == 200
    assert (await second.press("consent-allow")).status_code in (400, 409)
    assert (await poll(site, client, asked))["error"] == "access_denied"


@pytest.mark.attack("J6")
@pytest.mark.parametrize("what", ["user", "client", "grant"])
async def test_what_is_switched_off_meanwhile_gets_nothing(site: Front, what: str) -> None:
    client, user = await site.client(**TV), await site.user()
    asked, control = await start(site, client), await start(site, client)
    for one in (asked, control):
        await (await arrive(site, one)).press("consent-allow")
    assert (await poll(site, client, control))["status"] == 200
    match what:
        case "user":
            await site.users.disable(TENANT, user.id, actor="operator")
        case "client":
            await site.clients.disable(TENANT, client.id, actor="operator")
            await site.clients.enable(TENANT, client.id, actor="operator")
        case _:
            (grant,) = await site.platform.grants.of_user(TENANT, user.id)
            await site.platform.grants.revoke(TENANT, grant.id, actor="operator")
    assert (await poll(site, client, asked))["error"] == "invalid_grant"


@pytest.mark.attack("J1")
@pytest.mark.rfc("8628#5.1")
async def test_codes_are_not_to_be_guessed(site: Front) -> None:
    client = await site.client(**TV)
    await site.user()
    asked = await start(site, client)
    person = site.person()
    await person.sign_in()
    await person.get("/device")
    for number in range(GUESSES.tries):
        guess = shown(code_from(f"guess {number}"))
        assert (await person.press("device-submit", user_code=guess)).status_code == 403
    right = await person.post("/device", person.markup.form_with("device-submit")[0].fields | {
        "user_code": asked["user_code"]
    })  # fmt: skip
    assert right.status_code == 429, "the right code is not let through either"
    assert int(right.headers["retry-after"]) > 0
    assert isinstance(site.clock, SettableClock)
    site.clock.advance(GUESSES.window)
    again = await start(site, client)
    await person.get("/device")
    assert (await person.press("device-submit", user_code=again["user_code"])).status_code == 303


@pytest.mark.attack("J1")
async def test_many_people_together_guess_no_more_than_a_few(site: Front) -> None:
    """However many accounts guess, the chance to hit one of 40 devices stays below 2⁻²⁰."""
    client = await site.client(**TV)
    await start(site, client)
    tried = 0

    async def guess() -> None:
        nonlocal tried
        for tried in range(1_000):
            who, code = signed_in(f"usr_{tried // GUESSES.tries}"), code_from(f"guess {tried}")
            assert await site.platform.deferrals.by_code(who, shown(code)) is None

    with pytest.raises(ApiError) as refused:
        await guess()
    assert refused.value.status == 429
    assert tried * 40 / 20**8 < 2**-20
    assert isinstance(site.clock, SettableClock)
    site.clock.advance(ALL_GUESSES.window)
    asked = await start(site, client)
    assert await site.platform.deferrals.by_code(signed_in("usr_ann"), asked["user_code"])


def signed_in(user_id: str) -> SignedIn:
    return SignedIn(
        tenant_id=TENANT, user_id=user_id, session_id="ses_1", auth_time=0, amr=(), acr=None
    )


@pytest.mark.attack("F8")
async def test_a_client_cannot_fill_the_table(site: Front) -> None:
    client, other = await site.client(**TV), await site.client(**TV)
    for _ in range(120):
        await start(site, client)
    refused = await post(site, "/oauth2/device_authorization", client)
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) > 0
    await start(site, other)


@pytest.mark.attack("I2")
async def test_an_approval_needs_our_own_form(site: Front) -> None:
    client = await site.client(**TV)
    await site.user()
    asked = await start(site, client)
    person = await arrive(site, asked)
    form, pressed = person.markup.form_with("consent-allow")
    fields = {**form.fields, **pressed}
    before = await snapshot(site.store)
    for changed in ({"csrf": ""}, {"csrf": fields["csrf"][:-2]}):
        assert (await person.post(form.action, fields | changed)).status_code == 403
    evil = {"origin": "https://evil.test", "sec-fetch-site": "cross-site"}
    assert (await person.post(form.action, fields, headers=evil)).status_code == 403
    other = await arrive(site, asked)
    stolen = other.markup.form_with("consent-allow")[0].fields["csrf"]
    assert (await person.post(form.action, fields | {"csrf": stolen})).status_code == 403
    after = await snapshot(site.store)
    after["Session"] = before["Session"]
    assert after == before
    assert (await person.post(form.action, fields)).status_code == 303


@pytest.mark.rfc("8628#3.1")
async def test_what_a_client_may_ask_for(site: Front) -> None:
    client, web = await site.client(**TV), await site.client()
    path = "/oauth2/device_authorization"
    assert (await post(site, path, web, scope="openid")).json()["error"] == "unauthorized_client"
    for scope in ("users:read", "profile", "a  b"):
        refused = await post(site, path, client, scope=scope)
        assert refused.json()["error"] == "invalid_scope"
    asked = await post(site, path, client, resource="https://elsewhere.example")
    assert asked.json()["error"] == "invalid_target"
    assert not await site.store.find(Find(Deferred, {"tenant_id": TENANT}))
    assert (await start(site, client, scope="openid"))["user_code"]


async def test_the_metadata_names_the_endpoint(site: Front) -> None:
    person = site.person()
    metadata = (await person.get("/.well-known/oauth-authorization-server")).json()
    assert metadata["device_authorization_endpoint"] == f"{ISSUER}/oauth2/device_authorization"
    assert NAME in metadata["grant_types_supported"]


@pytest.mark.rfc("8628#6.1")
def test_codes_are_read_as_people_type_them() -> None:
    code = code_from("x" * 43)
    assert typed(shown(code)) == typed(f" {code.lower()} ") == typed("–".join(code)) == code
    for wrong in ("", code[:-1], code + "B", "AEIOUAEI", "１２３４５６７８"):
        assert typed(wrong) is None
    many = {code_from(str(number)) for number in range(2_000)}
    assert len(many) == 2_000
    assert {letter for one in many for letter in one} == set("BCDFGHJKLMNPQRSTVWXZ")


async def test_an_app_that_is_not_approved_is_its_owners_on_a_device_too(site: Front) -> None:
    ann, bob = await site.user(), await site.user("bob@example.org")
    client = await site.client(**TV, approved=False, owner_id=ann.id)
    deferrals = site.platform.deferrals

    async def say_yes(user_id: str) -> None:
        who = replace(signed_in(user_id), session_id="")
        asked = await start(site, client)
        found = await deferrals.by_code(who, asked["user_code"])
        assert found is not None
        await deferrals.decide(who, found.row.id, allow=True)

    with pytest.raises(ApiError) as refused:
        await say_yes(bob.id)
    assert (refused.value.status, refused.value.code) == (403, "client_not_approved")
    await say_yes(ann.id)
    await site.clients.update(TENANT, client.id, {"approved": True}, actor="operator")
    await say_yes(bob.id)
