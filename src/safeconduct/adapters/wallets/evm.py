"""EVM chains: EIP-55 addresses, EIP-191 signatures."""

from eth_keys.datatypes import Signature
from eth_utils.address import is_checksum_address, is_hex_address, to_checksum_address
from eth_utils.crypto import keccak

from safeconduct.core.upstream.keys import Wallet, Watched

SIGNATURE = 2 + 2 * 65


def read(how: Wallet, typed: str) -> Watched | None:
    if not typed.isascii() or not typed.startswith("0x") or not is_hex_address(typed):
        return None
    digits = typed[2:]
    mixed = digits not in (digits.lower(), digits.upper())
    if mixed and not is_checksum_address(typed):  # EIP-55: a slip, or a look-alike
        return None
    address = str(to_checksum_address(typed))
    return Watched(text=address, account=address, name=address)


def signed(how: Wallet, address: str, message: str, signature: str) -> bool:
    if len(signature) != SIGNATURE or not signature.startswith("0x"):
        return False
    try:
        raw = bytes.fromhex(signature[2:])
        made = Signature(raw[:64] + bytes([raw[64] - 27 if raw[64] >= 27 else raw[64]]))
        signer = made.recover_public_key_from_msg_hash(_hash(message)).to_checksum_address()
    except Exception:  # noqa: BLE001 -- whatever the library thinks of a foreign signature
        return False
    return bool(signer == address)


def digest(message: str) -> str:
    return _hash(message).hex()


def _hash(message: str) -> bytes:
    """EIP-191, version 0x45."""
    text = message.encode()
    return bytes(keccak(b"\x19Ethereum Signed Message:\n%d" % len(text) + text))
