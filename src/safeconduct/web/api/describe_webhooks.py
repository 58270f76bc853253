"""What the description says of webhooks and deliveries."""

from typing import Any

from safeconduct.core.published import PUBLISHED
from safeconduct.web.api.describe import (
    LIST,
    TEXT,
    TEXT_OR_NULL,
    TIME,
    TIME_OR_NULL,
    WORDS,
    in_path,
    many,
    operation,
    page,
    query,
    record,
)
from safeconduct.web.api.openapi import Description, json_body

READ, WRITE = "webhooks:read", "webhooks:write"
_TAG = "webhooks"
_COUNT: dict[str, Any] = {"type": "integer", "minimum": 0}
_VERSION: dict[str, Any] = {"type": ["integer", "null"]}
_SHOWN = {
    "id": TEXT,
    "client_id": TEXT_OR_NULL,
    "dialect": TEXT,
    "url": TEXT,
    "description": TEXT_OR_NULL,
    "event_types": WORDS,
    "status": {"enum": ["active", "paused", "disabled"]},
    "reason": TEXT_OR_NULL,
    "failures": {**_COUNT, "description": "In a row"},
    "failing_since": TIME_OR_NULL,
    "succeeded_at": TIME_OR_NULL,
    "failed_at": TIME_OR_NULL,
    "created_at": TIME,
    "updated_at": TIME,
}
_SECRET = record(id=TEXT, suffix=TEXT, created_at=TIME, expires_at=TIME_OR_NULL)
_FIELDS: dict[str, Any] = {
    "url": {"type": "string", "format": "uri"},
    "event_types": {"type": "array", "items": TEXT, "minItems": 1},
    "description": {"type": ["string", "null"], "maxLength": 200},
    "status": {"enum": ["active", "paused"]},
}


def _body(schema: str, *, required: bool = True) -> dict[str, Any]:
    return {"requestBody": {"required": required, **json_body(schema)}}


_ONE = {200: ("The webhook", "Webhook")}
_MADE = {201: ("The webhook, with a secret that is shown once", "WebhookWithSecret")}

DESCRIPTION = Description(
    paths={
        "/api/v1/webhooks/event-types": {
            "get": operation(
                "listEventTypes",
                "List what webhooks can be told of, with the schema of each",
                tag=_TAG,
                scope="",
                answers={200: ("Every type", "EventTypes")},
            )
        },
        "/api/v1/webhooks/event-types/{type}": {
            "parameters": [in_path("type")],
            "get": operation(
                "showEventType",
                "The JSON Schema of a type's data",
                tag=_TAG,
                scope="",
                answers={200: ("A JSON Schema", "JsonSchema")},
                fails=(404,),
            ),
        },
        "/api/v1/webhooks": {
            "get": operation(
                "listWebhooks",
                "List webhooks",
                tag=_TAG,
                scope=READ,
                answers={200: ("A page of webhooks", "WebhookPage")},
                fails=(400,),
                parameters=LIST,
            ),
            "post": operation(
                "createWebhook",
                "Register a webhook",
                tag=_TAG,
                scope=WRITE,
                answers=_MADE,
                fails=(400, 404, 409, 413, 415),
            )
            | _body("NewWebhook"),
        },
        "/api/v1/webhooks/{webhook_id}": {
            "parameters": [in_path("webhook_id")],
            "get": operation(
                "showWebhook",
                "Show a webhook and its health",
                tag=_TAG,
                scope=READ,
                answers={200: ("The webhook", "WebhookWithSecrets")},
                fails=(404,),
            ),
            "patch": operation(
                "updateWebhook",
                "Change, pause or start a webhook",
                tag=_TAG,
                scope=WRITE,
                answers=_ONE,
                fails=(400, 404, 409, 413, 415),
            )
            | _body("WebhookFields"),
            "delete": operation(
                "deleteWebhook",
                "Remove a webhook; what was on its way is cancelled",
                tag=_TAG,
                scope=WRITE,
                answers={204: ("Done", None)},
                fails=(404,),
            ),
        },
        "/api/v1/webhooks/{webhook_id}/secrets": {
            "parameters": [in_path("webhook_id")],
            "post": operation(
                "rotateWebhookSecret",
                "Give a new secret; messages are signed with both for a while",
                tag=_TAG,
                scope=WRITE,
                answers=_MADE,
                fails=(400, 404, 413, 415),
            )
            | _body("SecretRotation", required=False),
        },
        "/api/v1/webhooks/{webhook_id}/ping": {
            "parameters": [in_path("webhook_id")],
            "post": operation(
                "pingWebhook",
                "Send a test message",
                tag=_TAG,
                scope=WRITE,
                answers={202: ("It will be sent", "Pinged")},
                fails=(404, 409),
            ),
        },
        "/api/v1/webhooks/{webhook_id}/replay": {
            "parameters": [in_path("webhook_id")],
            "post": operation(
                "replayDeadLetters",
                "Send the dead letters of a webhook once more",
                tag=_TAG,
                scope=WRITE,
                answers={202: ("They will be sent", "Replayed")},
                fails=(404, 409),
            ),
        },
        "/api/v1/deliveries": {
            "get": operation(
                "listDeliveries",
                "List deliveries, the latest first",
                tag=_TAG,
                scope=READ,
                answers={200: ("A page of deliveries", "DeliveryPage")},
                fails=(400,),
                parameters=(*LIST, query("webhook_id", TEXT), query("status", TEXT)),
            )
        },
        "/api/v1/deliveries/{delivery_id}": {
            "parameters": [in_path("delivery_id")],
            "get": operation(
                "showDelivery",
                "Show a delivery",
                tag=_TAG,
                scope=READ,
                answers={200: ("The delivery", "Delivery")},
                fails=(404,),
            ),
        },
        "/api/v1/deliveries/{delivery_id}/replay": {
            "parameters": [in_path("delivery_id")],
            "post": operation(
                "replayDelivery",
                "Send a message again, with the same id",
                tag=_TAG,
                scope=WRITE,
                answers={202: ("It will be sent", "Delivery")},
                fails=(404, 409),
            ),
        },
    },
    schemas={
        "JsonSchema": {"type": "object"},
        "EventType": record(type={"enum": [*PUBLISHED]}, summary=TEXT, schema={"type": "object"}),
        "EventTypes": record(data=many("EventType")),
        "WebhookFields": {
            "type": "object",
            "properties": _FIELDS,
            "additionalProperties": False,
        },
        "NewWebhook": {
            "type": "object",
            "properties": {
                **_FIELDS,
                "secret": {"type": "string", "pattern": "^whsec_"},
                "client_id": {
                    **TEXT_OR_NULL,
                    "description": "Hear of this client's users only",
                },
            },
            "required": ["url", "event_types"],
            "additionalProperties": False,
        },
        "Webhook": record(**_SHOWN),
        "WebhookWithSecret": record(**_SHOWN, secret=TEXT),
        "WebhookSecret": _SECRET,
        "WebhookWithSecrets": record(**_SHOWN, secrets=many("WebhookSecret")),
        "WebhookPage": page("Webhook"),
        "Pinged": record(delivery_id=TEXT),
        "Replayed": record(replayed=_COUNT),
        "Delivery": record(
            id=TEXT,
            webhook_id=TEXT,
            event_id=TEXT,
            type=TEXT,
            subject=TEXT_OR_NULL,
            version=_VERSION,
            status={"enum": ["pending", "delivered", "dead", "cancelled"]},
            attempts=_COUNT,
            response_status=_VERSION,
            error=TEXT_OR_NULL,
            next_at=TIME_OR_NULL,
            created_at=TIME,
            settled_at=TIME_OR_NULL,
        ),
        "DeliveryPage": page("Delivery"),
    },
)
