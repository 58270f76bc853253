"""Addresses and signatures of EVM chains: EIP-55 and EIP-191, by the extra `wallets`.

Its libraries are imported when the first wallet comes; without the extra no wallet can be linked,
and the operator is told which one is missing. `eth_account` is not among them: what it imports
raises the interpreter's recursion limit a hundredfold, and then a deeply nested JSON answer of any
provider ends the process instead of being refused.
"""

from importlib import import_module
from types import ModuleType

from safeconduct.core.errors import ProviderError

SIGNATURE = 2 + 2 * 65


class ExtraWallets:
    """Implements `ports.wallets.Wallets`."""

    def canonical(self, family: str, address: str) -> str | None:
        known = _library("eth_utils.address")
        if family != "evm" or not address.isascii() or not address.startswith("0x"):
            return None
        if not known.is_hex_address(address):
            return None
        digits = address[2:]
        mixed = digits not in (digits.lower(), digits.upper())
        if mixed and not known.is_checksum_address(address):  # EIP-55: a slip, or a look-alike
            return None
        return str(known.to_checksum_address(address))

    def signed(self, family: str, address: str, message: str, signature: str) -> bool:
        keys, crypto = _library("eth_keys").keys, _library("eth_utils.crypto")
        if family != "evm" or len(signature) != SIGNATURE or not signature.startswith("0x"):
            return False
        text = message.encode()
        digest = crypto.keccak(b"\x19Ethereum Signed Message:\n%d" % len(text) + text)  # EIP-191
        try:
            raw = bytes.fromhex(signature[2:])
            made = keys.Signature(raw[:64] + bytes([raw[64] - 27 if raw[64] >= 27 else raw[64]]))
            signer = made.recover_public_key_from_msg_hash(digest).to_checksum_address()
        except Exception:  # noqa: BLE001 -- whatever the library thinks of a foreign signature
            return False
        return bool(signer == address)


def _library(name: str) -> ModuleType:
    try:
        return import_module(name)
    except ImportError:
        raise ProviderError(
            "extra_missing",
            remedy="misconfigured",
            sent=False,
            detail="wallets need `pip install safeconduct[wallets]`",
        ) from None
