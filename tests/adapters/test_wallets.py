"""How addresses are written and who has signed, family by family; what is private is refused."""

import subprocess
import sys

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from embit import base58

from safeconduct.adapters.catalog import load_catalog
from safeconduct.adapters.wallets import ExtraWallets, bitcoin
from safeconduct.core.upstream.keys import Wallet, Watched
from safeconduct.core.upstream.private_material import is_private

ADDRESS = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
WALLETS = ExtraWallets()
EVM = Wallet(family="evm", chain_id=1, network="ethereum")

PROGRAM = """
import sys
before = sys.getrecursionlimit()
from safeconduct.adapters.wallets import ExtraWallets
from safeconduct.core.upstream.keys import Wallet
it = ExtraWallets()
how = Wallet(family="evm", chain_id=1, network="ethereum")
assert it.read(how, "0x70997970c51812dc3a010c7d01b50e0d17dc79c8")
assert not it.signed(how, "0x70997970C51812dc3A010C7d01b50e0d17dc79C8", "m", "0x" + "11" * 65)
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
    watched = WALLETS.read(EVM, text)
    assert (watched and watched.text) == stored


@pytest.mark.attack("L17")
@pytest.mark.parametrize(
    "signature",
    ["", "0x", "0x" + "00" * 65, "0x" + "ff" * 65, "0x" + "zz" * 65, "1" * 132, "0x" + "11" * 64],
)
def test_what_is_no_signature_proves_nothing(signature: str) -> None:
    assert WALLETS.signed(EVM, ADDRESS, "hello", signature) is False


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
    assert WALLETS.signed(EVM, ADDRESS, "hé\nllo", signature) is True
    assert WALLETS.signed(EVM, ADDRESS, "hello", signature) is False


def how(id: str) -> Wallet:
    entry = load_catalog().get(id)
    assert entry is not None
    assert entry.auth.wallet is not None
    return entry.auth.wallet


KEY = (
    "xpub6CatWdiZiodmUeTDp8LT5or8nmbKNcuyvz7WyksVFkKB4RHwCD3XyuvPEbvqAQY3rAPshWcMLoP2fMFMKHPJ4ZeZ"
    "XYVUhLv1VMrjPC7PW6V"
)
MULTI = f"wsh(multi(1,{KEY}/0/*,{KEY}/1/*))"


@pytest.mark.attack("L17")
@pytest.mark.parametrize(
    ("id", "typed", "stored"),
    [
        ("bitcoin", "BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4", True),  # BIP-173, all capitals
        ("bitcoin", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", True),
        ("bitcoin", "bc1Qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", False),  # both
        ("bitcoin", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5", False),  # a slip
        ("bitcoin", "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0", True),
        ("bitcoin", "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqh2y7hd", False),
        ("bitcoin", "tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx", False),  # another chain's
        ("bitcoinTestnet", "tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx", True),
        ("bitcoin", "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2", True),
        ("bitcoin", "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN3", False),
        ("litecoin", "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2", False),
        ("dogecoin", "DH5yaieqoZN36fDVciNyRueRGvGLR3mr7L", True),
        ("bitcoin", ADDRESS, False),
        ("solana", "7EcDhSYGxXyscszYEp35KHN8vvw3svAuLKTzXwCFLtV", True),
        ("solana", "7EcDhSYGxXyscszYEp35KHN8vvw3svAuLKTzXwCFLt0", False),  # 0 is no letter of it
        ("solana", "7EcDhSYGxXyscszYEp35KHN8vvw3svAuLKTzXwCFLt", False),
        ("bitcoin", KEY, True),
        ("bitcoin", KEY[:-1] + "W", False),
        ("bitcoinTestnet", KEY, False),
        ("bitcoin", f"wpkh({KEY}/0/*)", True),
        ("bitcoin", f"wpkh({KEY}/0h/*)", False),  # a public key has no hardened children
        ("bitcoin", f"wpkh({KEY}/0/*)#qqqqqqqq", False),
        ("bitcoin", MULTI, True),
        ("bitcoin", f"wpkh({KEY}/0/*", False),
        ("bitcoin", "wpkh()", False),
        ("bitcoin", "(" * 3_000, False),
    ],
)
def test_each_chain_reads_its_own(id: str, typed: str, stored: bool) -> None:
    watched = WALLETS.read(how(id), typed)
    assert (watched is not None) is stored
    if watched is not None:
        again = WALLETS.read(how(id), watched.text.split()[0])
        assert again is not None
        assert again.many is watched.many is (typed.startswith("xpub") or "(" in typed)
        assert "prv" not in watched.text
        assert KEY not in watched.account, "an id tells no addresses"


@pytest.mark.rfc("bip380#checksum")
def test_a_checksum_of_a_descriptor_is_verified_and_kept() -> None:
    """BIP-380's own example, once as it is and with each kind of slip."""
    raw = "raw(deadbeef)"
    for text, fits in ((f"{raw}#89f8spxm", True), (f"{raw}#89f8spxq", False), (f"{raw}#", False)):
        assert bitcoin.checked(text) is fits, text
    watched = WALLETS.read(how("bitcoin"), f"wpkh({KEY}/0/*)")
    assert watched is not None
    assert watched.text.startswith(f"wpkh({KEY}/0/*)#")
    assert WALLETS.read(how("bitcoin"), watched.text) == Watched(
        text=watched.text,
        account=watched.account,
        name=f"wpkh(xpub6Ca…{watched.text[-6:]}",
        many=True,
    )


PRIVATE = (
    "abandon " * 11 + "about",
    "legal winner thank year wave sausage worth useful legal winner thank year wave sausage worth "
    "useful legal winner thank year wave sausage worth title",
    "5HueCGU8rMjxEXxiPuD5BDku4MkFqeZyd4dZ1jvhTVqvbTLvyTJ",
    "L3VFeEujGtevx9w18HD1fhRbCH67Az2dpCymeRE1SoPK6XQtaN2k",
    "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
    "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
    "xprv9s21ZrQH143K3QTDL4LXw2F7HEK3wJUD2nW2nRk4stbPy6cq3jPPqjiChkVvvNKmPGJxWUtg6LnF5kejMRNNU3TGtR"
    "BeJgk33yuGBxrMPHi",
    "zprvAdG4iTXWBoARxkkzNpNh8r6Qag3irQB8PzEMkAFeTRXxHpbF9z4QgEvBRmfvqWvGp42t42nvgGpNgYSJA9iefm1yYN"
    "ZKEm7z6qUWCroSQnE",
    "wpkh(xprv9s21ZrQH143K3QTDL4LXw2F7HEK3wJUD2nW2nRk4stbPy6cq3jPPqjiChkVvvNKmPGJxWUtg6LnF5kejMRNNU"
    "3TGtRBeJgk33yuGBxrMPHi/0/*)",
    "pkh(L3VFeEujGtevx9w18HD1fhRbCH67Az2dpCymeRE1SoPK6XQtaN2k)",
    "4wBqpZM9xaSheZzJSMawUKKwhdpChKbZ5eu5ky4Vigw6SFZTJDsrbfZ5SXq4zBvjPjNzXDmfVbXHWWBCVYQjWqSQ",
    "[" + ",".join(["17"] * 64) + "]",
)


@pytest.mark.attack("L17")
def test_what_is_private_is_known_by_its_shape() -> None:
    for text in PRIVATE:
        assert is_private(text), text[:8]
        assert is_private(f"  {text}\n")
    public = (ADDRESS, KEY, MULTI, f"tr({'ab' * 32})", "DH5yaieqoZN36fDVciNyRueRGvGLR3mr7L")
    for text in (*public, "bc1qp0ahvfh83088w49k405szqgg4f3pptr7p2g06tdxfjcd40z4lh4q95lsz9"):
        assert not is_private(text), text


def test_a_solana_wallet_signs_as_its_key() -> None:
    key = Ed25519PrivateKey.generate()
    address = base58.encode(key.public_key().public_bytes_raw())
    signature = base58.encode(key.sign(b"hello"))
    assert WALLETS.signed(how("solana"), address, "hello", signature)
    assert not WALLETS.signed(how("solana"), address, "hello!", signature)
    other = base58.encode(Ed25519PrivateKey.generate().public_key().public_bytes_raw())
    assert not WALLETS.signed(how("solana"), other, "hello", signature)
    for text in ("", "0", signature[:-1], "1" * 64, "é"):
        assert not WALLETS.signed(how("solana"), address, "hello", text)
