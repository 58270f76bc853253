"""/api/v1/registration: who may register clients beside the operator."""

from typing import Any

import httpx
import pytest
from joserfc.jwk import ECKey
from tests.conftest import SettableClock
from tests.web.harness import ISSUER, TENANT, Front, front

from safeconduct.adapters.store import PostgresStore, SqliteStore
from safeconduct.core.scopes import OPERATOR_SCOPES

TOKENS, ISSUERS = "/api/v1/registration/tokens", "/api/v1/registration/issuers"


@pytest.fixture
async def site(store: SqliteStore | PostgresStore, clock: SettableClock) -> Front:
    return await front(store, clock)


async def call(site: Front, scope: str, method: str, path: str, **more: Any) -> httpx.Response:
    _, key = await site.platform.api_keys.create(
        TENANT, name="CI", scope=frozenset(scope.split()), actor="operator"
    )
    transport = httpx.ASGITransport(app=site.app)
    async with httpx.AsyncClient(transport=transport, base_url=ISSUER) as http:
        headers = {"authorization": f"Bearer {key.reveal()}"}
        return await http.request(method, path, headers=headers, **more)


async def test_tokens_are_made_listed_and_ended(site: Front) -> None:
    every = " ".join(OPERATOR_SCOPES)
    made = await call(site, every, "POST", TOKENS, json={"uses": None, "scope": "users:read"})
    assert made.status_code == 201
    assert made.headers["cache-control"] == "no-store"
    row = made.json()
    assert row.pop("token").startswith("sc_iat_")
    assert (row["uses_left"], row["scope"]) == (None, "users:read")
    listed = await call(site, "clients:read", "GET", TOKENS)
    assert listed.json()["data"] == [row]
    one = f"{TOKENS}/{row['id']}"
    assert (await call(site, "clients:write", "DELETE", one)).status_code == 204
    assert (await call(site, "clients:read", "GET", TOKENS)).json()["data"] == []
    assert (await call(site, "clients:write", "DELETE", TOKENS + "/iat_x")).status_code == 404


async def test_nobody_lets_others_have_what_they_have_not(site: Front) -> None:
    for scope, body, status in (
        ("clients:read", {}, 403),
        ("clients:write", {"scope": "users:write"}, 403),
        ("clients:write", {"scope": "openid"}, 201),
        ("clients:write", {"uses": 0}, 400),
        ("clients:write", {"uses": "many"}, 400),
        ("clients:write", {"days": 4000}, 400),
        ("clients:write", {"grant_types": ["magic"]}, 400),
        ("clients:write", {"grant_types": "authorization_code"}, 400),
        ("clients:write", {"note": 7}, 400),
    ):
        response = await call(site, scope, "POST", TOKENS, json=body)
        assert response.status_code == status, (scope, body, response.text)


async def test_issuers_are_trusted_and_distrusted(site: Front) -> None:
    keys = {"keys": [ECKey.generate_key("P-256").as_dict(private=False)]}
    issuer = "https://directory.example"
    made = await call(site, "clients:write", "POST", ISSUERS, json={"issuer": issuer, "jwks": keys})
    assert made.status_code == 201
    listed = await call(site, "clients:read", "GET", ISSUERS)
    assert [row["issuer"] for row in listed.json()["data"]] == [issuer]
    for body in (
        {"issuer": issuer},
        {"issuer": "", "jwks": keys},
        {"issuer": issuer, "jwks": {"keys": "x"}},
        {"issuer": issuer, "jwks_uri": "ftp://x.example"},
        {"issuer": issuer, "jwks_uri": 7},
        {"issuer": issuer, "jwks": keys, "more": 1},
    ):
        response = await call(site, "clients:write", "POST", ISSUERS, json=body)
        assert response.status_code == 400, body
    gone = await call(site, "clients:write", "DELETE", ISSUERS, params={"issuer": issuer})
    assert gone.status_code == 204
    again = await call(site, "clients:write", "DELETE", ISSUERS, params={"issuer": issuer})
    assert again.status_code == 404
