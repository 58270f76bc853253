"""Signing out: asked first, and onward only where the client registered."""

from typing import Any

import pytest
from tests.web.harness import ISSUER, TENANT, Front, snapshot

from safeconduct.core.model import Client

BYE = "https://app.example/bye"
COOKIE = "__Host-sc_session"


async def signed_in(site: Front) -> tuple[Any, Client, str]:
    user = await site.user()
    client = await site.client(post_logout_redirect_uris=[BYE])
    person = site.person()
    await person.sign_in()
    signer = site.keys.of(TENANT).signer
    hint = signer.sign({"iss": ISSUER, "sub": user.id, "aud": client.id, "exp": 1}, typ="JWT")
    return person, client, hint


@pytest.mark.attack("I7")
async def test_a_link_signs_nobody_out(site: Front) -> None:
    person, client, hint = await signed_in(site)
    before = await snapshot(site.store)
    for query in ({}, {"id_token_hint": hint}, {"client_id": client.id}):
        page = await person.get("/oauth2/logout", params=query)
        assert page.status_code == 200
        assert person.markup.by_id("logout-confirm") is not None
    assert await snapshot(site.store) == before
    assert (await person.get("/account")).status_code == 200


async def test_signing_out_ends_the_session(site: Front) -> None:
    person, _, _ = await signed_in(site)
    cookie = person.http.cookies[COOKIE]
    await person.get("/oauth2/logout")
    page = await person.press("logout-confirm")
    assert page.status_code == 200
    assert person.markup.by_id("signed-out") is not None
    assert COOKIE not in person.http.cookies
    assert await site.sessions.current(cookie) is None
    page = await person.get("/oauth2/logout")
    assert person.markup.by_id("signed-out") is not None


@pytest.mark.parametrize("by", ["hint", "client_id", "both"])
async def test_onward_to_the_app_with_its_state(site: Front, by: str) -> None:
    person, client, hint = await signed_in(site)
    query = {"post_logout_redirect_uri": BYE, "state": "s t"}
    query |= {"id_token_hint": hint} if by != "client_id" else {}
    query |= {"client_id": client.id} if by != "hint" else {}
    page = await person.get("/oauth2/logout", params=query)
    assert "form-action 'self' https://app.example;" in page.headers["content-security-policy"]
    response = await person.press("logout-confirm")
    assert (response.status_code, response.headers["location"]) == (303, BYE + "?state=s+t")
    again = await person.get("/oauth2/logout", params=query)
    assert again.headers["location"] == BYE + "?state=s+t"


async def test_an_app_may_post_too(site: Front) -> None:
    person, _, hint = await signed_in(site)
    data = {"id_token_hint": hint, "post_logout_redirect_uri": BYE}
    response = await person.post("/oauth2/logout", data)
    assert response.status_code == 303
    await person.follow()
    assert (await person.press("logout-confirm")).headers["location"] == BYE


@pytest.mark.attack("I7")
@pytest.mark.attack("A10")
async def test_bad_requests_are_pages(site: Front) -> None:
    person, client, hint = await signed_in(site)
    other = await site.client(client_name="Other")
    signer = site.keys.of(TENANT).signer
    access = signer.sign({"iss": ISSUER, "sub": "x", "aud": client.id}, typ="at+jwt")
    before = await snapshot(site.store)
    for query in (
        {"id_token_hint": hint, "post_logout_redirect_uri": "https://evil.test/"},
        {"id_token_hint": hint, "post_logout_redirect_uri": BYE + "/x"},
        {"id_token_hint": hint, "post_logout_redirect_uri": "javascript:alert(1)"},
        {"id_token_hint": hint, "client_id": other.id},
        {"id_token_hint": "no.hint.atall"},
        {"id_token_hint": access},
        {"client_id": "cli_unknown", "post_logout_redirect_uri": BYE},
        {"post_logout_redirect_uri": BYE},
        {"client_id": [client.id, client.id]},
    ):
        page = await person.get("/oauth2/logout", params=query)
        assert page.status_code == 400, query
        assert "location" not in page.headers
        assert person.markup.error is not None
    assert await snapshot(site.store) == before


@pytest.mark.attack("I2")
async def test_the_confirmation_is_ours(site: Front) -> None:
    person, _, _ = await signed_in(site)
    await person.get("/oauth2/logout")
    form, _ = person.markup.form_with("logout-confirm")
    for data in ({}, {"flow": form.fields["flow"]}, {**form.fields, "csrf": "x"}):
        assert (await person.http.post("/oauth2/logout/confirm", data=data)).status_code == 403
    no_flow = {"csrf": form.fields["csrf"]}
    assert (await person.http.post("/oauth2/logout/confirm", data=no_flow)).status_code == 400
    assert (await person.get("/account")).status_code == 200
