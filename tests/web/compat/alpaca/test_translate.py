"""Translation is pure, and there and back it is the identity."""

from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.test_registration import CLIENT

from safeconduct.core.errors import ApiError
from safeconduct.core.model import Client
from safeconduct.core.scopes import parse_scope
from safeconduct.services.delegation import Authorized, Delegated
from safeconduct.web.compat.alpaca import translate

texts = st.text(min_size=1, max_size=60)
words = st.frozensets(st.sampled_from(["general", "trading", "data", "account:write", "x"]))
requests = st.builds(
    Delegated,
    client_id=texts,
    client_secret=texts,
    redirect_uri=texts,
    scope=st.text(max_size=60),
    account_id=texts,
)
clients = st.builds(
    lambda id, name, status, uris, approved, pages: _client(
        id, name, status, uris, approved, pages
    ),
    texts,
    texts,
    st.sampled_from(["active", "disabled"]),
    st.lists(texts, max_size=3),
    st.booleans(),
    st.dictionaries(st.sampled_from(["description", "client_uri", "tos_uri", "policy_uri"]), texts),
)


def _client(
    id: str, name: str, status: str, uris: list[str], approved: bool, pages: dict[str, str]
) -> Client:
    columns: dict[str, Any] = {field.name: getattr(CLIENT, field.name) for field in fields(CLIENT)}
    columns |= {
        "id": id,
        "client_name": name,
        "status": status,
        "redirect_uris": tuple(uris),
        "live_trading_approved": approved,
        "metadata": pages,
    }
    return Client(**columns)


@given(requests)
def test_a_request_there_and_back(asked: Delegated) -> None:
    body = {field.name: getattr(asked, field.name) for field in fields(asked)}
    assert translate.read_request(body) == asked
    assert translate.read_request({**body, "more": 1}) == asked


@given(st.one_of(st.integers(), st.floats(allow_nan=False)))
def test_a_number_as_scope_is_its_text(scope: float) -> None:
    body = {"client_id": "a", "client_secret": "b", "redirect_uri": "c", "account_id": "d"}
    assert type(scope)(translate.read_request({**body, "scope": scope}).scope) == scope


@given(
    st.dictionaries(
        st.sampled_from(["client_id", "scope", "account_id"]),
        st.recursive(st.none() | st.booleans() | st.floats() | st.text(max_size=3), st.lists),
    )
)
def test_whatever_else_comes_is_refused_and_nothing_breaks(body: dict[str, Any]) -> None:
    with pytest.raises(ApiError) as refused:
        translate.read_request(body)  # the secret is missing, whatever else is there
    assert (refused.value.status, refused.value.code) == (400, "invalid_body")


@given(clients)
def test_a_client_there_and_back(row: Client) -> None:
    shown = translate.client(row)
    pages = {"description": shown["description"]}
    pages |= {ours: shown[theirs] for theirs, ours in translate.PAGES.items()}
    back = _client(
        shown["client_id"],
        shown["name"],
        shown["status"].lower(),
        shown["redirect_uri"],
        shown["live_trading_approved"],
        {name: value for name, value in pages.items() if value},
    )
    assert back == row


@given(texts, texts, words)
def test_a_code_there_and_back(code: str, uri: str, scope: frozenset[str]) -> None:
    shown = translate.code(Authorized(code=code, client=CLIENT, redirect_uri=uri, scope=scope))
    assert (shown["code"], shown["redirect_uri"]) == (code, uri)
    assert parse_scope(shown["scope"]) == scope


@given(texts, st.text())
def test_a_token_there_and_back(token: str, scope: str) -> None:
    answer = {"access_token": token, "token_type": "bearer", "scope": scope}
    shown = translate.token(answer)
    assert {**shown, "token_type": shown["token_type"].lower()} == answer
