"""BIP-322: the vectors of the proposal (CC0), and what must not pass for a signature."""

import json
from base64 import b64decode, b64encode
from pathlib import Path
from typing import Any

import pytest
from embit import ec
from embit.script import Script, Witness, p2pkh, p2sh, p2wpkh
from embit.transaction import Transaction

from safeconduct.adapters.catalog import load_catalog
from safeconduct.adapters.wallets import ExtraWallets
from safeconduct.adapters.wallets.bip322 import to_sign, to_spend
from safeconduct.adapters.wallets.bitcoin import address_of, script_of
from safeconduct.core.upstream.keys import Wallet

VECTORS: dict[str, list[dict[str, Any]]] = json.loads(
    (Path(__file__).parents[1] / "vectors" / "bip322.json").read_text()
)
WALLETS = ExtraWallets()
KEY = ec.PrivateKey.from_wif("L3VFeEujGtevx9w18HD1fhRbCH67Az2dpCymeRE1SoPK6XQtaN2k")
OTHER = ec.PrivateKey(b"\x11" * 32)
MESSAGE = "Hello World"


def bitcoin() -> Wallet:
    entry = load_catalog().get("bitcoin")
    assert entry is not None
    assert entry.auth.wallet is not None
    return entry.auth.wallet


HOW = bitcoin()
assert HOW.written is not None
WRITTEN = HOW.written


def good(address: str, message: str, signature: str) -> bool:
    return WALLETS.signed(HOW, address, message, signature)


def written(script: Script) -> str:
    address = address_of(WRITTEN, script)
    assert address is not None
    return address


def made(script: Script, message: str, key: Any, *, kind: int = 1) -> bytes:
    """A signature of a single key for this script, as a whole transaction."""
    tx = to_sign(script, message)
    public = key.get_public_key()
    code = p2pkh(public)
    if script.script_type() == "p2pkh":
        digest = tx.sighash_legacy(0, code, kind)
    else:
        digest = tx.sighash_segwit(0, code, 0, kind)
    items = [key.sign(digest).serialize() + bytes([kind]), public.sec()]
    if script.script_type() == "p2pkh":
        tx.vin[0].script_sig = Script(b"".join(bytes([len(one)]) + one for one in items))
    else:
        tx.vin[0].witness = Witness(items)
    return bytes(tx.serialize())


def simple(script: Script, message: str, key: Any, *, kind: int = 1) -> str:
    tx = Transaction.parse(made(script, message, key, kind=kind))
    return b64encode(tx.vin[0].witness.serialize()).decode()


@pytest.mark.rfc("bip322#test-vectors")
def test_the_hashes_of_the_vectors() -> None:
    for one in VECTORS["tx_hashes"]:
        script = script_of(WRITTEN, one["address"])
        assert script is not None
        assert to_spend(script, one["message"]).txid().hex() == one["to_spend_tx_hash"]
        assert to_sign(script, one["message"]).txid().hex() == one["to_sign_tx_hash"]


@pytest.mark.rfc("bip322#test-vectors")
@pytest.mark.attack("L17")
def test_the_signatures_of_the_vectors() -> None:
    for one in VECTORS["simple"]:
        for signature in one["bip322_signatures"]:
            assert good(one["address"], one["message"], signature), one["type"]
            assert not good(one["address"], one["message"] + " ", signature)
            assert good(one["address"], one["message"], signature.removeprefix("smp"))
    for one in VECTORS["error"]:
        assert not good(one["address"], one["message"], one["signature"]), one["description"]


@pytest.mark.attack("L17")
def test_every_form_of_a_single_key() -> None:
    public = KEY.get_public_key()
    scripts = (p2wpkh(public), p2sh(p2wpkh(public)))
    for script in scripts:
        address = written(script)
        assert good(address, MESSAGE, simple(script, MESSAGE, KEY))
        assert good(address, MESSAGE, "ful" + b64encode(made(script, MESSAGE, KEY)).decode())
        assert not good(address, MESSAGE, simple(script, MESSAGE, OTHER))
        assert not good(address, MESSAGE, simple(script, MESSAGE, KEY, kind=3)), "not SIGHASH_ALL"
    old = p2pkh(public)
    whole = b64encode(made(old, MESSAGE, KEY)).decode()
    assert good(written(old), MESSAGE, whole)
    assert not good(written(old), "Hello", whole)
    assert not good(written(p2pkh(OTHER.get_public_key())), MESSAGE, whole)
    assert not good(written(p2wpkh(public)), MESSAGE, whole), "of another form of the same key"


@pytest.mark.attack("L17")
def test_signatures_of_the_old_kind_are_for_p2pkh_only() -> None:
    """From Bitcoin Core's own tests: `signmessage` of an uncompressed and a compressed key."""
    address = "15CRxFdyRpGZLW9w8HnHvVduizdL5jKNbs"
    signature = (
        "IPojfrX2dfPnH26UegfbGQQLrdK844DlHq5157/P6h57WyuS/Qsl+h/WSVGDF4MUi4rWSswW38oimDYfNNUBUOk="
    )
    assert good(address, "Trust no one", signature)
    assert not good(address, "Trust no one!", signature)
    raw = b64decode(signature)
    script = script_of(WRITTEN, address)
    assert script is not None
    nested = written(p2sh(Script(b"\x00\x14" + script.data[3:23])))
    native = written(Script(b"\x00\x14" + script.data[3:23]))
    for head in (raw[0], raw[0] + 4, raw[0] + 8):
        forged = b64encode(bytes([head]) + raw[1:]).decode()
        assert not good(nested, "Trust no one", forged)
        assert not good(native, "Trust no one", forged)


@pytest.mark.attack("L17")
def test_a_changed_signature_is_none() -> None:
    script = p2wpkh(KEY.get_public_key())
    witness = Witness.parse(b64decode(simple(script, MESSAGE, KEY)))
    der = witness.items[0]
    # The same signature with a high S: a twin that anybody can make
    r, s = der[4 : 4 + der[3]], int.from_bytes(der[6 + der[3] : -1])
    high = (0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141 - s).to_bytes(33)
    high = high if high[1] & 0x80 else high[1:]
    body = bytes([2, len(r)]) + r + bytes([2, len(high)]) + high
    twin = b"\x30" + bytes([len(body)]) + body + b"\x01"
    for items in (
        [twin, witness.items[1]],
        [der + b"\x01", witness.items[1]],
        [*witness.items, b""],
        [b"", *witness.items],
        [witness.items[0]],
    ):
        assert not good(written(script), MESSAGE, b64encode(Witness(items).serialize()).decode())
    later = Transaction.parse(made(script, MESSAGE, KEY))
    later.locktime = 500_000
    assert not good(written(script), MESSAGE, b64encode(later.serialize()).decode())


def test_garbage_is_no_signature() -> None:
    address = written(p2wpkh(KEY.get_public_key()))
    for text in ("", "smp", "ful", "////", "A" * 100_000, "ÿ", "smp" + "/" * 400, "\x00"):
        assert not good(address, MESSAGE, text)
