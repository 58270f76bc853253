"""Bound tokens on the surfaces that stand on Starlette: platform API and compatibility."""

from typing import Any

import httpx
import pytest
from tests.dpop import Holder
from tests.web.harness import ISSUER, TENANT, Front, front

from safeconduct.adapters.store import PostgresStore, SqliteStore
from safeconduct.services.clients import Created

PATHS = ("/api/v1/users", "/accounts/v2/assets")
SCOPE = "users:read assets:read"


@pytest.fixture
async def site(store: SqliteStore | PostgresStore, clock: Any) -> Front:
    return await front(store, clock)


@pytest.mark.rfc("9449#7.1")
@pytest.mark.attack("E5")
@pytest.mark.attack("E6")
async def test_every_surface_asks_for_the_key(site: Front) -> None:
    holder = Holder(site.clock.now() // 1000)
    data = {"client_name": "Nightly", "grant_types": ["client_credentials"], "scope": SCOPE}
    made = await site.clients.create(TENANT, data, actor="operator")
    assert isinstance(made, Created)
    assert made.secret is not None
    transport = httpx.ASGITransport(app=site.app)
    async with httpx.AsyncClient(transport=transport, base_url=ISSUER) as http:
        proof = {"DPoP": holder.proof("POST", ISSUER + "/oauth2/token")}
        form = {"grant_type": "client_credentials", "scope": SCOPE}
        basic = (made.client.id, made.secret.reveal())
        answer = await http.post("/oauth2/token", data=form, auth=basic, headers=proof)
        token = answer.json()["access_token"]
        for path in PATHS:
            by = {"Authorization": f"DPoP {token}"}
            right = holder.proof("GET", ISSUER + path, token)
            passed = await http.get(path, headers={**by, "DPoP": right})
            assert passed.status_code != 401, passed.text
            for headers in (
                {"Authorization": f"Bearer {token}"},
                by,
                {**by, "DPoP": right},  # a second time
                {**by, "DPoP": Holder(holder.now).proof("GET", ISSUER + path, token)},
                {**by, "DPoP": holder.proof("GET", ISSUER + "/api/v1", token)},
            ):
                refused = await http.get(path, headers=headers)
                assert refused.status_code == 401
                assert refused.headers["www-authenticate"].startswith("DPoP error=")
            nonce = holder.proof("GET", ISSUER + path, token, nonce="x")
            refused = await http.get(path, headers={**by, "DPoP": nonce})
            assert "use_dpop_nonce" in refused.headers["www-authenticate"]
            fresh = refused.headers["dpop-nonce"]
            again = holder.proof("GET", ISSUER + path, token, nonce=fresh)
            assert (await http.get(path, headers={**by, "DPoP": again})).status_code != 401
