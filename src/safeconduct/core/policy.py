"""How long things live, by the profile of the client (all in milliseconds).

RFC 9700 §4.14 asks for refresh tokens that end; OWASP ASVS 10.4.3 and 10.4.8 for short codes and
an absolute end. A retry window above a minute would be no window but a second token.
"""

from dataclasses import dataclass

from safeconduct.core.model import Client, Words
from safeconduct.core.permissions import SCOPE_NAMES
from safeconduct.core.scopes import ACCOUNT_SCOPES, DEFAULT_USER_SCOPE

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
YEAR = 365 * DAY
FOREVER = 253_402_300_799_000  # the end of the year 9999, for columns that need some end


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """`access_ttl` None: access tokens do not expire, and are therefore opaque rows."""

    code_ttl: int = 60 * SECOND
    access_ttl: int | None = 15 * MINUTE
    refresh: bool = True
    refresh_idle: int = 30 * DAY
    refresh_ttl: int = YEAR
    asks_offline_access: bool = False  # refresh tokens only where `offline_access` was granted
    retry_window: int = 30 * SECOND
    id_token_ttl: int = HOUR
    max_families: int | None = None  # live authorizations of one user at one client
    token_type: str = "Bearer"  # as the answer spells it (RFC 6749 §5.1: case insensitive)
    manages_users: bool = False  # a client may have users of its own, who end with it
    binds_accounts: bool = False  # an authorization is for accounts, chosen each time
    require_pkce: bool = True  # of a client with a secret, unless it is registered otherwise
    scope: Words | None = None  # what a client may ask for unless it is registered otherwise
    surface: str | None = None  # the one dialect that such apps speak; None: any
    default_scope: Words | None = None  # what a request without a scope means, likewise

    def __post_init__(self) -> None:
        if not 0 <= self.retry_window <= MINUTE:
            raise ValueError("the retry window is at most 60 seconds")
        if self.code_ttl > 10 * MINUTE:
            raise ValueError("a code lives at most 10 minutes")

    def refreshes(self, client: Client, scope: Words) -> bool:
        """Whether an authorization with this scope yields a refresh token (OIDC Core §11)."""
        return (
            self.refresh
            and "refresh_token" in client.grant_types
            and ("offline_access" in scope or not self.asks_offline_access)
        )

    def speaks(self, surface: str) -> bool:
        """Whether a token of such an app opens this compatibility surface."""
        return self.surface in (None, surface)

    def opaque(self, client: Client) -> bool:
        return self.access_ttl is None or client.access_token_format == "opaque"


PROFILES: dict[str, Policy] = {
    "native": Policy(asks_offline_access=True),
    "calico": Policy(refresh_idle=YEAR, surface="calico"),
    "alpaca": Policy(
        surface="alpaca",
        code_ttl=10 * MINUTE,
        access_ttl=None,
        refresh=False,
        max_families=16,
        token_type="bearer",
        binds_accounts=True,
        require_pkce=False,
        scope=frozenset(ACCOUNT_SCOPES),
        default_scope=frozenset({"general"}),
    ),
    "calcom": Policy(
        manages_users=True,
        code_ttl=10 * MINUTE,
        access_ttl=30 * MINUTE,
        token_type="bearer",
        require_pkce=False,
        scope=DEFAULT_USER_SCOPE | SCOPE_NAMES,
        surface="calcom",
    ),
    "loop": Policy(access_ttl=HOUR, refresh_idle=90 * DAY, surface="loop"),
}


MANAGED = Policy(
    code_ttl=10 * MINUTE,
    access_ttl=HOUR,
    refresh_idle=YEAR,
    retry_window=0,
    token_type="bearer",
)
"""Users that a client manages. A lost answer is not repeated: the client forces a new pair."""


def policy_of(profile: str) -> Policy:
    return PROFILES[profile]
