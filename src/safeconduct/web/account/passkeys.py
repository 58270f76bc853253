"""/account/passkeys: passkeys of one's own, to add, to look at and to remove."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from safeconduct.core.errors import ApiError
from safeconduct.core.secret import Secret
from safeconduct.core.sessions import SignedIn
from safeconduct.services.passkeys import OwnPasskeys
from safeconduct.services.passwords import OwnPassword
from safeconduct.services.users import Users
from safeconduct.web.kit.browser import Browser
from safeconduct.web.kit.ceremonies import seal, site_here, unseal
from safeconduct.web.kit.page_error import PageError, restart
from safeconduct.web.kit.pages import Pages

PATH = "/account/passkeys"
NOTICES = {"added": "The passkey is added.", "removed": "The passkey is removed."}


class PasskeyPages:
    def __init__(
        self,
        *,
        passkeys: OwnPasskeys,
        users: Users,
        password: OwnPassword,
        browser: Browser,
        pages: Pages,
    ) -> None:
        self.passkeys, self.users, self.password = passkeys, users, password
        self.browser, self.pages = browser, pages

    def routes(self) -> list[Route]:
        page = self.pages.endpoint
        return [
            Route(PATH, page(self.show), methods=["GET"]),
            Route(PATH, page(self.add), methods=["POST"]),
            Route(f"{PATH}/{{id}}/remove", page(self.remove), methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        who = await self.browser.signed_in(request)
        if who is None:
            return self.pages.redirect(request, "/login")
        return await self._page(request, who)

    async def add(self, request: Request) -> Response:
        form, who = await self.browser.own_form(request)
        site = site_here(self.browser, request)
        ceremony = unseal(self.browser, request, form.get("ceremony"))
        if site is None or ceremony is None:
            raise restart()
        try:
            await self.password.prove(who, Secret(form.get("password", "")))
            answer, label = form.get("answer", ""), form.get("label", "")
            await self.passkeys.add(who, site, ceremony, answer, label)
        except ApiError as error:
            return await self._page(request, who, error)
        return self.pages.redirect(request, f"{PATH}?done=added")

    async def remove(self, request: Request) -> Response:
        form, who = await self.browser.own_form(request)
        try:
            await self.password.prove(who, Secret(form.get("password", "")))
            await self.passkeys.remove(who, str(request.path_params["id"]))
        except ApiError as error:
            if error.status == 404:
                raise PageError("not_found", "There is no such passkey.", 404) from None
            return await self._page(request, who, error)
        return self.pages.redirect(request, f"{PATH}?done=removed")

    async def _page(
        self, request: Request, who: SignedIn, error: ApiError | None = None
    ) -> Response:
        user = await self.users.get(who.tenant_id, who.user_id)
        named = await self.users.identifiers(who.tenant_id, who.user_id)
        site, ceremony = site_here(self.browser, request), self.passkeys.ceremony()
        account = named[0].value if named else who.user_id
        brand = self.browser.realm(request).branding.name
        asked = None
        if site is not None:
            asked = await self.passkeys.creation(who, site, ceremony, name=brand, account=account)
        return self.pages.render(
            request,
            "passkeys.html",
            error.status if error else 200,
            scripts=True,
            notice=NOTICES.get(request.query_params.get("done", "")),
            passkeys=await self.passkeys.of(who.tenant_id, who.user_id),
            options=asked,
            ceremony=seal(self.browser, request, ceremony),
            account=account,
            has_password=user is not None and user.password_hash is not None,
            problem=error.words if error else None,
        )
