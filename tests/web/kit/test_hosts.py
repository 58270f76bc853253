"""Which Host headers are ours."""

import httpx
import pytest
from tests.web.harness import Front

from safeconduct.web.kit.hosts import Hosts


def allow(issuer: str, *hosts: str, also: tuple[str, ...] = ()) -> bool:
    return Hosts(issuer, also).allow([(b"host", host.encode("latin-1")) for host in hosts])


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


def test_one_header_and_further_names() -> None:
    assert not allow("https://id.example")
    assert not allow("https://id.example", "id.example", "id.example")
    assert allow("https://id.example", "api.example", also=("API.example",))


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
