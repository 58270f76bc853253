"""The verifier for TypeScript: compiled as its users compile it, before an API in Node."""

import asyncio
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from tests.dpop import Holder
from tests.flows.conftest import Live
from tests.flows.test_verify_python import API, Api, bearer, registered
from tests.web.harness import TENANT

ROOT = Path(__file__).parents[2]
JS = ROOT / "tests" / "js"
SOURCE = ROOT / "clients" / "typescript" / "verify"


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `npm run build` makes, with the packages of the tests."""
    place = tmp_path_factory.mktemp("verify")
    shutil.copytree(SOURCE / "src", place / "src")
    for name in ("package.json", "tsconfig.json"):
        shutil.copy(SOURCE / name, place / name)
    (place / "node_modules").symlink_to(JS / "node_modules")
    return place


async def built(place: Path) -> Path:
    if not (place / "dist").exists():
        tsc = str(JS / "node_modules" / "typescript" / "bin" / "tsc")
        process = await asyncio.create_subprocess_exec(
            "node", tsc, "-p", ".", cwd=place, stdout=asyncio.subprocess.PIPE
        )
        out, _ = await process.communicate()
        assert process.returncode == 0, out.decode()
    return place / "dist" / "index.js"


@asynccontextmanager
async def guarded(it: Api, place: Path, bound: int = 0, alone: bool = False) -> AsyncIterator[
    httpx.AsyncClient
]:  # fmt: skip
    assert it.api.secret is not None
    who = ("-", "-") if alone else (it.api.client.id, it.api.secret.reveal())
    node = await asyncio.create_subprocess_exec(
        "node",
        str(JS / "guarded.mjs"),
        str(await built(place)),
        it.live.issuer,
        API,
        *who,
        str(bound),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert node.stdout is not None
    port = (await asyncio.wait_for(node.stdout.readline(), 30)).decode().strip()
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
            yield http
    finally:
        node.terminate()
        await node.wait()


@pytest.mark.rfc("9068#4")
@pytest.mark.attack("H7")
@pytest.mark.attack("B12")
async def test_it_lets_in_whom_its_tokens_name_and_nobody_else(one: Live, compiled: Path) -> None:
    async with registered(one) as it, guarded(it, compiled) as http:
        good, elsewhere = await it.token(), await it.token(resource=one.issuer)
        got = await http.get("/v1/notes", headers=bearer(good))
        assert (got.status_code, got.text) == (200, f"{it.app.client.id} notes:read notes:write")
        none = await http.get("/v1/notes")
        where = "https://api.example/.well-known/oauth-protected-resource/v1"
        assert none.headers["www-authenticate"] == f'Bearer resource_metadata="{where}"'
        document = (await http.get(where.removeprefix("https://api.example"))).json()
        assert document["authorization_servers"] == [one.issuer]
        head, body, _ = good.split(".")
        unsigned = f"eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0.{body}."
        for text in (elsewhere, unsigned, f"{head}.{body}.", good[:-4] + "AAAA", "x", good + "."):
            got = await http.get("/v1/notes", headers=bearer(text))
            assert (got.status_code, got.json()["error"]) == (401, "invalid_token"), text
        assert (await http.get(f"/v1/notes?access_token={good}")).status_code == 400
        poor = await http.get("/v1/notes", headers=bearer(await it.token(scope="notes:write")))
        assert (poor.status_code, poor.json()["error"]) == (403, "insufficient_scope")


@pytest.mark.attack("C12")
@pytest.mark.parametrize("token_format", ["jwt", "opaque"])
async def test_a_revoked_token_is_dead_within_the_bound(
    one: Live, compiled: Path, token_format: str
) -> None:
    async with registered(one) as it:
        row = await one.platform.resources.show(TENANT, API)
        await one.platform.resources.update(
            TENANT, row.id, {"access_token_format": token_format}, actor="operator"
        )
        token = await it.token()
        async with guarded(it, compiled) as strict, guarded(it, compiled, 60) as lax:
            for http in (strict, lax):
                assert (await http.get("/v1/notes", headers=bearer(token))).status_code == 200
            await one.platform.clients.disable(TENANT, it.app.client.id, actor="operator")
            assert (await strict.get("/v1/notes", headers=bearer(token))).status_code == 401
            assert (await lax.get("/v1/notes", headers=bearer(token))).status_code == 200
        async with guarded(it, compiled, alone=True) as alone:
            got = await alone.get("/v1/notes", headers=bearer(token))
            assert got.status_code == (200 if token_format == "jwt" else 401)


@pytest.mark.attack("E5")
@pytest.mark.attack("E6")
@pytest.mark.rfc("9449#7.1")
async def test_a_bound_token_needs_its_proof(one: Live, compiled: Path) -> None:
    async with registered(one) as it, guarded(it, compiled) as http:
        now, url = int(time.time()), "https://api.example/v1/notes"
        holder, thief = Holder(now), Holder(now)
        token, other = await it.token(holder), await it.token(holder)

        async def send(proof: str, scheme: str = "DPoP") -> int:
            headers = {"authorization": f"{scheme} {token}", "dpop": proof}
            return (await http.get("/v1/notes?page=2", headers=headers)).status_code

        good = holder.proof("GET", url, token)
        assert await send(good) == 200
        assert await send(good) == 401, "replayed"
        assert await send(holder.proof("GET", url, token), "Bearer") == 401
        for wrong in (
            holder.proof("GET", url, other),
            holder.proof("GET", url),
            thief.proof("GET", url, token),
            holder.proof("POST", url, token),
            holder.proof("GET", f"{url}/2", token),
            holder.proof("GET", url, token, iat=now - 3_600),
            holder.proof("GET", url, token, header={"typ": "JWT"}),
            "x",
        ):
            assert await send(wrong) == 401
        assert await send(holder.proof("GET", url, token)) == 200
