"""BIP-322: messages that are signed with what would spend the coins of an address.

    simple   a witness alone, base64 ("smp" may precede it)
    full     a whole `to_sign` transaction, base64 ("ful" may precede it)
    legacy   65 bytes from which the key is recovered, for P2PKH and nothing else

Understood are single keys in every form and signatures of several in a script of their own
(`multi`). What is not understood is "inconclusive", which to us is no proof.
"""

from base64 import b64decode
from binascii import Error
from collections.abc import Sequence
from hashlib import sha256
from io import BytesIO

from embit import compact, ec
from embit.hashes import hash160, tagged_hash
from embit.script import Script, Witness
from embit.transaction import Transaction, TransactionInput, TransactionOutput
from eth_keys.datatypes import Signature

TAG = "BIP0322-signed-message"
MAX_BYTES = 4_096
ALL = 1
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
NOTHING = b"\x6a"  # OP_RETURN
CHECKMULTISIG = 0xAE


def verified(script: Script, message: str, signature: str, signs_as: str | None) -> bool:
    """Whether who can spend what this script locks has signed the message."""
    form, raw = _decoded(signature)
    if raw is None or not 0 < len(raw) <= MAX_BYTES:
        return False
    try:
        if form == "" and len(raw) == 65 and script.script_type() == "p2pkh":
            return signs_as is not None and _legacy(script, message, raw, signs_as)
        signed = _read(script, message, form, raw)
        return signed is not None and _spends(script, signed)
    except Exception:  # noqa: BLE001 -- whatever the library thinks of a foreign signature
        return False


def _decoded(signature: str) -> tuple[str, bytes | None]:
    form = signature[:3] if signature[:3] in ("smp", "ful") else ""
    for prefix in dict.fromkeys((form, "")):
        try:
            return prefix, b64decode(signature[len(prefix) :], validate=True)
        except (Error, ValueError):
            continue
    return "", None


def to_spend(script: Script, message: str) -> Transaction:
    digest = tagged_hash(TAG, message.encode())
    vin = TransactionInput(bytes(32), 0xFFFFFFFF, Script(b"\x00\x20" + digest), sequence=0)
    return Transaction(0, [vin], [TransactionOutput(0, script)], 0)


def to_sign(script: Script, message: str, witness: Sequence[bytes] = ()) -> Transaction:
    spent = to_spend(script, message).txid()
    vin = TransactionInput(spent, 0, Script(b""), sequence=0, witness=Witness(list(witness)))
    return Transaction(0, [vin], [TransactionOutput(0, Script(NOTHING))], 0)


def _read(script: Script, message: str, form: str, raw: bytes) -> Transaction | None:
    """The transaction to check, made anew but for what may vary."""
    if form != "ful":
        stream = BytesIO(raw)
        witness = Witness.read_from(stream)
        whole = not stream.read(1) and witness.serialize() == raw
        if whole and witness.items:
            return to_sign(script, message, witness.items)
    if form == "smp":
        return None
    given = Transaction.parse(raw)
    due = to_sign(script, message)
    one = len(given.vin) == 1 and len(given.vout) == 1
    same = one and (given.vin[0].txid, given.vin[0].vout) == (due.vin[0].txid, 0)
    out = one and (given.vout[0].value, given.vout[0].script_pubkey.data) == (0, NOTHING)
    # A time lock would say that it holds later, or of old coins; we ask about now
    now = one and given.version in (0, 2) and not given.locktime and not given.vin[0].sequence
    return given if same and out and now else None


def _spends(script: Script, signed: Transaction) -> bool:
    vin = signed.vin[0]
    witness, unlocks = list(vin.witness.items), vin.script_sig.data
    match script.script_type():
        case "p2pkh":
            return not witness and _key_hash(signed, _pushes(unlocks), script, segwit=False)
        case "p2wpkh":
            return not unlocks and _key_hash(signed, witness, script, segwit=True)
        case "p2wsh":
            return not unlocks and _script_hash(signed, witness, script.data[2:])
        case "p2tr":
            return not unlocks and _taproot(signed, witness, script)
        case "p2sh":
            return _wrapped(signed, witness, unlocks, script.data[2:22])
    return False


def _key_hash(signed: Transaction, items: list[bytes], script: Script, *, segwit: bool) -> bool:
    if len(items) != 2:
        return False
    signature, key = items
    hashed = script.data[2:22] if segwit else script.data[3:23]
    if hash160(key) != hashed or (segwit and len(key) != 33):
        return False
    code = Script(b"\x76\xa9\x14" + hashed + b"\x88\xac")
    digest = signed.sighash_segwit(0, code, 0, ALL) if segwit else signed.sighash_legacy(0, code)
    return _ecdsa(signature, key, digest)


def _wrapped(signed: Transaction, items: list[bytes], unlocks: bytes, hashed: bytes) -> bool:
    """P2SH around a witness program (BIP-141); the simple form leaves the inner script out."""
    if not items:
        return False
    inner = (b"\x00\x14" + hash160(items[-1]), b"\x00\x20" + sha256(items[-1]).digest())
    found = next((one for one in inner if hash160(one) == hashed), None)
    if found is None or unlocks not in (b"", bytes([len(found)]) + found):
        return False
    if len(found) == 22:
        return _key_hash(signed, items, Script(found), segwit=True)
    return _script_hash(signed, items, found[2:])


def _script_hash(signed: Transaction, items: list[bytes], program: bytes) -> bool:
    """`multi(m, key, …)`: m signatures in the order of their keys (BIP-383)."""
    if len(items) < 3 or items[0] != b"" or sha256(items[-1]).digest() != program:
        return False
    wanted = _multi(items[-1])
    signatures = items[1:-1]
    if wanted is None or len(signatures) != wanted[0]:
        return False
    digest = signed.sighash_segwit(0, Script(items[-1]), 0, ALL)
    keys_left = iter(wanted[1])
    return all(any(_ecdsa(one, key, digest) for key in keys_left) for one in signatures)


def _multi(code: bytes) -> tuple[int, list[bytes]] | None:
    needed, count = code[0] - 0x50, code[-2] - 0x50
    keys_of = _pushes(code[1:-2])
    plain = code[-1] == CHECKMULTISIG and 0 < needed <= count == len(keys_of)
    return (needed, keys_of) if plain and all(len(key) == 33 for key in keys_of) else None


def _taproot(signed: Transaction, items: list[bytes], script: Script) -> bool:
    """Spent with the key (BIP-341); a script of the tree is inconclusive."""
    if len(items) != 1 or len(items[0]) not in (64, 65):
        return False
    kind = items[0][64] if len(items[0]) == 65 else 0
    if kind not in (0, ALL) or (len(items[0]) == 65 and not kind):
        return False
    digest = signed.sighash_taproot(0, [script], [0], sighash=kind)
    key = ec.PublicKey.from_xonly(script.data[2:])
    return bool(key.schnorr_verify(ec.SchnorrSig.parse(items[0][:64]), digest))


def _ecdsa(signature: bytes, key: bytes, digest: bytes) -> bool:
    """Required rules of BIP-322: SIGHASH_ALL, strict DER, a low S."""
    if len(signature) < 9 or signature[-1] != ALL or not _strict(signature[:-1]):
        return False
    return bool(ec.PublicKey.parse(key).verify(ec.Signature.parse(signature[:-1]), digest))


def _strict(der: bytes) -> bool:
    """BIP-66, and BIP-146 for S."""
    if der[0] != 0x30 or der[1] != len(der) - 2 or der[2] != 2:
        return False
    r_end = 4 + der[3]
    if r_end + 2 > len(der) or der[r_end] != 2 or r_end + 2 + der[r_end + 1] != len(der):
        return False
    r, s = der[4:r_end], der[r_end + 2 :]
    return all(map(_shortest, (r, s))) and int.from_bytes(s) <= ORDER // 2


def _shortest(number: bytes) -> bool:
    if not number or number[0] & 0x80:
        return False
    return len(number) == 1 or number[0] != 0 or bool(number[1] & 0x80)


def _pushes(script: bytes) -> list[bytes]:
    """The items of a script that only pushes, each as short as it can be."""
    items, at = [], 0
    while at < len(script):
        size = script[at]
        if not 0 < size <= 75 or at + 1 + size > len(script):
            return []
        items.append(script[at + 1 : at + 1 + size])
        at += 1 + size
    return items


def _legacy(script: Script, message: str, raw: bytes, signs_as: str) -> bool:
    if not 27 <= raw[0] <= 34:  # what other wallets made of it for other addresses is not ours
        return False
    intro, text = f"{signs_as}\n".encode(), message.encode()
    whole = compact.to_bytes(len(intro)) + intro + compact.to_bytes(len(text)) + text
    digest = sha256(sha256(whole).digest()).digest()
    made = Signature(raw[1:] + bytes([(raw[0] - 27) & 3]))
    point = made.recover_public_key_from_msg_hash(digest)
    pressed = raw[0] >= 31
    key = point.to_compressed_bytes() if pressed else b"\x04" + point.to_bytes()
    return bool(hash160(key) == script.data[3:23])
