"""What a page shows of a request that somebody else began: the app, what it wants, for how long.

All of it comes from the stored request and the registered client (CVE-2023-2585), nothing from
the address of the page.
"""

from typing import Any

from safeconduct.core.policy import policy_of
from safeconduct.core.scopes import WORDS, format_scope
from safeconduct.core.wording import worded
from safeconduct.services.deferrals import Found
from safeconduct.web.kit.companion import client_view


def asking(found: Found) -> dict[str, Any]:
    client, row = found.client, found.row
    policy = policy_of(client.profile)
    home = client.metadata.get("client_uri") or next(iter(client.redirect_uris), "")
    return {
        "client": client_view(client, str(home)),
        "scopes": [
            (scope, WORDS.get(scope) or worded("Use “{scope}”", scope=scope))
            for scope in format_scope(row.scope).split(" ")
        ],
        "lasts": policy.refresh_ttl if policy.refreshes(client, row.scope) else policy.access_ttl,
        "asked_at": row.created_at,
        "binding_message": row.binding_message,
    }
