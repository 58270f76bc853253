"""A provider's three addresses of OAuth 1.0a (RFC 5849 §2), and signed calls of its API.

Every signature is checked, every nonce is taken once, every temporary credential is good for one
consent and one exchange. The ledger counts what was refused, by the words of the problem reporting
extension (`oauth_problem`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from secrets import token_urlsafe
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from safeconduct.core.upstream.oauth1 import OAuth1
from safeconduct.simulator import signatures
from safeconduct.simulator.delivery import Answer, deliver, edited, pause, put, replaced
from safeconduct.simulator.grants import Denied, Token
from safeconduct.simulator.pages import back_to, consent_page, problem_page, user_of
from safeconduct.simulator.signatures import SKEW_S, Signed, problem
from safeconduct.simulator.sites import FILLED
from safeconduct.simulator.street import STREET, House, house_of

Document = dict[str, Any]

LIFE_S = 600.0


@dataclass(slots=True)
class Temporary:
    """§2.1: temporary credentials, and what became of them."""

    token: str
    secret: str
    callback: str
    scope: tuple[str, ...]
    ends_at: float
    user: str | None = None
    verifier: str | None = None


@dataclass(slots=True)
class Desk:
    """What a house knows of signed requests."""

    temporary: dict[str, Temporary] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)  # of token credentials
    seen: set[tuple[str, str, str]] = field(default_factory=set)

    def once(self, signed: Signed, now: float) -> None:
        """§3.3: the time is near, and the nonce is new for it."""
        stamp, nonce = (signed.oauth.get(name, "") for name in ("oauth_timestamp", "oauth_nonce"))
        if not stamp.isdigit() or abs(int(stamp) - now) > SKEW_S:
            raise problem("timestamp_refused")
        mark = (signed.oauth.get("oauth_token", ""), stamp, nonce)
        if not nonce or mark in self.seen:
            raise problem("nonce_used")
        self.seen.add(mark)


Work = Callable[[House, OAuth1, Desk, Signed], Document]

DESKS: web.AppKey[dict[str, Desk]] = web.AppKey("desks", dict)


def routes() -> list[web.RouteDef]:
    return [
        web.route("*", "/{provider}/oauth1/request" + FILLED, temporary),
        web.get("/{provider}/oauth1/authorize" + FILLED, authorize),
        web.post("/{provider}/oauth1/authorize" + FILLED, decide),
        web.route("*", "/{provider}/oauth1/token" + FILLED, token),
    ]


async def temporary(request: web.Request) -> web.StreamResponse:
    """§2.1."""
    return await _answered(request, "request", _lend)


async def token(request: web.Request) -> web.StreamResponse:
    """§2.3."""
    return await _answered(request, "token", _exchange)


async def authorize(request: web.Request) -> web.StreamResponse:
    """§2.2: show who asks for what."""
    street, (house, _) = request.app[STREET], _spoken(request)
    house.grants.count("authorize")
    fault = street.faults.take(house.provider.id, "authorize")
    await pause(fault)
    if fault is not None:
        return await deliver(request, replaced(fault, street.now()), fault)
    lent = _lent(request, house, request.query.get("oauth_token", ""))
    return consent_page(
        request,
        house,
        scopes=lent.scope,
        hidden=[("oauth_token", lent.token)],
        target=urlsplit(lent.callback).netloc,
        page="oauth1/authorize",
    )


async def decide(request: web.Request) -> web.StreamResponse:
    """The buttons of the consent page."""
    house, _ = _spoken(request)
    form = await request.post()
    lent = _lent(request, house, str(form.get("oauth_token", "")))
    if form.get("decision") != "allow":
        desk_of(request, house).temporary.pop(lent.token)
        raise back_to(lent.callback, {"denied": lent.token})
    lent.user, lent.verifier = user_of(request), token_urlsafe(16)
    raise back_to(lent.callback, {"oauth_token": lent.token, "oauth_verifier": lent.verifier})


async def signed_token(request: web.Request, house: House) -> str:
    """The token of a signed call of the API; the empty string if it is not signed as it should."""
    try:
        signed = await _judged(request, house, _secrets(request, house))
    except Denied as denied:
        house.grants.refuse(denied.error)
        return ""
    return signed.oauth.get("oauth_token", "")


def desk_of(request: web.Request, house: House) -> Desk:
    return request.app[DESKS].setdefault(house.provider.id, Desk())


async def _answered(request: web.Request, endpoint: str, work: Work) -> web.StreamResponse:
    street, (house, how) = request.app[STREET], _spoken(request)
    if request.method != how.method:
        raise web.HTTPMethodNotAllowed(request.method, [how.method])
    house.grants.count(endpoint)
    fault = street.faults.take(house.provider.id, endpoint)
    await pause(fault)
    answer = replaced(fault, street.now()) if fault and fault.replaces else None
    if fault is None or fault.works:
        done = await _done(request, house, how, work)
        answer = answer or done
    if fault is not None and answer is not None and not fault.replaces:
        edited(fault, answer.document, {})
    return await deliver(request, answer or Answer(), fault)


async def _done(request: web.Request, house: House, how: OAuth1, work: Work) -> Answer:
    desk = desk_of(request, house)
    try:
        secrets = {one.token: one.secret for one in desk.temporary.values()}
        signed = await _judged(request, house, secrets)
        return Answer(document=work(house, how, desk, signed), form=True)
    except Denied as denied:
        house.grants.refuse(denied.error)
        document = {"oauth_problem": denied.error}
        return Answer(status=denied.status, document=document, form=True)


async def _judged(request: web.Request, house: House, secrets: Mapping[str, str]) -> Signed:
    """§3.2: "the server MUST … verify"."""
    registered, now = house.registered, request.app[STREET].now()
    signed = await signatures.read(request)
    token = signed.oauth.get("oauth_token", "")
    if token and token not in secrets:
        raise problem("token_rejected")
    signatures.check(
        signed,
        wanted=house.provider.oauth1.signature,
        client_key=registered.client_id,
        client_secret=registered.client_secret.reveal(),
        token_secret=secrets.get(token, ""),
    )
    desk_of(request, house).once(signed, now)
    return signed


def _lend(house: House, how: OAuth1, desk: Desk, signed: Signed) -> Document:
    callback = signed.oauth.get("oauth_callback", "")
    if not house.registered.redirects_to(callback.partition("?")[0]):
        raise problem("parameter_rejected", 400)
    asked = dict(signed.rest).get(how.scope_parameter, "") if how.scope_at == "request" else ""
    scope = tuple(part for part in asked.split(how.scope_separator) if part)
    lent = Temporary(
        token=f"sim_tmp_{token_urlsafe(18)}",
        secret=token_urlsafe(24),
        callback=callback,
        scope=scope,
        ends_at=house.grants.now() + LIFE_S,
    )
    desk.temporary[lent.token] = lent
    return {
        "oauth_token": lent.token,
        "oauth_token_secret": lent.secret,
        "oauth_callback_confirmed": "true",
    }


def _exchange(house: House, how: OAuth1, desk: Desk, signed: Signed) -> Document:
    lent = desk.temporary.get(signed.oauth.get("oauth_token", ""))
    if lent is None or house.grants.now() >= lent.ends_at:
        raise problem("token_rejected")
    if lent.user is None or signed.oauth.get("oauth_verifier") != lent.verifier:
        raise problem("verifier_invalid")
    del desk.temporary[lent.token]  # §2.3: good once
    given = _credentials(house, how, lent)
    desk.secrets[given.value] = token_urlsafe(32)
    document: Document = {}
    put(document, how.answer.token, given.value)
    put(document, how.answer.token_secret, desk.secrets[given.value])
    activity = house.activity(lent.user)
    for terms, value in (
        (how.answer.account_id, activity.account_id),
        (how.answer.account_name, activity.user),
    ):
        if terms is not None:
            put(document, next(term for term in terms if term.startswith("/")), value)
    return document


def _credentials(house: House, how: OAuth1, lent: Temporary) -> Token:
    assert lent.user is not None
    given = house.grants.begin(lent.user, lent.scope, refreshable=False).access
    given.expires_at = None if how.lifetime_s is None else house.grants.now() + how.lifetime_s
    return given


def _secrets(request: web.Request, house: House) -> Mapping[str, str]:
    return desk_of(request, house).secrets


def _lent(request: web.Request, house: House, token: str) -> Temporary:
    """Temporary credentials on which nobody has decided yet."""
    lent = desk_of(request, house).temporary.get(token)
    if lent is None or lent.user is not None or house.grants.now() >= lent.ends_at:
        raise problem_page(house, "oauth_token", "This request is unknown, used or too old.")
    how = house.provider.oauth1
    asked = request.query.get(how.scope_parameter, "")
    if how.scope_at == "authorize" and asked:
        lent.scope = tuple(part for part in asked.split(how.scope_separator) if part)
    return lent


def _spoken(request: web.Request) -> tuple[House, OAuth1]:
    house = house_of(request)
    if house.provider.auth.oauth1 is None:
        raise web.HTTPNotFound(text="This provider does not speak OAuth 1.\n")
    return house, house.provider.auth.oauth1
