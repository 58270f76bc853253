"""Clients whose id is where they describe themselves: ids, hosts, documents, holding."""

from typing import Any

import pytest

from safeconduct.core.client_document import (
    LEAST_MS,
    MOST_MS,
    USUAL_MS,
    adopted,
    described,
    document_client,
    host_allowed,
    is_document_id,
    kept_for,
)
from safeconduct.core.errors import OAuthError
from safeconduct.core.model import Client, TenantId
from safeconduct.core.unit import Insert, Update

ID = "https://app.example/client.json"
GOOD = {"client_id": ID, "client_name": "App", "redirect_uris": ["https://app.example/cb"]}
GRANTS = ("authorization_code", "refresh_token", "client_credentials")


@pytest.mark.rfc("CIMD#3")
@pytest.mark.parametrize(
    ("client_id", "good"),
    [
        (ID, True),
        ("https://app.example/a/b?v=1", True),
        ("https://app.example:8443/c", True),
        ("http://127.0.0.1:9000/c", True),  # goes out only where the operator allows it
        ("https://app.example", False),
        ("https://app.example/", False),
        ("https://app.example/a/../b", False),
        ("https://app.example/./b", False),
        ("https://app.example/a/%2e%2E/b", False),
        ("https://app.example/%2e/b", False),
        ("https://app.example/a%2eb", True),
        ("https://app.example/c#x", False),
        ("https://user@app.example/c", False),
        ("https://user:pass@app.example/c", False),
        ("http://app.example/c", False),
        ("ftp://app.example/c", False),
        ("https:///c", False),
        ("https://app.example\\@evil.test/c", False),
        ("https://app.example/c\n", False),
        ("cli_01", False),
        ("", False),
    ],
)
def test_which_ids_are_addresses(client_id: str, good: bool) -> None:
    assert is_document_id(client_id) is good


@pytest.mark.attack("G9")
@pytest.mark.parametrize(
    ("host", "good"),
    [
        ("trusted.example", True),
        ("TRUSTED.example", True),
        ("a.apps.example", True),
        ("b.a.apps.example", True),
        ("apps.example", False),
        ("trusted.example.evil.test", False),
        ("eviltrusted.example", False),
        ("evilapps.example", False),
        ("trustedxexample", False),
        ("bad.apps.example", False),
    ],
)
def test_hosts_are_compared_whole(host: str, good: bool) -> None:
    allow, deny = ("trusted.example", "*.apps.example"), ("bad.apps.example",)
    assert host_allowed(f"https://{host}/c", allow, deny) is good


def test_without_a_list_any_host_that_is_not_denied() -> None:
    assert host_allowed(ID, (), ())
    assert not host_allowed(ID, (), ("app.example",))
    assert not host_allowed(ID, (), ("*.example",))


@pytest.mark.attack("G2")
@pytest.mark.parametrize(
    "wrong",
    [
        {"client_id": "https://other.example/client.json"},
        {"client_id": ID + "?"},
        {"client_id": None},
        {"client_secret": "x"},
        {"client_secret_expires_at": 0},
        {"token_endpoint_auth_method": "client_secret_basic"},
        {"token_endpoint_auth_method": "private_key_jwt"},  # without keys
        {"grant_types": ["client_credentials"]},
        {"scope": "clients:write"},
        {"redirect_uris": []},
        {"redirect_uris": ["javascript:1"]},
    ],
)
def test_documents_that_cannot_be_used(wrong: dict[str, Any]) -> None:
    with pytest.raises(OAuthError):
        described(ID, {**GOOD, **wrong}, GRANTS)
    assert described(ID, GOOD, GRANTS)["client_name"] == "App"


def test_unknown_members_are_ignored_and_dangerous_ones_mean_nothing() -> None:
    extra = {"verified": True, "profile": "calico", "claims": {"a": 1}, "future": {"x": 1}}
    assert described(ID, {**GOOD, **extra}, GRANTS) == described(ID, GOOD, GRANTS)
    assert described(ID, GOOD, GRANTS)["token_endpoint_auth_method"] == "none"
    assert described(ID, GOOD, GRANTS)["require_pkce"] is True


def client(stored: Client | None = None, now: int = 5, **more: Any) -> Client:
    return document_client(ID, TenantId("t1"), described(ID, {**GOOD, **more}, GRANTS), stored, now)


def test_a_row_is_written_by_the_first_consent_and_follows_the_document() -> None:
    first = client()
    seen, writes = adopted(None, first, "evt_1", 5)
    assert seen == first
    assert [type(write.row).__name__ for write in writes if isinstance(write, Insert)] == [
        "Client",
        "Event",
    ]
    later = client(stored=first, now=9, client_name="New name")
    merged, writes = adopted(first, later, "evt_2", 9)
    assert merged is not None
    assert (merged.client_name, merged.created_at) == ("New name", 5)
    (update,) = writes
    assert isinstance(update, Update)
    assert update.set == {"client_name": "New name", "updated_at": 9}
    assert adopted(first, client(stored=first), "evt_3", 9) == (first, ())


def test_what_operators_decided_stays() -> None:
    from dataclasses import replace

    ours = replace(client(), verified=True, not_before=7, status="disabled")
    merged, _ = adopted(ours, client(client_name="New"), "evt_1", 9)
    assert merged is not None
    assert (merged.verified, merged.not_before, merged.status) == (True, 7, "disabled")


def test_a_row_that_is_gone_comes_back_without_what_hung_on_it() -> None:
    assert client(now=1_000).not_before == 1_000


@pytest.mark.rfc("CIMD#4.3")
@pytest.mark.parametrize(
    ("control", "kept"),
    [
        (None, USUAL_MS),
        ("max-age=3600", 3_600_000),
        ("public, max-age=3600, immutable", 3_600_000),
        ("max-age=1", LEAST_MS),
        ("max-age=999999999", MOST_MS),
        ("no-store", LEAST_MS),
        ("no-cache, max-age=3600", LEAST_MS),
        ("s-maxage=10", USUAL_MS),
        ("x-max-age=10", USUAL_MS),
        ("nonsense", USUAL_MS),
    ],
)
def test_held_as_asked_within_bounds(control: str | None, kept: int) -> None:
    assert kept_for({} if control is None else {"cache-control": control}) == kept
