"""Golden exchanges: the life of one client that manages users."""

from pathlib import Path
from typing import Any

from tests.web.compat.calcom.desk import ANN, CLIENT, Desk, bearer
from tests.web.compat.golden import Story

from safeconduct.core.model import (
    InstalledApp,
    ManagedUser,
    PlatformClient,
    TokenFamily,
    User,
    WebhookEndpoint,
)

COLUMNS: dict[type[Any], tuple[str, ...]] = {
    PlatformClient: ("permissions", "settings"),
    ManagedUser: ("number", "email", "username", "profile"),
    User: ("number", "name", "status"),
    TokenFamily: ("scope", "resources", "generation", "revoked_reason"),
    WebhookEndpoint: ("number", "url", "event_types", "options", "status"),
    InstalledApp: ("app", "owner"),
}


async def test_the_golden_exchanges(desk: Desk) -> None:
    story = Story(desk.site.store, COLUMNS)

    async def tell(operation: str, headers: dict[str, str], **more: Any) -> Any:
        answer = await story.tell(await desk.call(operation, headers, **more))
        return answer.json()

    owner = await desk.key("OWNER")
    await story.begin()
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
    story.holds(Path(__file__).parent)
