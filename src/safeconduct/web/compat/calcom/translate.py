"""Cal.com's words and ours, as pure functions: bodies in, documents out."""

from collections.abc import Mapping
from typing import Any

from safeconduct.core.managed_users import Pair
from safeconduct.core.model import InstalledApp, ManagedUser, User, WebhookEndpoint
from safeconduct.core.permissions import EVERYTHING, PERMISSION_BITS, mask_of, names_of
from safeconduct.core.times import rfc3339
from safeconduct.services.platform_clients import Whole
from safeconduct.web.compat.calcom.fields import (
    Read,
    Unfit,
    flag,
    list_of,
    one_of,
    or_null,
    read,
    text,
    whole,
)

Document = dict[str, Any]

# Clients

REGISTRATION = {"name": "client_name", "redirectUris": "redirect_uris", "logo": "logo_uri"}
"""Theirs and ours, where it is part of every client's registration."""

SETTINGS: Mapping[str, Any] = {
    "bookingRedirectUri": None,
    "bookingCancelRedirectUri": None,
    "bookingRescheduleRedirectUri": None,
    "areEmailsEnabled": True,
    "areDefaultEventTypesEnabled": False,
    "areCalendarEventsEnabled": True,
}
"""What is only kept and shown, with what it is unless set."""

_CLIENT: Mapping[str, Read] = {
    "name": text,
    "redirectUris": list_of(text, 50),
    "logo": text,
    "bookingRedirectUri": text,
    "bookingCancelRedirectUri": text,
    "bookingRescheduleRedirectUri": text,
    "areEmailsEnabled": flag,
    "areDefaultEventTypesEnabled": flag,
    "areCalendarEventsEnabled": flag,
}


def _permission(value: Any) -> str:
    if value not in (*PERMISSION_BITS, EVERYTHING):
        raise Unfit("permission name expected")
    return str(value)


def read_new_client(body: Mapping[str, Any]) -> tuple[Document, Document, int]:
    """Registration, settings and permission mask of CreateOAuthClientInput."""
    readers = {**_CLIENT, "permissions": list_of(_permission)}
    fields = read(body, readers, "name", "redirectUris", "permissions")
    mask = mask_of(fields.pop("permissions"))
    return (*_split(fields), mask)


def read_client_changes(body: Mapping[str, Any]) -> tuple[Document, Document]:
    """Registration and settings of UpdateOAuthClientInput; permissions cannot be changed."""
    return _split(read(body, _CLIENT))


def _split(fields: Document) -> tuple[Document, Document]:
    ours = {REGISTRATION[name]: fields.pop(name) for name in REGISTRATION if name in fields}
    return ours, fields


def client(found: Whole, organization: int) -> Document:
    """PlatformOAuthClient."""
    row = found.client
    return {
        "id": row.id,
        "name": row.client_name,
        "secret": found.secret,
        "permissions": names_of(found.permissions),
        "logo": row.metadata.get("logo_uri"),
        "redirectUris": list(row.redirect_uris),
        "organizationId": organization,
        "createdAt": rfc3339(row.created_at),
        **{**SETTINGS, **found.settings},
    }


# Managed users

WEEK = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
LOCALES = (
    "ar",
    "ca",
    "de",
    "es",
    "eu",
    "he",
    "id",
    "ja",
    "lv",
    "pl",
    "ro",
    "sr",
    "th",
    "vi",
    "az",
    "cs",
    "el",
    "es-419",
    "fi",
    "hr",
    "it",
    "km",
    "nl",
    "pt",
    "ru",
    "sv",
    "tr",
    "zh-CN",
    "bg",
    "da",
    "en",
    "et",
    "fr",
    "hu",
    "iw",
    "ko",
    "no",
    "pt-BR",
    "sk",
    "ta",
    "uk",
    "zh-TW",
    "bn",
)
MAX_KEYS, MAX_KEY, MAX_VALUE = 50, 40, 500

PROFILE: Mapping[str, Any] = {
    "bio": None,
    "timeZone": "Europe/London",
    "weekStart": "Sunday",
    "timeFormat": 12,
    "defaultScheduleId": None,
    "locale": "en",
    "avatarUrl": None,
    "metadata": {},
}
"""What a managed user is like unless told otherwise."""


def _zone(value: Any) -> str:
    """An IANA name by its shape; the list itself changes several times a year."""
    parts = text(value, 64).split("/")
    good = all(part and part.replace("_", "").replace("-", "").replace("+", "").isalnum()
               for part in parts)  # fmt: skip
    if not good or len(parts) > 3 or not value.isascii():
        raise Unfit("IANA time zone expected")
    return str(value)


def _metadata(value: Any) -> Document:
    if not isinstance(value, dict) or len(value) > MAX_KEYS:
        raise Unfit(f"object of at most {MAX_KEYS} keys expected")
    for key, item in value.items():
        if len(key) > MAX_KEY or len(str(item)) > MAX_VALUE:
            raise Unfit(f"keys to {MAX_KEY} and values to {MAX_VALUE} characters expected")
    return value


def _email(value: Any) -> str:
    if "@" not in text(value, 254):
        raise Unfit("address expected")
    return str(value)


def _name(value: Any) -> str:
    return text(value, 200)


_USER: Mapping[str, Read] = {
    "email": _email,
    "name": _name,
    "timeFormat": one_of(12, 24),
    "weekStart": one_of(*WEEK),
    "timeZone": _zone,
    "locale": one_of(*LOCALES),
    "avatarUrl": text,
    "bio": text,
    "metadata": _metadata,
}


def read_new_user(body: Mapping[str, Any]) -> tuple[str, str, Document]:
    """Address, name and the rest of CreateManagedUserInput."""
    fields = read(body, _USER, "email", "name")
    return fields.pop("email"), fields.pop("name"), fields


def read_user_changes(body: Mapping[str, Any]) -> tuple[str | None, str | None, Document]:
    fields = read(body, {**_USER, "defaultScheduleId": whole(1)})
    return fields.pop("email", None), fields.pop("name", None), fields


def user(row: ManagedUser, person: User) -> Document:
    """ManagedUser."""
    return {
        "id": row.number,
        "email": row.email,
        "username": row.username,
        "name": person.name,
        "createdDate": rfc3339(row.created_at),
        **PROFILE,
        **row.profile,
    }


def keys(pair: Pair) -> Document:
    """Keys."""
    return {
        "accessToken": pair.access_token,
        "refreshToken": pair.refresh_token,
        "accessTokenExpiresAt": pair.access_expires_at,
        "refreshTokenExpiresAt": pair.refresh_expires_at,
    }


# Webhooks

TRIGGERS = (
    "BOOKING_CREATED",
    "BOOKING_PAYMENT_INITIATED",
    "BOOKING_PAID",
    "BOOKING_RESCHEDULED",
    "BOOKING_REQUESTED",
    "BOOKING_CANCELLED",
    "BOOKING_REJECTED",
    "BOOKING_NO_SHOW_UPDATED",
    "FORM_SUBMITTED",
    "MEETING_ENDED",
    "MEETING_STARTED",
    "RECORDING_READY",
    "INSTANT_MEETING",
    "RECORDING_TRANSCRIPTION_GENERATED",
    "OOO_CREATED",
    "AFTER_HOSTS_CAL_VIDEO_NO_SHOW",
    "AFTER_GUESTS_CAL_VIDEO_NO_SHOW",
    "FORM_SUBMITTED_NO_EVENT",
    "DELEGATION_CREDENTIAL_ERROR",
    "WRONG_ASSIGNMENT_REPORT",
)

EVENTS: Mapping[str, str] = {"DELEGATION_CREDENTIAL_ERROR": "connection.needs_reauth"}
"""Triggers that happen here. The others belong to bookings, which are another product's."""

TRIGGERED: Mapping[str, str] = {ours: theirs for theirs, ours in EVENTS.items()}

_WEBHOOK: Mapping[str, Read] = {
    "active": flag,
    "subscriberUrl": text,
    "triggers": list_of(one_of(*TRIGGERS)),
    "payloadTemplate": or_null(lambda value: text(value, 10_000)),
    "secret": or_null(lambda value: text(value, 200)),
    "version": one_of("2021-10-20"),
}


def read_new_webhook(body: Mapping[str, Any]) -> Document:
    return read(body, _WEBHOOK, "active", "subscriberUrl", "triggers")


def read_webhook_changes(body: Mapping[str, Any]) -> Document:
    return read(body, _WEBHOOK)


def endpoint_fields(fields: Mapping[str, Any]) -> Document:
    """Of a webhook, what every receiver has: ours of theirs."""
    found: Document = {}
    if "subscriberUrl" in fields:
        found["url"] = fields["subscriberUrl"]
    if "active" in fields:
        found["status"] = "active" if fields["active"] else "paused"
    if "triggers" in fields:
        # `webhook.ping` reaches every receiver; a list is never empty
        happening = [EVENTS[name] for name in fields["triggers"] if name in EVENTS]
        found["event_types"] = ["webhook.ping", *happening]
    return found


def endpoint_options(fields: Mapping[str, Any], known: Mapping[str, Any]) -> Document:
    """Of a webhook, what only this dialect has."""
    mine: Document = {"triggers": [], "payloadTemplate": None, "signed": False}
    new = {name: fields[name] for name in ("triggers", "payloadTemplate") if name in fields}
    signed = {"signed": fields["secret"] is not None} if "secret" in fields else {}
    return {**mine, **known, **new, **signed}


def webhook(row: WebhookEndpoint, secret: str | None) -> Document:
    """OAuthClientWebhook."""
    return {
        "id": row.number,
        "oAuthClientId": row.client_id,
        "subscriberUrl": row.url,
        "triggers": list(row.options.get("triggers", ())),
        "active": row.status == "active",
        "payloadTemplate": row.options.get("payloadTemplate"),
        "secret": secret,
    }


# Conferencing

BUILT_IN = "daily-video"
KEYLESS = ("google-meet",)
BY_SIGN_IN = ("zoom", "msteams")
TYPES: Mapping[str, str] = {
    "google-meet": "google_video",
    "zoom": "zoom_video",
    "msteams": "office365_video",
    BUILT_IN: "daily_video",
}
"""The credential's type by the app's slug, which is the catalogue's id."""


def app(row: InstalledApp, number: int | None, *, works: bool) -> Document:
    """ConferencingApp. `number` is the user's; a team's app has none."""
    return {"id": row.number, "type": TYPES[row.app], "userId": number, "invalid": not works}
