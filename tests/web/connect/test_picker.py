"""Connect as an app opens it, and as people open it for themselves."""

from typing import Any

import pytest
from tests.simulator_fixture import EXAMPLE
from tests.web.connect.stage import BROUGHT, KEYED, LINK, MINUTE, STATE, Stage, query_of
from tests.web.harness import TENANT, Person, answer_of, request_of, snapshot

from safeconduct.core.model import Code, Grant

APP = {"profile": "calico", "scope": "assets:read transactions:read connections:read"}


def href(person: Person, id: str) -> str:
    found = person.markup.by_id(id)
    assert found is not None
    return found.attributes["href"]


async def test_the_whole_journey_of_somebody_new(stage: Stage) -> None:
    client = await stage.site.client(**APP)
    person = stage.site.person()
    await stage.enter(person, client)
    assert "Harbour" in (await person.follow()).text
    await person.get(href(person, "signup-link"))
    await person.press("signup-submit", identifier="new@example.org")
    await person.follow()
    await person.press("code-submit", code=stage.site.outbox.code)
    page = await person.follow()
    assert "See what you hold" in page.text
    await person.press("consent-allow")
    page = await person.follow()
    assert page.url.path == "/connect"
    assert "What you hold there" in page.text
    assert "wallet:accounts:read" in page.text
    assert await stage.rows(Code) == []
    page = await stage.link(person)
    assert page.status_code == 200
    assert person.markup.by_id("connect-linked") is not None
    name = person.markup.by_id("connect-account-name")
    assert name is not None
    assert "Mira" in name.text
    (connection,) = await stage.connections()
    assert (connection.client_id, connection.status) == (client.id, "active")
    answer = answer_of(await person.press("connect-done"))
    assert answer[""] == "https://app.example/cb"
    assert (answer["state"], answer["iss"]) == (STATE, stage.site.issuer)
    redeemed = await stage.site.redeem(client, answer)
    assert redeemed.status_code == 200, redeemed.text
    assert set(redeemed.json()["scope"].split()) == client.default_scope


@pytest.mark.rfc("6749#4.1.2")
async def test_the_code_is_as_young_as_the_leaving_and_there_is_one(stage: Stage) -> None:
    client = await stage.site.client(**APP)
    ann = await stage.ann()
    await stage.to_picker(ann, client)
    picker = ann.page
    stage.site.clock.advance(59 * MINUTE)
    answer = answer_of(await ann.press("connect-done"))
    assert (await stage.site.redeem(client, answer)).status_code == 200
    ann.page = picker
    again = await ann.press("connect-done")
    assert again.status_code == 400
    assert ann.markup.error == "flow_expired"
    assert len(await stage.rows(Code)) == 1


async def test_an_app_waits_an_hour_and_no_longer(stage: Stage) -> None:
    client = await stage.site.client(**APP)
    ann = await stage.ann()
    await stage.to_picker(ann, client)
    stage.site.clock.advance(60 * MINUTE)
    late = await ann.press("connect-done")
    assert (late.status_code, ann.markup.error) == (400, "flow_expired")
    assert await stage.rows(Code) == []


async def test_whoever_allowed_the_app_before_comes_straight_to_the_providers(
    stage: Stage,
) -> None:
    client = await stage.site.client(**APP)
    ann = await stage.ann()
    await stage.to_picker(ann, client)
    await ann.press("connect-done")
    response = await stage.enter(ann, client)
    assert response.headers["location"].startswith("/connect?flow=")
    await ann.follow()
    assert "code" in answer_of(await ann.press("connect-done"))


async def test_saying_no(stage: Stage) -> None:
    client = await stage.site.client(**APP)
    ann = await stage.ann()
    await stage.enter(ann, client)
    await ann.follow()
    answer = answer_of(await ann.press("consent-deny"))
    assert (answer["error"], answer["state"]) == ("access_denied", STATE)
    assert await stage.rows(Grant) == []


@pytest.mark.attack("B2")
@pytest.mark.rfc("9700#2.1.1")
@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"code_challenge_method": "s256"}, "invalid_request"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"code_challenge": "a" * 128}, "invalid_request"),
        ({"state": None}, "invalid_request"),
        ({"state": ""}, "invalid_request"),
        ({"state": "x" * 5000}, "invalid_request"),
        ({"client_id": ""}, "invalid_request"),
        ({"client_id": "nobody"}, "unknown_client"),
        ({"client_id": ["a", "b"]}, "invalid_request"),
        ({"redirect_uri": "https://evil.test/cb"}, "redirect_uri_mismatch"),
    ],
)
async def test_what_is_wrong_is_told_on_a_page(
    stage: Stage, changed: dict[str, Any], code: str
) -> None:
    client = await stage.site.client(**APP)
    ann = await stage.ann()
    before = await snapshot(stage.site.store)
    response = await stage.enter(ann, client, **changed)
    assert (response.status_code, ann.markup.error) == (400, code)
    assert "location" not in response.headers
    assert await snapshot(stage.site.store) == before
    assert (await stage.enter(ann, client)).status_code == 302


async def test_with_several_redirect_uris_one_is_named(stage: Stage) -> None:
    uris = ["https://app.example/cb", "https://app.example/other"]
    client = await stage.site.client(redirect_uris=uris, **APP)
    ann = await stage.ann()
    assert (await stage.enter(ann, client)).status_code == 400
    await stage.to_picker(ann, client, redirect_uri=uris[1])
    assert answer_of(await ann.press("connect-done"))[""] == uris[1]


async def test_an_app_that_may_not_is_told_so(stage: Stage) -> None:
    client = await stage.site.client(**APP)
    ann = await stage.ann()
    answer = answer_of(await stage.enter(ann, client, scope="clients:write"))
    assert (answer["error"], answer["state"]) == ("invalid_scope", STATE)


async def test_without_a_client_id_it_is_the_home_page(stage: Stage) -> None:
    person = stage.site.person()
    assert "Passage for your data" in (await person.get("/")).text


# Whose journey it is


@pytest.mark.attack("A9")
async def test_nobody_gets_past_consent(stage: Stage) -> None:
    client = await stage.site.client(**APP)
    ann = await stage.ann()
    response = await stage.enter(ann, client)
    flow = query_of(response.headers["location"])["flow"]
    response = await ann.get("/connect", params={"flow": flow})
    assert response.headers["location"].startswith("/oauth2/consent?")
    await ann.get("/connect")
    csrf = ann.markup.forms[0].fields["csrf"]
    for path in ("/connect", f"/connect/{EXAMPLE}"):
        response = await ann.post(path, {"csrf": csrf, "flow": flow})
        assert response.headers["location"].startswith("/oauth2/consent?")
    assert await stage.rows(Code) == []
    assert await stage.attempts() == []


async def test_a_yes_is_one_persons(stage: Stage) -> None:
    client = await stage.site.client(**APP)
    ann = await stage.ann()
    await stage.site.user("bob@example.org")
    await stage.to_picker(ann, client)
    await ann.get(href(ann, "connect-switch"))
    await ann.press("login-submit", username="bob@example.org", password="correct horse battery")
    page = await ann.follow()
    assert page.url.path == "/oauth2/consent"
    assert "bob@example.org" in page.text
    await ann.press("consent-allow")
    await ann.follow()
    await ann.press("connect-done")
    (code,) = await stage.rows(Code)
    assert code.user_id == await stage.user_id("bob@example.org")


async def test_a_journey_stays_in_its_browser_and_on_its_path(stage: Stage) -> None:
    client = await stage.site.client(**APP)
    ann, bob = await stage.ann(), await stage.ann("bob@example.org")
    page = await stage.to_picker(ann, client)
    flow = query_of(str(page.url))["flow"]
    await bob.get("/connect", params={"flow": flow})
    assert bob.markup.error == "flow_expired"
    await ann.get("/connect", params={"flow": flow[:-2] + "AA"})
    assert ann.markup.error == "flow_expired"
    other = await ann.get("/oauth2/authorize", params=request_of(client, scope="assets:read"))
    standard = query_of(other.headers["location"])["flow"]
    await ann.get("/connect", params={"flow": standard})
    assert ann.markup.error == "flow_expired"
    assert (await ann.get("/connect", params={"flow": flow})).status_code == 200


# For oneself


async def test_linking_for_oneself(stage: Stage) -> None:
    await stage.site.user()
    person = stage.site.person()
    response = await person.get("/connect")
    assert (response.status_code, response.headers["location"]) == (303, "/login?next=/connect")
    await person.follow()
    await person.press("login-submit", username="ann@example.org", password="correct horse battery")
    page = await person.follow()
    assert page.url.path == "/connect"
    await stage.link(person)
    assert href(person, "connect-done") == "/account"
    (connection,) = await stage.connections()
    assert connection.client_id is None
    page = await person.get("/account")
    assert "Exchange Example" in page.text
    assert href(person, "link-account") == "/connect"
    page = await person.get("/connect")
    assert "Linked already" in page.text


async def test_linking_the_same_account_twice_is_one_connection(stage: Stage) -> None:
    ann = await stage.ann()
    for words in ("is linked", "is linked again"):
        await ann.get("/connect")
        page = await stage.link(ann)
        assert words in " ".join(page.text.split())
    await ann.get("/connect")
    await stage.link(ann, user="jonas")
    assert len(await stage.connections()) == 2


async def test_an_empty_shelf(stage: Stage) -> None:
    for provider_id in (EXAMPLE, *KEYED, *BROUGHT):
        await stage.site.platform.providers.switch(TENANT, provider_id, on=False, actor="operator")
    ann = await stage.ann()
    await ann.get("/connect")
    assert ann.markup.by_id("no-providers") is not None
    assert ann.markup.by_id(LINK) is None


@pytest.mark.attack("L8")
async def test_a_provider_that_cannot_be_used(stage: Stage) -> None:
    ann = await stage.ann()
    await ann.get("/connect")
    form, _ = ann.markup.form_with(LINK)
    for path in ("/connect/nowhere", "/connect/%00", "/connect/EXCHANGEEXAMPLE"):
        response = await ann.post(path, form.fields)
        assert (response.status_code, ann.markup.error) == (404, "provider_not_found")
    await stage.site.platform.providers.switch(TENANT, EXAMPLE, on=False, actor="operator")
    off = await ann.post(form.action, form.fields)
    assert (off.status_code, ann.markup.error) == (404, "provider_not_found")
    assert await stage.attempts() == []
    await stage.site.platform.providers.switch(TENANT, EXAMPLE, on=True, actor="operator")
    assert (await ann.post(form.action, form.fields)).status_code == 303


# Attacks on the forms


@pytest.mark.attack("I2")
@pytest.mark.attack("I14")
async def test_nothing_begins_by_forgery_by_get_or_after_logout(stage: Stage) -> None:
    client = await stage.site.client(**APP)
    ann, bob = await stage.ann(), await stage.ann("bob@example.org")
    await stage.to_picker(ann, client)
    link, _ = ann.markup.form_with(LINK)
    leave, _ = ann.markup.form_with("connect-done")
    await bob.get("/connect")
    foreign = bob.markup.form_with(LINK)[0].fields["csrf"]
    before = await snapshot(stage.site.store)
    got = await ann.http.get(link.action)
    assert (got.status_code, 'data-code="method_not_allowed"' in got.text) == (405, True)
    for form in (link, leave):
        for csrf in ("", "x", foreign):
            data = {**form.fields, "csrf": csrf}
            assert (await ann.http.post(form.action, data=data)).status_code == 403
        for headers in ({"origin": "https://evil.test"}, {"sec-fetch-site": "cross-site"}):
            crossed = await ann.http.post(form.action, data=form.fields, headers=headers)
            assert crossed.status_code == 403
        plain = {"content-type": "text/plain"}
        text = await ann.http.post(form.action, content=b"csrf=x", headers=plain)
        assert text.status_code == 403
        assert (
            await stage.site.person().http.post(form.action, data=form.fields)
        ).status_code == 403
    assert await snapshot(stage.site.store) == before
    assert (await ann.http.post(link.action, data=link.fields)).status_code == 303
    await ann.get("/oauth2/logout")
    await ann.press("logout-confirm")
    for form in (link, leave):
        assert (await ann.http.post(form.action, data=form.fields)).status_code == 403
    assert await stage.rows(Code) == []


@pytest.mark.attack("I3")
@pytest.mark.attack("I11")
@pytest.mark.attack("I12")
async def test_headers_of_the_pages(stage: Stage) -> None:
    client = await stage.site.client(**APP)
    ann = await stage.ann()
    pages = [await stage.to_picker(ann, client), await stage.link(ann)]
    await ann.get("/connect")
    pages.append(await stage.link(ann, deny=True))
    for page in pages:
        policy = page.headers["content-security-policy"]
        assert "frame-ancestors 'none'" in policy
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert page.headers["x-frame-options"] == "DENY"
        assert page.headers["referrer-policy"] == "no-referrer"
        assert page.headers["cache-control"] == "no-store"
        assert "<script" not in page.text
        for word in ('src="http', 'href="http', "url(http"):
            assert word not in page.text


@pytest.mark.attack("I13")
async def test_a_changed_link_changes_nothing(stage: Stage) -> None:
    client = await stage.site.client(**APP)
    ann = await stage.ann()
    evil = {"return_url": "https://evil.test", "end_user": "bob", "theme": "evil"}
    await stage.to_picker(ann, client, **evil, response_mode="form_post", prompt="none")
    form, _ = ann.markup.form_with(LINK)
    changed = {**form.fields, **evil, "return_to": "https://evil.test", "client_id": "other"}
    response = await ann.post(form.action, changed)
    (attempt,) = await stage.attempts()
    assert (attempt.user_id, attempt.client_id) == (await stage.user_id(), client.id)
    assert attempt.return_to is not None
    assert attempt.return_to.startswith("/connect?flow=")
    page = await ann.get(
        await stage.approve(response) + "&return_to=https://evil.test&client_id=other&flow=x"
    )
    assert "evil" not in page.text
    assert answer_of(await ann.press("connect-done"))[""] == "https://app.example/cb"


@pytest.mark.attack("L14")
async def test_what_the_provider_is_asked(stage: Stage) -> None:
    ann = await stage.ann()
    await ann.get("/connect")
    picker = ann.page
    seen: dict[str, set[str]] = {"state": set(), "code_challenge": set()}
    for _ in range(20):
        ann.page = picker
        asked = query_of((await ann.press(LINK)).headers["location"])
        assert asked["code_challenge_method"] == "S256"
        assert asked["scope"] == "wallet:accounts:read,wallet:transactions:read,offline_access"
        assert asked["redirect_uri"] == stage.site.issuer + "/oauth-success/cb"
        assert len(asked["state"]) >= 43
        for name, values in seen.items():
            values.add(asked[name])
    assert {name: len(values) for name, values in seen.items()} == {
        "state": 20,
        "code_challenge": 20,
    }


@pytest.mark.attack("I8")
async def test_names_of_others_are_shown_as_text(stage: Stage) -> None:
    bad = "<img src=x onerror=alert(1)>"
    client = await stage.site.client(client_name=bad, **APP)
    ann = await stage.ann()
    page = await stage.to_picker(ann, client)
    assert "<img src=x" not in page.text
    assert "&lt;img src=x" in page.text
    page = await stage.link(ann)
    assert "<img src=x" not in page.text
    (row,) = await stage.connections()
    await stage.change(row, account_name=bad)
    page = await ann.get("/connect")
    assert "&lt;img src=x" in page.text
    assert "<img src=x" not in page.text


async def test_a_refusal_can_be_explained(stage: Stage) -> None:
    client = await stage.site.client(**APP)
    person = stage.site.person()
    await stage.enter(person, client, code_challenge_method="plain")
    reference = person.markup.by_id("reference")
    assert reference is not None
    (denial,) = stage.site.platform.denials.recent()
    assert denial.id == reference.text
