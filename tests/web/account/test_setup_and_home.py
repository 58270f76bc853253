"""The administrator's page, which works once, and the front door."""

import asyncio

import pytest
from tests.web.harness import TENANT, Front, snapshot

from safeconduct.core.model import User
from safeconduct.core.unit import Find

NEW = {"identifier": "root@example.org", "password": "a long enough one"}


@pytest.mark.attack("P13")
async def test_the_link_works_once(site: Front) -> None:
    token = await site.platform.setup.offer(TENANT)
    assert token is not None
    person = site.person()
    page = await person.get(f"/setup?token={token}")
    assert page.status_code == 200
    weak = await person.press("setup-submit", identifier="root@example.org", password="short")
    assert weak.status_code == 400
    response = await person.press("setup-submit", **NEW)
    assert (response.status_code, response.headers["location"]) == (303, "/account")
    assert (await person.follow()).status_code == 200
    (admin,) = await site.store.find(Find(User, {}))
    assert admin.role == "admin"

    before = await snapshot(site.store)
    other = site.person()
    assert (await other.get(f"/setup?token={token}")).status_code == 403
    assert 'data-code="setup_closed"' in (await other.get("/setup?token=x")).text
    await other.get("/login")
    csrf = other.markup.forms[0].fields["csrf"]
    late = await other.post("/setup", {"csrf": csrf, "token": token, **NEW})
    assert late.status_code == 403
    assert await snapshot(site.store) == before
    assert await site.platform.setup.offer(TENANT) is None


@pytest.mark.attack("P13")
async def test_a_race_for_it_has_one_winner(site: Front) -> None:
    token = await site.platform.setup.offer(TENANT)
    people = [site.person() for _ in range(4)]
    for person in people:
        await person.get(f"/setup?token={token}")
    answers = await asyncio.gather(
        *(
            person.press("setup-submit", identifier=f"r{n}@example.org", password=NEW["password"])
            for n, person in enumerate(people)
        )
    )
    assert sorted(answer.status_code for answer in answers) == [303, 403, 403, 403]
    assert len(await site.store.find(Find(User, {}))) == 1


@pytest.mark.attack("P13")
async def test_a_restart_voids_the_earlier_link(site: Front) -> None:
    first = await site.platform.setup.offer(TENANT)
    second = await site.platform.setup.offer(TENANT)
    assert first != second
    assert (await site.person().get(f"/setup?token={first}")).status_code == 403
    assert (await site.person().get(f"/setup?token={second}")).status_code == 200


async def test_the_front_door(site: Front) -> None:
    person = site.person()
    page = await person.get("/")
    assert page.status_code == 200
    assert 'href="/login"' in page.text
    await site.user()
    await person.sign_in()
    assert 'href="/account"' in (await person.get("/")).text
    missing = await person.get("/nothing-here")
    assert (missing.status_code, person.markup.error) == (404, "not_found")


async def test_static_files_are_ours_and_may_be_kept(site: Front) -> None:
    person = site.person()
    page = await person.get("/")
    css = next(
        element.attributes["href"]
        for element in person.markup.all("link")
        if element.attributes["rel"] == "stylesheet"
    )
    assert page.status_code == 200
    response = await person.get(css)
    assert response.headers["content-type"] == "text/css; charset=utf-8"
    assert "immutable" in response.headers["cache-control"]
    assert "http" not in response.text.replace("http://www.w3.org", "")
    stale = await person.get("/static/safeconduct.css?v=other")
    assert "immutable" not in stale.headers["cache-control"]
    tag = response.headers["etag"]
    assert (await person.get(css, headers={"if-none-match": tag})).status_code == 304
    for name in ("nothing.css", "..%2fpages.py", "%2e%2e/pages.py"):
        assert (await person.get(f"/static/{name}")).status_code == 404
