"""docs/conformance.md and docs/attacks.md, from the marks on the tests and the data beside this.

The marks are read from the source, so that the pages can be checked without running a test. With
outcomes (see `plugin.py`) the status says what became of the tests in that run.
"""

import ast
import tomllib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
TESTS = HERE.parent
SHOWN = 3  # tests named per row; the others are counted
COMMENT = "<!-- Written by `make docs` from the marks of the tests. -->\n\n"
MARKS = ("rfc", "attack", "invariant")

Marks = Mapping[str, Mapping[str, tuple[str, ...]]]
"""Mark → its argument → the tests that carry it, as pytest names them."""


@cache
def marks() -> Marks:
    found: dict[str, dict[str, list[str]]] = {mark: defaultdict(list) for mark in MARKS}
    for path in sorted(TESTS.rglob("test_*.py")):
        if "node_modules" in path.parts:
            continue
        name = path.relative_to(TESTS.parent).as_posix()
        for test, mark, argument in _marked(ast.parse(path.read_text(encoding="utf-8"))):
            found[mark][argument].append(f"{name}::{test}")
    return {mark: {a: tuple(dict.fromkeys(t)) for a, t in by.items()} for mark, by in found.items()}


def _marked(tree: ast.Module) -> Iterator[tuple[str, str, str]]:
    everywhere = [one for node in tree.body for one in _of_module(node)]
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            if not node.name.startswith(("test_", "Test")):
                continue
            own = [one for decorator in node.decorator_list for one in _mark(decorator)]
            for mark, argument in [*own, *everywhere]:
                yield node.name, mark, argument


def _of_module(node: ast.stmt) -> Iterator[tuple[str, str]]:
    """`pytestmark = …` stands for every test of a module."""
    if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "pytestmark":
        for part in ast.walk(node.value):
            yield from _mark(part)


def _mark(node: ast.AST) -> Iterator[tuple[str, str]]:
    match node:
        case ast.Call(func=ast.Attribute(attr=mark), args=[ast.Constant(value=argument), *_]):
            if mark in MARKS:
                yield mark, str(argument)


def requirements() -> Mapping[str, Mapping[str, str]]:
    """Specification → `title` and the sentence for each section."""
    return _data("requirements")


def _data(name: str) -> Any:
    return tomllib.loads((HERE / f"{name}.toml").read_text(encoding="utf-8"))


# Pages


def conformance(outcomes: Mapping[str, str] | None = None) -> str:
    by_clause: dict[str, dict[str, tuple[str, ...]]] = defaultdict(dict)
    for clause, tests in marks()["rfc"].items():
        document, _, section = clause.partition("#")
        by_clause[document][section] = tests
    parts = [COMMENT + CONFORMANCE]
    known = requirements()
    for document in sorted(by_clause, key=_order):
        said = known.get(document, {})
        rows = [
            f"| {section or '–'} | {said.get(section, '')} | {_tests(tests)} | "
            f"{_status(tests, outcomes)} |"
            for section, tests in sorted(by_clause[document].items(), key=lambda i: _order(i[0]))
        ]
        head = "| § | Requirement | Tests | Status |\n|---|---|---|---|\n"
        parts.append(f"## {_title(document, said)}\n\n{head}" + "\n".join(rows) + "\n")
    return "\n".join([*parts, _unsupported()])


def _unsupported() -> str:
    rows = [f"| {_clause(c)} | {e['what']} | {e['why']} |" for c, e in _data("unsupported").items()]
    head = "## Not supported\n\n| Clause | What | Why |\n|---|---|---|\n"
    return head + "\n".join(rows) + "\n"


def attacks() -> str:
    words, faults, found = _data("attacks"), _data("faults"), marks()
    parts = [COMMENT + ATTACKS]
    # F1 is a row of either catalogue, and not the same one.
    of = {"attack": words, "invariant": {**words, **faults["tested"]}}
    for mark, title in (("attack", "Attacks"), ("invariant", "Invariants and faults")):
        rows = [
            f"| {row} | {of[mark].get(row, '')} | {_tests(tests)} |"
            for row, tests in sorted(found[mark].items(), key=lambda item: _order(item[0]))
        ]
        parts.append(
            f"## {title}\n\n| Row | What | Tests |\n|---|---|---|\n" + "\n".join(rows) + "\n"
        )
    return "\n".join([*parts, _partly(faults["partly"])])


def _partly(said: Mapping[str, str]) -> str:
    rows = "\n".join(f"| {row} | {why} |" for row, why in said.items())
    return f"## What of the faults no test shows\n\n| Row | What, and why |\n|---|---|\n{rows}\n"


def _order(text: str) -> tuple[Any, ...]:
    """Numbers by value, words by letter: A2 before A10, 9126 before OIDC."""
    parts: list[tuple[int, int, str]] = []
    for word in text.replace("-", ".").split("."):
        letters = word.rstrip("0123456789")
        digits = word[len(letters) :]
        parts.append((1 if letters else 0, 0, letters))
        parts.append((0, int(digits or 0), ""))
    return tuple(parts)


def _title(document: str, said: Mapping[str, str]) -> str:
    name = f"RFC {document}" if document.isdecimal() else document
    return f"{name}: {said['title']}" if "title" in said else name


def _clause(clause: str) -> str:
    document, _, section = clause.partition("#")
    return (f"RFC {document}" if document.isdecimal() else document) + f" §{section}"


def _tests(tests: tuple[str, ...]) -> str:
    shown = [f"`{test.removeprefix('tests/')}`" for test in tests[:SHOWN]]
    more = f" and {len(tests) - SHOWN} more" if len(tests) > SHOWN else ""
    return "<br>".join(shown) + more


def _status(tests: tuple[str, ...], outcomes: Mapping[str, str] | None) -> str:
    if outcomes is None:
        return "tested"
    seen = {outcomes.get(test, "not run") for test in tests}
    for worst in ("failed", "not run"):
        if worst in seen:
            return worst
    return "passed"


CONFORMANCE = """\
# Conformance

Tests carry the clause that they prove. This page lists them by specification; all of them run in
`make test`, on SQLite and on PostgreSQL where they need a store. `make conformance-report` writes
the same page with the outcome of each row of its own run. At the end stands what is not supported.
"""

ATTACKS = """\
# Attacks and invariants

The rows of the project's catalogue of attacks and of its invariants, and the tests that carry them.
Each test that something is refused stands beside one, different in one detail, that succeeds.
"""
