"""Every page of Connect, one after the other, as somebody meets them."""

from collections.abc import AsyncIterator
from urllib.parse import urlencode

from playwright.async_api import Page, Route
from tests.simulator_fixture import EXAMPLE
from tests.web.connect.stage import BROUGHT, KEYED, LINK, Stage, widget
from tests.web.harness import PASSWORD
from tests.web.screens import press

WALLET, WHOLE, SCREEN = "evmLocal", "bitcoin", "github"
SCOPE = "connections:read connections:write assets:read transactions:read"


async def connect_screens(page: Page, stage: Stage) -> AsyncIterator[str]:
    """The app is at `/landed` of our own server, where there is nothing."""
    site = stage.site
    await site.user("mira@example.org")
    back = f"{site.issuer}/landed"
    client = await site.client(
        client_name="Fernhill", redirect_uris=[back], scope=SCOPE, profile="calico"
    )
    await page.goto(f"{site.issuer}/?{urlencode(widget(client))}")
    await page.fill("#username", "mira@example.org")
    await page.fill("#password", PASSWORD)
    await press(page, "#login-submit")
    await press(page, "#consent-allow")
    yield "connect-picker"
    await press(page, f"#{LINK}")
    await press(page, "#sim-deny")
    yield "connect-denied"
    await press(page, f"#{LINK}")
    await stage.sim.fault("503", "token")
    await press(page, "#sim-allow")
    yield "connect-outage"
    await press(page, f"#{LINK}")
    await press(page, "#sim-allow")
    yield "connect-linked"
    await press(page, "#connect-more")
    yield "connect-picker-linked"
    (row,) = await stage.connections()
    await stage.change(row, status="needs_reauth")
    await page.goto(f"{site.issuer}/connect")
    yield "connect-again"
    await press(page, f"#relink-{row.id}")
    await press(page, "#sim-allow")
    yield "connect-renewed"
    await page.goto(f"{site.issuer}/connect")
    await press(page, "#connect-kucoin")
    yield "connect-keys"
    await page.goto(f"{site.issuer}/connect")
    await press(page, "#connect-jira")
    await page.fill("#site", "acme")
    await page.fill("#email", "mira@example.org")
    await page.fill("#api_token", "not-the-right-one")
    await press(page, "#keys-submit")
    yield "connect-password"
    await page.goto(f"{site.issuer}/connect")
    await press(page, "#connect-google-service-account")
    yield "connect-key-file"
    await page.goto(f"{site.issuer}/connect")
    await page.route("**/device", patient)
    await press(page, f"#connect-{SCREEN}-device")
    yield "connect-screen"
    providers = site.platform.providers
    for wallet in (WALLET, WHOLE):
        await providers.configure(
            row.tenant_id,
            wallet,
            client_id="",
            client_secret=None,
            base_url=stage.sim.base_url,
            actor="operator",
        )
    await page.goto(f"{site.issuer}/connect")
    await press(page, f"#connect-{WALLET}")
    yield "connect-wallet"
    await page.fill("#address", "0x70997970C51812dc3A010C7d01b50e0d17dc79C8")
    await press(page, "#wallet-prove")
    yield "connect-proof"
    await page.goto(f"{site.issuer}/connect")
    await press(page, f"#connect-{WHOLE}")
    await page.fill("#address", "L3VFeEujGtevx9w18HD1fhRbCH67Az2dpCymeRE1SoPK6XQtaN2k")
    await press(page, "#wallet-watch")
    yield "connect-whole-wallet"
    for provider_id in (EXAMPLE, WALLET, WHOLE, SCREEN, *KEYED, *BROUGHT):
        await providers.switch(row.tenant_id, provider_id, on=False, actor="operator")
    await page.goto(f"{site.issuer}/connect")
    yield "connect-empty"
    await page.goto(f"{site.issuer}/?client_id={client.id}")
    yield "connect-refused"


async def patient(route: Route) -> None:
    """A page that does not begin anew while somebody looks at it."""
    origin = "/".join(route.request.url.split("/")[:3])
    said = {**await route.request.all_headers(), "origin": origin}
    answer = await route.fetch(headers=said)  # there, and where it leads
    again = '<meta http-equiv="refresh" content="5">'
    page = await answer.text()
    assert again in page
    await route.fulfill(response=answer, body=page.replace(again, ""))
