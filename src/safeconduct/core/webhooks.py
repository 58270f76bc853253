"""Webhooks out as values: a message, its signature, and when to try again.

Signatures are those of Standard Webhooks (standardwebhooks.com, "Signature scheme"): HMAC-SHA-256
over `id.timestamp.body`, one for each live secret. Bodies are CloudEvents 1.0 in JSON (§2, §3 of
its JSON format), so that whoever reads those reads ours.

    pending ──2xx──▶ delivered
       │ ▲
       │ └─ not yet the last of `SCHEDULE`
       ├─ the last one, or 410 ──▶ dead ──replay──▶ pending
       └─ nobody to tell ──▶ cancelled
"""

import json
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from safeconduct.core.errors import bad_request
from safeconduct.core.mac import mac
from safeconduct.core.model import Delivery, Event, TenantId, WebhookEndpoint, WebhookSecret
from safeconduct.core.published import PUBLISHED, is_pattern
from safeconduct.core.redirect_uri import web_refusal
from safeconduct.core.secret import Secret
from safeconduct.core.times import rfc3339
from safeconduct.core.unit import Find, Ref

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

SCHEDULE: tuple[int, ...] = (
    *(5 * SECOND, 30 * SECOND, 5 * MINUTE, 30 * MINUTE, 2 * HOUR),
    *(5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR),
)
"""How long after each failed try comes the next: three days in all, then it is a dead letter."""

KEPT = 30 * DAY
MAX_ENDPOINTS = 100
MAX_SECRETS = 2
OVERLAP = DAY
DEAD_AFTER = 5 * DAY
"""An endpoint that failed for so long, and never answered well meanwhile, is disabled."""

PREFIX = "whsec_"
STANDARD = "standard"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What is told, before any dialect."""

    id: str
    type: str
    at: int
    source: str
    subject: str | None
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Packed:
    """What is sent."""

    headers: Mapping[str, str]
    body: bytes = field(repr=False)


Pack = Callable[[Message, WebhookEndpoint, Sequence[Secret], int], Packed | None]
"""How a dialect writes a message, given the live secrets and the time of this try.

None: the dialect has no words for it.
"""


def message_of(row: Event, source: str) -> Message:
    return Message(
        id=row.id,
        type=row.type,
        at=row.at,
        source=source,
        subject=row.subject,
        data=PUBLISHED[row.type].data(row),
    )


def pack(
    message: Message, endpoint: WebhookEndpoint, secrets: Sequence[Secret], now: int
) -> Packed | None:
    """Standard Webhooks around a CloudEvent."""
    document = {
        "specversion": "1.0",
        "id": message.id,
        "source": message.source,
        "type": message.type,
        **({"subject": message.subject} if message.subject else {}),
        "time": rfc3339(message.at),
        "datacontenttype": "application/json",
        "dataschema": f"{message.source}/api/v1/webhooks/event-types/{message.type}",
        "data": dict(message.data),
    }
    body = json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()
    stamp = str(now // 1000)
    signed = f"{message.id}.{stamp}.".encode() + body
    return Packed(
        {
            "content-type": "application/cloudevents+json; charset=utf-8",
            "webhook-id": message.id,
            "webhook-timestamp": stamp,
            "webhook-signature": " ".join(_signature(secret, signed) for secret in secrets),
        },
        body,
    )


def _signature(secret: Secret, signed: bytes) -> str:
    key = b64decode(secret.reveal().removeprefix(PREFIX))
    return "v1," + b64encode(mac(key, signed)).decode()


def new_secret(entropy: str) -> Secret:
    """`entropy` is 256 fresh bits as base64url; receivers expect ordinary base64."""
    raw = entropy.replace("-", "+").replace("_", "/") + "="
    return Secret(PREFIX + raw)


def read_secret(text: object) -> Secret:
    """A secret that a receiver brings along: 24 to 64 bytes, as Standard Webhooks has them."""
    if isinstance(text, str) and text.startswith(PREFIX) and len(text) <= 100:
        try:
            if 24 <= len(b64decode(text.removeprefix(PREFIX), validate=True)) <= 64:
                return Secret(text)
        except (NotBase64, ValueError):
            pass
    raise bad_request(
        "invalid_secret", "A secret is whsec_ and 24 to 64 bytes in base64.", field="secret"
    )


def read_url(value: object) -> str:
    reason = web_refusal(value) if isinstance(value, str) else "it must be a string"
    if reason:
        raise bad_request("invalid_url", f"url cannot be used: {reason}.", field="url")
    return str(value)


def read_event_types(value: object) -> tuple[str, ...]:
    known = isinstance(value, list | tuple) and 0 < len(value) <= len(PUBLISHED)
    for name in value if isinstance(value, list | tuple) else ():
        known = known and isinstance(name, str) and is_pattern(name)
    if not known or not isinstance(value, list | tuple):
        raise bad_request(
            "invalid_event_types",
            "event_types is a list of types, of connection.* and the like, or of *.",
            field="event_types",
        )
    return tuple(dict.fromkeys(value))


def next_try(attempts: int, now: int, chance: float, asked_ms: int | None) -> int | None:
    """When to try again after so many tries; None when it was the last.

    Spread over a fifth around the schedule's time, and never before what the receiver asked for.
    """
    if attempts > len(SCHEDULE):
        return None
    pause = SCHEDULE[attempts - 1]
    pause = pause - pause // 10 + int(pause // 5 * chance)
    return now + max(pause, min(asked_ms or 0, DAY))


def delivery_id(event_id: str, number: int) -> str:
    """The same event to the same receiver is the same delivery, however often it is enqueued."""
    return f"dlv_{event_id.partition('_')[2]}_{number}"


def new_delivery(row: Event, endpoint: WebhookEndpoint, now: int) -> Delivery:
    return Delivery(
        tenant_id=row.tenant_id,
        id=delivery_id(row.id, endpoint.number),
        endpoint_id=endpoint.id,
        event_id=row.id,
        type=row.type,
        subject=row.subject,
        version=row.version,
        status="pending",
        attempts=0,
        response_status=None,
        error=None,
        next_at=now,
        created_at=now,
        settled_at=None,
        expires_at=now + KEPT,
    )


def endpoint_ref(tenant_id: TenantId, id: str) -> Ref[WebhookEndpoint]:
    return Ref(WebhookEndpoint, tenant_id=tenant_id, id=id)


def delivery_ref(tenant_id: TenantId, id: str) -> Ref[Delivery]:
    return Ref(Delivery, tenant_id=tenant_id, id=id)


def secrets_of(tenant_id: TenantId, endpoint_id: str) -> Find[WebhookSecret]:
    where = {"tenant_id": tenant_id, "endpoint_id": endpoint_id}
    return Find(WebhookSecret, where, order=("id",), limit=10)
