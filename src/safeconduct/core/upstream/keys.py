"""Accounts that are linked by what somebody types in: named keys, or an address.

    auth.api_key   fields as the provider calls them ─▶ read_fields ─▶ pack ─▶ the vault
    auth.wallet    an address, and how its owner may prove that it is theirs

The modes `basic`, `custom_form`, `client_credentials` and `service_account` ask for fields, too.

What is typed in travels as one secret: `pack` makes it of the fields, `unpack` gives them back to
whoever signs with them. Nothing here ever says a value: a refusal names the field.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from safeconduct.core.errors import ApiError
from safeconduct.core.secret import Secret
from safeconduct.core.upstream.pointer import Pointer
from safeconduct.core.upstream.schema import InvalidEntry
from safeconduct.core.upstream.slotted import Slotted
from safeconduct.core.upstream.template import Pattern
from safeconduct.core.wording import Sentence, worded

ADDRESS = "address"
MAX_FIELDS = 8
MAX_LENGTH = 16_384

_CAIP2 = re.compile("[-a-z0-9]{3,8}:[-_a-zA-Z0-9]{1,32}")
_FIELD = re.compile(r"[a-z][a-z0-9_]{0,31}")
_FORM = frozenset(
    {"csrf", "flow", "connection", "display_label", "mode", "provider_id", "way", "expires_at"}
)
"""Names that our own forms and requests use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyField:
    """One thing to type in. `secret`: shown as dots, and never again afterwards.

    `kind`: one line of text; `lines`, which is a key in PEM; or `json`, a key file as the provider
    gives it, of which what `reads` points to is kept under those names, and nothing else. `open`:
    those of them that are no secret.
    """

    name: str
    label: str
    help: str | None = None
    secret: bool = True
    optional: bool = False
    max_length: int = 512
    pattern: Pattern | None = None
    example: str | None = None
    kind: Literal["text", "lines", "json"] = "text"
    reads: Mapping[str, Pointer] = field(default_factory=dict)
    open: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in (self.name, *self.reads):
            if not _FIELD.fullmatch(name):
                raise InvalidEntry("name", "must be lower-case letters, digits and underscores")
        if self.name in _FORM:
            raise InvalidEntry("name", "is a word of the form itself")
        if not 0 < self.max_length <= MAX_LENGTH:
            raise InvalidEntry("max_length", f"must be between 1 and {MAX_LENGTH}")
        if bool(self.reads) != (self.kind == "json"):
            raise InvalidEntry("reads", "belongs to a field of kind json, and to no other")
        if not set(self.open) <= set(self.reads):
            raise InvalidEntry("open", "must be names of `reads`")
        if self.pattern is not None and not re.fullmatch(self.pattern, self.example or ""):
            raise InvalidEntry("example", "must be there, and match `pattern`")

    @property
    def gives(self) -> tuple[str, ...]:
        """The names under which it is kept."""
        return tuple(self.reads) or (self.name,)

    @property
    def hides(self) -> frozenset[str]:
        """Those of them that nobody is shown."""
        return frozenset(self.gives) - frozenset(self.open) if self.secret else frozenset()


def distinct(fields: Sequence[KeyField]) -> None:
    """No name stands for two things, and the form fits on a page."""
    names = [name for field in fields for name in {field.name, *field.gives}]
    if not 0 < len(fields) <= MAX_FIELDS or len(set(names)) < len(names):
        raise InvalidEntry("fields", f"must be 1 to {MAX_FIELDS} fields with distinct names")


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """Keys that the user makes at the provider. `where` is the page on which they do so. `ends`:
    keys have an end there, or may be given one, which the provider does not tell.
    """

    fields: tuple[KeyField, ...]
    where: str | None = None
    ends: bool = False

    def __post_init__(self) -> None:
        distinct(self.fields)

    def texts(self) -> Iterator[tuple[str, Slotted]]:
        """Which field is sent, and how, is said by `api.token`, or known to a connector."""
        return iter(())


ScriptForm = Literal["pkh", "sh-wpkh", "wpkh", "tr"]
"""How a key becomes a script: BIP-44, 49, 84 and 86."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """How a chain of Bitcoin's family writes addresses and keys: version bytes and prefixes.

    `extended`: version of an extended public key, in hexadecimal → the forms that it may stand
    for. `signs_as`: what precedes a message that is signed in the old way, before its line end.
    """

    p2pkh: int
    p2sh: int
    bech32: str | None = None
    extended: Mapping[str, tuple[ScriptForm, ...]] = field(default_factory=dict)
    signs_as: str | None = None

    def __post_init__(self) -> None:
        if not all(re.fullmatch("[0-9a-f]{8}", version) for version in self.extended):
            raise InvalidEntry("extended", "must have keys of eight hexadecimal digits")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wallet:
    """An address on a chain. `family` is how its addresses are written and its owners sign;
    `chain` is its name under CAIP-2, which EVM chains have from their number.

    `proof`: how ownership can be shown; an address without is watched only.
    """

    family: Literal["evm", "bitcoin", "solana"]
    network: str
    chain_id: int | None = None
    chain: str | None = None
    written: Written | None = None
    proof: Literal["eip4361", "bip322", "ed25519", "none"] = "none"
    contracts: bool = False  # EIP-1271: an account may be a contract, and the chain can be asked

    def __post_init__(self) -> None:
        if (self.chain_id is None) != (self.family != "evm"):
            raise InvalidEntry("chain_id", "goes with the family evm")
        if self.chain_id is not None and not 0 < self.chain_id < 1 << 53:
            raise InvalidEntry("chain_id", "must be a positive whole number")
        if (self.chain is None) != (self.family == "evm"):
            raise InvalidEntry("chain", "goes with every family but evm")
        if self.chain is not None and not _CAIP2.fullmatch(self.chain):
            raise InvalidEntry("chain", "must be namespace:reference, as CAIP-2 has it")
        if (self.written is None) != (self.family != "bitcoin"):
            raise InvalidEntry("written", "goes with the family bitcoin")

    @property
    def caip2(self) -> str:
        return self.chain or f"eip155:{self.chain_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What is watched, in its one form. `account` is what tells it apart on its chain, `name` is
    for people. Several addresses at once (`many`) have no single owner's signature.
    """

    text: str = field(repr=False)
    account: str
    name: str
    many: bool = False


def read_fields(
    fields: Sequence[KeyField], given: Mapping[str, str], *, any_script: bool = False
) -> dict[str, str]:
    """What was typed in, held to the entry's fields; `ApiError` 400 names the field, not its value.

    Space around a key comes from copying it. A control character inside would end a header or a
    line somewhere, and a letter beyond ASCII is no part of any key; only of a password
    (`any_script`).
    """
    known = {one.name: one for one in fields}
    for name in given:
        if name not in known:
            raise refused(name if _FIELD.fullmatch(name) else "fields", "is not asked for here")
    read: dict[str, str] = {}
    for name, one in known.items():
        value = given.get(name, "").strip(" \t\r\n")
        if value:
            read |= _read(one, value, any_script=any_script)
        elif not one.optional:
            raise refused(
                name, "is required", worded("{field} is missing.", field=worded(one.label))
            )
    return read


def _read(one: KeyField, value: str, *, any_script: bool) -> dict[str, str]:
    name = one.name
    if len(value) > one.max_length:
        raise refused(name, "is too long", worded("{field} is too long.", field=worded(one.label)))
    if one.kind == "json":
        return _read_file(one, value)
    plain = value.replace("\r\n", "\n")
    if not _is_plain(plain) or not (any_script or value.isascii()):
        told = worded("{field} holds characters that do not belong there.", field=worded(one.label))
        raise refused(name, "holds characters that no key has", told)
    if one.pattern is not None and not re.fullmatch(one.pattern, value):
        raise refused(name, "is not of the expected form", unexpected(one))
    return {name: plain if one.kind == "lines" else value}


def _is_plain(text: str) -> bool:
    """A key in PEM has lines, and they are its own; a line more anywhere else ends a header."""
    pem = text.startswith("-----BEGIN ")
    return (text.replace("\n", "") if pem else text).isprintable()


def _read_file(one: KeyField, value: str) -> dict[str, str]:
    """A key file: of all that it holds, what the entry asks for."""
    try:
        document = json.loads(value)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        told = worded("This is no key file. It must be all of the file, as you got it.")
        raise refused(one.name, "is not a key file: it must be all of a JSON object", told)
    found: dict[str, str] = {}
    for name, pointer in one.reads.items():
        part = pointer.of(document)
        text = str(part) if type(part) is int else part
        if not isinstance(text, str) or not text or not _is_plain(text):
            why = f"is not the right kind of key file: it has no {pointer}"
            lacking = worded(
                "This is not the right kind of key file: it has no {part}.", part=pointer
            )
            raise refused(one.name, why, lacking)
        found[name] = text
    return found


def pack(fields: Mapping[str, str]) -> Secret:
    """The fields as the one secret that a connection lives on."""
    return Secret(json.dumps(dict(sorted(fields.items())), separators=(",", ":")))


def unpack(secret: Secret) -> dict[str, str]:
    return {str(name): str(value) for name, value in json.loads(secret.reveal()).items()}


def unexpected(one: KeyField) -> Sentence:
    """What a field is told by its label, and how it is written by its example, if it has one."""
    label = worded(one.label)
    if one.example and not one.secret:
        return worded(
            "{field} is written otherwise, such as {example}.", field=label, example=one.example
        )
    return worded("{field} does not look as it should. Was all of it copied?", field=label)


def refused(field: str, why: str, told: Sentence | None = None) -> ApiError:
    """`told` is the same for who typed it in: by the field's label, not by its name."""
    return ApiError(400, "invalid_credential_field", f"{field} {why}", words=told, field=field)
