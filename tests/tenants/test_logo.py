"""A tenant's logo: set by API or operator, shown on its pages and nobody else's, kept for ever."""

from dataclasses import dataclass

import httpx
import pytest
from tests.conftest import SettableClock
from tests.core.test_logo import END, PNG, SIGNATURE, header, pixels
from tests.tenants.conftest import Firm, Town
from tests.web.harness import Front, front

from safeconduct.adapters.store import SqliteStore
from safeconduct.core.errors import ApiError
from safeconduct.core.logo import MAX_LOGO, read_logo

WIDE = SIGNATURE + header(40, 8) + pixels(8 * (1 + 40 * 4)) + END


async def sent(firm: Firm, at: Firm, body: bytes | None, kind: str = "image/png") -> httpx.Response:
    """What an administrator of `firm` does to the logo of the tenant `at`."""
    path = f"{firm.site.issuer}/api/v1/tenants/{at.tenant.tenant_id}/logo"
    async with firm.http(headers=await firm.key("tenants:write")) as http:
        if body is None:
            return await http.delete(path)
        return await http.put(path, content=body, headers={"content-type": kind})


async def test_it_stands_on_the_pages_of_its_tenant_alone(town: Town) -> None:
    for firm, prefix in ((town.acme, "/t/acme"), (town.zenith, "")):
        answer = await sent(firm, firm, PNG)
        assert answer.status_code == 200, answer.text
        path = answer.json()["branding"]["logo"]
        assert path == f"/brand/logo/{read_logo(PNG).tag}.png"
        page = await firm.get("/login")
        assert f'<img class="brand__logo" src="{prefix}{path}" width="4" height="2"' in page.text
        picture = await firm.get(path)
        assert picture.content == PNG
        assert picture.headers["content-type"] == "image/png"
        assert picture.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert picture.headers["x-content-type-options"] == "nosniff"
        assert picture.headers["content-security-policy"] == "default-src 'none'; sandbox"
        known = {"if-none-match": picture.headers["etag"]}
        assert (await firm.get(path, headers=known)).status_code == 304
        assert (await town.root.get(path)).status_code == 404, "not another tenant's"
    assert "brand__logo" not in (await town.root.get("/login")).text


async def test_another_picture_is_another_address(town: Town) -> None:
    firm = town.acme
    first = (await sent(firm, firm, PNG)).json()["branding"]["logo"]
    wide = (await sent(firm, firm, WIDE)).json()["branding"]["logo"]
    assert first != wide
    assert (await firm.get(first)).status_code == 404
    page = (await firm.get("/login")).text
    assert 'aria-label="Acme Ltd"' in page, "a picture of the name stands for it"
    assert (await sent(firm, firm, None)).json()["branding"]["logo"] is None
    assert (await firm.get(wide)).status_code == 404
    assert "brand__logo" not in (await firm.get("/login")).text
    assert (await sent(firm, firm, None)).status_code == 200, "none is none"


async def test_what_is_read_may_be_sent_back(town: Town) -> None:
    firm, tenants = town.acme, town.site.platform.tenants
    tenant_id = firm.tenant.tenant_id
    branding = (await sent(firm, firm, PNG)).json()["branding"]
    changed = {"branding": {**branding, "accent": "#1a6b5c"}}
    await tenants.update(tenant_id, changed, actor="operator")
    assert (await firm.get(branding["logo"])).status_code == 200
    assert "brand__logo" in (await firm.get("/login")).text
    for elsewhere in ("https://evil.example/x.png", "/brand/logo/x.png", "javascript:alert(1)"):
        looks = {"branding": {"logo": elsewhere}}
        with pytest.raises(ApiError):
            await tenants.update(tenant_id, looks, actor="operator")


@pytest.mark.attack("I8")
async def test_what_is_no_picture_changes_nothing(town: Town) -> None:
    firm = town.acme
    kept = (await sent(firm, firm, PNG)).json()["branding"]["logo"]
    svg = b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"
    for body, kind, status in (
        (svg, "image/png", 400),
        (svg, "image/svg+xml", 415),
        (PNG, "application/octet-stream", 415),
        (b"", "image/png", 400),
        (PNG + bytes(MAX_LOGO), "image/png", 413),
    ):
        answer = await sent(firm, firm, body, kind)
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"
    for other in (town.root, town.zenith):
        assert (await sent(firm, other, PNG)).status_code == 404
    for path in (kept.replace("logo/", "logo/x"), f"/brand/logo/{'0' * 32}.png"):
        assert (await firm.get(path)).status_code == 404
    assert (await firm.get(kept)).status_code == 200


@dataclass
class Asked:
    site: Front
    page: str


@pytest.fixture
async def consent(sqlite_store: SqliteStore, clock: SettableClock) -> Asked:
    site = await front(sqlite_store, clock)
    client = await site.client(logo_uri="https://tracker.example/pixel.png")
    await site.user()
    person = site.person()
    await person.authorize(client)
    await person.follow()
    await person.press("login-submit", username="ann@example.org", password="correct horse battery")
    return Asked(site, (await person.follow()).text)


@pytest.mark.attack("I8")
async def test_no_page_fetches_the_logo_of_an_app(consent: Asked) -> None:
    """`logo_uri` is an address that a stranger chose: fetched, it would tell who looks at what."""
    assert "consent-allow" in consent.page
    assert "tracker.example" not in consent.page
    answer = await consent.site.person().get("/login")
    assert "img-src 'self' data:" in answer.headers["content-security-policy"]
