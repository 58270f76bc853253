"""Deliveries to Cal.com's receivers: `{triggerEvent, createdAt, payload}` and its signature.

`X-Cal-Signature-256` is the hex HMAC-SHA-256 of the raw body under the webhook's secret; a
template's `{{name}}` stands for a member of the payload, and what it makes is JSON or nothing.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from safeconduct.core.mac import mac
from safeconduct.core.model import WebhookEndpoint
from safeconduct.core.secret import Secret
from safeconduct.core.times import rfc3339
from safeconduct.core.webhooks import Message, Packed
from safeconduct.web.compat.calcom.translate import TRIGGERED

NAME = "calcom"
PING = "PING"

_SLOT = re.compile(r"\{\{\s*([A-Za-z_][A-Za-z0-9_]*)\s*\}\}")


def pack(
    message: Message, endpoint: WebhookEndpoint, secrets: Sequence[Secret], now: int
) -> Packed | None:
    trigger = PING if message.type == "webhook.ping" else TRIGGERED.get(message.type)
    if trigger is None:
        return None
    document = {
        "triggerEvent": trigger,
        "createdAt": rfc3339(message.at),
        "payload": dict(message.data),
    }
    body = json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()
    template = endpoint.options.get("payloadTemplate")
    if template:
        body = _filled(template, {**document, **message.data}).encode()
    headers = {"content-type": "application/json", "webhook-id": message.id}
    if secrets and endpoint.options.get("signed"):
        headers["x-cal-signature-256"] = mac(secrets[0].reveal().encode(), body).hex()
    return Packed(headers, body)


def _filled(template: str, values: Mapping[str, Any]) -> str:
    """Text goes in as it stands in JSON, without its quotes, so that no value ends a string."""

    def value(slot: re.Match[str]) -> str:
        found = values.get(slot[1], "")
        if isinstance(found, str):
            return json.dumps(found, ensure_ascii=False)[1:-1]
        return json.dumps(found, separators=(",", ":"), ensure_ascii=False)

    return _SLOT.sub(value, template)
