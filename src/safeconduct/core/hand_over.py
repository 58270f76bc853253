"""Where an attempt that an app began by itself is handed back: to that app, and to nobody else.

No cookie of ours says whose browser returns from the provider, so the code goes, unused, to an
address that the app has registered, and the app's bearer token is what binds it to its user.
"""

from collections.abc import Mapping
from urllib.parse import urlencode

from safeconduct.core.model import Attempt, Client
from safeconduct.core.redirect_uri import matches


def return_address(attempt: Attempt, client: Client | None) -> str | None:
    """The address that the app named at the start, else the first that it has registered.

    None if the app or the address is gone meanwhile.
    """
    if client is None or client.status != "active" or client.tenant_id != attempt.tenant_id:
        return None
    if attempt.return_to is not None:
        return attempt.return_to if matches(client.redirect_uris, attempt.return_to) else None
    return client.redirect_uris[0] if client.redirect_uris else None


def handed_over(address: str, parameters: Mapping[str, str]) -> str:
    """The address with the parameters added to its query."""
    return f"{address}{'&' if '?' in address else '?'}{urlencode(parameters)}"
