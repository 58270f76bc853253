"""Authorization details from the request to the platform API: RFC 9396."""

import json
from typing import Any

import httpx
import pytest
from tests.conftest import SettableClock
from tests.web.harness import TENANT, Front, Person, answer_of, front, link
from tests.web.oauth2.test_authorize_page import is_red

from safeconduct.adapters.store import PostgresStore, SqliteStore
from safeconduct.app import Switches
from safeconduct.core.detail_types import types_from
from safeconduct.core.evidence import ACCESS_TOKEN
from safeconduct.core.grants.token_exchange import NAME as EXCHANGE
from safeconduct.core.jwk import unb64url
from safeconduct.core.model import Client, Grant
from safeconduct.core.scopes import OPERATOR_SCOPES
from safeconduct.core.unit import Find

PAYMENT = {"payment": {"says": "Pay from your account", "fields": {"amount": {"kind": "number"}}}}


def detail(*datatypes: str, **more: Any) -> dict[str, Any]:
    return {"type": "connections", "actions": ["read"], "datatypes": [*datatypes], **more}


async def asked(site: Front, person: Person, client: Client, *details: Any, **more: Any) -> str:
    """Arrive with details, and stand before the consent page if there is one."""
    response = await person.authorize(
        client, **{"scope": "openid", "authorization_details": json.dumps(details), **more}
    )
    if "code=" in response.headers.get("location", ""):
        return ""
    return (await person.follow()).text


async def token(site: Front, client: Client, **form: str) -> httpx.Response:
    return await site.push(client, path="/oauth2/token", **form)


async def redeemed(site: Front, client: Client, response: httpx.Response) -> Any:
    answer = await site.redeem(client, answer_of(response))
    assert answer.status_code == 200, answer.text
    return answer.json()


async def call(site: Front, path: str, access: str, **query: str) -> int:
    person = site.person()
    headers = {"authorization": f"Bearer {access}"}
    return (await person.http.get(path, headers=headers, params=query)).status_code


@pytest.mark.rfc("9396#7")
@pytest.mark.rfc("9396#9.1")
@pytest.mark.rfc("9396#9.2")
@pytest.mark.parametrize("kind", ["jwt", "opaque"])
async def test_a_detail_is_told_carried_and_enforced(site: Front, kind: str) -> None:
    client = await site.client(
        authorization_details_types=["connections"],
        access_token_format=kind,
    )
    user, person = await site.user(), site.person()
    mine = await link(site, user, account_name="Rainy days")
    other = await link(site, user, account_key="acc-2")
    await person.sign_in()
    only = detail("assets", "connections", identifier=mine.id)
    page = await asked(site, person, client, only)
    assert "Use accounts that you have linked" in page
    assert "Rainy days" in page
    assert "what they hold, which accounts are linked" in page
    tokens = await redeemed(site, client, await person.press("consent-allow"))
    assert tokens["authorization_details"] == [only]
    if kind == "jwt":
        claims = json.loads(unb64url(tokens["access_token"].split(".")[1]))
        assert claims["authorization_details"] == [only]
    described = await site.push(client, path="/oauth2/introspect", token=tokens["access_token"])
    assert described.json()["authorization_details"] == [only]
    access = tokens["access_token"]
    assert await call(site, f"/api/v1/connections/{mine.id}", access) == 200
    assert await call(site, f"/api/v1/connections/{other.id}", access) == 403
    assert await call(site, "/api/v1/connections", access) == 403
    assert await call(site, "/api/v1/assets", access, connection_id=mine.id) == 200
    assert await call(site, "/api/v1/assets", access, connection_id=other.id) == 403
    assert await call(site, "/api/v1/assets", access) == 403
    assert await call(site, "/api/v1/transactions", access, connection_id=mine.id) == 403


@pytest.mark.rfc("9396#6.1")
async def test_what_was_granted_can_only_shrink(site: Front) -> None:
    client = await site.client(authorization_details_types=["connections"])
    await site.user()
    person = site.person()
    await person.sign_in()
    both = detail("assets", "transactions")
    await asked(site, person, client, both, scope="openid offline_access")
    first = await redeemed(site, client, await person.press("consent-allow"))
    less, more = detail("assets"), detail("assets", "connections")
    refresh = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
    wider = await token(site, client, **refresh, authorization_details=json.dumps([more]))
    assert wider.json()["error"] == "invalid_authorization_details"
    narrow = await token(site, client, **refresh, authorization_details=json.dumps([less]))
    assert narrow.json()["authorization_details"] == [less]
    refresh["refresh_token"] = narrow.json()["refresh_token"]
    again = await token(site, client, **refresh)
    assert again.json()["authorization_details"] == [both]


@pytest.mark.rfc("9396#5")
async def test_what_the_client_may_not_ask_for(site: Front) -> None:
    client = await site.client(authorization_details_types=["connections"])
    plain, person = await site.client(), site.person()
    for by, wrong in (
        (client, [{"type": "payment"}]),
        (client, [detail("assets", iban="x")]),
        (client, {"type": "connections"}),
        (plain, [detail("assets")]),
    ):
        text = json.dumps(wrong)
        response = await person.authorize(by, authorization_details=text)
        assert is_red(response, "invalid_authorization_details"), wrong


async def test_consent_counts_again_where_the_type_says_so(
    store: SqliteStore | PostgresStore, clock: SettableClock
) -> None:
    site = await front(store, clock, switches=Switches(detail_types=types_from(PAYMENT)))
    client = await site.client(authorization_details_types=["connections", "payment"])
    await site.user()
    person = site.person()
    await person.sign_in()
    read, pay = detail("assets"), {"type": "payment", "amount": 5}
    for details, pages in (((read,), 1), ((read, pay), 2)):
        for turn in range(2):
            page = await asked(site, person, client, *details)
            assert bool(page) is (turn < pages), (details, turn)
            if page:
                await person.press("consent-allow")
    assert "Pay from your account" in page
    (grant,) = await site.store.find(Find(Grant, {}))
    assert [json.loads(text)["type"] for text in grant.authorization_details] == ["connections"]
    metadata = (await person.get("/.well-known/oauth-authorization-server")).json()
    assert {"connections", "payment"} <= {*metadata["authorization_details_types_supported"]}


@pytest.mark.rfc("OIDC#5.5")
async def test_claims_asked_for_one_by_one(site: Front) -> None:
    client, person = await site.client(), site.person()
    await site.user()
    await person.sign_in()
    claims = {"id_token": {"email": {"essential": True}, "sid": None}, "userinfo": {"name": None}}
    await person.authorize(client, scope="openid", claims=json.dumps(claims))
    page = await person.follow()
    assert 'data-scope="email"' in page.text
    assert 'data-scope="profile"' in page.text
    tokens = await redeemed(site, client, await person.press("consent-allow"))
    assert tokens["scope"] == "openid"
    said = json.loads(unb64url(tokens["id_token"].split(".")[1]))
    assert said["email"] == "ann@example.org"
    assert said["email_verified" if "email_verified" in said else "email"]
    headers = {"authorization": f"Bearer {tokens['access_token']}"}
    about = (await person.http.get("/oauth2/userinfo", headers=headers)).json()
    assert about.keys() <= {"sub", "name"}
    # not asked again, and a client without the scope gets none of it
    assert "code" in answer_of(await person.authorize(client, scope="openid email"))
    narrow = await site.client(scope="openid")
    await person.authorize(narrow, scope="openid", claims=json.dumps(claims))
    page = await person.follow()
    assert 'data-scope="email"' not in page.text
    tokens = await redeemed(site, narrow, await person.press("consent-allow"))
    assert "email" not in json.loads(unb64url(tokens["id_token"].split(".")[1]))


@pytest.mark.rfc("8707#2.2")
async def test_several_resources_and_one_token_for_each(site: Front) -> None:
    first, second = "https://a.example", "https://b.example"
    client = await site.client(resources=[first, second])
    await site.user()
    person = site.person()
    await person.sign_in()
    await person.authorize(client, scope="openid offline_access", resource=[first, second])
    await person.follow()
    answer = answer_of(await person.press("consent-allow"))
    form = {
        "grant_type": "authorization_code",
        "code": answer["code"],
        "redirect_uri": answer[""],
        "code_verifier": "v" * 43,
    }
    tokens = (await token(site, client, **form, resource=first)).json()
    assert audience(tokens) == first
    refresh = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    tokens = (await token(site, client, **refresh, resource=second)).json()
    assert audience(tokens) == second
    refresh = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    other = await token(site, client, **refresh, resource="https://c.example")
    assert other.json()["error"] == "invalid_target"
    assert audience((await token(site, client, **refresh)).json()) == [first, second]


def audience(tokens: Any) -> Any:
    return json.loads(unb64url(tokens["access_token"].split(".")[1]))["aud"]


@pytest.mark.rfc("9396#6")
async def test_a_machine_asks_for_its_own(site: Front) -> None:
    client = await site.client(
        redirect_uris=[],
        grant_types=["client_credentials"],
        scope="clients:read",
        authorization_details_types=["connections"],
    )
    form = {"grant_type": "client_credentials"}
    wanted = json.dumps([detail("assets")])
    given = (await token(site, client, **form, authorization_details=wanted)).json()
    assert given["authorization_details"] == [detail("assets")]
    refused = await token(site, client, **form, authorization_details='[{"type":"nope"}]')
    assert refused.json()["error"] == "invalid_authorization_details"
    assert "authorization_details" not in (await token(site, client, **form)).json()


async def test_the_account_page_tells_what_was_allowed(site: Front) -> None:
    client = await site.client(authorization_details_types=["connections"])
    user, person = await site.user(), site.person()
    mine = await link(site, user, account_name="Rainy days")
    await person.sign_in()
    await asked(site, person, client, detail("assets", identifier=mine.id))
    await person.press("consent-allow")
    page = await person.get("/account")
    assert "Use accounts that you have linked" in page.text
    assert "Rainy days" in page.text


@pytest.mark.rfc("9396#6")
@pytest.mark.attack("H9")
@pytest.mark.parametrize("kind", ["jwt", "opaque"])
async def test_an_exchanged_token_has_the_same_details_or_less(site: Front, kind: str) -> None:
    client = await site.client(
        authorization_details_types=["connections"],
        access_token_format=kind,
        grant_types=["authorization_code", EXCHANGE],
        token_exchange={},
    )
    user, person = await site.user(), site.person()
    mine = await link(site, user)
    other = await link(site, user, account_key="acc-2")
    await person.sign_in()
    wide = detail("assets", "connections", identifier=mine.id)
    await asked(site, person, client, wide)
    tokens = await redeemed(site, client, await person.press("consent-allow"))

    async def exchanged(*details: Any) -> httpx.Response:
        shown = {"subject_token": tokens["access_token"], "subject_token_type": ACCESS_TOKEN}
        more = {"authorization_details": json.dumps(details)} if details else {}
        return await token(site, client, grant_type=EXCHANGE, **shown, **more)

    same = (await exchanged()).json()
    assert same["authorization_details"] == [wide]
    assert await call(site, "/api/v1/assets", same["access_token"], connection_id=mine.id) == 200
    assert await call(site, f"/api/v1/connections/{mine.id}", same["access_token"]) == 200
    less = (await exchanged(detail("assets", identifier=mine.id))).json()
    assert less["authorization_details"] == [detail("assets", identifier=mine.id)]
    assert await call(site, "/api/v1/assets", less["access_token"], connection_id=mine.id) == 200
    assert await call(site, f"/api/v1/connections/{mine.id}", less["access_token"]) == 403
    for more in (detail("transactions", identifier=mine.id), detail("assets", identifier=other.id)):
        refused = await exchanged(more)
        assert refused.status_code == 400
        assert refused.json()["error"] == "invalid_authorization_details"


@pytest.mark.rfc("9396#10")
async def test_a_tenant_registers_types_of_its_own_over_the_api(site: Front) -> None:
    _, key = await site.platform.api_keys.create(
        TENANT, name="o", scope=frozenset(OPERATOR_SCOPES), actor="operator"
    )
    headers = {"authorization": f"Bearer {key.reveal()}"}
    http = site.person().http

    async def registered(types: Any) -> httpx.Response:
        body = {"policy": {"authorization_details_types": types}}
        return await http.patch(f"/api/v1/tenants/{TENANT}", json=body, headers=headers)

    for wrong in ({"connections": PAYMENT["payment"]}, {"x": {}}, [], {"x": {"says": "y" * 300}}):
        assert (await registered(wrong)).status_code == 400
    kept = await registered(PAYMENT)
    assert kept.status_code == 200, kept.text
    shown = kept.json()["policy"]["authorization_details_types"]["payment"]
    assert (shown["says"], shown["fields"]["amount"]["kind"]) == ("Pay from your account", "number")
    assert (await registered({"payment": shown})).status_code == 200  # as it was shown
    document = (await http.get("/.well-known/oauth-authorization-server")).json()
    assert "payment" in document["authorization_details_types_supported"]
    client, person = await site.client(authorization_details_types=["payment"]), site.person()
    await site.user()
    await person.sign_in()
    page = await asked(site, person, client, {"type": "payment", "amount": 7})
    assert "Pay from your account" in page
    tokens = await redeemed(site, client, await person.press("consent-allow"))
    assert tokens["authorization_details"] == [{"type": "payment", "amount": 7}]
    await registered(None)
    refused = await person.authorize(
        client, scope="openid", authorization_details=json.dumps([{"type": "payment"}])
    )
    assert is_red(refused, "invalid_authorization_details")
