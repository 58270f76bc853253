"""Every tenant has an issuer of its own: metadata, keys, pages and tokens."""

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet
from tests.tenants.conftest import MACHINE, Firm, Town
from tests.web.harness import request_of

OPENID = "/.well-known/openid-configuration"
OAUTH = "/.well-known/oauth-authorization-server"


def firms(town: Town) -> list[Firm]:
    return [town.root, town.acme, town.zenith]


@pytest.mark.rfc("8414#3.1")
@pytest.mark.rfc("8414#3.3")
@pytest.mark.attack("H12")
async def test_metadata_in_both_forms(town: Town) -> None:
    assert town.acme.issuer == "https://id.example/t/acme"
    assert town.zenith.issuer == "https://login.zenith.example"
    for firm in firms(town):
        path = firm.issuer.partition("example")[2]
        origin = firm.issuer.removesuffix(path)
        for name in (OPENID, OAUTH):
            for url in (origin + name + path, firm.issuer + name):
                async with firm.http() as http:
                    answer = await http.get(url)
                assert answer.status_code == 200, url
                told = answer.json()
                assert told["issuer"] == firm.issuer
                for member, value in told.items():
                    if member.endswith("_endpoint") or member == "jwks_uri":
                        assert value.startswith(firm.issuer + "/"), member


async def test_names_of_nobody_are_not_there(town: Town) -> None:
    for path in ("/t/nobody" + OPENID, OPENID + "/t/nobody", "/t/", "/t/acme/t/acme/login"):
        assert (await town.root.get(path)).status_code == 404, path
    # Who has a host name of its own is not reached by path as well: an issuer is one
    assert (await town.root.get("/t/zenith" + OPENID)).status_code == 404


@pytest.mark.attack("D7")
@pytest.mark.rfc("7517#5")
async def test_keys_are_each_tenants_own(town: Town) -> None:
    seen: set[str] = set()
    for firm in firms(town):
        keys = (await firm.get("/oauth2/jwks")).json()["keys"]
        kids = {key["kid"] for key in keys}
        assert kids
        assert not kids & seen
        seen |= kids


@pytest.mark.rfc("9207#2")
@pytest.mark.attack("A15")
async def test_the_whole_way_at_each_issuer(town: Town) -> None:
    subjects = set()
    for firm in firms(town):
        await firm.user()
        client = await firm.client()
        tokens = await firm.tokens(client)
        keys = KeySet.import_key_set((await firm.get("/oauth2/jwks")).json())
        claims = jwt.decode(tokens["id_token"], keys).claims
        assert (claims["iss"], claims["aud"]) == (firm.issuer, client.id)
        access = jwt.decode(tokens["access_token"], keys).claims
        assert (access["iss"], access["aud"]) == (firm.issuer, firm.issuer)
        subjects.add(claims["sub"])
        bearer = {"authorization": f"Bearer {tokens['access_token']}"}
        told = await firm.get("/oauth2/userinfo", headers=bearer)
        assert told.json()["sub"] == claims["sub"]
        renewed = await firm.post(
            "/oauth2/token",
            {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]},
            client,
        )
        assert renewed.status_code == 200
    assert len(subjects) == 3


async def test_one_browser_is_somebody_else_at_each_tenant(town: Town) -> None:
    for firm in (town.root, town.acme):
        await firm.user()
    person = await town.root.signed_in()
    page = await person.get(town.acme.issuer + "/account")
    assert page.status_code == 303
    assert page.headers["location"].startswith("/t/acme/login")
    await town.acme.signed_in(person)
    for firm in (town.root, town.acme):
        assert (await person.get(firm.issuer + "/account")).status_code == 200
    await person.get(town.acme.issuer + "/oauth2/logout")
    await town.acme.press(person, "logout-confirm")
    assert (await person.get(town.acme.issuer + "/account")).status_code == 303
    assert (await person.get(town.root.issuer + "/account")).status_code == 200


async def test_connect_at_the_address_for_all_leads_to_the_tenant(town: Town) -> None:
    for firm in (town.acme, town.zenith):
        client = await firm.client()
        asked = request_of(client)
        answer = await town.root.get("/", params=asked)
        assert answer.status_code in (302, 303)
        assert answer.headers["location"].startswith(firm.issuer + "/?")
        assert client.id in answer.headers["location"]


@pytest.mark.rfc("6749#3.2")
async def test_the_common_token_address_learns_the_tenant_from_the_client(town: Town) -> None:
    for firm in firms(town):
        client = await firm.client(**MACHINE)
        answer = await town.root.post("/oauth/token", {"grant_type": "client_credentials"}, client)
        assert answer.status_code == 200, answer.text
        keys = KeySet.import_key_set((await firm.get("/oauth2/jwks")).json())
        assert jwt.decode(answer.json()["access_token"], keys).claims["iss"] == firm.issuer


@pytest.mark.attack("A18")
async def test_a_host_of_nobody_is_refused(town: Town) -> None:
    for host in ("login.zenith.example.evil.test", "acme.example", ""):
        answer = await town.zenith.get("/login", headers={"host": host})
        assert answer.status_code == 421
    assert (await town.zenith.get("/login")).status_code == 200


async def test_every_address_in_a_template_is_the_tenants() -> None:
    """A link that begins at the root would leave the tenant."""
    from importlib.resources import files
    from re import findall

    def pages(folder):  # type: ignore[no-untyped-def]
        for entry in folder.iterdir():
            if entry.is_dir():
                yield from pages(entry)
            elif entry.name.endswith(".html"):
                yield entry

    found = 0
    for page in pages(files("safeconduct.web.kit") / "templates"):
        text = page.read_text()
        assert not findall(r'(?:href|action|src)="/', text), page.name
        found += text.count('"{{ at }}/')
    assert found > 20
