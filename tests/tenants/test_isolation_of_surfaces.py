"""The walk over every route that names something, on the surfaces of other systems."""

import re
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from tests.tenants.conftest import Firm, Town
from tests.web.harness import link, snapshot

from safeconduct.core.api_keys import BROKER, split_key
from safeconduct.services.delegation import PERMISSION
from safeconduct.web.compat import discover

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
NOT_OURS = {"app", "provider_id", "crypto_provider", "rest"}
"""Parameters that name nothing of a tenant's."""

NOBODY = {
    "client_id": "cli_00000000000000000000000000",
    "clientId": "cli_00000000000000000000000000",
    "connection_id": "con_00000000000000000000000000",
    "token_id": "sc_at_t9.tok_00000000000000000000000000.AAAA",
    "userId": "987654",
    "webhookId": "whk_00000000000000000000000000",
    "orgId": "987654",
    "teamId": "987654",
}


def paths(town: Town) -> Iterator[str]:
    for surface in discover().values():
        for route in surface.routes(town.site.platform):
            named = set(re.findall(r"{(\w+)", route.path))
            if named - NOT_OURS:
                yield re.sub(r"{(\w+):\w+}", r"{\1}", route.path)


@dataclass(frozen=True)
class Side:
    """Something of every kind that the surfaces name, as it is named there; and who asks."""

    ids: dict[str, str]
    callers: list[dict[str, str]]


async def of(firm: Firm) -> Side:
    tenant_id, p = firm.tenant.tenant_id, firm.site.platform
    user = await firm.user()
    app = await firm.client(profile="alpaca", scope="general")
    loop = await firm.client(profile="loop", scope="connections:read connections:write")
    given = await p.issuing.issue(tenant_id, loop.id, user.id, None, actor="operator")
    linked = await link(firm.site, user, tenant_id=tenant_id)
    asked = {"client_name": "Cal", "redirect_uris": ["https://cal.example/cb"]}
    cal, secret = await p.platform_clients.create(tenant_id, asked, 1023, {}, actor="operator")
    managed, _, _ = await p.managed_users.create(cal, "bob@example.org", "Bob", {})
    hook = await p.webhooks.create(
        tenant_id,
        {"url": "https://hooks.example/", "event_types": ["user.created"]},
        actor="operator",
        client_id=cal.id,
    )
    _, broker = await p.api_keys.create(
        tenant_id, name="b", scope=frozenset({PERMISSION}), prefix=BROKER, actor="operator"
    )
    ids = {
        "client_id": app.id,
        "clientId": cal.id,
        "connection_id": linked.id,
        "token_id": str(given["access_token"]),
        "userId": str(managed.number),
        "webhookId": hook.endpoint.id,
        "orgId": str(firm.tenant.number),
        "teamId": "1",
    }
    basic = b64encode(":".join(split_key(broker.reveal())).encode()).decode()
    return Side(
        ids,
        [
            {"authorization": f"Basic {basic}"},
            {"authorization": f"Bearer {given['access_token']}"},
            {"x-cal-secret-key": secret.reveal()},
            await firm.key(),
        ],
    )


@pytest.mark.attack("P2")
@pytest.mark.attack("L19")
async def test_every_surface_with_ids_of_another_tenant(town: Town) -> None:
    """What is Acme's and what nobody has are the same to Zenith, whoever of Zenith asks."""
    theirs, ours = await of(town.acme), await of(town.zenith)
    before = await snapshot(town.site.store)
    asked = 0
    for path in paths(town):
        for method in METHODS:
            for headers in ours.callers:
                foreign = await call(
                    town.zenith, method, path.format_map(_all(theirs.ids)), headers
                )
                unknown = await call(town.zenith, method, path.format_map(_all(NOBODY)), headers)
                where = (method, path, foreign.text)
                assert 400 <= foreign.status_code < 500, where
                assert foreign.status_code == unknown.status_code, where
                assert said(foreign, theirs.ids) == said(unknown, NOBODY), where
                asked += 1
    assert await snapshot(town.site.store) == before
    assert asked > 100
    own = [
        await call(town.zenith, "GET", path.format_map(_all(ours.ids)), headers)
        for path in paths(town)
        for headers in ours.callers
    ]
    assert len([answer for answer in own if answer.status_code == 200]) >= 3


def _all(ids: dict[str, str]) -> dict[str, str]:
    return {**dict.fromkeys(NOT_OURS, "zoom"), **ids}


async def call(firm: Firm, method: str, path: str, headers: dict[str, str]) -> Any:
    async with firm.http() as http:
        more: dict[str, Any] = {"json": {}} if method in ("POST", "PUT", "PATCH") else {}
        return await http.request(method, firm.issuer + path, headers=headers, **more)


def said(answer: Any, ids: dict[str, str]) -> str:
    """The body, but for the names that came from the address, and the id of the request."""
    text = str(answer.text).replace(answer.request.url.path, "~")
    for value in ids.values():
        text = text.replace(value, "~") if len(value) > 5 else text
    return re.sub(r"(req|dec|evt)_[0-9a-z]{26}|\d{4}-\d\d-\d\dT[^\"]*", "~", text)
