"""Addresses and signatures of EVM chains, and what their libraries must not do to the process."""

import subprocess
import sys

import pytest

from safeconduct.adapters.wallets import ExtraWallets

ADDRESS = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
WALLETS = ExtraWallets()

PROGRAM = """
import sys
before = sys.getrecursionlimit()
from safeconduct.adapters.wallets import ExtraWallets
it = ExtraWallets()
assert it.canonical("evm", "0x70997970c51812dc3a010c7d01b50e0d17dc79c8")
assert not it.signed("evm", "0x70997970C51812dc3A010C7d01b50e0d17dc79C8", "m", "0x" + "11" * 65)
assert sys.getrecursionlimit() == before, "a deep JSON answer would end this process"
"""


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        (ADDRESS, ADDRESS),
        (ADDRESS.lower(), ADDRESS),
        ("0x" + ADDRESS[2:].upper(), ADDRESS),
        (ADDRESS.swapcase().replace("0X", "0x"), None),
        (ADDRESS[2:], None),
        (ADDRESS + "0", None),
        ("0x" + "z" * 40, None),
        (ADDRESS.replace("C8", "С8"), None),  # a Cyrillic letter
        ("", None),
    ],
)
@pytest.mark.attack("L17")
def test_one_way_to_write_an_address(text: str, stored: str | None) -> None:
    assert WALLETS.canonical("evm", text) == stored
    assert WALLETS.canonical("other", text) is None


@pytest.mark.attack("L17")
@pytest.mark.parametrize(
    "signature",
    ["", "0x", "0x" + "00" * 65, "0x" + "ff" * 65, "0x" + "zz" * 65, "1" * 132, "0x" + "11" * 64],
)
def test_what_is_no_signature_proves_nothing(signature: str) -> None:
    assert WALLETS.signed("evm", ADDRESS, "hello", signature) is False


def test_the_libraries_leave_the_recursion_limit_alone() -> None:
    subprocess.run([sys.executable, "-c", PROGRAM], check=True, timeout=60)


OTHERS = """
from eth_account import Account
from eth_account.messages import encode_defunct
key = "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"
print("0x" + bytes(Account.sign_message(encode_defunct(text="hé\\nllo"), key).signature).hex())
"""


def test_what_another_library_signs_is_understood() -> None:
    """In a process of its own: see what `eth_account` does to the one that imports it."""
    done = subprocess.run(
        [sys.executable, "-c", OTHERS], check=True, timeout=60, capture_output=True, text=True
    )
    signature = done.stdout.strip()
    assert WALLETS.signed("evm", ADDRESS, "hé\nllo", signature) is True
    assert WALLETS.signed("evm", ADDRESS, "hello", signature) is False
