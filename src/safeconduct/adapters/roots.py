"""Root keys, wherever they are held: in a file, in the environment, or in a token (PKCS#11).

    /path/to/root.key        64 hexadecimal digits, mode 0600
    env:NAME                 the same, in a variable
    pkcs11:token=…;object=…  a key that never leaves its token (RFC 7512), with the module and the
                             pin in the query: ?module-path=/usr/lib/…so&pin-source=/run/pin

A root key wraps a tenant's keys and nothing else, so that it is asked only when a server starts and
when keys are made. Who destroys it makes unreadable whatever lies under it, backups included.
"""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol, TypeVar
from urllib.parse import parse_qsl, unquote

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from safeconduct.ports.keyring import Sealed, Unsealable

T = TypeVar("T")

FORMAT = b"\x01"
NONCE = 12
TAG = 16


class RootKeyError(Exception):
    """The root key is missing, short or a known sample; the sentence says what to do."""


class Root(Protocol):
    """AES-256-GCM under one key. `id` names the key and says nothing about it."""

    id: str

    def wrap(self, plaintext: bytes, aad: bytes) -> bytes: ...

    def unwrap(self, wrapped: bytes, aad: bytes) -> bytes:
        """`Unsealable` for what was not wrapped here; `Sealed` when the key cannot be asked."""
        ...


class LocalRoot:
    """A key in this process's memory."""

    def __init__(self, key: bytes) -> None:
        self.id, self._aead = root_id(key), AESGCM(key)

    def __repr__(self) -> str:
        return f"LocalRoot({self.id})"

    def wrap(self, plaintext: bytes, aad: bytes) -> bytes:
        return encrypt(self._aead, plaintext, aad)

    def unwrap(self, wrapped: bytes, aad: bytes) -> bytes:
        return decrypt(self._aead, wrapped, aad)


class TokenRoot:
    """A key in a token. One session, opened again when the token was taken out and came back."""

    def __init__(self, uri: str, *, create: bool = False) -> None:
        self._place = _placed(uri)
        self._lock = threading.Lock()
        self._session: Any = None
        with self._lock, _words(self._place):
            session = self._opened()
            if create and not _found(session, self._place.label):
                _make(session, self._place.label)
            self.id = self._name(session)

    def __repr__(self) -> str:
        return f"TokenRoot({self.id})"

    def wrap(self, plaintext: bytes, aad: bytes) -> bytes:
        nonce = os.urandom(NONCE)
        body = self._asked(lambda key, gcm: key.encrypt(plaintext, **gcm), nonce, aad)
        return FORMAT + nonce + bytes(body)

    def unwrap(self, wrapped: bytes, aad: bytes) -> bytes:
        if len(wrapped) < len(FORMAT) + NONCE + TAG or wrapped[:1] != FORMAT:
            raise Unsealable("unknown format")
        nonce, body = wrapped[1 : 1 + NONCE], wrapped[1 + NONCE :]
        return bytes(self._asked(lambda key, gcm: key.decrypt(body, **gcm), nonce, aad))

    def _asked(self, act: Callable[[Any, dict[str, Any]], T], nonce: bytes, aad: bytes) -> T:
        import pkcs11
        from pkcs11 import exceptions

        gcm = {
            "mechanism": pkcs11.Mechanism.AES_GCM,
            "mechanism_param": pkcs11.GCMParams(nonce, FORMAT + aad, TAG * 8),
        }
        lost = (exceptions.SessionHandleInvalid, exceptions.DeviceRemoved, exceptions.DeviceError)
        wrong = (exceptions.EncryptedDataInvalid, exceptions.EncryptedDataLenRange)
        with self._lock, _words(self._place):
            for again in (True, False):
                try:
                    return act(self._key(self._opened()), gcm)
                except wrong:
                    raise Unsealable("does not open") from None
                except lost:
                    self._session = None
                    if not again:
                        raise
                except exceptions.GeneralError:
                    # SoftHSM says no more than this of a tag that does not fit
                    raise Unsealable("does not open") from None
        raise AssertionError("the second try returns or raises")

    def _opened(self) -> Any:
        if self._session is None:
            import pkcs11
            from pkcs11 import exceptions

            token = pkcs11.lib(self._place.module).get_token(token_label=self._place.token)
            try:
                self._session = token.open(user_pin=self._place.pin, rw=True)
            except exceptions.UserAlreadyLoggedIn:  # by another of our keys in this token
                self._session = token.open(rw=True)
        return self._session

    def _key(self, session: Any) -> Any:
        found = _found(session, self._place.label)
        if not found:
            raise Sealed(f"The token {self._place.token!r} has no key {self._place.label!r}.")
        return found[0]

    def _name(self, session: Any) -> str:
        key = self._key(session)
        serial = bytes(session.token.serial)
        told = (b"pkcs11", serial, self._place.label.encode(), bytes(key.id or b""))
        return root_id(b"\0".join(told))


class _Place:
    """Where a token's key is: module, token, label, pin."""

    def __init__(self, module: str, token: str, label: str, pin: str) -> None:
        self.module, self.token, self.label, self.pin = module, token, label, pin


def _placed(uri: str) -> _Place:
    """RFC 7512 §2.3: attributes in the path, how to get at them in the query."""
    path, _, query = uri.removeprefix("pkcs11:").partition("?")
    pairs = (part.partition("=") for part in path.split(";") if part)
    named = {name: unquote(value) for name, _, value in pairs}
    how = dict(parse_qsl(query.replace("&amp;", "&")))
    pin = how.get("pin-value")
    if pin is None and "pin-source" in how:
        source = how["pin-source"].removeprefix("file:")
        try:
            pin = Path(source).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise RootKeyError(f"The pin file {source} cannot be read: {error.strerror}.") from None
    if not named.get("token") or not named.get("object") or not how.get("module-path") or not pin:
        raise RootKeyError(
            "A root key in a token is written as "
            "pkcs11:token=NAME;object=LABEL?module-path=FILE&pin-source=FILE."
        )
    if not Path(how["module-path"]).is_file():
        raise RootKeyError(f"The PKCS#11 module {how['module-path']} is not there.")
    return _Place(how["module-path"], named["token"], named["object"], pin)


def _found(session: Any, label: str) -> list[Any]:
    import pkcs11

    wanted = {
        pkcs11.Attribute.CLASS: pkcs11.ObjectClass.SECRET_KEY,
        pkcs11.Attribute.LABEL: label,
    }
    return list(session.get_objects(wanted))


def _make(session: Any, label: str) -> None:
    """A key that its token does not give away."""
    import pkcs11

    session.generate_key(
        pkcs11.KeyType.AES,
        256,
        label=label,
        id=os.urandom(8),
        store=True,
        capabilities=pkcs11.MechanismFlag.ENCRYPT | pkcs11.MechanismFlag.DECRYPT,
        template={pkcs11.Attribute.SENSITIVE: True, pkcs11.Attribute.EXTRACTABLE: False},
    )


@contextmanager
def _words(place: _Place) -> Iterator[None]:
    """What a token says as a sentence, without the pin."""
    try:
        from pkcs11 import exceptions
    except ImportError:
        raise RootKeyError(
            "A root key in a token needs one package more: pip install 'safeconduct[pkcs11]'"
        ) from None
    try:
        yield
    except exceptions.PKCS11Error as error:
        name = type(error).__name__
        raise Sealed(f"The token {place.token!r} cannot be asked: {name}.") from None
    except RuntimeError as error:  # the module is not there, or is none
        raise RootKeyError(f"The PKCS#11 module {place.module} cannot be used: {error}.") from None


def root_of(source: str | Path, *, create: bool = False) -> Root:
    """The root key at a source. Made only when `create` and absent, and never in a variable."""
    text = str(source)
    if text.startswith("pkcs11:"):
        return TokenRoot(text, create=create)
    if text.startswith("env:"):
        name = text.removeprefix("env:")
        if not os.environ.get(name):
            raise RootKeyError(f"The variable {name}, which should hold the root key, is not set.")
        return LocalRoot(_checked(os.environ[name], f"in {name}"))
    return LocalRoot(load_root_key(Path(text), create=create))


def load_root_key(path: Path, *, create: bool) -> bytes:
    """32 bytes from a file of 64 hex digits, mode 0600. Made only when `create` and absent."""
    if not path.exists():
        if not create:
            raise RootKeyError(
                f"The root key {path} is missing, and the database already holds sealed data. "
                "Put the key file back from your backup; a new key could not open anything."
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(os.urandom(32).hex() + "\n")
            file.flush()
            os.fsync(file.fileno())
    try:
        text = path.read_text(encoding="ascii")
    except UnicodeDecodeError:
        text = ""
    return _checked(text, str(path))


def _checked(text: str, where: str) -> bytes:
    try:
        key = bytes.fromhex(text.strip())
    except ValueError:
        key = b""
    if not key:
        raise RootKeyError(f"The root key {where} is not 64 hexadecimal digits.")
    if len(key) != 32:
        raise RootKeyError(f"The root key {where} has {len(key) * 8} bits; it must have 256.")
    if len(set(key)) < 8 or key == bytes(range(32)):
        raise RootKeyError(f"The root key {where} is a sample, not a random key. Make a new one.")
    return key


def root_id(key: bytes) -> str:
    """A name for a root key that says nothing about it."""
    return sha256(b"safeconduct root id\0" + key).hexdigest()[:12]


def encrypt(aead: AESGCM, plaintext: bytes, aad: bytes) -> bytes:
    nonce = os.urandom(NONCE)
    return FORMAT + nonce + aead.encrypt(nonce, plaintext, FORMAT + aad)


def decrypt(aead: AESGCM, sealed: bytes, aad: bytes) -> bytes:
    if len(sealed) < 1 + NONCE + TAG or sealed[:1] != FORMAT:
        raise Unsealable("unknown format")
    try:
        return aead.decrypt(sealed[1 : 1 + NONCE], sealed[1 + NONCE :], FORMAT + aad)
    except InvalidTag:
        raise Unsealable("does not open") from None
