"""The scopes that Safeconduct itself understands, and what consent says about each.

RFC 6749 §3.3; OpenID Connect Core §5.4 and §11.
"""

import re
from functools import lru_cache

from safeconduct.core.errors import invalid_scope
from safeconduct.core.form import Form
from safeconduct.core.model.record import Words

SCOPES: dict[str, str] = {
    "openid": "Know who you are",
    "profile": "See your name and what else your profile says",
    "email": "See your e-mail address",
    "phone": "See your phone number",
    "address": "See your postal address",
    "offline_access": "Keep this access while you are away",
    "connections:read": "See which accounts you have linked",
    "connections:write": "Link and unlink accounts for you",
    "assets:read": "See what you hold in linked accounts",
    "transactions:read": "See the history of linked accounts",
    "health:read": "See your sleep and activity from linked devices",
    "connections:token": "Act on linked accounts in your name, with their own keys",
    "connections:proxy": "Make any request in your name where you have linked an account",
}
"""Scopes that users can consent to, in the order in which consent lists them."""

ACCOUNT_SCOPES: dict[str, str] = {
    "general": "Read your brokerage account",
    "account:write": "Change settings and watchlists of your account",
    "trading": "Place, change and cancel orders for you",
    "data": "Use market data in your name",
}
"""What users can consent to about their brokerage-style accounts; `general` is read-only."""

WORDS: dict[str, str] = {**SCOPES, **ACCOUNT_SCOPES}
"""What people are told about each scope."""

OPERATOR_SCOPES: dict[str, str] = {
    "clients:read": "Read registered apps",
    "clients:write": "Register and change apps",
    "users:read": "Read users",
    "users:write": "Create and change users",
    "requests:read": "Read what apps ask of users who are elsewhere",
    "requests:approve": "Answer in a user's name what an app asks from elsewhere",
    "connections:admin": "Read and end connections of all users",
    "providers:read": "Read which providers there are, and our registration at each",
    "providers:write": "Add, set up and remove providers",
    "resources:read": "Read the registry of APIs",
    "resources:write": "Register and change APIs",
    "events:read": "Read events",
    "tenants:read": "Read tenants; in a tenant of its own, that one",
    "tenants:write": "Create and change tenants; in a tenant of its own, change that one",
    "accounts:read": "Read brokerage-style accounts of users",
    "accounts:write": "Open brokerage-style accounts, and make broker keys",
    "accounts:delegate": "Let apps into accounts on behalf of their owners",
    "webhooks:read": "Read webhooks and what became of each message",
    "webhooks:write": "Create and change webhooks",
}
"""Scopes of operators' API keys and machine clients; never offered on a consent page."""

CONNECTION_TOKEN = "connections:token"
"""For the provider's own token: never had without being asked for by name."""

CONNECTION_PROXY = "connections:proxy"
"""For requests to a provider's API: the same. Authorization details can say which requests."""

CONNECTION_SCOPES: Words = frozenset(
    {"connections:read", "assets:read", "transactions:read", "health:read", CONNECTION_PROXY}
)
"""What a token for one connection can hold."""

DEFAULT_USER_SCOPE: Words = frozenset(SCOPES) - {CONNECTION_TOKEN, CONNECTION_PROXY}


# RFC 6749 §3.3: scope-token = 1*( %x21 / %x23-5B / %x5D-7E ). At most 100 scopes of at most 128
# characters each: a request is not a place for more.
_TOKEN = r"[\x21\x23-\x5B\x5D-\x7E]{1,128}"
_SCOPE = re.compile(f"{_TOKEN}(?: {_TOKEN}){{0,99}}")


def parse_scope(text: str) -> Words | None:
    """Scope tokens of a request; None when the text breaks the grammar."""
    if not text:
        return frozenset()
    return frozenset(text.split(" ")) if _SCOPE.fullmatch(text) else None


def asked_scope(form: Form) -> str | None:
    """The `scope` parameter; None when it was left out, which means the default.

    An empty one is refused, although parameters without a value count as omitted (§3.1): whoever
    writes `scope=` asks for nothing, and answering with everything would be the wrong surprise.
    """
    if "scope" in form.blank:
        raise invalid_scope("scope is empty", rule="scope.empty", rfc="6749#3.3")
    return form.get("scope")


@lru_cache(4_096)
def format_scope(scope: Words) -> str:
    """Known scopes in their usual order, then the others by name."""
    known = [word for word in WORDS if word in scope]
    return " ".join([*known, *sorted(scope.difference(known))])
