"""`scripts/conformance` against a stand-in for the suite, which answers as the suite would."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, TCPConnector, web

from safeconduct.cli.staging import free_row

ROOT = Path(__file__).parents[2]
START, END = "<!-- outcome: written by scripts/conformance --write -->", "<!-- /outcome -->"


@pytest.mark.parametrize(("second", "status"), [("SKIPPED", 0), ("FAILED", 1)])
async def test_a_plan_is_set_up_run_and_judged(second: str, status: int, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{START}\nold\n{END}\nafter\n")
    seen: dict[str, Any] = {}

    async def plan(request: web.Request) -> web.Response:
        seen["plan"], seen["config"] = dict(request.query), await request.json()
        modules = [{"testModule": name, "variant": None} for name in ("first", "second")]
        return web.json_response({"id": "p1", "modules": modules}, status=201)

    async def create(request: web.Request) -> web.Response:
        return web.json_response({"id": request.query["test"]}, status=201)

    async def info(request: web.Request) -> web.Response:
        name = request.match_info["id"]
        if name == "first":  # a module looks at our metadata, as all of them begin
            url = seen["config"]["server"]["discoveryUrl"]
            async with ClientSession(connector=TCPConnector(ssl=False)) as http:
                seen["metadata"] = await (await http.get(url)).json()
        result = "PASSED" if name == "first" else second
        return web.json_response({"status": "FINISHED", "result": result})

    async def log(request: web.Request) -> web.Response:
        lines = [{"result": "SUCCESS", "src": "Fine"}]
        if request.match_info["id"] == "second" and second == "FAILED":
            lines.append(
                {"result": "FAILURE", "src": "Check", "msg": "No.", "requirements": ["X-1"]}
            )
        return web.json_response(lines)

    app = web.Application()
    app.router.add_post("/api/plan", plan)
    app.router.add_post("/api/runner", create)
    app.router.add_get("/api/info/{id}", info)
    app.router.add_get("/api/log/{id}", log)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    origin = f"http://127.0.0.1:{runner.addresses[0][1]}"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(ROOT / "scripts/conformance"), origin),
        *("--only", "oidcc-basic*static_client", "--port", str(free_row(2)[0])),
        *("--write", str(page), "--results", str(tmp_path)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    await runner.cleanup()
    assert process.returncode == status, said.decode()
    assert json.loads(seen["plan"]["variant"])["client_registration"] == "static_client"
    config = seen["config"]
    assert config["client"]["client_id"] != config["client2"]["client_id"]
    assert config["client"]["client_secret"]
    assert seen["metadata"]["issuer"] + "/" in config["server"]["discoveryUrl"]
    assert f"{2 if status == 0 else 1} of 2" in said.decode()
    written = page.read_text()
    assert written.startswith(f"before\n{START}\n")
    assert written.endswith(f"{END}\nafter\n")
    assert "old" not in written
    assert "| `oidcc-basic-certification-test-plan` " in written
    assert ("FAILURE Check No. [X-1]" in said.decode()) is (status == 1)
    assert ("FAILURE Check No. [X-1] (1 module)" in written) is (status == 1)
