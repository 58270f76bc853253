"""Pushed authorization requests over HTTP: RFC 9126."""

import asyncio
from typing import Any

import httpx
import pytest
from tests.conftest import SettableClock
from tests.web.harness import (
    ISSUER,
    TENANT,
    Front,
    Person,
    answer_of,
    front,
    request_of,
    snapshot,
)
from tests.web.oauth2.test_authorize_page import is_page, is_red

from safeconduct.adapters.store import PostgresStore, SqliteStore
from safeconduct.app import Switches
from safeconduct.core.model import Client, PushedRequest, Spent
from safeconduct.core.par import ABANDONED, LIFETIME, URN
from safeconduct.core.unit import Find

CANARY = "canary-5b1f"


async def pushed(site: Front, client: Client, **changed: Any) -> str:
    """The `request_uri` of a sound request, sent ahead."""
    answer = await site.push(client, **request_of(client, **changed))
    assert answer.status_code == 201, answer.text
    return str(answer.json()["request_uri"])


async def arrive(person: Person, client: Client, uri: str, **more: str) -> httpx.Response:
    query = {"client_id": client.id, "request_uri": uri, **more}
    return await person.get("/oauth2/authorize", params=query)


async def signed_in(site: Front) -> Person:
    await site.user()
    person = site.person()
    await person.sign_in()
    return person


async def rows(site: Front) -> tuple[PushedRequest, ...]:
    return await site.store.find(Find(PushedRequest, {"tenant_id": TENANT}, limit=10_000))


@pytest.mark.rfc("9126#2.2")
@pytest.mark.rfc("9126#4")
@pytest.mark.parametrize("method", ["client_secret_basic", "none"])
async def test_a_pushed_request_becomes_a_code(site: Front, method: str) -> None:
    client = await site.client(token_endpoint_auth_method=method)
    person = await signed_in(site)
    form = request_of(client) | ({"client_id": client.id} if method == "none" else {})
    answer = await site.push(client, **form)
    assert answer.status_code == 201
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json()["expires_in"] == 90
    uri = answer.json()["request_uri"]
    assert uri.startswith(URN)
    await arrive(person, client, uri)
    await person.follow()
    got = answer_of(await person.press("consent-allow"))
    assert got["code"]
    assert (got["state"], got["iss"]) == ("st~1", ISSUER)
    assert await rows(site) == ()


@pytest.mark.attack("F1")
@pytest.mark.rfc("9126#7.3")
@pytest.mark.parametrize("method", ["client_secret_basic", "none"])
async def test_a_request_uri_is_good_for_one_login(site: Front, method: str) -> None:
    client = await site.client(token_endpoint_auth_method=method)
    person = await signed_in(site)
    uri = await pushed(site, client)
    for _ in range(2):  # a browser may load the page again
        await arrive(person, client, uri)
        await person.follow()
    assert "code" in answer_of(await person.press("consent-allow"))
    assert is_page(await arrive(person, client, uri), "invalid_request_uri")
    assert is_page(await arrive(site.person(), client, uri), "invalid_request_uri")


@pytest.mark.attack("F1")
@pytest.mark.attack("A21")
async def test_two_tabs_of_one_pushed_request_get_one_code(site: Front) -> None:
    client, person = await site.client(), await signed_in(site)
    uri = await pushed(site, client)
    forms = []
    for _ in range(4):
        await arrive(person, client, uri)
        await person.follow()
        form, chosen = person.markup.form_with("consent-allow")
        forms.append({**form.fields, **chosen})
    answers = await asyncio.gather(
        *(person.http.post("/oauth2/consent", data=data) for data in forms)
    )
    given = [answer for answer in answers if answer.status_code == 303]
    assert [list(answer_of(answer)) for answer in given] == [["code", "state", "iss", ""]]
    assert len(await site.store.find(Find(Spent, {"tenant_id": TENANT}))) == 1


@pytest.mark.attack("F1")
@pytest.mark.parametrize("method", ["client_secret_basic", "none"])
async def test_request_uris_that_lead_nowhere(site: Front, method: str) -> None:
    client = await site.client(token_endpoint_auth_method=method)
    other = await site.client(token_endpoint_auth_method=method)
    person = await signed_in(site)
    uri = await pushed(site, client)
    before = await snapshot(site.store)
    flipped = uri[:-1] + ("A" if uri[-1] != "A" else "B")
    for wrong in (flipped, uri + "A", uri[:-1], URN, URN + "x", URN + "sc_pr_t1.a.b"):
        assert is_page(await arrive(person, client, wrong), "invalid_request_uri"), wrong
    assert is_page(await arrive(person, other, uri), "invalid_request_uri")
    assert await snapshot(site.store) == before
    site.clock.advance(LIFETIME - 1)
    assert (await arrive(person, client, uri)).status_code == 303
    site.clock.advance(1)
    assert is_page(await arrive(person, client, uri), "invalid_request_uri")


@pytest.mark.attack("F5")
@pytest.mark.rfc("9101#6.3")
async def test_what_is_said_beside_a_pushed_request_is_not_heard(site: Front) -> None:
    client, person = await site.client(), await signed_in(site)
    evil = {
        "redirect_uri": "https://evil.test/",
        "scope": "openid assets:read",
        "state": "evil",
        "code_challenge": "x" * 43,
        "response_mode": "form_post",
        "nonce": "evil",
    }
    await arrive(person, client, await pushed(site, client), **evil)
    page = await person.follow()
    assert "evil" not in page.text
    assert 'data-scope="assets:read"' not in page.text
    response = await person.press("consent-allow")
    got = answer_of(response)
    assert (got[""], got["state"]) == (client.redirect_uris[0], "st~1")
    assert (await site.redeem(client, got)).status_code == 200
    await arrive(person, client, await pushed(site, client, state=None), state="outside")
    assert "state" not in answer_of(await person.follow())


@pytest.mark.attack("F2")
@pytest.mark.rfc("9126#2.1")
async def test_what_cannot_be_pushed(site: Front) -> None:
    client, other = await site.client(), await site.client()
    sound, before = request_of(client), await snapshot(site.store)
    for wrong in (
        {"request_uri": URN + "x"},
        {"request_uri": "https://app.example/request"},
        {"request": "e30.e30."},
        {"client_id": other.id},
        {"redirect_uri": "https://evil.test/"},
        {"response_type": "token"},
        {"scope": "openid nope"},
        {"code_challenge": "short"},
        {"prompt": "none login"},
        {"resource": "https://other.example"},
        {"state": "s" * 4_000},
    ):
        answer = await site.push(client, **{**sound, **wrong})
        assert answer.status_code == 400, wrong
        assert answer.headers["cache-control"] == "no-store"
        expected = {"scope": "invalid_scope", "resource": "invalid_target"}.get(
            next(iter(wrong)), "invalid_request"
        )
        if "response_type" in wrong:
            expected = "unsupported_response_type"
        assert answer.json()["error"] == expected, wrong
    assert await snapshot(site.store) == before
    assert (await site.push(client, **sound)).status_code == 201


@pytest.mark.rfc("9126#2.1")
async def test_who_pushes_has_to_be_the_client(site: Front) -> None:
    client = await site.client()
    before = await snapshot(site.store)
    site.secrets[client.id] = "wrong"
    answer = await site.push(client, **request_of(client))
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    del site.secrets[client.id]
    answer = await site.push(client, **request_of(client))
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert await snapshot(site.store) == before


@pytest.mark.attack("F4")
@pytest.mark.rfc("9126#5")
async def test_a_client_that_has_to_push(site: Front) -> None:
    client = await site.client(require_pushed_authorization_requests=True)
    person = await signed_in(site)
    assert is_red(await person.authorize(client), "invalid_request")
    foreign = await person.authorize(client, redirect_uri="https://evil.test/")
    assert is_page(foreign, "redirect_uri_mismatch")
    await arrive(person, client, await pushed(site, client))
    assert (await person.follow()).url.path == "/oauth2/consent"


@pytest.mark.attack("F4")
@pytest.mark.rfc("9126#2")
@pytest.mark.attack("F4")
@pytest.mark.rfc("9126#5")
async def test_a_tenant_may_want_it_of_everybody(site: Front) -> None:
    client, person = await site.client(), await signed_in(site)

    async def metadata() -> Any:
        document = await site.person().get("/.well-known/oauth-authorization-server")
        return document.json()["require_pushed_authorization_requests"]

    assert await metadata() is False
    policy = {"require_pushed_authorization_requests": True}
    await site.platform.tenants.update(TENANT, {"policy": policy}, actor="operator")
    assert await metadata() is True
    assert is_red(await person.authorize(client), "invalid_request")
    await arrive(person, client, await pushed(site, client))
    assert (await person.follow()).url.path == "/oauth2/consent"


@pytest.mark.attack("F4")
async def test_a_server_may_want_it_of_all_tenants(
    store: SqliteStore | PostgresStore, clock: SettableClock
) -> None:
    switches = Switches(require_pushed_authorization_requests=True)
    site = await front(store, clock, switches=switches)
    client, person = await site.client(), await signed_in(site)
    assert is_red(await person.authorize(client), "invalid_request")
    await arrive(person, client, await pushed(site, client))
    assert (await person.follow()).url.path == "/oauth2/consent"


@pytest.mark.parametrize("verb", ["GET", "PUT", "DELETE", "PATCH"])
async def test_par_is_a_post(site: Front, verb: str) -> None:
    answer = await site.person().http.request(verb, "/oauth2/par")
    assert answer.status_code == 405
    assert "POST" in answer.headers["allow"]


@pytest.mark.attack("F7")
async def test_what_was_pushed_is_in_no_cookie(site: Front) -> None:
    client, person = await site.client(), site.person()
    await site.user()
    uri = await pushed(site, client, login_hint=CANARY, state=CANARY, nonce=CANARY)
    response = await arrive(person, client, uri)
    seen = [response.headers]
    for _ in range(3):
        if "location" not in response.headers:
            break
        response = await person.get(response.headers["location"])
        seen.append(response.headers)
    assert all(CANARY not in str(headers.get_list("set-cookie")) for headers in seen)
    assert person.markup.by_id("username") is not None
    assert CANARY in response.text  # the control: the hint arrived


@pytest.mark.attack("F8")
@pytest.mark.rfc("9126#2.3")
async def test_pushing_without_end_fills_nothing(
    site: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = type(ABANDONED)(ABANDONED.kind, 20, ABANDONED.window)
    monkeypatch.setattr("safeconduct.services.pushed_requests.ABANDONED", few)
    monkeypatch.setattr("safeconduct.services.authorize.ABANDONED", few)
    client, other = await site.client(), await site.client()
    person = await signed_in(site)
    first = await pushed(site, client)
    codes = [
        (await site.push(client, **request_of(client))).status_code
        for _ in range(ABANDONED.tries // 100)
    ]
    assert codes == [201] * 19 + [429] * 11
    refused = await site.push(client, **request_of(client))
    assert int(refused.headers["retry-after"]) <= 91
    assert len(await rows(site)) == 20
    assert (await site.push(other, **request_of(other))).status_code == 201
    # one that leads to a code makes room for another
    await arrive(person, client, first)
    await person.follow()
    assert "code" in answer_of(await person.press("consent-allow"))
    assert (await site.push(client, **request_of(client))).status_code == 201
    # and who pushes later clears up
    site.clock.advance(LIFETIME + 1)
    for _ in range(4):
        await pushed(site, client)
    assert len([row for row in await rows(site) if row.client_id == client.id]) == 4


async def test_public_clients_fill_no_table(site: Front) -> None:
    client = await site.client(token_endpoint_auth_method="none")
    before = await snapshot(site.store)
    for _ in range(5):
        await pushed(site, client)
    assert await snapshot(site.store) == before
