"""Where providers send people back to: who may finish what, and what everybody else is told."""

import os
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from tests.simulator_fixture import EXAMPLE
from tests.web.connect.stage import LANDING, LINK, MINUTE, Stage, query_of
from tests.web.harness import TENANT, Person, snapshot

from safeconduct.core.secret import Opaque
from safeconduct.services.connections import Completed, Returning

MARKUP = '<script>alert("x")</script>'


async def begun(stage: Stage, person: Person) -> tuple[dict[str, str], str]:
    """An attempt on our own page: what the provider was asked, and its answer to come."""
    await person.get("/connect")
    response = await person.press(LINK)
    return query_of(response.headers["location"]), await stage.approve(response)


def landing(**parameters: Any) -> str:
    return f"{LANDING}?{urlencode(parameters, doseq=True)}"


def altered(state: str) -> str:
    return state[:-1] + ("A" if state[-1] != "A" else "B")


# Begun on our own page


@pytest.mark.attack("L1")
@pytest.mark.invariant("connection attempts")
async def test_a_state_that_is_not_genuine(stage: Stage) -> None:
    ann = await stage.ann()
    asked, back = await begun(stage, ann)
    good = query_of(back)
    id = asked["state"].split(".")[-1]
    forged = [
        "",
        "x",
        id,
        altered(good["state"]),
        good["state"].upper(),
        good["state"] + "\0",
        Opaque("st", TENANT, "att_1", "s" * 43).encode(),
        Opaque("st", "t2", "att_1", "s" * 43).encode(),  # type: ignore[arg-type]
        os.urandom(32).hex(),
        "é",
    ]
    before, asked_there = await snapshot(stage.site.store), await stage.exchanges()
    queries = [landing(code=good["code"], state=state) for state in forged]
    queries += [
        landing(code=good["code"]),
        landing(code=good["code"], state=[good["state"], good["state"]]),
        landing(code=good["code"], state=[good["state"], "x"]),
        LANDING,
    ]
    for query in queries:
        response = await ann.get(query)
        assert response.status_code == 400, query
        assert ann.markup.error in ("invalid_state", "invalid_request")
        assert good["code"] not in response.text
    assert await snapshot(stage.site.store) == before
    assert await stage.exchanges() == asked_there
    assert (await ann.get(back)).status_code == 200
    assert ann.markup.by_id("connect-linked") is not None


@pytest.mark.attack("L1")
@pytest.mark.invariant("connection attempts")
async def test_a_state_of_somebody_else(stage: Stage) -> None:
    ann, bob = await stage.ann(), await stage.ann("bob@example.org")
    elsewhere, nobody = await stage.ann(), stage.site.person()
    _, back = await begun(stage, ann)
    before = await snapshot(stage.site.store)
    for person in (bob, elsewhere, nobody):
        assert (await person.get(back)).status_code == 400
        assert person.markup.error == "invalid_state"
    bob.http.cookies.set("__Host-sc_browser", ann.http.cookies["__Host-sc_browser"])
    assert (await bob.get(back)).status_code == 400
    assert await snapshot(stage.site.store) == before
    assert await stage.exchanges() == 0
    assert (await ann.get(back)).status_code == 200
    (row,) = await stage.connections()
    assert row.user_id == await stage.user_id()


@pytest.mark.attack("L1")
async def test_a_state_is_honoured_once_and_not_late(stage: Stage) -> None:
    ann = await stage.ann()
    _, late = await begun(stage, ann)
    stage.site.clock.advance(10 * MINUTE)
    assert (await ann.get(late)).status_code == 400
    assert ann.markup.error == "invalid_state"
    assert await stage.exchanges() == 0
    _, back = await begun(stage, ann)
    stage.site.clock.advance(10 * MINUTE - 1)
    assert (await ann.get(back)).status_code == 200
    exchanged, held = await stage.exchanges(), await stage.credentials()
    assert (await ann.get(back)).status_code == 400
    assert ann.markup.error == "invalid_state"
    assert (await stage.exchanges(), await stage.credentials()) == (exchanged, held)


async def test_signed_out_at_the_provider_is_signed_out_here(stage: Stage) -> None:
    ann = await stage.ann()
    _, back = await begun(stage, ann)
    await ann.get("/oauth2/logout")
    await ann.press("logout-confirm")
    assert (await ann.get(back)).status_code == 400
    assert await stage.exchanges() == 0
    await ann.sign_in()
    assert (await ann.get(back)).status_code == 200


@pytest.mark.attack("L10")
@pytest.mark.rfc("6749#4.1.2.1")
@pytest.mark.parametrize(
    ("said", "status", "code", "shown"),
    [
        ({"error": "access_denied"}, 200, "access_denied", None),
        (
            {"error": "server_error", "error_description": MARKUP},
            200,
            "provider_refused",
            "&lt;script&gt;",
        ),
        ({"error": MARKUP}, 200, "provider_refused", None),
        ({"error": "access_denied", "code": "c"}, 400, "invalid_callback", None),
        ({"code": ["c", "d"]}, 400, "invalid_callback", None),
        ({"code": ["c", "c"]}, 400, "invalid_callback", None),
        ({"code": "c", "iss": "https://evil.test"}, 400, "invalid_callback", None),
        ({"code": ""}, 400, "invalid_callback", None),
        ({"code": "c\n"}, 400, "invalid_callback", None),
        ({"code": "x" * 5000}, 400, "invalid_callback", None),
        ({}, 400, "invalid_callback", None),
    ],
)
async def test_what_is_no_code(
    stage: Stage, said: dict[str, Any], status: int, code: str, shown: str | None
) -> None:
    ann = await stage.ann()
    asked, _ = await begun(stage, ann)
    response = await ann.get(landing(state=asked["state"], **said))
    assert (response.status_code, ann.markup.error) == (status, code)
    assert "<script" not in response.text
    assert shown is None or shown in response.text
    (attempt,) = await stage.attempts()
    assert (attempt.outcome, attempt.code_verifier) == ("failed", None)
    assert await stage.exchanges() == 0
    assert await stage.connections() == []
    assert (await stage.link(ann)).status_code == 200
    assert len(await stage.connections()) == 1


async def test_saying_no_at_the_provider_and_trying_again(stage: Stage) -> None:
    ann = await stage.ann()
    await ann.get("/connect")
    await stage.link(ann, deny=True)
    assert ann.markup.error == "access_denied"
    page = await stage.link(ann)
    assert "is linked" in page.text


@pytest.mark.parametrize(
    ("kind", "endpoint", "code"),
    [
        ("503", "token", "provider_unavailable"),
        ("html200", "token", "provider_unavailable"),
        ("lost_answer", "token", "provider_unavailable"),
        ("500", "identity", "provider_unavailable"),
        ("invalid_grant", "token", "provider_refused"),
    ],
)
async def test_a_provider_that_fails_is_no_failure_of_ours(
    stage: Stage, kind: str, endpoint: str, code: str
) -> None:
    ann = await stage.ann()
    await ann.get("/connect")
    back = await stage.approve(await ann.press(LINK))
    await stage.sim.fault(kind, endpoint)
    response = await ann.get(back)
    assert (response.status_code, ann.markup.error) == (200, code)
    assert await stage.connections() == []
    await stage.link(ann)
    assert len(await stage.connections()) == 1


@pytest.mark.attack("L8")
async def test_a_provider_that_was_switched_off_meanwhile(stage: Stage) -> None:
    ann = await stage.ann()
    _, back = await begun(stage, ann)
    await stage.site.platform.providers.switch(TENANT, EXAMPLE, on=False, actor="operator")
    response = await ann.get(back)
    assert (response.status_code, ann.markup.error) == (404, "provider_not_found")
    assert await stage.exchanges() == 0
    await stage.site.platform.providers.switch(TENANT, EXAMPLE, on=True, actor="operator")
    assert (await ann.get(back)).status_code == 200


@pytest.mark.attack("L11")
async def test_signing_in_again_takes_no_other_account(stage: Stage) -> None:
    ann, bob = await stage.ann(), await stage.ann("bob@example.org")
    await ann.get("/connect")
    await stage.link(ann)
    (row,) = await stage.connections()
    (held,) = await stage.credentials()
    await stage.change(row, status="needs_reauth", reason="refresh.invalid_grant")
    page = await ann.get("/connect")
    assert "sign in there again" in page.text
    form, _ = ann.markup.form_with(f"relink-{row.id}")
    assert (await stage.link(ann, f"relink-{row.id}", user="jonas")).status_code == 200
    assert ann.markup.error == "account_mismatch"
    assert await stage.credentials() == [held]
    assert [one.status for one in await stage.connections()] == ["needs_reauth"]
    await bob.get("/connect")
    csrf = bob.markup.form_with(LINK)[0].fields["csrf"]
    theft = await bob.post(form.action, {"csrf": csrf, "connection": row.id})
    assert (theft.status_code, bob.markup.error) == (404, "connection_not_found")
    page = await stage.link(ann)  # try again
    assert "linked again" in " ".join(page.text.split())
    (row,) = await stage.connections()
    assert row.status == "active"


# Begun by an app


def handed(person: Person) -> tuple[str, dict[str, str]]:
    """Where a page without scripts goes by itself, which is where its button leads too."""
    refresh = next(e for e in person.markup.all("meta") if "http-equiv" in e.attributes)
    target = refresh.attributes["content"].removeprefix("0;url=")
    link = person.markup.by_id("connect-continue")
    assert link is not None
    assert link.attributes["href"] == target
    return target.partition("?")[0], dict(parse_qsl(urlsplit(target).query))


@pytest.mark.attack("I11")
@pytest.mark.invariant("connection attempts")
async def test_an_apps_attempt_is_handed_to_the_app_unused(stage: Stage) -> None:
    client = await stage.site.client(scope="connections:write")
    await stage.site.user()
    user_id = await stage.user_id()
    started = await stage.begin(client, user_id)
    location = await stage.sim.approve(started.redirect_url)
    before = await snapshot(stage.site.store)
    person = stage.site.person()
    for _ in range(2):
        page = await person.get(location)
        assert page.status_code == 200
        sent = query_of(location)
        assert handed(person) == (
            "https://app.example/cb",
            {"code": sent["code"], "state": sent["state"]},
        )
    assert page.headers["referrer-policy"] == "no-referrer"
    assert page.headers["cache-control"] == "no-store"
    assert await snapshot(stage.site.store) == before
    assert await stage.exchanges() == 0
    back = Returning(
        tenant_id=TENANT,
        mode="api",
        user_id=user_id,
        client_id=client.id,
        provider_id=EXAMPLE,
        state=sent["state"],
        params=list(sent.items()),
    )
    assert isinstance(await stage.site.platform.complete.complete(back), Completed)
    assert (await person.get(location)).status_code == 400
    assert person.markup.error == "invalid_state"


@pytest.mark.attack("I13")
async def test_only_to_a_registered_address(stage: Stage) -> None:
    uris = ["https://app.example/cb?x=1", "https://app.example/links"]
    client = await stage.site.client(redirect_uris=uris)
    await stage.site.user()
    user_id, person = await stage.user_id(), stage.site.person()
    started = await stage.begin(client, user_id)
    location = await stage.sim.approve(started.redirect_url)
    await person.get(location + "&redirect_uri=https://evil.test&return_to=https://evil.test")
    address, query = handed(person)
    assert (address, query["x"]) == ("https://app.example/cb", "1")
    started = await stage.begin(client, user_id, return_to=uris[1])
    await person.get(await stage.sim.approve(started.redirect_url))
    assert handed(person)[0] == uris[1]
    started = await stage.begin(client, user_id, return_to="https://evil.test/cb")
    location = await stage.sim.approve(started.redirect_url)
    page = await person.get(location)
    assert (page.status_code, person.markup.error) == (400, "no_return_address")
    assert query_of(location)["code"] not in page.text
    assert "evil" not in page.text


async def test_an_app_that_is_gone(stage: Stage) -> None:
    client = await stage.site.client()
    await stage.site.user()
    started = await stage.begin(client, await stage.user_id())
    location = await stage.sim.approve(started.redirect_url)
    await stage.site.clients.disable(TENANT, client.id, actor="operator")
    person = stage.site.person()
    page = await person.get(location)
    assert (page.status_code, person.markup.error) == (400, "no_return_address")
    assert query_of(location)["code"] not in page.text
    await stage.site.clients.enable(TENANT, client.id, actor="operator")
    assert (await person.get(location)).status_code == 200


@pytest.mark.attack("L10")
async def test_a_refusal_is_handed_over_and_nonsense_is_not(stage: Stage) -> None:
    client = await stage.site.client()
    await stage.site.user()
    user_id, person = await stage.user_id(), stage.site.person()
    started = await stage.begin(client, user_id)
    location = await stage.sim.approve(started.redirect_url, deny=True)
    page = await person.get(location)
    state = query_of(location)["state"]
    assert page.status_code == 200
    assert handed(person)[1] == {"error": "access_denied", "state": state}
    for said in ({"error": "x", "code": "c"}, {"code": ["c", "d"]}, {"error": ["x", "y"]}, {}):
        started = await stage.begin(client, user_id)
        state = query_of(started.redirect_url)["state"]
        page = await person.get(landing(state=state, **said))
        assert (page.status_code, person.markup.error) == (400, "invalid_callback")
        assert state not in page.text
    assert {row.outcome for row in await stage.attempts()} == {"failed"}
    assert await stage.exchanges() == 0


@pytest.mark.attack("L1")
async def test_the_state_of_an_app_is_no_state_of_our_page(stage: Stage) -> None:
    """Whoever is lured through somebody else's attempt links nothing."""
    client = await stage.site.client()
    ann, bob = await stage.ann(), await stage.ann("bob@example.org")
    started = await stage.begin(client, await stage.user_id("bob@example.org"))
    await ann.get(await stage.sim.approve(started.redirect_url))
    assert handed(ann)[0] == "https://app.example/cb"
    assert await stage.connections() == []
    stage.site.clock.advance(10 * MINUTE)
    started = await stage.begin(client, await stage.user_id("bob@example.org"))
    location = await stage.sim.approve(started.redirect_url)
    stage.site.clock.advance(10 * MINUTE)
    assert (await bob.get(location)).status_code == 400
    assert bob.markup.error == "invalid_state"
