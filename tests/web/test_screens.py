"""Every page in Chromium: fits, can be read, can be used, and looks as it should.

The pictures lie in `tests/.artifacts` afterwards.
"""

import zlib
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import SettableClock
from tests.core.test_logo import END, SIGNATURE, chunk, header
from tests.web.harness import PASSWORD, TENANT, front
from tests.web.live import DESKTOP, PHONE, chromium, listen, serve
from tests.web.screens import press, screens

from safeconduct.adapters.store import SqliteStore

ARTIFACTS = Path(__file__).parents[1] / ".artifacts"
SMALL = {"width": 320, "height": 640}

TURNED = """() => {
  const html = document.documentElement;
  html.dir = "rtl";
  const wide = html.scrollWidth > innerWidth;
  html.dir = "ltr";
  return wide ? ["too wide from right to left"] : [];
}"""
"""A language that is written from right to left turns the page around; it must fit all the same."""

AUDIT = (Path(__file__).parent / "audit.js").read_text(encoding="utf-8")


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    ("name", "viewport", "language"),
    [("small", SMALL, "de-DE"), ("phone", PHONE, "en"), ("desktop", DESKTOP, "fr-FR")],
)
async def test_every_page(
    sqlite_store: SqliteStore,
    clock: SettableClock,
    scheme: Any,
    name: str,
    viewport: Any,
    language: str,
) -> None:
    listener, origin = listen()
    origin = origin.replace("127.0.0.1", "localhost")  # passkeys are for names
    site = await front(sqlite_store, clock, origin)
    ARTIFACTS.mkdir(exist_ok=True)
    found: dict[str, list[str]] = {}
    spoken: dict[str, str | None] = {}
    async with (
        serve(site.app, listener),
        chromium(viewport=viewport, color_scheme=scheme, locale=language) as context,
    ):
        page = await context.new_page()
        said: list[str] = []
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        async for screen in screens(page, site):
            found[screen] = [*await page.evaluate(AUDIT), *await page.evaluate(TURNED)]
            spoken[screen] = await page.get_attribute("html", "lang")
            if name != "small":
                path = ARTIFACTS / f"{screen}-{name}-{scheme}.png"
                await page.screenshot(path=path, full_page=True)
    assert {screen: problems for screen, problems in found.items() if problems} == {}
    assert len(found) == 28
    # one app asks for German by `ui_locales`, whatever the browser prefers
    assert {screen for screen, tag in spoken.items() if tag != language[:2]} <= {"consent-details"}
    assert spoken["consent-details"] == "de"
    assert [line for line in said if "status of 4" not in line] == []


def lettering(width: int, height: int) -> bytes:
    """A transparent picture with dark bars, as letters are."""
    bar, gap = b"\x1a\x33\x66\xff" * 4, bytes(16)
    line = b"\0" + (bar + gap) * (width // 8)
    packed = zlib.compress(line * height)
    return SIGNATURE + header(width, height) + chunk(b"IDAT", packed) + END


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_a_logo(sqlite_store: SqliteStore, clock: SettableClock, scheme: Any) -> None:
    listener, origin = listen()
    site = await front(sqlite_store, clock, origin)
    await site.user()
    ARTIFACTS.mkdir(exist_ok=True)
    async with serve(site.app, listener), chromium(viewport=PHONE, color_scheme=scheme) as context:
        page = await context.new_page()
        for name, picture in (("mark", lettering(64, 64)), ("word", lettering(800, 128))):
            await site.platform.tenants.set_logo(TENANT, picture, actor="operator")
            for path in ("/login", "/device", "/account", "/connect"):
                await page.goto(f"{origin}{path}")
                if await page.query_selector("#login-submit") and path != "/login":
                    await page.fill("#username", "ann@example.org")
                    await page.fill("#password", PASSWORD)
                    await press(page, "#login-submit")
                assert await page.evaluate(AUDIT) == []
                drawn = "image => image.naturalWidth * (image.getBoundingClientRect().width > 0)"
                assert await page.eval_on_selector(".brand__logo", drawn) > 0
                file = ARTIFACTS / f"logo-{name}-{path[1:]}-{scheme}.png"
                await page.screenshot(path=file, full_page=True)
            await context.clear_cookies()


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_the_lightest_colour_that_a_tenant_may_choose(
    sqlite_store: SqliteStore, clock: SettableClock, scheme: Any
) -> None:
    listener, origin = listen()
    site = await front(sqlite_store, clock, origin)
    looks = {"accent": "#0b8043", "support": "https://help.example/"}
    lightest = {**looks, "accent": "#767676"}
    ARTIFACTS.mkdir(exist_ok=True)
    seen = []
    async with serve(site.app, listener), chromium(viewport=PHONE, color_scheme=scheme) as context:
        page = await context.new_page()
        for branding in (looks, lightest):
            await site.platform.tenants.update(TENANT, {"branding": branding}, actor="operator")
            await page.goto(f"{origin}/login")
            assert await page.evaluate(AUDIT) == []
            seen.append(
                await page.eval_on_selector(
                    "#login-submit", "button => getComputedStyle(button).backgroundColor"
                )
            )
            await page.screenshot(
                path=ARTIFACTS / f"branded-{branding['accent'][1:]}-{scheme}.png", full_page=True
            )
    if scheme == "light":
        assert seen == ["rgb(11, 128, 67)", "rgb(118, 118, 118)"]
    else:
        assert seen == ["rgb(236, 223, 196)"] * 2  # the usual colour: theirs is for light paper
