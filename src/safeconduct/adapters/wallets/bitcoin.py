"""Bitcoin's family: addresses, extended public keys and output descriptors (BIP-32, 380 to 386).

An extended key becomes the descriptors of the forms that its version may stand for (BIP-44, 49,
84, 86), receiving and change branch each. What is kept are descriptors with their checksums; they
are derived where they are watched (`scripts_of`), and hold nothing private.
"""

from collections.abc import Iterator
from hashlib import sha256

from embit import base58, bech32
from embit.bip32 import HDKey
from embit.descriptor import Descriptor
from embit.descriptor.checksum import add_checksum, checksum
from embit.script import Script

from safeconduct.adapters.wallets.bip322 import verified
from safeconduct.core.upstream.keys import ScriptForm, Wallet, Watched, Written

FORMS: dict[ScriptForm, str] = {
    "pkh": "pkh({}/<0;1>/*)",
    "sh-wpkh": "sh(wpkh({}/<0;1>/*))",
    "wpkh": "wpkh({}/<0;1>/*)",
    "tr": "tr({}/<0;1>/*)",
}
HARDENED = 1 << 31
"""Where indices end that a public key can be derived at (BIP-32)."""
PLAIN = bytes.fromhex("0488b21e")
"""The version under which descriptors name an extended public key (BIP-380)."""


def read(how: Wallet, typed: str) -> Watched | None:
    written = how.written
    assert written is not None
    if not typed.isascii() or not typed:
        return None
    if "(" in typed:
        return _of_descriptor(typed)
    address = _address(written, typed)
    if address is not None:
        return Watched(text=address, account=address, name=address)
    return _of_extended(written, typed)


def signed(how: Wallet, address: str, message: str, signature: str) -> bool:
    written = how.written
    assert written is not None
    script = script_of(written, address)
    return script is not None and verified(script, message, signature, written.signs_as)


def script_of(written: Written, address: str) -> Script | None:
    """What coins of this address are locked with; None where it is none of this chain's."""
    if written.bech32 is not None and address.lower().startswith(f"{written.bech32}1"):
        version, program = bech32.decode(written.bech32, address)
        if version not in (0, 1) or (version == 1 and len(program) != 32):
            return None
        return Script(bytes([version + 0x50 if version else 0, len(program), *program]))
    try:
        raw = base58.decode_check(address)
    except Exception:  # noqa: BLE001 -- whatever the library thinks of foreign text
        return None
    if len(raw) != 21:
        return None
    if raw[0] == written.p2pkh:
        return Script(b"\x76\xa9\x14" + raw[1:] + b"\x88\xac")
    return Script(b"\xa9\x14" + raw[1:] + b"\x87") if raw[0] == written.p2sh else None


def address_of(written: Written, script: Script) -> str | None:
    """How this chain writes the address of a script; None for one without."""
    network = {
        "p2pkh": bytes([written.p2pkh]),
        "p2sh": bytes([written.p2sh]),
        "bech32": written.bech32,
    }
    witness = script.script_type() in ("p2wpkh", "p2wsh", "p2tr")
    if script.script_type() is None or (witness and written.bech32 is None):
        return None
    return str(script.address(network))


def branches_of(text: str) -> Iterator[Descriptor]:
    """The descriptors that were kept, a branch each."""
    for one in text.split():
        parsed = Descriptor.from_string(one)
        for branch in range(parsed.num_branches):
            yield parsed.branch(branch)


def _address(written: Written, typed: str) -> str | None:
    script = script_of(written, typed)
    return None if script is None else address_of(written, script)


def _of_descriptor(typed: str) -> Watched | None:
    """BIP-380: a checksum that is there must fit; keys must be public, and derivable as such."""
    whole = "".join(typed.split())
    text = whole.partition("#")[0]
    try:
        if not checked(whole):
            return None
        parsed = Descriptor.from_string(text)
        if any(key.is_private for key in parsed.keys) or parsed.num_branches > 2:
            return None
        parsed.derive(0, branch_index=0).script_pubkey()
        kept = add_checksum(text)
    except Exception:  # noqa: BLE001 -- whatever the library thinks of foreign text
        return None
    return _watched(kept, typed)


def checked(whole: str) -> bool:
    """Whether the checksum fits, where there is one (BIP-380)."""
    text, mark, given = whole.partition("#")
    return not mark or str(checksum(text)) == given


def _of_extended(written: Written, typed: str) -> Watched | None:
    try:
        version = base58.decode_check(typed)[:4]
        forms = written.extended.get(version.hex(), ())
        key = HDKey.parse(PLAIN + base58.decode_check(typed)[4:])
        if key.is_private or not forms:
            return None
    except Exception:  # noqa: BLE001 -- whatever the library thinks of foreign text
        return None
    plain = key.to_base58()
    return _watched(" ".join(add_checksum(FORMS[form].format(plain)) for form in forms), typed)


def _watched(kept: str, typed: str) -> Watched:
    told = f"{typed[:12]}…{typed[-6:]}"
    digest = sha256(kept.encode()).hexdigest()[:32]
    return Watched(text=kept, account=f"watch-{digest}", name=told, many=True)


def addresses_of(written: Written, branch: Descriptor) -> Iterator[str]:
    """The addresses of a branch in their order; one only, where it names no range."""
    for index in range(HARDENED if branch.is_wildcard else 1):
        address = address_of(written, branch.derive(index).script_pubkey())
        if address is None:
            return
        yield address
