"""The documentation says what the code does: generated pages are fresh, links lead somewhere."""

import re
import runpy
from collections.abc import Callable
from pathlib import Path

import pytest

from safeconduct.settings import NAMES, PREFIX

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
REFERENCE: dict[str, Callable[[], str]] = runpy.run_path(str(ROOT / "scripts" / "reference"))[
    "PAGES"
]
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)|<img[^>]* src=\"([^\"]+)\"")


@pytest.mark.parametrize("name", REFERENCE)
def test_reference_pages_are_what_the_code_says(name: str) -> None:
    kept = (ROOT / "docs" / "reference" / name).read_text(encoding="utf-8")
    assert kept == REFERENCE[name](), "run `make docs`"


def test_every_setting_is_documented_with_its_variable() -> None:
    page = (ROOT / "docs" / "reference" / "settings.md").read_text(encoding="utf-8")
    for name in NAMES:
        assert f"| `{name}` | `{PREFIX}{name.upper()}` |" in page


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for match in LINK.finditer(text):
        target = (match[1] or match[2]).partition("#")[0]
        if target and "://" not in target and not target.startswith("mailto:"):
            assert (page.parent / target).exists(), target


def test_the_readme_names_the_two_commands_that_the_makefile_has() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in ("run", "test"):
        assert f"$ make {target}" in readme
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)


def test_ci_runs_what_the_readme_says() -> None:
    assert "make test" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_pictures_are_small() -> None:
    pictures = [path for path in (ROOT / "docs").rglob("*") if path.suffix in (".png", ".svg")]
    assert pictures
    for picture in pictures:
        assert picture.stat().st_size <= 200_000, picture.name


def test_requirements_are_pinned_with_hashes_and_without_addresses() -> None:
    for name in ("run.txt", "dev.txt"):
        text = (ROOT / "requirements" / name).read_text(encoding="utf-8")
        pins = re.findall(r"^[a-z0-9][\w.\[\]-]*==\S+ \\$", text, re.MULTILINE | re.IGNORECASE)
        names = re.findall(r"^[a-z0-9][^\s#]*", text, re.MULTILINE | re.IGNORECASE)
        assert len(pins) == len(names) > 20
        assert "--hash=sha256:" in text
        assert "://" not in text
        assert not re.search(r"^--", text, re.MULTILINE)
    for lock in ("tests/js", "bench/peer"):
        assert '"resolved"' not in (ROOT / lock / "package-lock.json").read_text(encoding="utf-8")
