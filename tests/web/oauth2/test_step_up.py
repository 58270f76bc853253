"""Classes of sign-in, and stepping up to a stronger one: OpenID Connect Core, RFC 9470."""

import json
from typing import Any

import httpx
import pytest
from tests.web.harness import PASSWORD, TENANT, Front, Person, answer_of, link
from tests.web.oauth2.test_authorize_page import is_red

from safeconduct.core.acr import ACR_VALUES, MULTI, SINGLE
from safeconduct.core.jwk import unb64url
from safeconduct.core.model import Client, Tenant
from safeconduct.core.unit import Done, Ref, Update

EMAIL = "ann@example.org"


async def by_code(site: Front, person: Person) -> httpx.Response:
    """Prove the mailbox, from the page that asks for it."""
    await person.press("signup-submit", identifier=EMAIL)
    await person.follow()
    await person.press("code-submit", code=site.outbox.code)
    return await person.follow()


async def claims_of(site: Front, client: Client, response: httpx.Response) -> Any:
    answer = await site.redeem(client, answer_of(response))
    return json.loads(unb64url(answer.json()["id_token"].split(".")[1]))


async def allowed(person: Person, client: Client, **asked: Any) -> httpx.Response:
    response = await person.authorize(client, **asked)
    if "code=" in response.headers["location"]:
        return response
    await person.follow()
    return await person.press("consent-allow")


@pytest.mark.rfc("OIDC#2")
async def test_the_id_token_says_how_and_when_somebody_signed_in(site: Front) -> None:
    client, person = await site.client(), site.person()
    await site.user()
    await person.sign_in()
    said = await claims_of(site, client, await allowed(person, client))
    assert (said["acr"], said["amr"]) == (SINGLE, ["pwd"])
    assert said["auth_time"] == site.clock.now() // 1000


@pytest.mark.rfc("9470#4")
@pytest.mark.rfc("9470#5")
async def test_a_password_and_then_a_code_make_two_factors(site: Front) -> None:
    client, person = await site.client(), site.person()
    await site.user()
    await person.sign_in()
    site.clock.advance(60_000)
    await person.authorize(client, acr_values=f"urn:other {MULTI}")
    page = await person.follow()
    assert page.url.path == "/signup"
    page = await by_code(site, person)
    assert page.url.path == "/oauth2/consent"
    said = await claims_of(site, client, await person.press("consent-allow"))
    assert (said["acr"], said["amr"]) == (MULTI, ["otp", "pwd", "mfa"])
    assert said["auth_time"] == site.clock.now() // 1000
    # and it holds for the next request, silent ones too
    for asked in (MULTI, SINGLE):
        response = await person.authorize(client, acr_values=asked, prompt="none")
        assert "code" in answer_of(response)


async def test_a_code_and_then_a_password(site: Front) -> None:
    client, person = await site.client(), site.person()
    await site.user()
    await person.get("/signup")
    await by_code(site, person)
    await person.authorize(client, acr_values=MULTI)
    assert (await person.follow()).url.path == "/login"
    await person.press("login-submit", username=EMAIL, password=PASSWORD)
    assert (await person.follow()).url.path == "/oauth2/consent"
    said = await claims_of(site, client, await person.press("consent-allow"))
    assert said["acr"] == MULTI


async def test_an_old_factor_counts_no_more(site: Front) -> None:
    client, person = await site.client(), site.person()
    await site.user()
    await person.sign_in()
    site.clock.advance(3_600_000)
    await person.authorize(client, acr_values=MULTI)
    await person.follow()
    page = await by_code(site, person)
    assert page.url.path == "/login"
    await person.press("login-submit", username=EMAIL, password=PASSWORD)
    assert (await person.follow()).url.path == "/oauth2/consent"


@pytest.mark.attack("A22")
async def test_the_factor_of_another_person_counts_for_nobody(site: Front) -> None:
    client, person = await site.client(), site.person()
    await site.user()
    await site.user("eve@example.org")
    await person.sign_in("eve@example.org")
    await person.authorize(client, acr_values=MULTI)
    await person.follow()
    page = await by_code(site, person)  # Ann's mailbox
    assert page.url.path == "/login"


@pytest.mark.rfc("OIDC#5.5.1.1")
async def test_what_cannot_be_reached(site: Front) -> None:
    client, person = await site.client(), site.person()
    await site.user(password=None)
    unknown = {"id_token": {"acr": {"essential": True, "value": "urn:other"}}}
    response = await person.authorize(client, claims=json.dumps(unknown))
    assert is_red(response, "unmet_authentication_requirements")
    await person.get("/signup")
    await by_code(site, person)
    response = await person.authorize(client, acr_values=MULTI)
    assert is_red(response, "unmet_authentication_requirements")
    # a wish that nobody here understands is passed over
    await person.authorize(client, acr_values="urn:other")
    assert (await person.follow()).url.path == "/oauth2/consent"


async def test_a_client_may_always_want_two_factors(site: Front) -> None:
    client = await site.client(default_acr_values=[MULTI], default_max_age=60)
    person = site.person()
    await site.user()
    await person.sign_in()
    await person.authorize(client)
    assert (await person.follow()).url.path == "/signup"
    site.clock.advance(61_000)
    await person.authorize(client, acr_values=SINGLE)
    assert (await person.follow()).url.path == "/login"


async def test_metadata_names_the_classes(site: Front) -> None:
    metadata = (await site.person().get("/.well-known/openid-configuration")).json()
    assert metadata["acr_values_supported"] == list(ACR_VALUES)


@pytest.mark.rfc("9470#3")
@pytest.mark.parametrize("kind", ["jwt", "opaque"])
async def test_our_own_api_asks_for_more_and_takes_it(site: Front, kind: str) -> None:
    client = await site.client(
        scope="openid connections:read connections:write", access_token_format=kind
    )
    user, person = await site.user(), site.person()
    row = await link(site, user)
    await decide(site, unlink_second_factor=True, unlink_max_age_seconds=300)
    await person.sign_in()

    async def unlink(**asked: str) -> httpx.Response:
        response = await allowed(person, client, scope="openid connections:write", **asked)
        tokens = (await site.redeem(client, answer_of(response))).json()
        headers = {"authorization": f"Bearer {tokens['access_token']}"}
        return await person.http.delete(f"/api/v1/connections/{row.id}", headers=headers)

    refused = await unlink()
    assert refused.status_code == 401
    challenge = refused.headers["www-authenticate"]
    assert 'error="insufficient_user_authentication"' in challenge
    assert f'acr_values="{MULTI}"' in challenge
    assert 'max_age="300"' in challenge
    await person.authorize(client, scope="openid", acr_values=MULTI, max_age="300")
    await person.follow()
    await by_code(site, person)
    site.clock.advance(301_000)
    assert (await unlink()).status_code == 401  # two factors, but too long ago
    await person.authorize(client, scope="openid", prompt="login", acr_values=MULTI)
    await person.follow()
    await person.press("login-submit", username=EMAIL, password=PASSWORD)
    assert (await unlink()).status_code == 204


async def decide(site: Front, **policy: Any) -> None:
    ref = Ref(Tenant, tenant_id=TENANT)
    await site.store.run((ref,), lambda _: Done(None, (Update(ref, {"policy": policy}),)))
    await site.keys.load()


async def test_a_tenant_may_want_two_factors_of_everybody(site: Front) -> None:
    client, person = await site.client(), site.person()
    await site.user()
    await person.sign_in()
    await person.authorize(client)
    assert (await person.follow()).url.path == "/oauth2/consent"
    await decide(site, second_factor="required")
    await person.authorize(client, acr_values=SINGLE)
    assert (await person.follow()).url.path == "/signup"
    await by_code(site, person)
    said = await claims_of(site, client, await person.press("consent-allow"))
    assert said["acr"] == MULTI
