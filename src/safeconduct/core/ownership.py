"""Apps that are not approved yet work for the user who made them, and for nobody else.

Who made an app needs no approval for their own accounts either, live ones among them. Both
approvals are asked for at every use of a token, and not only when it is made: one that is withdrawn
stops what it had opened on the next request, and no longer than until it is given again.
"""

from safeconduct.core.errors import OAuthError
from safeconduct.core.model import Client

NOT_APPROVED = "client_not_approved"


def is_open_to(client: Client, user_id: str) -> bool:
    """Whether this user may let the app in."""
    return client.approved or client.owner_id == user_id


def trades_live(client: Client, user_id: str | None) -> bool:
    """Whether the app may be let into live accounts of this user."""
    return client.live_trading_approved or (user_id is not None and client.owner_id == user_id)


def not_approved() -> OAuthError:
    """RFC 6749 §4.1.2.1: the server itself refuses, whatever the user would say."""
    return OAuthError(
        "access_denied",
        "this app is not approved yet; only its owner can let it in",
        rule="client.not_approved",
    )
