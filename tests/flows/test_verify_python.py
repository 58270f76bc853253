"""The verifier for Python, in front of an API of somebody else's, against the real server."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import httpx2
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey
from safeconduct_verify import Protect, Verifier
from tests.dpop import Holder
from tests.flows.conftest import Live
from tests.web.harness import TENANT

from safeconduct.services.clients import Created

API = "https://api.example/v1"


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """The API: says who calls."""
    token = scope["state"]["token"]
    body = f"{token.client_id} {' '.join(sorted(token.scopes))}".encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


class Api:
    def __init__(self, live: Live, api: Created, app: Created) -> None:
        self.live, self.api, self.app = live, api, app

    def guarded(self, **more: Any) -> httpx.AsyncClient:
        assert self.api.secret is not None
        chosen: dict[str, Any] = {
            "client_id": self.api.client.id,
            "client_secret": self.api.secret.reveal(),
            "revocation_bound": 0,
            "audience": API,
            **more,
        }
        scope = chosen.pop("scope", "notes:read")
        app = Protect(echo, Verifier(issuer=self.live.issuer, **chosen), scope=scope)
        transport = httpx.ASGITransport(app=app)
        return httpx.AsyncClient(transport=transport, base_url="https://api.example")

    async def token(self, holder: Holder | None = None, **form: str) -> str:
        assert self.app.secret is not None
        url = f"{self.live.issuer}/oauth2/token"
        fields = {"grant_type": "client_credentials", "resource": API, **form}
        headers = {} if holder is None else {"DPoP": holder.proof("POST", url)}
        async with httpx2.AsyncClient() as http:
            auth = (self.app.client.id, self.app.secret.reveal())
            response = await http.post(url, data=fields, auth=auth, headers=headers)
        assert response.status_code == 200, response.text
        return str(response.json()["access_token"])


@asynccontextmanager
async def registered(live: Live) -> AsyncIterator[Api]:
    machine = {"redirect_uris": [], "grant_types": ["client_credentials"], "response_types": []}
    api = await live.client("", **machine | {"scope": ""})
    scope = "notes:read notes:write"
    app = await live.client("", **machine | {"scope": scope, "resources": [API, live.issuer]})
    await live.platform.resources.create(
        TENANT,
        {"resource": API, "introspection_clients": [api.client.id], "scopes": {"notes:read": ""}},
        actor="operator",
    )
    yield Api(live, api, app)


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


@pytest.mark.rfc("9068#4")
@pytest.mark.rfc("9728#5.1")
async def test_an_api_lets_in_whom_its_tokens_name(one: Live) -> None:
    async with registered(one) as it, it.guarded() as http:
        got = await http.get("/v1/notes", headers=bearer(await it.token()))
        assert got.status_code == 200, got.text
        assert got.text == f"{it.app.client.id} notes:read notes:write"
        none = await http.get("/v1/notes")
        assert none.status_code == 401
        where = "https://api.example/.well-known/oauth-protected-resource/v1"
        assert none.headers["www-authenticate"] == f'Bearer resource_metadata="{where}"'
        document = (await http.get(where)).json()
        assert document["resource"] == API
        assert document["authorization_servers"] == [one.issuer]
        few = await it.token(scope="notes:write")
        poor = await http.get("/v1/notes", headers=bearer(few))
        assert (poor.status_code, poor.json()["error"]) == (403, "insufficient_scope")
        assert 'scope="notes:read"' in poor.headers["www-authenticate"]


@pytest.mark.attack("H7")
@pytest.mark.attack("D15")
@pytest.mark.attack("B12")
async def test_it_lets_in_nobody_else(one: Live) -> None:
    async with registered(one) as it, it.guarded() as http:
        good, elsewhere = await it.token(), await it.token(resource=one.issuer)
        head, body, signature = good.split(".")
        now = int(time.time())
        own = ECKey.generate_key("P-256")
        claims = {"iss": one.issuer, "aud": API, "exp": now + 60, "scope": "notes:read"}
        forged = jwt.encode({"alg": "ES256", "typ": "at+jwt", "kid": "k"}, claims, own)
        none = "eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0." + body + "."
        twin = good[:-1] + ("B" if good[-1] != "B" else "C")
        for text in (elsewhere, forged, none, twin, f"{head}.{body}.", f"{head}.{body}", "x", "é"):
            got = await http.get(
                "/v1/notes", headers={b"authorization": b"Bearer " + text.encode()}
            )
            assert (got.status_code, got.json()["error"]) == (401, "invalid_token"), text
        for query, headers in (
            (f"?access_token={good}", {}),
            (f"?access_token={good}", bearer(good)),
        ):
            assert (await http.get(f"/v1/notes{query}", headers=headers)).status_code == 400
        two = [("authorization", f"Bearer {good}")] * 2
        assert (await http.get("/v1/notes", headers=two)).status_code == 400
        assert (await http.get("/v1/notes", headers=bearer(good))).status_code == 200
        assert signature


@pytest.mark.attack("C12")
@pytest.mark.rfc("7662#2.2")
@pytest.mark.parametrize("token_format", ["jwt", "opaque"])
async def test_a_revoked_token_is_dead_within_the_bound(one: Live, token_format: str) -> None:
    async with registered(one) as it:
        row = await one.platform.resources.show(TENANT, API)
        await one.platform.resources.update(
            TENANT, row.id, {"access_token_format": token_format}, actor="operator"
        )
        token = await it.token()
        async with it.guarded() as strict, it.guarded(revocation_bound=60) as lax:
            assert (await strict.get("/v1/notes", headers=bearer(token))).status_code == 200
            assert (await lax.get("/v1/notes", headers=bearer(token))).status_code == 200
            await one.platform.clients.disable(TENANT, it.app.client.id, actor="operator")
            assert (await strict.get("/v1/notes", headers=bearer(token))).status_code == 401
            assert (await lax.get("/v1/notes", headers=bearer(token))).status_code == 200
        with pytest.raises(ValueError, match="60 seconds"):
            it.guarded(revocation_bound=61)
        async with it.guarded(client_id=None) as alone:  # without introspection: JWTs until expiry
            got = await alone.get("/v1/notes", headers=bearer(token))
            assert got.status_code == (200 if token_format == "jwt" else 401)


@pytest.mark.attack("E5")
@pytest.mark.attack("E6")
@pytest.mark.rfc("9449#7.1")
async def test_a_bound_token_needs_its_proof(one: Live) -> None:
    async with registered(one) as it, it.guarded() as http:
        holder, thief = Holder(int(time.time())), Holder(int(time.time()))
        token, other = await it.token(holder), await it.token(holder)
        url = "https://api.example/v1/notes"

        async def send(scheme: str = "DPoP", **proof: Any) -> int:
            by = proof.pop("by", holder)
            made = by.proof(proof.pop("method", "GET"), proof.pop("at", url), **proof)
            headers = {"authorization": f"{scheme} {token}", "dpop": made}
            got = await http.get("/v1/notes?page=2", headers=headers)
            if got.status_code == 401:
                assert got.headers["www-authenticate"].startswith("DPoP ")
            return got.status_code

        assert await send(token=token) == 200
        assert await send(scheme="Bearer", token=token) == 401
        assert await send(token=other) == 401
        assert await send() == 401
        assert await send(token=token, by=thief) == 401
        assert await send(token=token, method="POST") == 401
        assert await send(token=token, at="https://api.example/v1/other") == 401
        once = holder.proof("GET", url, token=token)
        headers = {"authorization": f"DPoP {token}", "dpop": once}
        assert (await http.get("/v1/notes", headers=headers)).status_code == 200
        assert (await http.get("/v1/notes", headers=headers)).status_code == 401, "replayed"
        bare = await http.get("/v1/notes", headers={"authorization": f"DPoP {token}"})
        assert bare.status_code == 401
        async with it.guarded(require_bound=True) as strict:
            plain = await it.token()
            assert (await strict.get("/v1/notes", headers=bearer(plain))).status_code == 401


async def test_without_an_issuer_nobody_is_let_in_on_a_guess(one: Live) -> None:
    async with registered(one) as it:
        token = await it.token()
        app = Protect(echo, Verifier(issuer="http://127.0.0.1:9", audience=API))
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="https://api.example") as http:
            got = await http.get("/v1/notes", headers=bearer(token))
        assert (got.status_code, got.headers["retry-after"]) == (503, "5")
