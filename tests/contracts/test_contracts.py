"""The contracts themselves: they are the public ones, they hold together, and somebody judges."""

from pathlib import Path

import pytest
from openapi_spec_validator import validate
from tests.contracts import proofs
from tests.contracts.contract import FOLDER, Contract

from safeconduct.web.compat import discover

PUBLIC = FOLDER.parents[2] / "shared" / "contracts"
"""Where the contracts come from, on machines that have them."""

NAMES = sorted(path.stem for path in FOLDER.glob("*.yaml"))
SERVED = sorted(name for surface in discover().values() for name in surface.contracts)


def test_they_are_the_public_ones_word_for_word() -> None:
    assert NAMES, "there are no contracts"
    public = {path.name: path.read_bytes() for path in sorted(PUBLIC.glob("*.yaml"))}
    mine = {path.name: path.read_bytes() for path in sorted(FOLDER.glob("*.yaml"))}
    assert not public or mine == public


@pytest.mark.parametrize("name", NAMES)
def test_a_contract_is_valid_and_its_examples_have_their_schemas(name: str) -> None:
    contract = Contract(name)
    validate(dict(contract.document))
    shown = list(contract.shown())
    assert shown
    for where, schema, value in shown:
        try:
            contract.valid(schema, value)
        except Exception as error:
            raise AssertionError(f"{name}: {where}") from error


def test_every_status_of_every_operation_is_proven() -> None:
    for name in SERVED:
        assert proofs.unproven(Contract(name)) == [], name


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_claimed_that_a_contract_does_not_have(name: str) -> None:
    assert proofs.unknown(Contract(name)) == []


def test_a_missing_proof_is_noticed(tmp_path: Path) -> None:
    source = tmp_path / "test_it.py"
    source.write_text('@pytest.mark.proves("calico-v2", "getAssets", 200, 206)\ndef test(): ...\n')
    assert set(proofs.claimed_in(source)) == {
        ("calico-v2", "getAssets", 200),
        ("calico-v2", "getAssets", 206),
    }
    assert ("calico-v2", "getAssets", 400) in proofs.documented(Contract("calico-v2"))
