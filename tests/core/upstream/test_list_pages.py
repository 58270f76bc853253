"""Through a list, page by page, without losing a digit, the way, or the access token."""

import json
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.upstream.entries import entry

from safeconduct.core.errors import ProviderError
from safeconduct.core.secret import Secret
from safeconduct.core.upstream.api import Registration
from safeconduct.core.upstream.http import OutboundRequest
from safeconduct.core.upstream.pages import (
    Item,
    Page,
    Step,
    capability_of,
    read_exact,
    read_page,
    read_step,
    request_for,
)
from safeconduct.core.upstream.provider import Provider

TOKEN = Secret("CANARY-0-token")
CLIENT = Registration("client")
POSITION = {"account": "/id", "asset": "/asset", "quantity": "/amount"}
RULE = {"id": "in", "kind": "deposit", "sign": "plus"}
LEG = {"account": "$account", "asset": "/asset", "amount": "/amount"}


def provider(pages: dict[str, Any] | None = None, **api: Any) -> Provider:
    assets = {
        "kind": "account",
        "request": {"path": "/accounts", "query": {"limit": "2"}},
        "items": "/data",
        "ref": "/id",
        "position": POSITION,
    }
    transactions = {
        "kind": "transaction",
        "for_each": "assets",
        "request": {"path": "/accounts/{account}/movements"},
        "items": "/data",
        "ref": "/id",
        "transaction": {"at": "/at", "legs": [LEG], "rules": [RULE]},
    }
    if pages:
        assets["pages"] = transactions["pages"] = pages
    made = {"assets": assets, "transactions": transactions}
    more = {f"api__{name}": value for name, value in api.items()}
    return entry(api__capabilities=made, **more)


def ask(made: Provider, step: Step, name: str = "assets") -> OutboundRequest:
    capability = capability_of(made, name)
    assert capability is not None
    return request_for(made, CLIENT, TOKEN, capability, step)


def answer(made: Provider, document: object, step: Step = Step(), name: str = "assets") -> Page:  # noqa: B008
    capability = capability_of(made, name)
    assert capability is not None
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return read_page(made, capability, ask(made, step, name), step, body, TOKEN)


NEXT = {"style": "next_uri", "pointer": "/next"}
CURSOR = {"style": "cursor", "pointer": "/cursor", "parameter": "after"}


def test_by_the_next_address() -> None:
    made = provider(NEXT)
    assert ask(made, Step()).url == "https://api.acme.example/v1/accounts?limit=2"
    page = answer(made, {"data": [{"id": "1"}], "next": "/v1/accounts?limit=2&from=1"})
    assert page.items == (Item("1", {"id": "1"}),)
    assert page.next == "https://api.acme.example/v1/accounts?limit=2&from=1"
    request = ask(made, Step(next=page.next))
    assert request.url == page.next
    assert request.headers["authorization"] == f"Bearer {TOKEN.reveal()}"
    assert answer(made, {"data": [], "next": None}, Step(next=page.next)).next is None
    assert answer(made, {"data": [], "next": ""}).next is None


def test_by_a_cursor() -> None:
    made = provider(CURSOR)
    page = answer(made, {"data": [], "cursor": "a&b=c"})
    assert page.next == "a&b=c"
    query = parse_qs(urlsplit(ask(made, Step(next=page.next)).url).query)
    assert query == {"limit": ["2"], "after": ["a&b=c"]}
    assert answer(made, {"data": [], "cursor": 7}).next == "7"


def test_a_single_page() -> None:
    assert answer(provider(), {"data": [], "next": "/v1/accounts?from=1"}).next is None


def test_once_for_every_account() -> None:
    made = provider(NEXT)
    request = ask(made, Step("a/../b"), "transactions")
    assert request.url == "https://api.acme.example/v1/accounts/a%2F..%2Fb/movements"


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://evil.example/v1/accounts",
        "http://api.acme.example/v1/accounts",
        "//evil.example/v1/accounts",
        "https://api.acme.example@evil.example/v1/accounts",
        "https://api.acme.example:8443/v1/accounts",
        "https://api.acme.example/v2/accounts",
        "/v1/../admin",
        "/v1/%2e%2e/admin",
        "https://api.acme.example.evil.example/v1/accounts",
    ],
)
@pytest.mark.attack("N1")
def test_the_token_goes_nowhere_else(elsewhere: str) -> None:
    made = provider(NEXT)
    page = answer(made, {"data": [], "next": elsewhere})
    with pytest.raises(ProviderError) as caught:
        ask(made, Step(next=page.next))
    assert caught.value.code == "malformed_answer"


@pytest.mark.invariant("V13")
def test_the_token_is_never_part_of_what_is_remembered() -> None:
    made = provider(NEXT, token={"place": "query", "name": "access_token"})
    url = f"/v1/accounts?access_token={TOKEN.reveal()}&from=1&z=%20"
    page = answer(made, {"data": [], "next": url})
    assert page.next == "https://api.acme.example/v1/accounts?from=1&z=+"
    query = parse_qs(urlsplit(ask(made, Step(next=page.next)).url).query)
    assert query == {"from": ["1"], "z": [" "], "access_token": [TOKEN.reveal()]}
    echoed = answer(provider(NEXT), {"data": [], "next": f"/v1/a?from=1&echo={TOKEN.reveal()}"})
    assert echoed.next == "https://api.acme.example/v1/a?from=1"
    for sly in (f"/v1/{TOKEN.reveal()}/a", f"/v1/a?echo=x{TOKEN.reveal()}"):
        with pytest.raises(ProviderError):
            answer(provider(NEXT), {"data": [], "next": sly})


@pytest.mark.parametrize(
    "document",
    [
        *(b"", b"<html>", b"[]", b"null", b"{}", b'{"data": {}}', b'{"data": [NaN]}'),
        *(b"\xff\xfe", b"[" * 100_000, b'{"data": [], "next": {}}', b'{"data": [], "next": true}'),
        json.dumps({"data": [], "next": "x" * 5000}).encode(),
    ],
)
def test_what_is_no_page(document: bytes) -> None:
    with pytest.raises(ProviderError) as caught:
        answer(provider(NEXT), document)
    assert (caught.value.code, caught.value.remedy) == ("malformed_answer", "retry")
    assert answer(provider(NEXT), {"data": []}).items == ()


def test_a_page_that_names_itself_is_not_followed() -> None:
    made = provider(NEXT)
    here = "https://api.acme.example/v1/accounts?from=1"
    with pytest.raises(ProviderError):
        answer(made, {"data": [], "next": "?from=1"}, Step(next=here))
    assert answer(made, {"data": [], "next": "?from=2"}, Step(next=here)).next is not None


def test_records_without_a_usable_id_are_counted_not_hidden() -> None:
    records = [{"id": 1}, {"id": ""}, {"id": "a\nb"}, {}, "x", {"id": "1"}, {"id": "x" * 300}]
    page = answer(provider(), {"data": records})
    assert [item.ref for item in page.items] == ["1"]
    assert page.unreadable == 5


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.1", "0.1"),
        ("1e-18", "1e-18"),
        ("123456789012345678.123456789012345678", "123456789012345678.123456789012345678"),
        ("115792089237316195423570985008687907853269984665640564039457584007913129639935",) * 2,
        ("42", 42),
        ('"\\ud800"', "?"),
        ('"é"', "é"),
        ('{"\\udfff": ["\\ud800x"]}', {"?": ["?x"]}),
    ],
)
def test_nothing_is_rounded_and_everything_can_be_stored(text: str, value: object) -> None:
    assert read_exact(text.encode()) == value


@given(st.binary(max_size=200))
def test_bytes_are_a_page_or_a_provider_error(body: bytes) -> None:
    with suppress(ProviderError):
        answer(provider(NEXT), body)


TEXTS = st.none() | st.text(max_size=40)
TIMES = st.none() | st.integers(0, 2**53)


@given(TEXTS, TEXTS, TIMES, TIMES)
def test_a_step_there_and_back(a: str | None, b: str | None, c: int | None, d: int | None) -> None:
    step = Step(a, b, c, d, added=1, unreadable=2)
    assert read_step(step.encode()) == step
    assert read_step(None) == Step()
