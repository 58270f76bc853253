"""There and back is where one started: permissions, settings, profiles, webhooks, templates."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.web.compat.calcom.desk import CAL, CLIENT

from safeconduct.core.errors import ApiError, OAuthError
from safeconduct.core.managed_users import profile_of, stored_address, username_of
from safeconduct.core.model import TenantId, WebhookEndpoint
from safeconduct.core.permissions import (
    ALL,
    EVERYTHING,
    LEGACY,
    PERMISSION_BITS,
    SCOPE_BITS,
    SCOPE_NAMES,
    mask_of,
    names_of,
)
from safeconduct.core.secret import Secret
from safeconduct.core.webhooks import Message
from safeconduct.web.compat.calcom import translate
from safeconduct.web.compat.calcom.deliveries import pack
from safeconduct.web.compat.calcom.oauth2 import REASONS, reason_of

SCHEMAS = CAL.document["components"]["schemas"]
permissions = st.sets(st.sampled_from(sorted(PERMISSION_BITS)))


@given(permissions)
def test_names_and_bits_say_the_same(names: set[str]) -> None:
    assert set(names_of(mask_of(names))) == names


@given(st.integers(min_value=0, max_value=ALL))
def test_bits_and_names_say_the_same(mask: int) -> None:
    assert mask_of(names_of(mask)) == mask


def test_the_bits_are_those_of_the_contract() -> None:
    assert dict(PERMISSION_BITS) == CAL.document["x-permission-bits"]["bits"]
    assert CAL.document["x-permission-bits"]["all"] == ALL == mask_of([EVERYTHING])
    assert dict(SCOPE_BITS) == CAL.document["x-oauth2-scope-bits"]["bits"]
    assert list(LEGACY) == CAL.document["x-oauth2-scope-bits"]["legacy"]
    assert set(SCHEMAS["OAuth2Scope"]["enum"]) == SCOPE_NAMES
    assert EVERYTHING not in names_of(ALL)


def test_the_words_are_those_of_the_contract() -> None:
    known = SCHEMAS["CreateManagedUserInput"]["properties"]
    assert sorted(translate.LOCALES) == sorted(known["locale"]["enum"])
    assert list(translate.WEEK) == known["weekStart"]["enum"]
    assert list(translate.TRIGGERS) == SCHEMAS["WebhookTrigger"]["enum"]
    reasons = set(SCHEMAS["OAuth2Error"]["properties"]["error_description"]["x-known-values"])
    assert set(REASONS.values()) <= reasons
    assert reason_of(OAuthError("invalid_grant", "", rule="code.expired")) in reasons
    assert reason_of(OAuthError("invalid_request", "")) is None


settings = st.fixed_dictionaries(
    {},
    optional={
        **{name: st.text(max_size=20) for name in translate.SETTINGS if "Uri" in name},
        **{name: st.booleans() for name in translate.SETTINGS if name.startswith("are")},
    },
)


@given(permissions, settings)
def test_a_client_is_shown_as_it_was_asked_for(names: set[str], asked: dict[str, Any]) -> None:
    body = {**CLIENT, "permissions": sorted(names), **asked}
    registration, kept, mask = translate.read_new_client(body)
    assert registration == {"client_name": body["name"], "redirect_uris": body["redirectUris"]}
    assert kept == asked
    assert set(names_of(mask)) == names


ZONES = ["Europe/Paris", "America/Argentina/Salta", "UTC", "Etc/GMT+5"]
profiles = st.fixed_dictionaries(
    {},
    optional={
        "bio": st.text(max_size=50),
        "timeZone": st.sampled_from(
            ["Europe/Paris", "America/Argentina/Salta", "UTC", "Etc/GMT+5"]
        ),
        "weekStart": st.sampled_from(translate.WEEK),
        "timeFormat": st.sampled_from([12, 24]),
        "locale": st.sampled_from(translate.LOCALES),
        "avatarUrl": st.text(max_size=20),
        "metadata": st.dictionaries(st.text(max_size=40), st.text(max_size=100), max_size=5),
    },
)


@given(profiles, profiles)
def test_what_is_not_changed_stays(first: dict[str, Any], then: dict[str, Any]) -> None:
    _, _, known = translate.read_new_user({"email": "a@b.example", "name": "A", **first})
    assert known == first
    email, name, changes = translate.read_user_changes(then)
    assert (email, name) == (None, None)
    assert profile_of(known, changes) == {**first, **then}


@pytest.mark.parametrize(
    ("email", "stored", "username"),
    [
        ("managed.user@example.com", "managed.user+c1@example.com", "managed-user"),
        ("Ann_Lee+tag@Example.com", "ann_lee+tag+c1@example.com", "ann-lee"),
    ],
)
def test_an_address_carries_the_clients_id(email: str, stored: str, username: str) -> None:
    assert stored_address(email, "C1").value == stored
    assert username_of(email) == username


@pytest.mark.parametrize("email", ["", "nobody", "@x.example", "a@b", "a" * 60 + "@b.example"])
def test_what_is_no_address_is_refused(email: str) -> None:
    with pytest.raises(ApiError):
        stored_address(email, "c" * 25)


hooks = st.fixed_dictionaries(
    {
        "active": st.booleans(),
        "subscriberUrl": st.just("https://example.com/hooks"),
        "triggers": st.lists(st.sampled_from(translate.TRIGGERS), unique=True, max_size=5),
    },
    optional={"payloadTemplate": st.none() | st.text(max_size=30)},
)

ENDPOINT = WebhookEndpoint(
    tenant_id=TenantId("t1"),
    id="whk_1",
    number=7,
    client_id="c1",
    dialect="calcom",
    url="",
    description=None,
    event_types=(),
    options={},
    status="active",
    reason=None,
    failures=0,
    failing_since=None,
    succeeded_at=None,
    failed_at=None,
    created_at=0,
    updated_at=0,
)


def kept(fields: dict[str, Any]) -> WebhookEndpoint:
    """A webhook as it is stored, from what was asked."""
    ours = translate.endpoint_fields(fields)
    options = translate.endpoint_options(fields, {})
    return replace(ENDPOINT, url=ours["url"], status=ours["status"], options=options)


@given(hooks)
def test_a_webhook_is_shown_as_it_was_asked_for(body: dict[str, Any]) -> None:
    shown = translate.webhook(kept(translate.read_new_webhook(body)), None)
    expected = {"id": 7, "oAuthClientId": "c1", "payloadTemplate": None, "secret": None, **body}
    assert shown == expected
    CAL.is_a("OAuthClientWebhook", shown)


@given(st.text(), st.text(alphabet='ab"\\{}\n', max_size=20))
def test_a_value_never_breaks_out_of_a_template(reason: str, other: str) -> None:
    endpoint = replace(
        ENDPOINT, options={"payloadTemplate": '{"r": "{{reason}}", "o": "{{ other }}", "x": {{n}}}'}
    )
    message = Message(
        id="evt_1", type="connection.needs_reauth", at=0, source="https://id.example",
        subject=None, data={"reason": reason, "other": other, "n": 5},
    )  # fmt: skip
    packed = pack(message, endpoint, [Secret("s")], 0)
    assert packed is not None
    assert json.loads(packed.body) == {"r": reason, "o": other, "x": 5}
