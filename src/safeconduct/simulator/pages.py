"""What a person sees: the provider's consent and sign-in pages. They work without JavaScript."""

import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from aiohttp import web
from jinja2 import Environment, PackageLoader

from safeconduct.core.upstream.simulated import simulated
from safeconduct.simulator.delivery import deliver, pause, replaced
from safeconduct.simulator.sites import filled, site_at
from safeconduct.simulator.street import STREET, House, house_of, oauth2_house

USERS = ("mira", "jonas", "keiko")
PASSWORD = "demo"

AUTHORIZE = "authorize"
PAGES = (AUTHORIZE, "oauth1/authorize", "device")
"""Pages that somebody can be sent back to after signing in as another."""

_COOKIE = "sim_user"
_CHOOSE = "sim_choose"  # the consent page with a box for each scope
_SEGMENT = re.compile(r"[A-Za-z0-9._:-]+")
_USER = re.compile(r"[a-z0-9][a-z0-9._-]{0,31}")
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src data:; "
    "base-uri 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_TEMPLATES = Environment(
    loader=PackageLoader("safeconduct.simulator"), autoescape=True, trim_blocks=True
)
_CSS = (files("safeconduct.simulator") / "static" / "simulator.css").read_text()


async def index(request: web.Request) -> web.Response:
    """All houses."""
    houses = []
    for house in request.app[STREET].houses.values():
        shown = house.grants.shown(tokens=False)
        alive = sum(grant["alive"] for grant in shown["grants"])
        houses.append(
            {"id": house.provider.id, "name": house.provider.name, "alive": alive}
            | {"grants": len(shown["grants"]), "reuses": shown["reuses"]}
        )
    return _page("index.html", name="Provider simulator", houses=houses)


async def stylesheet(request: web.Request) -> web.Response:
    return web.Response(text=_CSS, content_type="text/css")


async def authorize(request: web.Request) -> web.StreamResponse:
    """RFC 6749 §4.1.1: show who asks for what."""
    street, house = request.app[STREET], oauth2_house(request)
    house.grants.count("authorize")
    asked = _asked(list(request.query.items()), house)
    fault = street.faults.take(house.provider.id, "authorize")
    await pause(fault)
    if fault is not None and fault.error is not None:
        raise _back(request, house, asked, error=fault.error)
    if fault is not None:
        return await deliver(request, replaced(fault, street.now()), fault)
    _judged(request, house, asked)
    choosing = asked.pop(_CHOOSE, None) is not None
    scopes = [{"code": code, "text": _sentence(code)} for code in _scopes(house, asked)]
    query, page = urlencode(asked, quote_via=quote), f"{AUTHORIZE}{filled(request)}"
    here = f"/{house.provider.id}/{page}"
    return _page(
        "consent.html",
        name=house.provider.name,
        client=house.registered.name,
        user=user_of(request),
        scopes=scopes,
        hidden=[*asked.items(), *([(_CHOOSE, "1")] if choosing else [])],
        choosing=choosing,
        choose_url=f"{here}?{query}&{_CHOOSE}=1",
        target=urlsplit(asked["redirect_uri"]).netloc,
        action=here,
        login_url=f"/{house.provider.id}/login?{urlencode({'query': query, 'page': page})}",
    )


async def decide(request: web.Request) -> web.StreamResponse:
    """The buttons of the consent page."""
    house = oauth2_house(request)
    form = await request.post()
    pairs = [(name, str(value)) for name, value in form.items()]
    granted = tuple(value for name, value in pairs if name == "granted")
    decision = next((value for name, value in pairs if name == "decision"), "")
    asked = _asked([pair for pair in pairs if pair[0] not in ("granted", "decision")], house)
    _judged(request, house, asked)
    scope = tuple(_scopes(house, asked))
    if _CHOOSE in asked:
        scope = tuple(code for code in scope if code in granted)
    if decision != "allow" or (_CHOOSE in asked and not scope):
        raise _back(
            request, house, asked, error="access_denied", error_description="The user said no."
        )
    code = house.grants.issue_code(
        redirect_uri=asked["redirect_uri"],
        scope=scope,
        user=user_of(request),
        challenge=asked.get("code_challenge"),
        nonce=asked.get("nonce"),
        site=site_at(request, house.provider.oauth2.authorize_url),
    )
    raise _back(request, house, asked, code=code)


async def login(request: web.Request) -> web.Response:
    """Who is it? The page, and its form."""
    house = house_of(request)
    if request.method == "GET":
        query, page = request.query.get("query", ""), request.query.get("page", AUTHORIZE)
        return _login(house, query, user_of(request), page=page)
    form = await request.post()
    user = str(form.get("username", "")).strip().lower()
    query = str(form.get("query", ""))
    page = str(form.get("page", AUTHORIZE))
    if not _is_page(page):
        raise web.HTTPBadRequest(text="There is no such page.\n")
    if not _USER.fullmatch(user) or form.get("password") != PASSWORD:
        problem = "That name and password do not go together."
        return _login(house, query, user[:32], problem, status=403, page=page)
    # The query is parsed and written again, so that it stays a query.
    again = urlencode(parse_qsl(query), quote_via=quote)
    response = web.HTTPSeeOther(f"/{house.provider.id}/{page}?{again}", headers=_HEADERS)
    response.set_cookie(_COOKIE, user, path=f"/{house.provider.id}", httponly=True, samesite="Lax")
    raise response


def consent_page(
    request: web.Request,
    house: House,
    *,
    scopes: Sequence[str],
    hidden: Sequence[tuple[str, str]],
    target: str,
    page: str,
) -> web.Response:
    """The same question on the pages of other protocols; `hidden` is what the answer carries."""
    query = urlencode({"query": urlencode(hidden, quote_via=quote), "page": page})
    return _page(
        "consent.html",
        name=house.provider.name,
        client=house.registered.name,
        user=user_of(request),
        scopes=[{"code": code, "text": _sentence(code)} for code in scopes],
        hidden=hidden,
        choosing=False,
        choose_url=None,
        target=target,
        action=f"/{house.provider.id}/{page}",
        login_url=f"/{house.provider.id}/login?{query}",
    )


def code_page(house: House, *, wrong: bool) -> web.Response:
    """Where somebody types in what another screen shows (RFC 8628 §3.3)."""
    return _page(
        "device.html",
        status=404 if wrong else 200,
        name=house.provider.name,
        client=house.registered.name,
        action=f"/{house.provider.id}/device",
        wrong=wrong,
    )


def done_page(house: House, *, allowed: bool) -> web.Response:
    return _page("done.html", name=house.provider.name, allowed=allowed)


def _asked(pairs: list[tuple[str, str]], house: House) -> dict[str, str]:
    """The request's parameters; what must not be redirected ends on a page here."""
    asked = dict(pairs)
    if len(asked) != len(pairs):
        raise problem_page(house, "invalid_request", "A parameter is given twice.")
    if asked.get(house.provider.oauth2.client_id_parameter) != house.registered.client_id:
        raise problem_page(house, "unknown_client", "The application is not registered here.")
    if not house.registered.redirects_to(asked.get("redirect_uri", "")):
        raise problem_page(
            house, "redirect_uri", "The application did not register the address to return to."
        )
    return asked


def _judged(request: web.Request, house: House, asked: Mapping[str, str]) -> None:
    """What is wrong but may be told to the application."""
    if asked.get("response_type") != "code":
        raise _back(request, house, asked, error="unsupported_response_type")
    if not set(_scopes(house, asked)) <= set(house.provider.oauth2.scopes):
        raise _back(request, house, asked, error="invalid_scope")
    challenge, method = asked.get("code_challenge"), asked.get("code_challenge_method")
    if (challenge is None) != (method is None) or method not in (None, "S256"):
        raise _back(request, house, asked, error="invalid_request")


def _back(
    request: web.Request, house: House, asked: Mapping[str, str], **answer: str
) -> web.HTTPException:
    """RFC 6749 §4.1.2: to the application, with its state, and the issuer where promised."""
    if "state" in asked:
        answer["state"] = asked["state"]
    if house.provider.oauth2.iss_parameter:
        ours = simulated(house.provider, request.app[STREET].base_url)
        answer["iss"] = ours.oauth2.issuer or ""
    return back_to(asked["redirect_uri"], answer)


def back_to(uri: str, answer: Mapping[str, str]) -> web.HTTPException:
    """To the application, with what its address already carries."""
    location = f"{uri}{'&' if '?' in uri else '?'}{urlencode(answer, quote_via=quote)}"
    return web.HTTPSeeOther(location, headers=_HEADERS)


def _scopes(house: House, asked: Mapping[str, str]) -> list[str]:
    code = house.provider.oauth2
    text = asked.get(code.scope_parameter, "")
    return [part for part in text.replace(code.scope_separator, " ").split() if part]


def user_of(request: web.Request) -> str:
    user = request.cookies.get(_COOKIE, USERS[0])
    return user if _USER.fullmatch(user) else USERS[0]


def _sentence(scope: str) -> str:
    """A scope in words, as well as they can be guessed from its name."""
    parts = [part for part in re.split(r"[^A-Za-z0-9]+", scope) if part]
    if "offline" in parts:
        return "Stay connected while you are away"
    verbs = {"read": "See", "write": "Change", "create": "Add to", "delete": "Delete"}
    for part in parts:
        if part in verbs and len(parts) > 1:
            nouns = [word for word in parts if word != part]
            return f"{verbs[part]} your {nouns[-1]}"
    return f"Use {' '.join(parts)}" if parts else scope


def problem_page(house: House, code: str, text: str) -> web.HTTPException:
    page = _TEMPLATES.get_template("problem.html")
    html = page.render(name=house.provider.name, code=code, text=text)
    return web.HTTPBadRequest(text=html, content_type="text/html", headers=_HEADERS)


def _is_page(page: str) -> bool:
    """Whether somebody can be sent back there: one of ours, at whichever site."""
    path, *segments = page.split("/~")
    return path in PAGES and all(_SEGMENT.fullmatch(one) for one in segments)


def _login(
    house: House,
    query: str,
    user: str,
    problem: str = "",
    status: int = 200,
    page: str = AUTHORIZE,
) -> web.Response:
    return _page(
        "login.html",
        status=status,
        name=house.provider.name,
        user=user,
        users=USERS,
        password=PASSWORD,
        problem=problem,
        query=query,
        page=page if _is_page(page) else AUTHORIZE,
        action=f"/{house.provider.id}/login",
    )


def _page(template: str, status: int = 200, **values: Any) -> web.Response:
    html = _TEMPLATES.get_template(template).render(**values)
    return web.Response(text=html, status=status, content_type="text/html", headers=_HEADERS)
