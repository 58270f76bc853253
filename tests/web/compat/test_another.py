"""The how-to works: the surface that `docs/surfaces/another.md` makes is built from the page, found
by its folder, served beside all others, and held to its contract.
"""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from tests.conftest import SettableClock
from tests.contracts.contract import Contract
from tests.contracts.fuzz import fuzz
from tests.contracts.server import bearer
from tests.web.compat.calico.caller import SCOPE
from tests.web.connect.stage import LINK, staged
from tests.web.harness import TENANT
from tests.web.live import listen, serve

from safeconduct.adapters.store import SqliteStore
from safeconduct.app import web_of
from safeconduct.app.work import runner_of
from safeconduct.services.failpoints import armed
from safeconduct.web import compat

PAGE = Path(__file__).resolve().parents[3] / "docs" / "surfaces" / "another.md"
HOLDINGS = "/passbook/v3/holdings"


def block(language: str) -> str:
    """The first block of a language on the page."""
    found = re.search(rf"```{language}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    return found[1]


@pytest.fixture
def contract(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Contract:
    """One folder and one contract file, and nothing else."""
    folder = tmp_path / "compat" / "passbook"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text(block("python"), encoding="utf-8")
    monkeypatch.setattr(compat, "__path__", [*compat.__path__, str(folder.parent)])
    (tmp_path / "passbook.yaml").write_text(block("yaml"), encoding="utf-8")
    made = Contract("passbook", tmp_path)
    made.error_schema = "Sorry"
    return made


@pytest.fixture
async def served(
    contract: Contract, sqlite_store: SqliteStore, clock: SettableClock
) -> AsyncIterator[httpx.AsyncClient]:
    listener, url = listen()
    async with staged(sqlite_store, clock, url) as stage:
        web = web_of(stage.site.platform)
        async with serve(web.app, listener), httpx.AsyncClient(base_url=url) as http:
            ann = await stage.ann()
            await ann.get("/connect")
            await stage.link(ann, LINK)
            await runner_of(stage.site.platform).drain()
            app = await stage.site.client(profile="native", scope=SCOPE)
            issued = await stage.site.platform.issuing.issue(
                TENANT, app.id, await stage.user_id(), frozenset(["assets:read"]), actor="operator"
            )
            http.headers.update(bearer(str(issued["access_token"])))
            yield http


async def test_the_surface_of_the_how_to(served: httpx.AsyncClient, contract: Contract) -> None:
    async def fault() -> None:
        raise RuntimeError("told to")

    async def asked(status: int, **more: object) -> httpx.Response:
        answer = await served.get(HOLDINGS, **more)  # type: ignore[arg-type]
        assert answer.status_code == status, answer.text
        contract.check("GET", "/holdings", status, answer.json())
        return answer

    rows = (await asked(200)).json()["holdings"]
    assert {"what", "amount", "where"} == set(rows[0])
    assert {row["where"] for row in rows} == {"exchangeExample"}
    assert len((await asked(200, params={"limit": 1})).json()["holdings"]) == 1
    await asked(400, params={"limit": 0})
    nobody = await asked(401, headers={"Authorization": ""})
    assert nobody.headers["www-authenticate"].startswith("Bearer")
    with armed("surface.called", fault):
        await asked(500)
    for method, path, status in (("PUT", HOLDINGS, 405), ("GET", "/passbook/v3/nothing", 404)):
        other = await served.request(method, path)
        assert (other.status_code, list(other.json())) == (status, ["sorry"])
    assert (await served.get("/accounts/v2/assets")).status_code == 200, (
        "the others are still there"
    )


async def test_schemathesis_finds_nothing_in_it(
    served: httpx.AsyncClient, contract: Contract
) -> None:
    token = {"Authorization": served.headers["Authorization"]}
    await fuzz(contract, str(served.base_url).rstrip("/"), token)
