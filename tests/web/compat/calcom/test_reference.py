"""The reference text, field by field, with real ids in place of its own.

One difference, told on the surface's page: the text shows the secret in clear in every list. Here
it is shown once, and by its last characters later, unless the tenant asks for what the text shows.
"""

from typing import Any

from tests.web.compat.calcom.desk import Desk
from tests.web.harness import TENANT

from safeconduct.core.model import Tenant
from safeconduct.core.unit import Ref

SHOWN: dict[str, Any] = {
    "id": "clsx38nbl0001vkhlwin9fmt0",
    "name": "MyClient",
    "secret": "secretValue",
    "permissions": ["BOOKING_READ", "BOOKING_WRITE"],
    "logo": "https://example.com/logo.png",
    "redirectUris": ["https://example.com/callback"],
    "organizationId": 1,
    "createdAt": "2024-03-23T08:33:21.851Z",
    "areEmailsEnabled": True,
    "areDefaultEventTypesEnabled": True,
    "bookingRedirectUri": "https://example.com/booking-redirect",
    "bookingCancelRedirectUri": "https://example.com/booking-cancel",
    "bookingRescheduleRedirectUri": "https://example.com/booking-reschedule",
}
OURS = ("id", "secret", "organizationId", "createdAt")
"""What a client does not choose."""


def shape(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: shape(item) for name, item in value.items()}
    return [shape(item) for item in value] if isinstance(value, list) else type(value)


async def listed(desk: Desk) -> Any:
    answer = await desk.call("getOAuthClients", await desk.key("MEMBER"))
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert list(answer.json()) == ["status", "data"]
    assert answer.json()["status"] == "success"
    return answer.json()["data"]


async def test_get_all_oauth_clients(desk: Desk) -> None:
    app = await desk.app(**{name: value for name, value in SHOWN.items() if name not in OURS})
    (shown,) = await listed(desk)
    assert shown.keys() >= SHOWN.keys()
    assert shape({name: shown[name] for name in SHOWN}) == shape(SHOWN)
    chosen = {name: value for name, value in SHOWN.items() if name not in OURS}
    assert {name: shown[name] for name in chosen} == chosen
    assert (len(shown["id"]), shown["id"][0]) == (len(SHOWN["id"]), "c")
    assert shown["organizationId"] == 1
    assert len(shown["createdAt"]) == len(SHOWN["createdAt"])
    assert shown["secret"] == "…" + app.secret[-4:]
    assert app.secret not in str(shown)


async def test_the_secret_in_clear_where_the_tenant_asks_for_it(desk: Desk) -> None:
    before = await desk.app(name="Before")
    await desk.change(Ref(Tenant, tenant_id=TENANT), policy={"client_secrets": "readable"})
    await desk.site.keys.load()
    after = await desk.app(name="After")
    shown = {one["name"]: one["secret"] for one in await listed(desk)}
    assert shown == {"Before": "…" + before.secret[-4:], "After": after.secret}
    await desk.change(Ref(Tenant, tenant_id=TENANT), policy={})
    await desk.site.keys.load()
    shown = {one["name"]: one["secret"] for one in await listed(desk)}
    assert shown["After"] == "…" + after.secret[-4:]
