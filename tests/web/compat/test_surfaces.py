"""The surfaces together: found by folder, on one origin without collisions, each at a name."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from tests.web.harness import ISSUER, Front

from safeconduct.app import web_of
from safeconduct.settings import SettingsError, load
from safeconduct.web.compat import discover

HOST = "api.calico.example"


@pytest.fixture
async def named(site: Front) -> httpx.AsyncClient:
    """The server with a name for Calico besides its own."""
    app = web_of(site.platform, {HOST: "calico"}).app
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app))


def test_every_folder_is_a_surface() -> None:
    surfaces = discover()
    assert "calico" in surfaces
    assert all(name == surface.name for name, surface in surfaces.items())


async def test_no_two_answer_at_the_same_path(site: Front) -> None:
    def paths() -> Iterator[str]:
        for surface in discover().values():
            yield from {route.path for route in surface.routes(site.platform)}

    assert [path for path, times in Counter(paths()).items() if times > 1] == []


async def test_what_a_surface_shares_is_there(site: Front) -> None:
    for surface in discover().values():
        for path in surface.shared:
            answer = await site.person().get(path)
            assert answer.status_code != 404, f"{surface.name} shares {path} with nobody"


async def test_at_its_own_name_a_surface_is_alone(named: httpx.AsyncClient) -> None:
    here = await named.get(f"https://{HOST}/accounts/v2/providers")
    assert (here.status_code, here.json()["errors"][0]["cause"]) == (401, "unauthorized")
    also = await named.get(f"{ISSUER}/accounts/v2/providers")
    assert also.status_code == 401
    for path in ("/api/v1/clients", "/account", "/oauth2/authorize"):
        assert (await named.get(f"https://{HOST}{path}")).status_code == 404
        assert (await named.get(f"{ISSUER}{path}", follow_redirects=False)).status_code != 404
    strange = await named.get("https://api.other.example/accounts/v2/providers")
    assert strange.status_code == 421


@pytest.mark.parametrize(
    ("surface", "path"),
    [
        ("alpaca", "/v1/oauth/clients/x"),
        ("calcom", "/v2/oauth-clients"),
        ("calico", "/platform/v1/assets"),
        ("loop", "/v1/connections"),
    ],
)
async def test_every_surface_may_have_a_name(site: Front, surface: str, path: str) -> None:
    """Its own words there, also where there is nothing; and nobody else's paths."""
    app = web_of(site.platform, {HOST: surface}).app
    others = {"/v1/oauth/clients/x", "/v2/oauth-clients", "/platform/v1/assets"} - {path}
    if surface == "loop":  # whose paths begin as Alpaca's do
        others -= {"/v1/oauth/clients/x"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app)) as http:
        here = await http.get(f"https://{HOST}{path}")
        assert (here.status_code, here.headers["content-type"]) == (401, "application/json")
        assert here.json() == (await http.get(f"{ISSUER}{path}")).json() or surface == "calcom"
        lost = await http.get(f"https://{HOST}{path.rpartition('/')[0]}/nowhere/at/all")
        assert lost.status_code in (401, 404), lost.text
        assert lost.headers["content-type"] == "application/json"
        for other in (*others, "/api/v1/clients", "/account"):
            assert (await http.get(f"https://{HOST}{other}")).status_code == 404


async def test_people_are_sent_to_where_their_cookies_are(named: httpx.AsyncClient) -> None:
    there = await named.get(f"https://{HOST}/?client_id=x&state=a%20b")
    assert there.status_code == 307
    assert there.headers["location"] == f"{ISSUER}/?client_id=x&state=a%20b"


async def test_the_token_endpoint_answers_at_the_name_too(site: Front) -> None:
    web = web_of(site.platform, {HOST: "calico"})
    for path, host, status in (
        ("/oauth/token", HOST, 401),
        ("/oauth/token", "other.example", 421),
        ("/oauth2/introspect", HOST, 421),
    ):
        assert (await _hot(web.hot[path], path, host)).status == status


async def _hot(handler: Any, path: str, host: str) -> Any:
    from safeconduct.web.kit.http import Request

    headers = [(b"host", host.encode()), (b"content-type", b"application/x-www-form-urlencoded")]
    body = b"grant_type=refresh_token&refresh_token=x&client_id=nobody&client_secret=x"
    return await handler(
        Request(method="POST", path=path, query=b"", headers=headers, body=body, peer="127.0.0.1")
    )


async def test_a_name_for_no_surface_is_refused(site: Front) -> None:
    with pytest.raises(SettingsError, match="there is no surface 'calicoo'"):
        web_of(site.platform, {HOST: "calicoo"})


def test_names_come_from_the_settings() -> None:
    environ = {"SAFECONDUCT_SURFACE_HOSTS": "calico=API.example, loop=loop.example:8443"}
    found = load(environ).settings.surface_of_host
    assert found == {"api.example": "calico", "loop.example:8443": "loop"}
    with pytest.raises(SettingsError, match="surface=host"):
        load({"SAFECONDUCT_SURFACE_HOSTS": "calico"})
