"""The whole journey, walked without a screen: what `safeconduct demo --headless` does.

A person's browser (`browser.py`) and a third-party app (`app.py`) against real servers. The walk
sees what a person sees, what the app wrote down of its own requests, the provider's ledger, and
how many sealed credentials the vault holds. Each step says what was exchanged and what it proved.
"""

from urllib.parse import parse_qs, urlsplit

import httpx2

from safeconduct.demo.browser import Browser
from safeconduct.demo.page import Lost, Page
from safeconduct.demo.report import Report, WalkFailed
from safeconduct.demo.witness import Stage, Witness

NEW = "+0.125 BTC"


class Walk:
    def __init__(self, stage: Stage, report: Report) -> None:
        self.stage, self.report = stage, report
        self.see = Witness(stage, report)

    async def run(self) -> None:
        """Walk it all, or raise `WalkFailed` where it ends."""
        try:
            async with Browser(self.see.watch) as browser, Browser(self.see.watch) as other:
                await self._sign_in_with_password(other)
                await self._sign_up(browser)
                await self._tokens(browser)
                await self._link(browser)
                await self._data(browser)
                await self._provider_tokens(browser)
                await self._revoke(browser)
                await self._disconnect(browser)
        except Lost as error:
            raise WalkFailed(str(error)) from error

    # ── giving a grant ────────────────────────────────────────────────────────────────────

    async def _sign_in_with_password(self, browser: Browser) -> None:
        stage, check = self.stage, self.report.check
        with self.report.step("Somebody signs in with a password, and says no"):
            page = await browser.press(await browser.open(stage.app), "app-login")
            page = await browser.press(
                page, "login-submit", username=stage.email, password="not the password"
            )
            check(page.find("login-submit") is not None, "A wrong password does not sign in.")
            page = await browser.press(
                page, "login-submit", username=stage.email, password=stage.password
            )
            page.need("consent-allow")
            page = await browser.press(page, "consent-deny")
            answer = self.see.query(stage.app + "/callback")
            check(answer.get("error") == "access_denied", "The app is told access_denied.", answer)
            check(page.find("app-login") is not None, "The app shows nothing.", page.url)

    async def _sign_up(self, browser: Browser) -> None:
        stage, check = self.stage, self.report.check
        with self.report.step("An app sends somebody new to Safeconduct"):
            page = await browser.open(stage.app)
            self.see.hops.clear()
            page = await browser.press(page, "app-login")
            asked = self.see.query(stage.issuer + "/oauth2/authorize")
            check(asked.get("response_type") == "code", "It asks for a code.", asked)
            check(asked.get("code_challenge_method") == "S256", "It uses PKCE with S256.", asked)
            page.need("login-submit")
        with self.report.step("They sign up with a code from an e-mail, and say yes"):
            page = await browser.press(page, _link_to(page, "/signup"))
            page = await browser.press(page, "signup-submit", identifier=stage.newcomer)
            code = await self.see.mailed_code(stage.newcomer)
            wrong = str((int(code) + 1) % 10 ** len(code)).zfill(len(code))
            page = await browser.press(page, "code-submit", code=wrong)
            check(page.find("code-submit") is not None, "A wrong code is refused.", page.url)
            page = await browser.press(page, "code-submit", code=code)
            page.need("consent-deny")
            check("Fernhill" in page.text, "Consent names the app that asks.", page.text)
            page = await browser.press(page, "consent-allow")
            answer = self.see.query(stage.app + "/callback")
            check(answer.get("iss") == stage.issuer, "The answer names its issuer.", answer)
            check(answer.get("state") == asked.get("state"), "The app gets its state back.")
            check(page.url.endswith("/portfolio"), "The app shows the portfolio.", page.url)

    async def _tokens(self, browser: Browser) -> None:
        stage, check = self.stage, self.report.check
        with self.report.step("The app gets its tokens, asks who this is, renews, introspects"):
            said = await self.see.said(browser)
            token = self.see.last(said, "/oauth2/token")
            body = token["response"]["body"]
            check(token["request"]["body"]["grant_type"] == "authorization_code", "A code for it.")
            check("code_verifier" in token["request"]["body"], "The PKCE verifier was sent.")
            check(body["expires_in"] == 900, "The access token lives 15 minutes.", body)
            check("refresh_token" in body, "There is a refresh token.", body)
            user = self.see.last(said, "/oauth2/userinfo")["response"]["body"]
            check(user.get("email") == stage.newcomer, "Userinfo has the e-mail address.", user)
            page = await browser.open(stage.app + "/profile")
            page = await browser.press(page, "app-renew")
            said = await self.see.said(browser)
            renewed = self.see.last(said, "/oauth2/token")
            check(
                renewed["request"]["body"]["grant_type"] == "refresh_token"
                and renewed["response"]["body"]["refresh_token"] != body["refresh_token"],
                "A refresh gives a new refresh token.",
                renewed,
            )
            found = self.see.last(said, "/oauth2/introspect")["response"]["body"]
            check(
                found.get("active") is True, "Introspection says that the token is active.", found
            )

    # ── being given a connection ──────────────────────────────────────────────────────────

    async def _link(self, browser: Browser) -> None:
        stage, check = self.stage, self.report.check
        with self.report.step("The user links an account at an exchange"):
            page = await browser.press(await browser.open(stage.app + "/portfolio"), "app-connect")
            page = await browser.press(page, "sim-switch")
            page = await browser.press(page, "sim-login", username="keiko", password="demo")
            check(page.url.startswith(stage.provider), "The provider shows its own consent.")
            asked = parse_qs(urlsplit(self.see.hop(stage.provider)).query)
            check(
                "offline_access" in asked["scope"][0] and "code_challenge" in asked,
                "Safeconduct asks the provider for offline access, with PKCE of its own.",
                asked,
            )
            page = await browser.press(page, "sim-allow")
            page = await browser.press(page, "connect-continue")
            said = await self.see.said(browser)
            started = self.see.last(said, "/accounts/v2/providers", "POST")
            check(started["response"]["body"]["data"]["added"] is False, "At first: added false.")
            ended = self.see.last(said, "/accounts/v2/oauth/callback/exchangeExample")
            check(ended["response"]["status"] == 201, "The callback answers 201.", ended)
            check(ended["response"]["body"]["data"]["added"] is True, "Then: added true.", ended)
            check(await stage.credentials() == 1, "The vault holds one sealed credential.")

    async def _data(self, browser: Browser) -> None:
        stage, check = self.stage, self.report.check
        with self.report.step("Assets and transactions arrive, page by page"):
            page = await self.see.until(browser, "/portfolio", "app-assets", "BTC")
            check("BTC" in page.text, "The portfolio shows what the exchange holds.")
            page = await self.see.until(browser, "/transactions", "app-next", "")
            ids: list[str] = []
            pages = 0
            while True:
                pages += 1
                ids += [e.attributes["data-id"] for e in page.elements if "data-id" in e.attributes]
                if page.find("app-next") is None:
                    break
                page = await browser.press(page, "app-next")
            await self.see.said(browser)
            check(pages > 1, f"Transactions came on {pages} pages.", pages)
            check(len(ids) == len(set(ids)), f"{len(ids)} transactions, none of them twice.", ids)
        with self.report.step("Something new happens there, and the user asks for it"):
            await self._deposit()
            page = await browser.open(stage.app + "/transactions")
            await browser.press(page, "app-refresh")
            page = await self.see.until(browser, "/transactions", "app-transactions", NEW)
            await self.see.said(browser)
            check(NEW in page.text, "The new deposit is there.")

    async def _deposit(self) -> None:
        body = {
            "provider": "exchangeExample",
            "user": "keiko",
            "kind": "deposit",
            "asset": "BTC",
            "amount": "0.125",
        }
        async with httpx2.AsyncClient() as http:
            said = await http.post(self.stage.provider + "/_sim/activity", json=body)
        self.report.line(f"exchange {said.request.method} /_sim/activity {body} {said.status_code}")
        self.report.check(said.status_code == 201, "The exchange credits 0.125 BTC.", said.text)

    async def _provider_tokens(self, browser: Browser) -> None:
        check = self.report.check
        with self.report.step("The credential is renewed before it ends, each token used once"):
            grant = await self.see.grant(lambda grant: grant["refreshes"] >= 2)
            self.report.line(
                f"exchange ledger: {grant['refreshes']} refreshes, {grant['reuses']} reuses, "
                f"{grant['overlaps']} overlaps, {grant['live_refresh_tokens']} live refresh token"
            )
            check(grant["reuses"] == 0, "No refresh token was used twice.", grant)
            check(grant["overlaps"] == 0, "No two refreshes were under way at once.", grant)
            check(grant["live_refresh_tokens"] == 1, "The provider knows one live token.", grant)
            page = await browser.open(self.stage.app + "/portfolio")
            check("error" not in self.see.pills(page), "The connection is well.", page.text)

    # ── ending both ───────────────────────────────────────────────────────────────────────

    async def _revoke(self, browser: Browser) -> None:
        stage, check = self.stage, self.report.check
        with self.report.step("The user revokes the app: its tokens stop working at once"):
            page = await browser.open(stage.issuer + "/account")
            check("Fernhill" in page.text, "The account page lists the app.", page.text)
            page = await browser.press(page, _starting(page, "revoke-"))
            page = await browser.open(stage.app + "/profile")
            check(page.find("app-login") is not None, "The app has to ask again.", page.url)
            said = await self.see.said(browser)
            found = self.see.last(said, "/oauth2/introspect")["response"]["body"]
            check(found == {"active": False}, "Introspection says: not active.", found)
            call = self.see.last(said, "/oauth2/userinfo")["response"]
            check(call["status"] == 401, "The access token is refused.", call)
            renewal = self.see.last(said, "/oauth2/token")["response"]
            check(
                renewal["status"] == 400 and renewal["body"]["error"] == "invalid_grant",
                "The refresh token is dead.",
                renewal,
            )

    async def _disconnect(self, browser: Browser) -> None:
        stage, check = self.stage, self.report.check
        with self.report.step("The user disconnects the exchange: nothing of it is left"):
            page = await browser.open(stage.issuer + "/account")
            page = await browser.press(page, _starting(page, "disconnect-"))
            check(await stage.credentials() == 0, "The vault is empty.")
            grant = await self.see.grant(lambda grant: not grant["alive"])
            self.report.line(f"exchange ledger: the grant ended, {grant['ended']}")
            check(grant["ended"] == "revoked", "The provider was told to revoke the tokens.", grant)
            check(grant["live_refresh_tokens"] == 0, "None of its tokens works there.", grant)


def _link_to(page: Page, path: str) -> str:
    """The id of the first link whose address holds this path."""
    for link in page.links():
        if path in link.attributes["href"] and link.id:
            return link.id
    raise Lost(f"{page.url} links to nothing with {path}")


def _starting(page: Page, prefix: str) -> str:
    """The first id that starts like this."""
    for element in page.elements:
        if element.id.startswith(prefix):
            return element.id
    raise Lost(f"{page.url} has no id that starts with {prefix}")
