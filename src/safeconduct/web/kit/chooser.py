"""POST /language: another language, chosen at the foot of a page, without a script.

The choice is a cookie and nothing else. It needs no token: a page of ours in another language is
all that a forged choice could bring about.
"""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from safeconduct.core.landing import local_path
from safeconduct.web.kit.browser import Browser
from safeconduct.web.kit.cookies import LANGUAGE
from safeconduct.web.kit.flow import MAX_LENGTH
from safeconduct.web.kit.language import LANGUAGES
from safeconduct.web.kit.pages import Pages

PATH = "/language"
YEAR_S = 365 * 86_400
MAX_PATH = MAX_LENGTH + 2_048


class LanguagePages:
    def __init__(self, *, browser: Browser, pages: Pages) -> None:
        self.browser, self.pages = browser, pages

    def routes(self) -> list[Route]:
        return [Route(PATH, self.pages.endpoint(self.choose), methods=["POST"])]

    async def choose(self, request: Request) -> Response:
        form = await self.browser.plain_form(request)
        back = local_path(form.get("back"), MAX_PATH) or "/"
        response = self.pages.redirect(request, back)
        if (language := form.get("language")) in LANGUAGES:
            self.browser.cookies.set(response, LANGUAGE, str(language), max_age=YEAR_S)
        return response
