"""Every path of the contract, and who answers it."""

from starlette.routing import Route

from safeconduct.web.compat.calcom.api_keys import CalApiKeys
from safeconduct.web.compat.calcom.caller import Callers
from safeconduct.web.compat.calcom.clients import CalClients
from safeconduct.web.compat.calcom.conferencing import CalConferencing
from safeconduct.web.compat.calcom.deliveries import pack
from safeconduct.web.compat.calcom.errors import CalDialect
from safeconduct.web.compat.calcom.flow import CalFlow
from safeconduct.web.compat.calcom.oauth2 import CalOAuth2
from safeconduct.web.compat.calcom.users import CalUsers
from safeconduct.web.compat.calcom.webhooks import CalWebhooks
from safeconduct.web.kit.surface import Endpoint, Services, Surface, nowhere, surface_route


def routes(p: Services) -> list[Route]:
    dialect, callers = CalDialect(p.clock), Callers(p)
    clients, users = CalClients(p, callers), CalUsers(p, callers)
    flow, hooks = CalFlow(p, callers), CalWebhooks(p, callers)
    keys, meet = CalApiKeys(p, callers), CalConferencing(p, callers)
    oauth2 = CalOAuth2(p, callers, dialect)
    one = "/v2/oauth-clients/{clientId}"
    table: dict[str, dict[str, Endpoint]] = {
        "/v2/oauth-clients": {"GET": clients.list, "POST": clients.create},
        one: {"GET": clients.show, "PATCH": clients.update, "DELETE": clients.delete},
        f"{one}/users": {"GET": users.list, "POST": users.create},
        f"{one}/users/{{userId}}": {
            "GET": users.show,
            "PATCH": users.update,
            "DELETE": users.delete,
        },
        f"{one}/users/{{userId}}/force-refresh": {"POST": users.force_refresh},
        f"{one}/webhooks": {"POST": hooks.create, "GET": hooks.list, "DELETE": hooks.delete_all},
        f"{one}/webhooks/{{webhookId}}": {
            "GET": hooks.show,
            "PATCH": hooks.update,
            "DELETE": hooks.delete,
        },
        "/v2/oauth/{clientId}/authorize": {"POST": flow.authorize},
        "/v2/oauth/{clientId}/exchange": {"POST": flow.exchange},
        "/v2/oauth/{clientId}/refresh": {"POST": flow.refresh},
        "/v2/api-keys/refresh": {"POST": keys.refresh},
        "/v2/auth/oauth2/clients/{clientId}": {"GET": oauth2.client},
        "/v2/auth/oauth2/clients/{clientId}/authorize": {"POST": oauth2.authorize},
        "/v2/auth/oauth2/token": {"POST": oauth2.token},
        **_conferencing("/v2/conferencing", meet),
        **_conferencing("/v2/organizations/{orgId}/teams/{teamId}/conferencing", meet),
    }
    return [
        *(surface_route(path, methods, dialect) for path, methods in table.items()),
        nowhere("/v2", dialect),
    ]


def _conferencing(root: str, meet: CalConferencing) -> dict[str, dict[str, Endpoint]]:
    return {
        root: {"GET": meet.list},
        f"{root}/default": {"GET": meet.default},
        f"{root}/{{app}}/connect": {"POST": meet.connect},
        f"{root}/{{app}}/oauth/auth-url": {"GET": meet.auth_url},
        f"{root}/{{app}}/oauth/callback": {"GET": meet.callback},
        f"{root}/{{app}}/default": {"POST": meet.choose},
        f"{root}/{{app}}/disconnect": {"DELETE": meet.disconnect},
    }


SURFACE = Surface(name="calcom", contracts=("calcom-platform",), routes=routes, pack=pack)
