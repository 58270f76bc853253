"""/account/identifiers: what one signs in with, to add, to remove, and to say which comes first."""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from safeconduct.core.errors import ApiError
from safeconduct.core.form import Form
from safeconduct.core.identifiers import first_of
from safeconduct.core.own_identifiers import MAX_IDENTIFIERS, Adding, adding_from_json
from safeconduct.core.secret import Secret
from safeconduct.core.sessions import SignedIn
from safeconduct.core.signup import LIFETIME, typed_code
from safeconduct.services.own_identifiers import OwnIdentifiers
from safeconduct.services.passwords import OwnPassword
from safeconduct.services.users import Users
from safeconduct.web.kit.browser import Browser, parse_form
from safeconduct.web.kit.entering import WRONG_CODE, no_entry
from safeconduct.web.kit.page_error import PageError, restart
from safeconduct.web.kit.pages import Pages

PATH = "/account/identifiers"
PURPOSE = "identifier"
NOTICES = {
    "added": "It is added: you can sign in with it from now on.",
    "removed": "It is removed, and signs in nobody any more.",
    "first": "It comes first from now on.",
}


class IdentifierPages:
    def __init__(
        self,
        *,
        identifiers: OwnIdentifiers,
        users: Users,
        password: OwnPassword,
        browser: Browser,
        pages: Pages,
    ) -> None:
        self.identifiers, self.users, self.password = identifiers, users, password
        self.browser, self.pages = browser, pages

    def routes(self) -> list[Route]:
        page = self.pages.endpoint
        return [
            Route(PATH, page(self.show), methods=["GET"]),
            Route(PATH, page(self.send), methods=["POST"]),
            Route(f"{PATH}/code", page(self.show_code), methods=["GET"]),
            Route(f"{PATH}/code", page(self.add), methods=["POST"]),
            Route(f"{PATH}/remove", page(self.remove), methods=["POST"]),
            Route(f"{PATH}/first", page(self.prefer), methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        who = await self.browser.signed_in(request)
        if who is None:
            return self.pages.redirect(request, "/login")
        return await self._page(request, who)

    async def send(self, request: Request) -> Response:
        """A code to the new address, for whoever has just proven who they are."""
        form, who = await self.browser.own_form(request)
        identifier = form.get("identifier", "").strip()
        try:
            await self.password.prove(who, Secret(form.get("password", "")))
            peer = request.client.host if request.client else ""
            asked = await self.identifiers.begin(who, identifier, peer)
        except ApiError as error:
            return await self._page(request, who, error, identifier)
        flow = self.browser.seal_flow(request, PURPOSE, asked.to_json(), LIFETIME)
        return self.pages.redirect(request, f"{PATH}/code?flow={flow}")

    async def show_code(self, request: Request) -> Response:
        if await self.browser.signed_in(request) is None:
            return self.pages.redirect(request, "/login")
        query = parse_form(request.scope["query_string"])
        return self._code_page(request, query, self._asked(request, query))

    async def add(self, request: Request) -> Response:
        form, who = await self.browser.own_form(request)
        asked = self._asked(request, form)
        try:
            got = await self.identifiers.redeem(who, asked, typed_code(form.get("code", "")))
        except ApiError as error:
            return await self._page(request, who, error)
        if isinstance(got, str):
            ended = no_entry(got)
            if ended is not None:
                raise ended
            return self._code_page(request, form, asked, WRONG_CODE)
        return self.pages.redirect(request, f"{PATH}?done=added")

    async def remove(self, request: Request) -> Response:
        return await self._change(request, self.identifiers.remove, "removed")

    async def prefer(self, request: Request) -> Response:
        return await self._change(request, self.identifiers.prefer, "first")

    async def _change(
        self, request: Request, change: Callable[[SignedIn, str], Awaitable[None]], done: str
    ) -> Response:
        form, who = await self.browser.own_form(request)
        try:
            await self.password.prove(who, Secret(form.get("password", "")))
            await change(who, form.get("identifier", ""))
        except ApiError as error:
            if error.status == 404:
                raise PageError("not_found", "You do not sign in with this.", 404) from None
            return await self._page(request, who, error)
        return self.pages.redirect(request, f"{PATH}?done={done}")

    def _asked(self, request: Request, form: Form) -> Adding:
        data = self.browser.open_flow(request, PURPOSE, form.get("flow"))
        if data is None:
            raise restart()
        return adding_from_json(data)

    async def _page(
        self,
        request: Request,
        who: SignedIn,
        error: ApiError | None = None,
        identifier: str = "",
    ) -> Response:
        user = await self.users.get(who.tenant_id, who.user_id)
        named = await self.users.identifiers(who.tenant_id, who.user_id)
        response = self.pages.render(
            request,
            "identifiers.html",
            error.status if error else 200,
            notice=NOTICES.get(request.query_params.get("done", "")),
            identifiers=named,
            firsts=(first_of(named, "email"), first_of(named, "phone")),
            full=len(named) >= MAX_IDENTIFIERS,
            identifier=identifier,
            account=named[0].value if named else who.user_id,
            by_phone=self.identifiers.signup.by_phone,
            has_password=user is not None and user.password_hash is not None,
            problem=error.words if error else None,
        )
        if error is not None and error.retry_after is not None:
            response.headers["retry-after"] = str(error.retry_after)
        return response

    def _code_page(
        self, request: Request, form: Form, asked: Adding, problem: str | None = None
    ) -> Response:
        return self.pages.render(
            request,
            "identifier_code.html",
            403 if problem else 200,
            flow=form.get("flow"),
            identifier=asked.challenge.value,
            by_phone=asked.challenge.kind == "phone",
            problem=problem,
        )
