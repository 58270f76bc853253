"""Connections and providers in Calico's words and back, in both versions of the dialect."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.contracts.contract import Contract
from tests.services.linked import new_connection
from tests.web.compat.calico.test_translate import ROWS, legs

from safeconduct.adapters.catalog import load_catalog
from safeconduct.core.errors import ApiError
from safeconduct.core.model import Connection, Leg, Transaction
from safeconduct.web.compat.calico import translate
from safeconduct.web.compat.calico import translate_providers as words
from safeconduct.web.compat.calico.envelope import ErrorItem
from safeconduct.web.compat.calico.linking import FIELDS, read_connection
from safeconduct.web.compat.calico.v1 import translate as first

V1, V2 = Contract("calico-v1"), Contract("calico-v2")
OWNER, CATALOG = new_connection(0), load_catalog()
STATUSES = st.sampled_from([*words.STATUSES])
texts = st.text(min_size=1, max_size=40)
moments = st.integers(0, 2**53)
connections = st.builds(
    lambda **changed: replace(OWNER, **changed),
    id=texts,
    provider_id=st.sampled_from(["exchangeExample", "kraken", "evmLocal", "gone"]),
    auth_mode=st.sampled_from([*words.MODES]),
    display_label=st.none() | st.text(max_size=40),
    status=STATUSES,
    reason=st.none() | st.just("refresh.unreadable"),
    created_at=moments,
)
kinds = st.sampled_from([*FIELDS]).flatmap(
    lambda kind: st.tuples(
        st.just(kind),
        st.fixed_dictionaries(
            dict.fromkeys(FIELDS[kind][0], texts), optional=dict.fromkeys(FIELDS[kind][1], texts)
        ),
    )
)


def back(document: dict[str, Any]) -> Connection:
    """From the wire to a row; what several of ours are told by one word for is left out."""
    return replace(
        OWNER,
        id=document.get("connection_id", OWNER.id),
        provider_id=document["provider_id"],
        display_label=document["display_label"],
        created_at=document["connected_at"],
    )


def unnamed(document: dict[str, Any]) -> dict[str, Any]:
    """Version 1's names in version 2's words."""
    return {"provider_id" if n == "crypto_source" else n: v for n, v in document.items()}


@given(connections, st.none() | moments)
def test_a_connection_there_and_back(row: Connection, read_at: int | None) -> None:
    entry = CATALOG.get(row.provider_id)
    document = words.connected(row, entry, read_at)
    V2.is_a("ConnectedProvidersMetadataV2.1", document)
    assert document["auth_type"] == words.MODES[row.auth_mode]
    told = {"status": row.status, "reason": row.reason, "auth_mode": row.auth_mode}
    assert replace(back(document), **told) == row
    assert document["last_refreshed_at"] == read_at
    failed = row.reason == "refresh.unreadable"
    assert document["status"] == ("error" if failed else words.STATUSES[row.status])


@given(connections, st.none() | moments)
def test_version_1_is_version_2_under_its_own_names(row: Connection, read_at: int | None) -> None:
    entry = CATALOG.get(row.provider_id)
    document = first.source(row, entry, read_at)
    V1.is_a("CryptoSourceDescriptor", document)
    assert "provider_id" not in document
    whole = words.connected(row, entry, read_at)
    assert unnamed(document) == {name: whole[name] for name in unnamed(document)}
    told = {name: getattr(row, name) for name in ("id", "status", "reason", "auth_mode")}
    assert replace(back(unnamed(document)), **told) == row


@given(ROWS, legs())
def test_a_transaction_of_version_1_there_and_back(row: Transaction, found: list[Leg]) -> None:
    document = first.transaction(row, found, OWNER)
    V1.is_a("TransactionsData", document)
    assert unnamed(document) == translate.transaction(row, found, OWNER)


@given(texts, st.none() | texts, st.none() | texts, st.none() | st.integers(601, 603))
def test_an_error_of_version_1_there_and_back(
    cause: str, message: str | None, provider_id: str | None, code: int | None
) -> None:
    item = ErrorItem(cause=cause, message=message, provider_id=provider_id, code=code)
    document = unnamed(first.error(item))
    assert ErrorItem(**document) == replace(item, code=None), "it knows no such code"


@given(kinds, st.sampled_from(["connection", "credentials"]))
def test_what_a_link_is_made_of_there_and_back(
    wanted: tuple[str, dict[str, str]], member: str
) -> None:
    kind, given_ = wanted
    assert read_connection({member: {"type": kind, **given_, "more": "x"}}, member) == wanted
    for name in FIELDS[kind][0]:
        less = {n: v for n, v in given_.items() if n != name}
        with pytest.raises(ApiError) as refused:
            read_connection({member: {"type": kind, **less}}, member)
        assert (refused.value.status, refused.value.field) == (400, f"{member}.{name}")


def test_every_provider_of_the_catalogue_there_and_back() -> None:
    shown = [(entry, words.integration(entry)) for entry in CATALOG.all()]
    assert len({document["provider_id"] for _, document in shown}) == len(shown)
    for entry, document in shown:
        assert CATALOG.get(document["provider_id"]) is entry
        assert (document["name"], document["logo_url"]) == (entry.name, entry.logo)
        assert [one["type"] for one in document["auth"]] == words.auth_types(entry)
        ours = {mode: words.MODES.get(mode) for mode in entry.auth.modes}
        untold = {ours[mode] for mode in ours} - {None} - {*words.auth_types(entry)}
        assert untold <= {"api_key"}, "for want of a name for one of its fields"
        for one in document["auth"]:
            required, optional = FIELDS[one["type"]]
            assert set(one["required_fields"]) <= {*required, *optional}, "it can be given here"
