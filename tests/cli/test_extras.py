"""Without extras Safeconduct runs on SQLite, and says what a command needs beyond that."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXTRAS = {"asyncpg": "postgres", "authlib": "demo", "httpx2": "demo", "aiosmtpd": "demo"}
WITHOUT = """
import importlib.abc, importlib.util, sys
missing = {missing!r}
class Missing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in missing:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Missing())
find = importlib.util.find_spec
importlib.util.find_spec = lambda name: None if name in missing else find(name)
from safeconduct.cli import main
sys.argv = ["safeconduct", *sys.argv[1:]]
main()
"""


def without_extras(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", WITHOUT.format(missing=tuple(EXTRAS)), *arguments],
        env={**os.environ, "SAFECONDUCT_DATA_DIR": str(folder)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_sqlite_needs_no_extra(tmp_path: Path) -> None:
    done = without_extras(tmp_path / "data", "users", "create", "--email", "ada@example.com")
    assert done.returncode == 0, done.stderr
    assert "ada@example.com" in done.stdout
    assert without_extras(tmp_path / "data", "doctor").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "extra"),
    [
        (("users", "list", "--database", "postgresql://localhost/x"), "safeconduct[postgres]"),
        (("migrate", "--database", "postgresql://localhost/x"), "safeconduct[postgres]"),
        (("demo", "--headless"), "safeconduct[demo]"),
    ],
)
def test_what_needs_an_extra_names_it(
    tmp_path: Path, arguments: tuple[str, ...], extra: str
) -> None:
    done = without_extras(tmp_path / "data", *arguments)
    assert done.returncode == 1
    assert extra in done.stderr
    assert "Traceback" not in done.stderr
