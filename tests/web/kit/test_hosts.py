"""Which Host headers are ours."""

import httpx
import pytest
from tests.web.harness import Front

from safeconduct.web.kit.hosts import HostGuard
from safeconduct.web.kit.http import Answer, Request, asgi
from safeconduct.web.kit.tenancy import Tenancy


def allow(issuer: str, *hosts: str) -> bool:
    guard = HostGuard(asgi(nothing), issuer=issuer)
    return guard.allow([(b"host", host.encode("latin-1")) for host in hosts])


async def nothing(request: Request) -> Answer:
    return Answer(204, ())


@pytest.mark.attack("A18")
@pytest.mark.parametrize(
    ("issuer", "host", "ours"),
    [
        ("https://id.example", "id.example", True),
        ("https://id.example", "ID.Example", True),
        ("https://id.example", "id.example:443", True),
        ("https://id.example:443", "id.example", True),
        ("https://id.example", "id.example:80", False),
        ("https://id.example", "evil.test", False),
        ("https://id.example", "id.example.", False),
        ("https://id.example", "", False),
        ("https://id.example:8443", "id.example:8443", True),
        ("https://id.example:8443", "id.example", False),
        ("http://127.0.0.1:8400", "127.0.0.1:8400", True),
        ("http://127.0.0.1:8400", "localhost:8400", False),
        ("http://127.0.0.1:8400", "evil.test:8400", False),
        ("http://[::1]:8400", "[::1]:8400", True),
        ("http://127.0.0.1", "127.0.0.1:80", True),
    ],
)
def test_hosts(issuer: str, host: str, ours: bool) -> None:
    assert allow(issuer, host) is ours


def test_one_header() -> None:
    assert not allow("https://id.example")
    assert not allow("https://id.example", "id.example", "id.example")


async def test_further_names_of_the_root(site: Front) -> None:
    tenancy = Tenancy(site.platform.realms, also=("API.example",))
    for host, ours in ((b"api.Example", True), (b"id.example:443", True), (b"evil.test", False)):
        assert (tenancy.at_host([(b"host", host)]) is not None) is ours
    assert tenancy.at_host([]) is None
    assert tenancy.at_host([(b"host", b"id.example")] * 2) is None


@pytest.mark.attack("A18")
@pytest.mark.attack("P12")
async def test_hot_endpoints_are_behind_it_too_but_probes_are_not(site: Front) -> None:
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=site.app), base_url=site.issuer
    ) as http:
        for path in ("/.well-known/openid-configuration", "/oauth2/jwks", "/oauth2/token"):
            refused = await http.get(path, headers={"host": "evil.test"})
            assert refused.status_code == 421, path
            assert (await http.get(path)).status_code != 421
        for header in ("x-forwarded-host", "forwarded"):
            body = await http.get(
                "/.well-known/openid-configuration", headers={header: "host=evil.test"}
            )
            assert body.json()["issuer"] == site.issuer
            assert "evil" not in body.text
