"""A tenant that holds its own root key: moved under it, used, and unreadable once it is gone."""

from pathlib import Path

import pytest
from tests.cli.conftest import Run

from safeconduct.adapters.store import SqliteStore, open_store
from safeconduct.core.model import Key
from safeconduct.core.unit import Find


async def roots(deployment: Path) -> dict[str, set[str]]:
    """Root keys by the tenant whose keys they wrap."""
    from safeconduct.adapters.clock import SystemClock

    url = f"sqlite:///{deployment / 'safeconduct.db'}"
    store = await open_store(url, clock=SystemClock(), serving=False)
    assert isinstance(store, SqliteStore)
    rows = await store.find(Find(Key, {}, limit=1_000))
    await store.close()
    return {t: {r.root_id for r in rows if r.tenant_id == t} for t in {r.tenant_id for r in rows}}


@pytest.mark.invariant("F26")
def test_destroying_a_tenants_key_seals_that_tenant_alone(
    run: Run, deployment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import asyncio

    made = run("tenants", "create", "acme", "--name", "Acme", "--json")
    assert made.status == 0, made.err
    tenant_id = made.json["id"]
    before = asyncio.run(roots(deployment))
    assert before["t1"] == before[tenant_id]

    held = tmp_path / "acme.key"
    root_id = run("vault", "new-root", str(held), "--json").json["root_key"]
    assert held.stat().st_mode & 0o777 == 0o600
    assert run("vault", "new-root", str(held)).status == 1
    monkeypatch.setenv("SAFECONDUCT_TENANT_ROOT_KEYS", f"{tenant_id}={held}")
    assert run("vault", "rotate", "--only", "root", "--json").json["keys_wrapped_anew"] > 0
    after = asyncio.run(roots(deployment))
    assert after == {"t1": before["t1"], tenant_id: {root_id}}

    held.unlink()
    monkeypatch.delenv("SAFECONDUCT_TENANT_ROOT_KEYS")  # the operator alone, or a backup
    assert run("users", "create", "--email", "ada@example.com").status == 0  # the others work on
    assert asyncio.run(roots(deployment)) == after  # and nothing new was made for the sealed one
