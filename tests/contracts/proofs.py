"""Which tests claim to prove which answers of which contracts, read from their source.

    @pytest.mark.proves("calico-v2", "addProviders", 200, 201)

A claim is held to what the test really saw by a fixture of all tests. Here it is only counted, so
that running a part of the suite counts as the whole does.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.contracts.contract import Contract, Proof

TESTS = Path(__file__).parents[1]


def claims() -> set[Proof]:
    return {proof for path in sorted(TESTS.rglob("test_*.py")) for proof in claimed_in(path)}


def claimed_in(path: Path) -> Iterator[Proof]:
    source = path.read_text(encoding="utf-8")
    if "mark.proves" not in source:
        return
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and _is_mark(node.func):
            contract, operation, *statuses = (ast.literal_eval(part) for part in node.args)
            for status in statuses:
                yield (contract, operation, status)


def documented(contract: Contract) -> set[Proof]:
    return {
        (contract.name, operation.id, status)
        for operation in contract.operations()
        for status in operation.statuses
    }


def unproven(contract: Contract) -> list[str]:
    """What the contract promises and no test shows."""
    missing = documented(contract) - claims()
    return [f"{operation} {status}" for _, operation, status in sorted(missing)]


def unknown(contract: Contract) -> list[str]:
    """What tests claim and the contract does not have."""
    mine = {proof for proof in claims() if proof[0] == contract.name}
    return [f"{operation} {status}" for _, operation, status in sorted(mine - documented(contract))]


def _is_mark(node: ast.expr) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == "proves"
