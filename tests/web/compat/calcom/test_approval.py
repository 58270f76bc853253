"""Apps that nobody has approved work for their owner only, at whichever door they come."""

from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.web.compat.calcom.desk import CALLBACK, Desk
from tests.web.compat.calcom.test_contract import cookies
from tests.web.harness import TENANT, VERIFIER, Person, answer_of, snapshot

from safeconduct.core.pkce import challenge_of


async def test_an_app_that_is_not_approved_is_its_owners_alone(desk: Desk) -> None:
    ann, bob = await desk.signed_in("ann@example.org"), await desk.signed_in("bob@example.org")
    owner = await desk.user("ann@example.org")
    app = await desk.site.client(
        client_name="Draft",
        profile="calcom",
        redirect_uris=[CALLBACK],
        scope="BOOKING_READ",
        approved=False,
        owner_id=owner.id,
    )

    async def asked(person: Person) -> dict[str, str]:
        body = {"redirect_uri": CALLBACK, "state": "xyz", "scopes": ["BOOKING_READ"],
                "code_challenge": challenge_of(VERIFIER)}  # fmt: skip
        session = {"cookie": cookies(person)}
        back = await desk.call("authorizeOAuth2Client", session, clientId=app.id, json=body)
        return dict(parse_qsl(urlsplit(back.headers["location"]).query))

    async def page(person: Person) -> Any:
        return await person.authorize(app, scope="BOOKING_READ", redirect_uri=CALLBACK)

    before = await snapshot(desk.site.store)
    refused = await asked(bob)
    assert (refused["error"], refused["state"]) == ("access_denied", "xyz")
    assert refused["error_description"] == "client_not_approved"
    assert answer_of(await page(bob))["error"] == "access_denied", "not by our own pages either"
    assert await snapshot(desk.site.store) == before
    assert "code" in await asked(ann)
    await desk.site.clients.update(TENANT, app.id, {"approved": True}, actor="operator")
    assert "code" in await asked(bob)
    assert "code" in answer_of(await page(bob))
