"""/account/authenticator: an app for the second step of signing in, and its codes on paper."""

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from safeconduct.core.errors import ApiError
from safeconduct.core.secret import Secret
from safeconduct.core.sessions import SignedIn
from safeconduct.core.totp import provisioning_uri, spaced
from safeconduct.services.passwords import OwnPassword
from safeconduct.services.second_factor import SecondFactor
from safeconduct.services.users import Users
from safeconduct.web.kit.browser import Browser
from safeconduct.web.kit.page_error import PageError, restart
from safeconduct.web.kit.pages import Pages
from safeconduct.web.kit.qr import qr

PATH = "/account/authenticator"
PURPOSE = "authenticator"


class AuthenticatorPages:
    def __init__(
        self,
        *,
        second: SecondFactor,
        users: Users,
        password: OwnPassword,
        browser: Browser,
        pages: Pages,
    ) -> None:
        self.second, self.users, self.password = second, users, password
        self.browser, self.pages = browser, pages

    def routes(self) -> list[Route]:
        page = self.pages.endpoint
        return [
            Route(PATH, page(self.show), methods=["GET"]),
            Route(PATH, page(self.add), methods=["POST"]),
            Route(f"{PATH}/codes", page(self.renew), methods=["POST"]),
            Route(f"{PATH}/remove", page(self.remove), methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        who = await self.browser.signed_in(request)
        if who is None:
            return self.pages.redirect(request, "/login")
        if await self.second.of(who.tenant_id, who.user_id) is not None:
            return await self._kept(request, who)
        return await self._new(request, who, self.second.new_secret())

    async def add(self, request: Request) -> Response:
        """The secret comes back sealed: what nobody confirms leaves nothing behind."""
        form, who = await self.browser.own_form(request)
        data = self.browser.open_flow(request, PURPOSE, form.get("flow"))
        if data is None or data["user"] != who.user_id:
            raise restart()
        secret = Secret(data["secret"])
        try:
            await self.password.prove(who, Secret(form.get("password", "")))
            added = await self.second.add(who, secret, form.get("code", ""))
        except ApiError as error:
            return await self._new(request, who, secret, error)
        response = self._paper(request, added.codes, "The app is added.")
        self.browser.sign_in(request, response, added.started.cookie)
        return response

    async def renew(self, request: Request) -> Response:
        form, who = await self.browser.own_form(request)
        try:
            codes = await self.second.renew_codes(who, form.get("code", ""))
        except ApiError as error:
            return await self._kept(request, who, error)
        return self._paper(request, codes, "Your recovery codes from before are void.")

    async def remove(self, request: Request) -> Response:
        form, who = await self.browser.own_form(request)
        try:
            await self.second.remove(who, form.get("code", ""))
        except ApiError as error:
            return await self._kept(request, who, error)
        return self.pages.redirect(request, "/account?done=authenticator-removed")

    async def _new(
        self, request: Request, who: SignedIn, secret: Secret, error: ApiError | None = None
    ) -> Response:
        user = await self.users.get(who.tenant_id, who.user_id)
        named = await self.users.identifiers(who.tenant_id, who.user_id)
        account = named[0].value if named else who.user_id
        uri = provisioning_uri(secret, account, self.browser.realm(request).branding.name)
        data = {"user": who.user_id, "secret": secret.reveal()}
        return self.pages.render(
            request,
            "authenticator_new.html",
            error.status if error else 200,
            flow=self.browser.seal_flow(request, PURPOSE, data),
            qr=qr(uri),
            secret=spaced(secret),
            account=account,
            has_password=user is not None and user.password_hash is not None,
            problem=error.words if error else None,
        )

    async def _kept(
        self, request: Request, who: SignedIn, error: ApiError | None = None
    ) -> Response:
        app = await self.second.of(who.tenant_id, who.user_id)
        if app is None:
            raise PageError("not_found", "There is no authenticator app.", 404)
        return self.pages.render(
            request,
            "authenticator.html",
            error.status if error else 200,
            app=app,
            left=await self.second.codes_left(who.tenant_id, who.user_id),
            problem=error.words if error else None,
        )

    def _paper(self, request: Request, codes: Sequence[str], notice: str) -> Response:
        return self.pages.render(request, "recovery_codes.html", codes=codes, notice=notice)
