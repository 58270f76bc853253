"""Every rule and every error code that the code can give has words, and a fix."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import safeconduct
from safeconduct.core.explanations import TABLE, clause, explanation_of

SOURCE = Path(safeconduct.__file__).parent
ELSEWHERE = {"simulator", "demo"}  # other programs, with answers of their own
NAME = re.compile(r"[a-z][a-z_0-9]*(\.[a-z_0-9]+)*\.?")
CODES = {"ApiError": 1, "PageError": 0, "bad_request": 0, "Page": 0}
"""Which argument of these is the code."""
DEAD = {"Dead", "_refused", "_unbound", "_Refused"}


def _texts(node: ast.AST) -> Iterator[str]:
    """The names that an expression can be; the head of an f-string stands for all of them."""
    match node:
        case ast.Constant(value=str(text)) if NAME.fullmatch(text):
            yield text
        case ast.JoinedStr(values=[ast.Constant(value=str(text)), *_]):
            yield text
        case ast.IfExp():
            yield from _texts(node.body)
            yield from _texts(node.orelse)
        case ast.BoolOp():
            for value in node.values:
                yield from _texts(value)


def _called(node: ast.Call) -> str:
    return getattr(node.func, "attr", None) or getattr(node.func, "id", "")


def _named(codes: bool) -> Iterator[tuple[str, str]]:
    """What is named in the code, and where: rules, or error codes."""
    for path in sorted(SOURCE.rglob("*.py")):
        at = path.relative_to(SOURCE)
        if ELSEWHERE & set(at.parts):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for text in _codes(node) if codes else _rules(node):
                yield text, f"{at}:{getattr(node, 'lineno', 0)}"


def _rules(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.keyword) and node.arg == "rule":
        yield from _texts(node.value)
    if isinstance(node, ast.Call) and _called(node) in DEAD and node.args:
        yield from (text for text in _texts(node.args[-1]) if "." in text)


def _codes(node: ast.AST) -> Iterator[str]:
    if not isinstance(node, ast.Call):
        return
    name = _called(node)
    if name in CODES and len(node.args) > CODES[name]:
        yield from _texts(node.args[CODES[name]])
    if name == "not_found" and node.args:
        yield from (f"{text}_not_found" for text in _texts(node.args[0]))


NAMED = dict(_named(codes=False))
ANSWERED = dict(_named(codes=True))


def test_there_are_many() -> None:
    assert len(NAMED) > 100
    assert len(ANSWERED) > 100


@pytest.mark.parametrize("name", sorted(NAMED))
def test_it_has_words_and_a_fix(name: str) -> None:
    found = explanation_of(name)
    assert found is not None, f"{name} ({NAMED[name]}) has no words in core/explanations"
    for text in (found.expected, found.fix):
        assert text
        assert "  " not in text
    assert found.fix.endswith("."), name
    assert not found.expected.endswith("."), name


def test_most_error_codes_have_words_of_their_own() -> None:
    """Their title says what is wrong; a rule has no title."""
    without = sorted(name for name in ANSWERED if explanation_of(name) is None)
    assert len(without) < len(ANSWERED) / 5, without


def test_the_nearest_words_win() -> None:
    assert explanation_of("pkce.method") != explanation_of("pkce.something")
    assert explanation_of("nothing.of.the.kind") is None
    assert explanation_of("nothing.of.the.kind", "invalid_grant") is not None
    assert explanation_of("client_not_found") == explanation_of("user_not_found")
    assert all(not name.startswith(" ") for name in TABLE)


def test_clauses() -> None:
    assert clause("6749#4.1.3") == "RFC 6749 §4.1.3"
    assert clause("OIDC#6") == "OpenID Connect Core §6"
    assert clause("9700") == "RFC 9700"
    assert clause(None) is None
