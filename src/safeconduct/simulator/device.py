"""A provider that lets somebody sign in on another screen (RFC 8628), as strict as any.

Asking again too soon is answered `slow_down`, and lengthens the interval for good (§3.5). The
ledger counts these answers among what was refused.
"""

from aiohttp import web

from safeconduct.core.upstream.device import Device
from safeconduct.simulator import oauth
from safeconduct.simulator.delivery import Answer, deliver, pause, put, replaced
from safeconduct.simulator.grants import Denied
from safeconduct.simulator.pages import code_page, consent_page, done_page, user_of
from safeconduct.simulator.sites import FILLED
from safeconduct.simulator.street import STREET, House, oauth2_house


def routes() -> list[web.RouteDef]:
    return [
        web.post("/{provider}/device/code" + FILLED, codes),
        web.post("/{provider}/device/token" + FILLED, oauth.token),
        web.get("/{provider}/device", page),
        web.post("/{provider}/device", decide),
    ]


async def codes(request: web.Request) -> web.StreamResponse:
    """§3.1 and §3.2."""
    street, (house, how) = request.app[STREET], _spoken(request)
    house.grants.count("device")
    fault = street.faults.take(house.provider.id, "device")
    await pause(fault)
    answer = replaced(fault, street.now()) if fault and fault.replaces else None
    if fault is None or fault.works:
        try:
            asked = await oauth.parameters(request, house.speaks)
            oauth.authenticate(request, house, asked)
            answer = answer or _given(request, house, how, asked)
        except Denied as denied:
            house.grants.refuse(denied.error)
            answer = answer or oauth.denial(house, denied)
    return await deliver(request, answer or Answer(), fault)


async def page(request: web.Request) -> web.StreamResponse:
    """§3.3: where the user goes; with the code in the address it still asks."""
    house, _ = _spoken(request)
    typed = request.query.get("user_code", "")
    asking = house.waiting.typed(typed, house.grants.now())
    if asking is None:
        return code_page(house, wrong=bool(typed))
    return consent_page(
        request,
        house,
        scopes=asking.scope,
        hidden=[("user_code", asking.user_code)],
        target="",
        page="device",
    )


async def decide(request: web.Request) -> web.StreamResponse:
    house, _ = _spoken(request)
    form = await request.post()
    typed = str(form.get("user_code", ""))
    asking = house.waiting.typed(typed, house.grants.now())
    if asking is None:
        return code_page(house, wrong=True)
    if form.get("decision") == "allow":
        asking.user = user_of(request)
    else:
        asking.denied = True
    return done_page(house, allowed=not asking.denied)


def _given(request: web.Request, house: House, how: Device, asked: dict[str, str]) -> Answer:
    code, answer = house.provider.oauth2, how.answer
    text = asked.get(code.scope_parameter, "")
    device_code, asking = house.waiting.ask(
        tuple(text.replace(code.scope_separator, " ").split()),
        house.grants.now(),
        lifetime_s=how.lifetime_s,
        interval_s=how.interval_s,
    )
    at = f"{request.app[STREET].base_url}/{house.provider.id}/device"
    document: dict[str, object] = {}
    for pointer, value in (
        (answer.device_code, device_code),
        (answer.user_code, asking.user_code),
        (answer.verification_uri, at),
        (answer.verification_uri_complete, f"{at}?user_code={asking.user_code}"),
        (answer.expires_in, how.lifetime_s),
        (answer.interval, how.interval_s),
    ):
        put(document, pointer, value)
    return Answer(document=document)


def _spoken(request: web.Request) -> tuple[House, Device]:
    house = oauth2_house(request)
    how = house.provider.auth.oauth2_device
    if how is None:
        raise web.HTTPNotFound(text="Nobody signs in on another screen here.\n")
    return house, how
