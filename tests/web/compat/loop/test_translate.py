"""Translation is pure, and there and back it is the identity."""

from dataclasses import replace
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.services.linked import new_connection

from safeconduct.adapters.catalog import load_catalog
from safeconduct.core.errors import ApiError
from safeconduct.core.model import Connection
from safeconduct.services.sync_runs import SyncRun
from safeconduct.web.compat.loop import translate

texts = st.text(min_size=1, max_size=40)
moments = st.integers(0, 253_402_300_799_999)
CONNECTION = new_connection(0)


@given(texts, texts, texts, texts)
def test_requests_there_and_back(provider: str, code: str, state: str, uri: str) -> None:
    body = {"provider": provider, "code": code, "state": state, "redirectUri": uri, "more": 1}
    read = translate.read_callback(body)
    assert (read.provider, read.given, read.state) == (provider, {"code": code}, state)
    assert read.redirect_uri == uri
    begun = translate.read_authorize(body)
    assert (begun.provider, begun.redirect_uri) == (provider, uri)


@given(
    st.dictionaries(
        st.sampled_from(["provider", "code", "state"]), texts | st.none() | st.integers()
    )
)
def test_whatever_else_comes_is_refused(body: dict[str, object]) -> None:
    with pytest.raises(ApiError) as refused:
        translate.read_callback(body)  # the address is missing, whatever else is there
    assert refused.value.status == 400


@given(texts, texts, texts, st.sampled_from(list(translate.STATUSES)), moments, st.none() | moments)
def test_a_connection_there_and_back(
    id: str, user: str, provider: str, status: str, at: int, read_at: int | None
) -> None:
    row: Connection = replace(
        CONNECTION, id=id, user_id=user, provider_id=provider, status=status, created_at=at
    )
    shown = translate.connection(row, read_at)
    assert (shown["id"], shown["userId"], shown["providerSlug"]) == (id, user, provider)
    assert shown["providerId"].removeprefix(translate.PROVIDER_ID) == provider
    assert _at(shown["createdAt"]) == at
    assert (None if shown["lastSyncAt"] is None else _at(shown["lastSyncAt"])) == read_at
    assert translate.STATUSES[status] == shown["status"]


@given(texts, st.sampled_from(["running", "completed", "failed"]), st.integers(0), moments)
def test_a_run_there_and_back(id: str, status: str, count: int, at: int) -> None:
    run = SyncRun(
        id=id,
        connection_id="con",
        status=status,  # type: ignore[arg-type]
        processed=count,
        errors=("a", "b"),
        requested_at=0,
        completed_at=None if status == "running" else at,
    )
    shown = translate.sync_run(run)
    back = SyncRun(
        id=shown["id"],
        connection_id=shown["connectionId"],
        status=shown["status"],
        processed=shown["recordsProcessed"],
        errors=tuple(shown["errors"]),
        requested_at=0,
        completed_at=None if shown["completedAt"] is None else _at(shown["completedAt"]),
    )
    assert back == run


def test_every_provider_that_is_signed_in_at_can_be_shown() -> None:
    for entry in load_catalog().all():
        if entry.auth.oauth2_code is not None:
            shown = translate.provider(entry, on=True)
            assert (shown["slug"], shown["name"]) == (entry.id, entry.name)


def _at(text: str) -> int:
    whole, _, rest = text.removesuffix("Z").partition(".")
    return int(datetime.fromisoformat(f"{whole}+00:00").timestamp()) * 1000 + int(rest)
