"""Golden exchanges: what is asked, what is answered, and what the store holds afterwards.

`golden.json` beside this file is the record, with ids, secrets and times named by the order in
which they came. `python -m tests.web.compat.calcom.test_golden` writes what is said now, to be
reviewed and kept.
"""

import asyncio
import json
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.conftest import SettableClock
from tests.web.compat.calcom.desk import ANN, CLIENT, Desk, bearer, desk_of

from safeconduct.adapters.store import SqliteStore, open_store
from safeconduct.core.model import (
    InstalledApp,
    ManagedUser,
    PlatformClient,
    TokenFamily,
    WebhookEndpoint,
)

RECORD = Path(__file__).with_name("golden.json")
SHOWN = ("location", "cache-control", "content-type", "retry-after", "www-authenticate", "allow")
RECORDS: tuple[type[Any], ...] = (
    PlatformClient,
    ManagedUser,
    TokenFamily,
    WebhookEndpoint,
    InstalledApp,
)
COLUMNS = tuple(
    [
        "permissions",
        "settings",
        "number",
        "email",
        "username",
        "profile",
        "scope",
        "resources",
        "generation",
        "revoked_reason",
        "url",
        "event_types",
        "options",
        "status",
        "app",
        "owner",
    ]
)

_NAMES = re.compile(
    r"eyJ[\w-]+\.[\w-]+\.[\w-]+|sc_[a-z]+_t1\.[\w.-]+|cal_t1\.[\w.-]+|\bc[0-9a-z]{24}\b"
    r"|…[\w-]{4}|\b(?:usr|evt|key|whk|con|fam)_[0-9a-z]{26}\b|http://127\.0\.0\.1:\d+"
)


class Names:
    """Gives everything that chance made a name by its order."""

    def __init__(self) -> None:
        self.known: dict[str, str] = {}

    def of(self, text: str) -> str:
        def name(found: re.Match[str]) -> str:
            kind = re.split(r"[._0-9]", found[0])[0][:4]
            kind = "end of a secret" if kind.startswith("…") else kind
            return self.known.setdefault(found[0], f"<{kind}-{len(self.known) + 1}>")

        return _NAMES.sub(name, text)


async def exchanges(desk: Desk) -> list[dict[str, Any]]:
    """The life of one client, told once."""
    names, told = Names(), []

    async def tell(operation: str, headers: dict[str, str], **more: Any) -> Any:
        answer = await desk.call(operation, headers, **more)
        request = answer.request
        told.append(
            {
                "request": f"{request.method} {request.url.raw_path.decode()}",
                "credential": sorted(set(headers) & {"authorization", "x-cal-secret-key"}),
                "body": json.loads(request.content) if request.content else None,
                "status": answer.status_code,
                "headers": {k: v for k, v in answer.headers.items() if k in SHOWN},
                "answer": answer.json() if answer.content else None,
                "stored": await stored(desk),
            }
        )
        return answer.json() if answer.content else None

    owner = await desk.key("OWNER")
    made = (await tell("createOAuthClient", owner, json=CLIENT))["data"]
    at, secret = {"clientId": made["clientId"]}, {"x-cal-secret-key": made["clientSecret"]}
    await tell("getOAuthClients", owner)
    await tell("updateOAuthClient", secret, **at, json={"areEmailsEnabled": False})
    user = (await tell("createManagedUser", secret, **at, json=ANN))["data"]
    one = {**at, "userId": user["user"]["id"]}
    await tell("createManagedUser", secret, **at, json=ANN)
    await tell("updateManagedUser", secret, **one, json={"timeZone": "Europe/Paris"})
    turn = {"refreshToken": user["refreshToken"]}
    pair = (await tell("refreshManagedUserTokens", secret, **at, json=turn))["data"]
    token = bearer(pair["accessToken"])
    await tell("connectConferencingApp", token, app="google-meet")
    await tell("setDefaultConferencingApp", token, app="google-meet")
    await tell("getDefaultConferencingApp", token)
    await tell("connectConferencingApp", token, app="zoom")
    hook = {"active": True, "subscriberUrl": "https://example.com/h", "triggers": ["BOOKING_PAID"],
            "secret": "whsec"}  # fmt: skip
    await tell("createOAuthClientWebhook", secret, **at, json=hook)
    await tell("deleteAllOAuthClientWebhooks", secret, **at)
    await tell("refreshManagedUserTokens", secret, **at, json=turn)
    await tell("forceRefreshTokens", secret, **one)
    await tell("deleteManagedUser", secret, **one)
    await tell("deleteOAuthClient", secret, **at)
    await tell("getOAuthClientById", secret, **at)
    found: list[dict[str, Any]] = json.loads(
        names.of(json.dumps(told, sort_keys=True, ensure_ascii=False))
    )
    return found


async def stored(desk: Desk) -> dict[str, Any]:
    """The rows that this surface is about, by record."""
    found: dict[str, Any] = {}
    for record in RECORDS:
        rows = await desk.rows(record)
        if rows:
            found[record.__name__] = [
                {name: _plain(getattr(row, name)) for name in COLUMNS if hasattr(row, name)}
                for row in rows
            ]
    return found


def _plain(value: Any) -> Any:
    return sorted(value) if isinstance(value, frozenset) else value


async def test_the_golden_exchanges(desk: Desk) -> None:
    assert await exchanges(desk) == json.loads(RECORD.read_text(encoding="utf-8"))


async def _record() -> None:
    clock = SettableClock()
    with tempfile.TemporaryDirectory() as folder:
        store = await open_store(
            f"sqlite:///{folder}/store.db", clock=clock, serving=True, migrate=True
        )
        assert isinstance(store, SqliteStore)
        async with desk_of(store, clock) as desk:
            found = await exchanges(desk)
        await store.close()
    RECORD.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    asyncio.run(_record())
    sys.stdout.write(f"{RECORD}\n")
