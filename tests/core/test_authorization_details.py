"""Rich authorization requests, judged without a server: RFC 9396."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safeconduct.core.authorization_details import (
    MOST,
    Told,
    lasting,
    narrowed,
    parsed,
    permits,
    read_details,
    remember,
    tell,
)
from safeconduct.core.detail_types import BUILT_IN, types_from
from safeconduct.core.errors import OAuthError

PAYMENT = {
    "payment": {
        "says": "Pay from your account",
        "fields": {
            "amount": {"kind": "number", "label": "Amount", "required": True},
            "to": {"label": "To"},
            "urgent": {"kind": "flag"},
            "note": {"kind": "object"},
        },
    }
}
TYPES = {**BUILT_IN, **types_from(PAYMENT)}
ALL = tuple(TYPES)
READ = {"type": "connections", "actions": ["read"], "datatypes": ["assets", "connections"]}


def read(*details: Any, allowed: tuple[str, ...] = ALL) -> tuple[str, ...]:
    return read_details(json.dumps(details), TYPES, allowed)


def refused(text: str, allowed: tuple[str, ...] = ALL) -> str:
    with pytest.raises(OAuthError) as caught:
        read_details(text, TYPES, allowed)
    assert caught.value.error == "invalid_authorization_details"
    return caught.value.rule


@pytest.mark.rfc("9396#2")
def test_two_details_that_say_the_same_are_one() -> None:
    mixed = {"datatypes": ["connections", "assets"], "type": "connections", "actions": ["read"]}
    assert read(READ) == read(mixed) == read(READ, mixed)
    assert parsed(read(READ)) == [READ]
    assert read_details(None, TYPES, ()) == ()


@pytest.mark.rfc("9396#5")
@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "shape"),
        ("{}", "shape"),
        ("[]", "shape"),
        ("[1]", "shape"),
        ("[{}]", "shape"),
        ('[{"type":5}]', "shape"),
        ("[" * 5_000, "shape"),
        (json.dumps([READ] * (MOST + 1)), "shape"),
        ('[{"type":"payment","amount":NaN}]', "shape"),
        ('[{"type":"payment","amount":1,"amount":2}]', "shape"),
        ('[{"type":"payment","amount":1,"note":{"a":"\\ud800"}}]', "shape"),
        ('[{"type":"nope"}]', "type"),
        ('[{"type":"payment"}]', "field.missing"),
        ('[{"type":"payment","amount":1,"iban":"x"}]', "field"),
        ('[{"type":"payment","amount":"1"}]', "field.value"),
        ('[{"type":"payment","amount":true}]', "field.value"),
        ('[{"type":"payment","amount":1,"to":"a\\u0007"}]', "field.value"),
        ('[{"type":"payment","amount":1,"to":""}]', "field.value"),
        ('[{"type":"payment","amount":1,"urgent":1}]', "field.value"),
        ('[{"type":"connections","actions":[],"datatypes":["assets"]}]', "field.value"),
        ('[{"type":"connections","actions":["rule"],"datatypes":["assets"]}]', "field.value"),
        ('[{"type":"connections","actions":"read","datatypes":["assets"]}]', "field.value"),
    ],
)
def test_what_is_not_understood_is_refused(text: str, rule: str) -> None:
    assert refused(text) == f"authorization_details.{rule}"


@pytest.mark.rfc("9396#10")
def test_a_client_asks_for_its_types_only() -> None:
    assert refused(json.dumps([READ]), ()) == "authorization_details.type.client"
    assert refused(json.dumps([READ]), ("payment",)) == "authorization_details.type.client"
    assert read(READ, allowed=("connections",))


@pytest.mark.rfc("9396#6")
def test_a_token_request_can_only_take_less() -> None:
    both = read({**READ, "actions": ["read", "write"]}, {"type": "payment", "amount": 5})
    assert narrowed(None, both) == both
    assert narrowed(json.dumps([READ]), both) == read(READ)
    for wider in (
        {**READ, "identifier": "con_1"},
        {**READ, "datatypes": ["assets", "transactions"]},
        {"type": "connections", "actions": ["read"]},
        {**READ, "actions": []},
        {"type": "payment", "amount": 6},
        {"type": "payment", "amount": 5.5},
        {"type": "payment", "amount": True},
        {"type": "payment"},
    ):
        with pytest.raises(OAuthError, match="invalid_authorization_details"):
            narrowed(json.dumps([wider]), both)
    for wrong in ("", "{}", "[]", "[1]"):
        with pytest.raises(OAuthError, match="invalid_authorization_details"):
            narrowed(wrong, both)


@given(st.lists(st.sampled_from(["read", "write"]), min_size=1), st.data())
def test_what_is_narrowed_never_permits_more(actions: list[str], data: st.DataObject) -> None:
    granted = read({**READ, "actions": actions})
    fewer = data.draw(st.lists(st.sampled_from(["read", "write"]), min_size=1))
    try:
        taken = narrowed(json.dumps([{**READ, "actions": fewer}]), granted)
    except OAuthError:
        return
    for scope in ("connections:read", "connections:write", "assets:read", "transactions:read"):
        if permits(parsed(taken), scope, None):
            assert permits(parsed(granted), scope, None)


def test_what_is_remembered() -> None:
    asked = read(READ, {"type": "payment", "amount": 5})
    assert lasting(asked, TYPES) == read(READ)
    many = tuple(f'{{"type":"connections","identifier":"{n}"}}' for n in range(150))
    assert len(remember(many[:90], many)) == 100
    assert remember(many[:90], many)[-1] == many[-1]


@pytest.mark.rfc("9396#12")
def test_every_member_is_told() -> None:
    details = read({**READ, "identifier": "con_1"}, {"type": "payment", "amount": 5, "to": "Eve"})
    assert tell(details, TYPES, {"con_1": "Savings"}) == [
        Told(
            "Use accounts that you have linked",
            [
                ("May", ["see"]),
                ("What", ["what they hold", "which accounts are linked"]),
                ("Only this account", ["Savings"]),
            ],
        ),
        Told("Pay from your account", [("Amount", ["5"]), ("To", ["Eve"])]),
    ]


def test_what_our_own_type_permits() -> None:
    one = parsed(read({**READ, "identifier": "con_1"}))
    assert permits(one, "assets:read", "con_1")
    assert not permits(one, "assets:read", "con_2")
    assert not permits(one, "assets:read", None)
    assert not permits(one, "connections:write", "con_1")
    assert not permits(one, "transactions:read", "con_1")
    assert permits(parsed(read(READ)), "connections:read", None)
    assert not permits([], "assets:read", "con_1")


@pytest.mark.parametrize(
    "data",
    [
        [],
        {"connections": {"says": "x"}},
        {"a b": {"says": "x"}},
        {"a": {}},
        {"a": {"says": ""}},
        {"a": {"says": "x", "more": 1}},
        {"a": {"says": "x", "fields": {"type": {}}}},
        {"a": {"says": "x", "fields": {"f": {"kind": "blob"}}}},
        {"a": {"says": "x", "fields": {"f": {"choices": "yes"}}}},
        {"a": {"says": "x", "fields": {"f": {"more": 1}}}},
        {"a": {"says": "x", "fields": {"f": {"words": "x"}}}},
    ],
)
def test_types_that_cannot_be_registered(data: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        types_from(data)
