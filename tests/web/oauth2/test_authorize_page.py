"""The authorization endpoint over HTTP: pages, redirects, codes, and nothing left behind."""

import asyncio
import json
from base64 import b64encode
from collections.abc import Mapping
from os import urandom
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from tests.web.harness import (
    ISSUER,
    PASSWORD,
    TENANT,
    Front,
    Person,
    answer_of,
    request_of,
    snapshot,
)

from safeconduct.core.jws import parse_jws
from safeconduct.core.model import Code, Event, Grant, Spent
from safeconduct.core.secret import digest
from safeconduct.core.unit import Find


def is_page(response: httpx.Response, code: str, status: int = 400) -> bool:
    """`PAGE`: HTML, no Location, a stable code."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"].startswith("text/html")
    assert "location" not in response.headers
    return f'data-code="{code}"' in response.text


def is_red(response: httpx.Response, error: str, to: str = "https://app.example/cb") -> bool:
    """`RED(e)`: to the registered URI, with error, the same state and iss; no code."""
    assert response.status_code == 303, response.text
    answer = answer_of(response)
    assert answer[""] == to
    assert answer["iss"] == ISSUER
    assert answer["state"] == "st~1"
    assert "code" not in answer
    return answer["error"] == error


async def all_of(site: Front, record: type[Any]) -> tuple[Any, ...]:
    return await site.store.find(Find(record, {}, limit=1000))


async def consented(site: Front, person: Person, client: Any, **changed: Any) -> httpx.Response:
    """Arrive, and allow."""
    await person.authorize(client, **changed)
    await person.follow()
    return await person.press("consent-allow")


# The whole way


@pytest.mark.rfc("6749#4.1.2")
@pytest.mark.rfc("9207#2")
async def test_from_request_over_login_and_consent_to_a_code(site: Front) -> None:
    client, user = await site.client(), await site.user()
    person = site.person()
    await person.authorize(client, nonce="n-1")
    await person.follow()
    assert (
        await person.press("login-submit", username="ann@example.org", password=PASSWORD)
    ).is_redirect
    page = await person.follow()
    assert page.url.path == "/oauth2/consent"
    response = await person.press("consent-allow")
    answer = answer_of(response)
    assert response.status_code == 303
    assert (answer[""], answer["state"], answer["iss"]) == (client.redirect_uris[0], "st~1", ISSUER)

    (code,) = await all_of(site, Code)
    (grant,) = await all_of(site, Grant)
    assert code.digest == digest(site.keys.of(code.tenant_id).digest_key, answer["code"])
    assert (code.user_id, code.client_id, code.grant_id) == (user.id, client.id, grant.id)
    assert (code.nonce, code.scope, code.redirect_uri_given) == ("n-1", {"openid", "email"}, True)
    assert code.expires_at == site.clock.now() + 60_000
    assert grant.scope == {"openid", "email"}
    events = [event.type for event in await all_of(site, Event) if event.user_id == user.id]
    assert sorted(events) == ["code.issued", "grant.created", "user.created", "user.login"]


@pytest.mark.rfc("6749#4.1.2.1")
async def test_a_no_is_told_to_the_client_and_remembered_as_such(site: Front) -> None:
    client, person = await site.client(), site.person()
    await site.user()
    await person.sign_in()
    await person.authorize(client)
    await person.follow()
    assert is_red(await person.press("consent-deny"), "access_denied")
    assert await all_of(site, Grant) == ()
    assert await all_of(site, Code) == ()
    denied = [event for event in await all_of(site, Event) if event.outcome == "denied"]
    assert [(event.type, event.rule) for event in denied] == [
        ("authorization.requested", "consent.denied")
    ]


async def test_who_cancels_before_signing_in_goes_back_to_the_app(site: Front) -> None:
    client, person = await site.client(), site.person()
    before = await snapshot(site.store)
    await person.authorize(client)
    await person.follow()
    assert is_red(await person.press("cancel"), "access_denied")
    assert await snapshot(site.store) == before


async def test_consent_is_remembered_and_grows(site: Front) -> None:
    client, person = await site.client(), site.person()
    await site.user()
    await person.sign_in()
    await consented(site, person, client, scope="openid")
    assert "code" in answer_of(await person.authorize(client, scope="openid"))
    await person.authorize(client, scope="openid assets:read")
    page = await person.follow()
    assert page.url.path == "/oauth2/consent"
    assert '<li data-scope="assets:read">' in page.text
    await person.press("consent-allow")
    (grant,) = await all_of(site, Grant)
    assert grant.scope == {"openid", "assets:read"}
    assert "code" in answer_of(await person.authorize(client, scope="assets:read"))


@pytest.mark.rfc("OIDC#3.1.2.1")
async def test_an_authorization_request_by_post(site: Front) -> None:
    client, person = await site.client(), site.person()
    await site.user()
    await person.sign_in()
    response = await person.post("/oauth2/authorize", request_of(client))
    assert response.status_code == 303
    page = await person.follow()
    assert page.url.path == "/oauth2/consent"
    assert "code" in answer_of(await person.press("consent-allow"))
    refused = await person.post("/oauth2/authorize", request_of(client, scope="admin"))
    assert is_red(refused, "invalid_scope")


async def test_form_post_is_a_page_with_a_button(site: Front) -> None:
    client, person = await site.client(), site.person()
    await site.user()
    await person.sign_in()
    state = '"><script>alert(1)</script>'
    page = await consented(site, person, client, response_mode="form_post", state=state)
    assert page.status_code == 200
    form, _ = person.markup.form_with("form-post-submit")
    assert form.action == client.redirect_uris[0]
    assert form.method == "post"
    assert form.fields["state"] == state
    assert form.fields["iss"] == ISSUER
    assert form.fields["code"].startswith("sc_ac_")
    assert "<script>alert" not in page.text
    policy = page.headers["content-security-policy"]
    assert "script-src 'self';" in policy
    assert "form-action 'self' https://app.example;" in policy


async def test_the_apps_own_papers_are_linked(site: Front) -> None:
    client = await site.client(policy_uri="https://app.example/privacy?a=1&b=2")
    await site.user()
    person = site.person()
    await person.sign_in()
    await person.authorize(client)
    await person.follow()
    (paper,) = [a for a in person.markup.all("a") if a.attributes.get("target") == "_blank"]
    assert paper.attributes["href"] == "https://app.example/privacy?a=1&b=2"
    assert paper.attributes["rel"] == "noopener noreferrer"


async def test_who_is_to_sign_up_sees_the_sign_up_page(site: Front) -> None:
    """Initiating User Registration via OpenID Connect 1.0: `prompt=create`."""
    client, person = await site.client(), site.person()
    await site.user()
    await person.sign_in()
    await person.authorize(client, prompt="create")
    assert (await person.follow()).url.path == "/signup"
    await person.press("signup-submit", identifier="new@example.org")
    await person.follow()
    await person.press("code-submit", code=site.outbox.code)
    page = await person.follow()
    assert page.url.path == "/oauth2/consent"
    assert "new@example.org" in page.text


async def test_an_account_can_be_chosen(site: Front) -> None:
    client, person = await site.client(), site.person()
    await site.user()
    await person.sign_in()
    await consented(site, person, client)
    await person.authorize(client, prompt="select_account")
    assert (await person.follow()).url.path == "/oauth2/consent"
    assert person.markup.by_id("consent-switch") is not None
    assert "code" in answer_of(await person.press("consent-allow"))


# Group A


FOREIGN = (
    "https://app.example/cb/x",
    "https://app.example.evil.test/cb",
    "https://evil.test/?https://app.example/cb",
    "https://app.example/cb?x=1",
    "https://appXexample/cb",
    "https://app.example/cb#",
    "https://app.example/c\nb",
    "javascript:alert(1)",
)


@pytest.mark.attack("A1")
@pytest.mark.attack("A2")
async def test_a_foreign_redirect_uri_leads_nowhere(site: Front) -> None:
    client, person = await site.client(), site.person()
    await site.user()
    await person.sign_in()
    before = await snapshot(site.store)
    for uri in FOREIGN:
        page = await person.authorize(client, redirect_uri=uri)
        assert is_page(page, "redirect_uri_mismatch"), uri
        assert uri not in page.text
    assert await snapshot(site.store) == before
    assert (await person.authorize(client)).status_code == 303


@pytest.mark.attack("A3")
async def test_no_request_teaches_a_client_its_redirect_uri(site: Front) -> None:
    machine = await site.client(redirect_uris=[], grant_types=["client_credentials"])
    response = await site.person().authorize(machine, redirect_uri="https://evil.test/cb")
    assert is_page(response, "redirect_uri_mismatch")
    found = await site.clients.find(machine.id, TENANT)
    assert found is not None
    assert found.redirect_uris == ()


@pytest.mark.attack("A9")
@pytest.mark.rfc("8252#7.3")
async def test_a_native_app_listens_on_whatever_port(site: Front) -> None:
    client = await site.client(
        redirect_uris=["http://127.0.0.1/cb"], token_endpoint_auth_method="none"
    )
    await site.user()
    person = site.person()
    await person.sign_in()
    response = await consented(site, person, client, redirect_uri="http://127.0.0.1:49152/cb")
    assert answer_of(response)[""] == "http://127.0.0.1:49152/cb"
    for foreign in ("http://localhost:49152/cb", "http://127.0.0.1:49152/other"):
        refused = await person.authorize(client, redirect_uri=foreign)
        assert is_page(refused, "redirect_uri_mismatch")


@pytest.mark.attack("A12")
async def test_duplicates(site: Front) -> None:
    client, person = await site.client(), site.person()
    sound = urlencode(request_of(client))
    for name in ("client_id", "redirect_uri"):
        again = urlencode({name: request_of(client)[name]})
        assert is_page(await person.get(f"/oauth2/authorize?{sound}&{again}"), "invalid_request")
    for again in (
        "code_challenge=x",
        "scope=openid",
        "response_type=code",
        "prompt=none&prompt=none",
    ):
        assert is_red(await person.get(f"/oauth2/authorize?{sound}&{again}"), "invalid_request")
    split = await person.post("/oauth2/authorize?code_challenge=x", request_of(client))
    assert is_red(split, "invalid_request")
    split = await person.post(f"/oauth2/authorize?client_id={client.id}", request_of(client))
    assert is_page(split, "invalid_request")


ERRORS: tuple[tuple[Mapping[str, str | None], str], ...] = (
    ({"response_type": "token"}, "unsupported_response_type"),
    ({"response_type": "code token"}, "unsupported_response_type"),
    ({"response_type": None}, "invalid_request"),
    ({"response_mode": "web_message"}, "invalid_request"),
    ({"code_challenge": None, "code_challenge_method": None}, "invalid_request"),
    ({"code_challenge_method": "plain"}, "invalid_request"),
    ({"scope": "openid nope"}, "invalid_scope"),
    ({"scope": 'openid "'}, "invalid_scope"),
    ({"resource": "https://other.example"}, "invalid_target"),
    ({"request": "e30."}, "request_not_supported"),
    ({"request_uri": "https://169.254.169.254/x"}, "request_uri_not_supported"),
    ({"id_token_hint": "e30.e30.AA"}, "invalid_request"),
    ({"prompt": "none"}, "login_required"),
)


@pytest.mark.attack("A14")
@pytest.mark.attack("B1")
@pytest.mark.attack("B2")
async def test_errors_by_redirect(site: Front) -> None:
    client, person = await site.client(), site.person()
    before = await snapshot(site.store)
    for changed, error in ERRORS:
        assert is_red(await person.authorize(client, **changed), error), changed
    assert await snapshot(site.store) == before


@pytest.mark.attack("A20")
@pytest.mark.rfc("OIDC#3.1.2.6")
async def test_prompt_none_is_for_what_was_allowed_to_a_known_client(site: Front) -> None:
    await site.user()
    secretive, native = await site.client(), await site.client(token_endpoint_auth_method="none")
    person = site.person()
    await person.sign_in()
    assert is_red(await person.authorize(secretive, prompt="none"), "consent_required")
    await consented(site, person, secretive)
    await consented(site, person, native)
    assert "code" in answer_of(await person.authorize(secretive, prompt="none"))
    assert is_red(await person.authorize(native, prompt="none"), "consent_required")
    posted = await person.post("/oauth2/authorize", request_of(secretive, prompt="none"))
    assert posted.status_code == 303
    assert "code" in answer_of(await person.follow())


ELSEWHERE = (
    "//evil.test",
    "/\\evil.test",
    "https:evil.test",
    "https://evil.test/",
    "%2f%2fevil.test",
    "javascript:alert(1)",
    "/\t/evil.test",
    "/x\r\nSet-Cookie: a=b",
    "\\\\evil.test",
)


@pytest.mark.attack("A16")
async def test_after_login_one_stays_here(site: Front) -> None:
    await site.user()
    for to in ELSEWHERE:
        person = site.person()
        await person.get("/login", params={"next": to})
        response = await person.press("login-submit", username="ann@example.org", password=PASSWORD)
        assert response.headers["location"] == "/account", to
        assert "a=b" not in str(response.headers)


@pytest.mark.attack("A16")
async def test_after_login_one_goes_where_one_wanted(site: Front) -> None:
    await site.user()
    person = site.person()
    await person.get("/login", params={"next": "/connect/x?y=1"})
    response = await person.press("login-submit", username="ann@example.org", password=PASSWORD)
    assert response.headers["location"] == "/connect/x?y=1"
    again = await person.get("/login", params={"next": "/connect/x?y=1"})
    assert again.headers["location"] == "/connect/x?y=1"


@pytest.mark.attack("A18")
async def test_hosts_that_are_not_ours(site: Front) -> None:
    client, person = await site.client(), site.person()
    path = f"/oauth2/authorize?{urlencode(request_of(client, scope='nope'))}"
    for host in ("evil.test", "id.example.evil.test", "id.example:8443", "id.example@evil.test"):
        assert (await person.get(path, headers={"host": host})).status_code == 421
    for host in ("id.example", "ID.example", "id.example:443"):
        assert (await person.get(path, headers={"host": host})).status_code == 303
    poison = {
        "x-forwarded-host": "evil.test",
        "x-forwarded-proto": "http",
        "forwarded": "host=evil.test;proto=http",
        "x-original-url": "/evil",
    }
    response = await person.get(path, headers=poison)
    assert is_red(response, "invalid_scope")
    assert "evil" not in response.text + str(response.headers)


@pytest.mark.attack("A21")
async def test_no_stage_can_be_skipped(site: Front) -> None:
    client = await site.client()
    await site.user()
    person = site.person()
    for path in ("/oauth2/consent", "/login", "/signup", "/signup/code", "/oauth2/logout/confirm"):
        response = await person.post(path, {})
        assert response.status_code == 403
        assert "set-cookie" not in response.headers
    await person.authorize(client)
    before = await snapshot(site.store)
    login_page = await person.follow()
    form, _ = person.markup.form_with("login-submit")
    skipped = await person.post("/oauth2/consent", {**form.fields, "decision": "allow"})
    assert skipped.headers["location"].startswith("/login?flow=")
    assert await snapshot(site.store) == before
    assert login_page.status_code == 200


@pytest.mark.attack("A21")
async def test_a_flow_belongs_to_its_browser(site: Front) -> None:
    client, ann, eve = await site.client(), site.person(), site.person()
    await site.user()
    await ann.authorize(client)
    page = await ann.follow()
    await eve.sign_in()
    stolen = await eve.get(str(page.url).replace("/login", "/oauth2/consent"))
    assert is_page(stolen, "flow_expired")
    assert is_page(await eve.get(str(page.url)), "flow_expired")
    assert (await ann.get(str(page.url))).status_code == 200


@pytest.mark.attack("A21")
async def test_a_flow_makes_one_code(site: Front) -> None:
    client, person = await site.client(), site.person()
    await site.user()
    await person.sign_in()
    await person.authorize(client)
    await person.follow()
    form, pressed = person.markup.form_with("consent-allow")
    data = {**form.fields, **pressed}
    answers = await asyncio.gather(
        *(person.http.post("/oauth2/consent", data=data) for _ in range(6))
    )
    given = [answer for answer in answers if answer.status_code == 303]
    assert len(given) == 1
    assert all(is_page(a, "flow_expired") for a in answers if a is not given[0])
    assert len(await all_of(site, Code)) == 1
    assert len(await all_of(site, Grant)) == 1
    late = await person.post("/oauth2/consent", {**form.fields, "decision": "deny"})
    assert is_page(late, "flow_expired")


@pytest.mark.attack("A21")
async def test_tabs_of_different_users(site: Front) -> None:
    """The first tab shows Ann's consent; Bob signs in in the second; the first is then void."""
    client, person = await site.client(), site.person()
    await site.user()
    await site.user("bob@example.org")
    await person.sign_in()
    await person.authorize(client)
    await person.follow()
    form, pressed = person.markup.form_with("consent-allow")
    switch = person.markup.by_id("consent-switch")
    assert switch is not None
    await person.get(switch.attributes["href"])
    await person.press("login-submit", username="bob@example.org", password=PASSWORD)
    stale = await person.http.post("/oauth2/consent", data={**form.fields, **pressed})
    assert stale.status_code == 403
    assert await all_of(site, Code) == ()
    page = await person.follow()
    assert "bob@example.org" in page.text
    assert "code" in answer_of(await person.press("consent-allow"))


async def test_a_flow_grows_old(site: Front) -> None:
    client, person = await site.client(), site.person()
    await site.user()
    await person.sign_in()
    await person.authorize(client)
    await person.follow()
    site.clock.advance(15 * 60_000)
    assert is_page(await person.press("consent-allow"), "flow_expired")
    assert await all_of(site, Code) == ()


@pytest.mark.attack("A22")
async def test_prompt_login_wants_a_new_login(site: Front) -> None:
    client, person = await site.client(), site.person()
    await site.user()
    await person.sign_in()
    await consented(site, person, client)
    site.clock.advance(60_000)
    await person.authorize(client, prompt="login")
    page = await person.follow()
    assert page.url.path == "/login"
    resumed = str(page.url).replace("/login", "/oauth2/consent")
    assert (await person.get(resumed)).headers["location"].startswith("/login?flow=")
    await person.follow()
    await person.press("login-submit", username="ann@example.org", password=PASSWORD)
    assert "code" in answer_of(await person.follow())
    newest = max(await all_of(site, Code), key=lambda code: code.id)
    assert newest.auth_time == site.clock.now()


@pytest.mark.attack("A22")
@pytest.mark.parametrize("max_age", ["0", "1", "59"])
async def test_max_age_wants_a_new_login(site: Front, max_age: str) -> None:
    client, person = await site.client(), site.person()
    await site.user()
    await person.sign_in()
    await consented(site, person, client)
    site.clock.advance(60_000)
    await person.authorize(client, max_age=max_age)
    assert (await person.follow()).url.path == "/login"
    site.clock.advance(5_000)
    await person.press("login-submit", username="ann@example.org", password=PASSWORD)
    site.clock.advance(5_000)
    assert "code" in answer_of(await person.follow())
    assert "code" in answer_of(await person.authorize(client, max_age="600"))
    assert is_red(await person.authorize(client, max_age="5", prompt="none"), "login_required")


@pytest.mark.attack("A22")
async def test_a_hint_of_another_user_never_yields_a_code_for_the_wrong_one(site: Front) -> None:
    client, person = await site.client(), site.person()
    await site.user()
    bob = await site.user("bob@example.org")
    keys = site.keys.of(client.tenant_id)
    hint = keys.signer.sign({"iss": ISSUER, "sub": bob.id, "aud": client.id}, typ="JWT")
    await person.sign_in()
    await consented(site, person, client)
    assert is_red(
        await person.authorize(client, id_token_hint=hint, prompt="none"), "login_required"
    )
    await person.authorize(client, id_token_hint=hint)
    assert (await person.follow()).url.path == "/login"
    await person.press("login-submit", username="ann@example.org", password=PASSWORD)
    assert (await person.follow()).url.path == "/login"
    await person.press("login-submit", username="bob@example.org", password=PASSWORD)
    assert (await person.follow()).url.path == "/oauth2/consent"
    assert "code" in answer_of(await person.press("consent-allow"))


@pytest.mark.rfc("OIDC#8")
@pytest.mark.rfc("OIDC#3.1.2.1")
async def test_a_client_with_pairwise_subjects_hints_by_the_names_it_knows(site: Front) -> None:
    ann, _ = await site.user(), await site.user("bob@example.org")
    client = await site.client(subject_type="pairwise")
    names = {}
    for email in ("bob@example.org", "ann@example.org"):
        person = site.person()
        await person.sign_in(email)
        answer = answer_of(await consented(site, person, client))
        names[email] = (await site.redeem(client, answer)).json()["id_token"]
    subject = parse_jws(names["ann@example.org"]).claims["sub"]
    assert subject != ann.id
    by_claims = {"claims": json.dumps({"id_token": {"sub": {"value": subject}}})}
    for right in ({"id_token_hint": names["ann@example.org"]}, by_claims):
        assert "code" in answer_of(await person.authorize(client, prompt="none", **right))
    raw = {"claims": json.dumps({"id_token": {"sub": {"value": ann.id}}})}
    nobody = {"claims": json.dumps({"id_token": {"sub": {"value": ""}}})}
    for wrong in ({"id_token_hint": names["bob@example.org"]}, raw, nobody):
        asked = await person.authorize(client, prompt="none", **wrong)
        assert is_red(asked, "login_required"), wrong
    other = await site.client(redirect_uris=["https://elsewhere.example/cb"])
    await consented(site, person, other)
    hint = {"id_token_hint": names["ann@example.org"]}
    asked = await person.authorize(other, prompt="none", **hint)
    assert is_red(asked, "login_required", other.redirect_uris[0]), "another sector, another name"


@pytest.mark.attack("B13")
async def test_an_access_token_is_no_hint(site: Front) -> None:
    client = await site.client()
    user = await site.user()
    signer = site.keys.of(client.tenant_id).signer
    claims = {"iss": ISSUER, "sub": user.id}
    token, hint = signer.sign(claims, typ="at+jwt"), signer.sign(claims, typ="JWT")
    person = site.person()
    assert is_red(await person.authorize(client, id_token_hint=token), "invalid_request")
    response = await person.authorize(client, id_token_hint=hint)
    assert response.headers["location"].startswith("/login")


@pytest.mark.attack("A23")
async def test_long_state_survives_the_whole_way(site: Front) -> None:
    client, person = await site.client(), site.person()
    await site.user()
    state = "%é\x01" * 500
    response = await person.authorize(client, state=state)
    assert len(response.headers["location"]) < 8_000
    await person.follow()
    await person.press("login-submit", username="ann@example.org", password=PASSWORD)
    await person.follow()
    assert answer_of(await person.press("consent-allow"))["state"] == state
    assert is_page(await person.authorize(client, state="s" * 20_000), "invalid_request")
    noise = b64encode(urandom(2_300)).decode()
    response = await person.authorize(client, state=noise, nonce=noise[:1_000])
    assert len(response.headers["location"]) < 8_000


async def test_what_is_no_query_at_all(site: Front) -> None:
    person = site.person()
    for query in ("client_id=%ff", "client_id=%00", "&".join(f"a{n}=1" for n in range(200))):
        assert is_page(await person.get(f"/oauth2/authorize?{query}"), "invalid_request")
    wrong_type = await person.http.post(
        "/oauth2/authorize", content=b"{}", headers={"content-type": "application/json"}
    )
    assert is_page(wrong_type, "invalid_request", 415)
    assert is_page(await person.get("/oauth2/authorize"), "unknown_client")
    assert is_page(await person.http.put("/oauth2/authorize"), "method_not_allowed", 405)


# What changes while somebody reads the consent page


async def test_what_ended_meanwhile_gives_no_code(site: Front) -> None:
    client, user = await site.client(), await site.user()
    for change, told in (
        (
            lambda: site.clients.disable(client.tenant_id, client.id, actor="operator"),
            "client_disabled",
        ),
        (lambda: site.users.disable(user.tenant_id, user.id, actor="operator"), None),
    ):
        person = site.person()
        await person.sign_in()
        await person.authorize(client)
        await person.follow()
        await change()
        response = await person.press("consent-allow")
        if told:
            assert is_page(response, told)
            await site.clients.enable(client.tenant_id, client.id, actor="operator")
        else:
            assert response.headers["location"].startswith("/login?flow=")
    assert await all_of(site, Code) == ()


async def test_a_redirect_uri_that_was_removed_meanwhile_gets_nothing(site: Front) -> None:
    client, person = await site.client(), site.person()
    await site.user()
    await person.sign_in()
    await person.authorize(client)
    await person.follow()
    await site.clients.update(
        client.tenant_id, client.id, {"redirect_uris": ["https://new.example/cb"]}, actor="operator"
    )
    assert is_page(await person.press("consent-allow"), "redirect_uri_mismatch")
    assert await all_of(site, Code) == ()


@pytest.mark.invariant("V9")
async def test_strangers_write_nothing(site: Front) -> None:
    client, person = await site.client(), site.person()
    before = await snapshot(site.store)
    for _ in range(3):
        await person.authorize(client)
        await person.follow()
        await person.get("/signup")
        await person.authorize(client, redirect_uri="https://evil.test")
    assert await snapshot(site.store) == before
    assert await all_of(site, Spent) == ()


def reference_of(answer: Mapping[str, str]) -> str:
    return answer["error_uri"].removeprefix(f"{ISSUER}/oauth2/refusals/")


@pytest.mark.rfc("6749#4.1.2.1")
async def test_a_refusal_can_be_explained(site: Front) -> None:
    client, person = await site.client(), site.person()
    refused = answer_of(await person.authorize(client, scope="admin"))
    denial = await site.platform.denials.find(TENANT, reference_of(refused))
    assert denial is not None
    page = await person.get(refused["error_uri"])
    assert (page.status_code, denial.id in page.text) == (200, True)
    assert (await person.get(refused["error_uri"] + "x")).status_code == 404
    assert (denial.endpoint, denial.client_id) == ("authorize", client.id)
    assert (denial.error, denial.rule) == ("invalid_scope", "scope.allowance")
    await person.authorize(client, redirect_uri="https://evil.test/")
    shown = person.markup.by_id("reference")
    assert shown is not None
    page = await site.platform.denials.find(TENANT, shown.text)
    assert page is not None
    assert page.rule == "redirect_uri.mismatch"
    await site.user()
    await person.sign_in()
    await person.authorize(client)
    await person.follow()
    said_no = answer_of(await person.press("consent-deny"))
    (record,) = [e for e in await all_of(site, Event) if e.outcome == "denied"]
    assert record.id == reference_of(said_no)
