"""MCP servers by their own words: challenges, resource metadata, and what is asked for."""

import pytest

from safeconduct.core.errors import ApiError
from safeconduct.core.upstream.mcp import (
    Challenge,
    asked_scopes,
    read_challenge,
    read_resource,
    resource_urls,
)
from safeconduct.core.upstream.own_entries import McpServer, mcp_document, mcp_id, read_own
from safeconduct.core.upstream.server_metadata import (
    metadata_urls,
    read_server_metadata,
    usable_scopes,
)

URL = "https://mcp.example/v1/mcp"
SERVER = {
    "issuer": "https://login.example",
    "authorization_endpoint": "https://login.example/authorize",
    "token_endpoint": "https://login.example/token",
    "registration_endpoint": "https://login.example/register",
    "code_challenge_methods_supported": ["S256"],
    "scopes_supported": ["tools", "offline_access"],
}


@pytest.mark.rfc("9728#5.1")
@pytest.mark.parametrize(
    ("header", "where", "scopes"),
    [
        ('Bearer resource_metadata="https://a.example", scope="a b"', "https://a.example", "a b"),
        ("bearer resource_metadata=https://a.example/m", "https://a.example/m", ""),
        ('Basic realm="x", Bearer error="invalid_token", scope="a"', None, "a"),
        ('Bearer scope="a", scope="b"', None, "a"),
        ("Bearer", None, ""),
        ('Basic scope="a"', None, ""),
        (None, None, ""),
        ('Bearer scope="' + "a" * 9_000 + '"', None, ""),
    ],
)  # fmt: skip
def test_a_challenge(header: str | None, where: str | None, scopes: str) -> None:
    assert read_challenge(header) == Challenge(where, usable_scopes(scopes.split()))


@pytest.mark.rfc("9728#3.1")
def test_where_metadata_lies() -> None:
    assert resource_urls(URL, Challenge()) == (
        "https://mcp.example/.well-known/oauth-protected-resource/v1/mcp",
        "https://mcp.example/.well-known/oauth-protected-resource",
    )
    assert metadata_urls("https://login.example/t/acme") == (
        "https://login.example/.well-known/oauth-authorization-server/t/acme",
        "https://login.example/.well-known/openid-configuration/t/acme",
        "https://login.example/t/acme/.well-known/openid-configuration",
    )
    assert len(metadata_urls("https://login.example/")) == 2


@pytest.mark.rfc("9728#3.3")
@pytest.mark.parametrize(
    "resource", [URL, f"{URL}/", "https://mcp.example", "https://mcp.example/v1"]
)
def test_metadata_of_the_server_or_of_what_it_is_a_part_of(resource: str) -> None:
    found = read_resource(
        URL, {"resource": resource, "authorization_servers": ["https://a.example"]}
    )
    assert (found.resource, found.servers) == (resource, ("https://a.example",))


@pytest.mark.rfc("9728#3.3")
@pytest.mark.attack("L15")
@pytest.mark.parametrize(
    "resource",
    [
        "https://bank.example/v1/mcp",
        "http://mcp.example/v1/mcp",
        "https://mcp.example:444/v1/mcp",
        "https://mcp.example.evil.example/v1/mcp",
        "https://mcp.example@evil.example/v1/mcp",
        "https://mcp.example/v1/mc",
        "https://mcp.example/v1/mcp/deeper",
        "https://mcp.example/v1/mcp?x=1",
        "https://mcp.example/../",
        "",
        None,
    ],
)
def test_metadata_of_another_resource_is_refused(resource: object) -> None:
    with pytest.raises(ApiError) as refused:
        read_resource(URL, {"resource": resource, "authorization_servers": ["https://a.example"]})
    assert refused.value.code == "discovery_failed"


def test_the_scopes_that_are_asked_for() -> None:
    server = read_server_metadata("https://login.example", SERVER)
    told = {"resource": URL, "authorization_servers": ["https://login.example"]}
    resource = read_resource(URL, {**told, "scopes_supported": ["tools", "more"]})
    bare = read_resource(URL, told)
    assert asked_scopes(Challenge(None, ("tools",)), resource, server) == (
        "tools",
        "offline_access",
    )
    assert asked_scopes(Challenge(), resource, server) == ("tools", "more", "offline_access")
    assert asked_scopes(Challenge(), bare, read_server_metadata(
        "https://login.example", {**SERVER, "scopes_supported": []})) == ()  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "by", "authentication"),
    [
        ({"client_id_metadata_document_supported": True}, "document", "none"),
        ({}, "dynamic", "client_secret_basic"),
        ({"token_endpoint_auth_methods_supported": ["none"]}, "dynamic", "none"),
        ({"token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"]},
         "dynamic", "client_secret_post"),
    ],
)  # fmt: skip
def test_how_we_become_a_client(changed: dict[str, object], by: str, authentication: str) -> None:
    server = read_server_metadata("https://login.example", {**SERVER, **changed})
    asked = McpServer(kind="mcp", url=URL)
    made = read_own(
        mcp_document(
            asked, server, resource=URL, scopes=(), client=False, secret=False, day="2026-01-01"
        )
    )
    code = made.oauth2
    assert code.registering is not None
    assert (code.registering.by, code.token_auth, code.resource) == (by, authentication, URL)
    assert made.id == mcp_id(URL)
    assert not made.needs_registration
