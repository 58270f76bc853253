"""Every page in Chromium: fits, can be read, can be used, and looks as it should.

The pictures lie in `tests/.artifacts` afterwards.
"""

from pathlib import Path
from typing import Any

import pytest
from tests.conftest import SettableClock
from tests.web.harness import front
from tests.web.live import DESKTOP, PHONE, chromium, listen, serve
from tests.web.screens import screens

from safeconduct.adapters.store import SqliteStore

ARTIFACTS = Path(__file__).parents[1] / ".artifacts"
SMALL = {"width": 320, "height": 640}

AUDIT = (Path(__file__).parent / "audit.js").read_text(encoding="utf-8")


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    ("name", "viewport"), [("small", SMALL), ("phone", PHONE), ("desktop", DESKTOP)]
)
async def test_every_page(
    sqlite_store: SqliteStore, clock: SettableClock, scheme: Any, name: str, viewport: Any
) -> None:
    listener, origin = listen()
    site = await front(sqlite_store, clock, origin)
    ARTIFACTS.mkdir(exist_ok=True)
    found: dict[str, list[str]] = {}
    async with (
        serve(site.app, listener),
        chromium(viewport=viewport, color_scheme=scheme) as context,
    ):
        page = await context.new_page()
        said: list[str] = []
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        async for screen in screens(page, site):
            found[screen] = await page.evaluate(AUDIT)
            if name != "small":
                path = ARTIFACTS / f"{screen}-{name}-{scheme}.png"
                await page.screenshot(path=path, full_page=True)
    assert {screen: problems for screen, problems in found.items() if problems} == {}
    assert len(found) == 19
    assert [line for line in said if "status of 4" not in line] == []
