"""Every page of the front, one after the other, as somebody meets them."""

import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlencode

import pyotp
from playwright.async_api import Page
from tests.web.harness import PASSWORD, TENANT, Front, link, request_of

from safeconduct.core.form import Form
from safeconduct.core.grants.device_code import NAME as DEVICE
from safeconduct.core.totp import STEP

SCOPES = "openid profile email offline_access connections:read assets:read transactions:read"


async def press(page: Page, selector: str) -> None:
    """Click what leads to another page, and be there."""
    async with page.expect_navigation():
        await page.click(selector)


async def screens(page: Page, site: Front) -> AsyncIterator[str]:
    """Goes from page to page and says where it is."""
    base = site.issuer
    token = await site.platform.setup.offer(TENANT)
    await page.goto(f"{base}/")
    yield "home"
    if token is not None:
        await page.goto(f"{base}/setup?token={token}")
        yield "setup"
    await page.goto(f"{base}/oauth2/authorize?client_id=nobody")
    yield "error"
    async for name in signing_in(page, site):
        yield name
    async for name in account(page, site):
        yield name


async def signing_in(page: Page, site: Front) -> AsyncIterator[str]:
    base = site.issuer
    await site.user("mira@example.org")
    client = await site.client(client_name="Harbour Ledger", scope=SCOPES)
    query = urlencode(request_of(client, scope=SCOPES))
    await page.goto(f"{base}/oauth2/authorize?{query}")
    yield "login"
    await page.fill("#username", "mira@example.org")
    await page.fill("#password", "not my password")
    await press(page, "#login-submit")
    yield "login-wrong"
    await press(page, "#reset-link")
    yield "reset"
    await page.fill("#identifier", "mira@example.org")
    await press(page, "#reset-submit")
    yield "reset-code"
    await page.goto(f"{base}/oauth2/authorize?{query}")
    await press(page, "#signup-link")
    yield "signup"
    await page.fill("#identifier", "mira@example.org")
    await press(page, "#signup-submit")
    yield "code"
    await page.fill("#code", "12345")
    await press(page, "#code-submit")
    yield "code-wrong"
    await page.fill("#code", site.outbox.code)
    await press(page, "#code-submit")
    yield "consent"
    known = await site.client(
        client_name="Lighthouse",
        verified=True,
        tos_uri="https://lighthouse.example/terms",
        policy_uri="https://lighthouse.example/privacy",
    )
    await page.goto(f"{base}/oauth2/authorize?{urlencode(request_of(known, scope='openid email'))}")
    yield "consent-verified"
    details = [
        {"type": "connections", "actions": ["read"], "datatypes": ["assets", "transactions"]},
        {"type": "connections", "actions": ["write"], "datatypes": ["connections"]},
    ]
    detailed = await site.client(
        client_name="Kontobuch", authorization_details_types=["connections"]
    )
    asked = request_of(detailed, scope="openid", ui_locales="de")
    asked["authorization_details"] = json.dumps(details)
    await page.goto(f"{base}/oauth2/authorize?{urlencode(asked)}")
    yield "consent-details"
    broker = await site.client(
        client_name="Trading Post",
        profile="alpaca",
        live_trading_approved=True,
        scope="general account:write trading data",
    )
    mira = await site.users.find(TENANT, "mira@example.org")
    assert mira is not None
    for env in ("paper", "paper", "live"):
        await site.platform.accounts.create(TENANT, mira.id, env, actor="operator")
    asked = request_of(broker, scope="general trading")
    await page.goto(f"{base}/oauth/authorize?{urlencode(asked)}")
    yield "consent-accounts"


async def account(page: Page, site: Front) -> AsyncIterator[str]:
    base = site.issuer
    await page.goto(f"{base}/account")
    yield "account-empty"
    await furnish(site)
    await page.goto(f"{base}/account?done=ended")
    await page.click("details.confirm summary >> nth=1")
    yield "account"
    async for name in device(page, site):
        yield name
    async for name in identifiers(page, site):
        yield name
    async for name in second_factor(page, site):
        yield name
    await page.goto(f"{base}/account")
    await press(page, "#sign-out")
    yield "logout"
    await press(page, "#logout-confirm")
    yield "signed-out"


async def identifiers(page: Page, site: Front) -> AsyncIterator[str]:
    """Another address, from the account page to its code and back."""
    await page.goto(f"{site.issuer}/account")
    await press(page, "#identifiers-link")
    await page.fill("#identifier", "mira.with-a-rather-long-name@department.company.example")
    await page.fill("#password", PASSWORD)
    await press(page, "#identifier-submit")
    yield "identifier-code"
    await page.fill("#code", site.outbox.code)
    await press(page, "#identifier-code-submit")
    await page.click("details.confirm summary >> nth=1")
    yield "identifiers"


async def second_factor(page: Page, site: Front) -> AsyncIterator[str]:
    """An authenticator app, from the account page to the next login."""
    await page.goto(f"{site.issuer}/account")
    await press(page, "#authenticator-link")
    yield "authenticator-new"
    await page.click("summary")
    totp = pyotp.TOTP((await page.inner_text("#secret")).replace(" ", ""))
    await page.fill("#code", totp.generate_otp(site.clock.now() // STEP))
    await page.fill("#password", PASSWORD)
    await press(page, "#authenticator-submit")
    yield "recovery-codes"
    await press(page, "#codes-done")
    await press(page, "#authenticator-link")
    yield "authenticator"
    await page.goto(f"{site.issuer}/account/passkeys")
    await page.wait_for_selector("#passkey-submit")
    yield "passkeys"
    cookies = await page.context.cookies()
    await page.context.clear_cookies()
    await page.goto(f"{site.issuer}/login")
    await page.fill("#username", "mira@example.org")
    await page.fill("#password", PASSWORD)
    await press(page, "#login-submit")
    yield "second"
    await page.context.add_cookies(cookies)


async def device(page: Page, site: Front) -> AsyncIterator[str]:
    """A television that asks to be let in."""
    client = await site.client(
        client_name="Lantern TV",
        client_uri="https://lantern.example",
        redirect_uris=[],
        grant_types=[DEVICE, "refresh_token"],
        token_endpoint_auth_method="none",
        scope=SCOPES,
    )
    await page.goto(f"{site.issuer}/device")
    await page.fill("#user_code", "BCDF-GHJK")
    await press(page, "#device-submit")
    yield "device-wrong"
    asked = await site.platform.devices.start(client, Form())
    await page.fill("#user_code", asked["user_code"])
    await press(page, "#device-submit")
    yield "device-confirm"
    await press(page, "#consent-allow")
    yield "device-done"


async def furnish(site: Front) -> None:
    """Apps and browsers for the account page."""
    for number, name in enumerate(
        ("Harbour Ledger", "Ein sehr langer Name einer App mit Ümläuten")
    ):
        person: Any = site.person()
        await person.sign_in("mira@example.org", PASSWORD)
        client = await site.client(client_name=name, verified=number == 0, scope=SCOPES)
        await person.authorize(client, scope=SCOPES)
        await person.follow()
        await person.press("consent-allow")
        site.clock.advance(3 * 3_600_000)
    mira = await site.users.find(TENANT, "mira@example.org")
    assert mira is not None
    await link(site, mira, account_name="Main portfolio")
    await link(site, mira, account_key="2", display_label="Old wallet", status="needs_reauth")
    await link(site, mira, account_key="3", account_name=None, status="degraded")
