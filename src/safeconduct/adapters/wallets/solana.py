"""Solana: an address is an Ed25519 public key in base58, and signs as one."""

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from embit import base58

from safeconduct.core.upstream.keys import Wallet, Watched

KEY, SIGNATURE = 32, 64


def read(how: Wallet, typed: str) -> Watched | None:
    raw = _bytes(typed, KEY)
    return None if raw is None else Watched(text=typed, account=typed, name=typed)


def signed(how: Wallet, address: str, message: str, signature: str) -> bool:
    """In base58, as wallets show it."""
    key, raw = _bytes(address, KEY), _bytes(signature, SIGNATURE)
    if key is None or raw is None:
        return False
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(raw, message.encode())
    except (InvalidSignature, ValueError):
        return False
    return True


def _bytes(text: str, size: int) -> bytes | None:
    """There is no checksum, but exactly one way to write so many bytes."""
    if not text.isascii() or not text.isalnum() or len(text) > 2 * size:
        return None
    try:
        raw = bytes(base58.decode(text))
    except Exception:  # noqa: BLE001 -- whatever the library thinks of foreign text
        return None
    return raw if len(raw) == size and base58.encode(raw) == text else None
