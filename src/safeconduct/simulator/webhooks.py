"""What a provider sends by itself: a signed webhook to whoever subscribed, by its entry's words."""

import json
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from aiohttp import ClientSession, ClientTimeout

from safeconduct.core.secret import Secret
from safeconduct.core.upstream.inbound import Webhooks, signed
from safeconduct.core.upstream.pointer import Terms
from safeconduct.simulator.delivery import put

TIMEOUT_S = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """Where to, signed with what. `users` are the subscriber's ids of our users, by ours."""

    url: str
    secret: Secret
    users: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sent:
    """A delivery, and what it was answered with; 0 for nothing."""

    id: str
    status: int


async def send(
    how: Webhooks,
    to: Subscription,
    type: str,
    *,
    user: str,
    account_id: str,
    now: float,
    id: str | None = None,
) -> Sent:
    """One delivery. With `id` it is one that was sent before."""
    document: dict[str, Any] = {"data": {}}
    _fill(document, how.event, type)
    _fill(document, how.account, account_id)
    if user in to.users:
        _fill(document, how.user, to.users[user])
    body = json.dumps(document).encode()
    id = id or f"msg_{uuid4().hex}"
    headers = signed(how.signature, to.secret, id, int(now), body)
    headers["content-type"] = "application/json"
    try:
        async with (
            ClientSession(timeout=ClientTimeout(total=TIMEOUT_S)) as session,
            session.post(to.url, data=body, headers=headers, ssl=False) as answer,
        ):
            return Sent(id, answer.status)
    except OSError:
        return Sent(id, 0)


def _fill(document: dict[str, Any], terms: Terms | None, value: str) -> None:
    if terms is not None and terms[0].startswith("/"):
        put(document, terms[0], value)
