"""The page about running it works: probes, TLS, a copy that is taken and restored, PostgreSQL's."""

from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
from tests.postgres import Cluster
from tests.walkthrough import followed


@pytest.fixture
async def databases(postgres_cluster: Cluster) -> AsyncIterator[dict[str, str]]:
    """Two that are empty, by the names that the page gives them."""
    names = {"DATABASE": "running_one", "EMPTY": "running_two"}
    connection = await asyncpg.connect(postgres_cluster.dsn())
    for name in names.values():
        await connection.execute(f"CREATE DATABASE {name}")
    yield {variable: postgres_cluster.dsn(name) for variable, name in names.items()}
    for name in names.values():
        await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await connection.close()


def test_every_command_of_the_page_works(tmp_path: Path, databases: dict[str, str]) -> None:
    said = dict(followed("running.md", tmp_path, **databases))

    def answer(*words: str) -> str:
        (found,) = (text for command, text in said.items() if all(w in command for w in words))
        return found

    assert "is ours alone" in answer("doctor")
    assert "The certificate ends on" in answer("doctor")
    assert answer("/healthz") == '{"status":"ok"}'
    assert answer("/readyz") == '{"status":"ready"}'
    assert "Serving https://localhost" in answer("cat server.log")
    assert "root_keys" in answer("backup monday.db")
    assert "access_token" in answer("client_credentials", "token"), "the restored copy serves"
    assert "Nightly export" in answer("clients list", "EMPTY")
    for secret in (tmp_path / "data" / "root.key", tmp_path / "vault" / "root.key"):
        assert secret.stat().st_mode & 0o777 == 0o600
