"""pytest plugin: the conformance page with what became of each test in this run.

pytest -p tests.conformance.plugin --conformance FILE
"""

from pathlib import Path

import pytest
from tests.conformance.pages import conformance


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--conformance", metavar="FILE", help="write the page with outcomes here")


def pytest_configure(config: pytest.Config) -> None:
    target = config.getoption("--conformance")
    if target:
        config.pluginmanager.register(Outcomes(Path(target)))


class Outcomes:
    """A test with parameters has failed when one of them has."""

    def __init__(self, target: Path) -> None:
        self.target, self.seen = target, dict[str, str]()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        name = report.nodeid.partition("[")[0]
        if report.failed:
            self.seen[name] = "failed"
        elif report.when == "call" and report.passed:
            self.seen.setdefault(name, "passed")

    def pytest_sessionfinish(self) -> None:
        self.target.parent.mkdir(parents=True, exist_ok=True)
        self.target.write_text(conformance(self.seen), encoding="utf-8")
