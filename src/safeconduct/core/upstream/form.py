"""The form in which a user brings what is needed: an entry's own fields, and those of its URLs."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from safeconduct.core.upstream.keys import KeyField
from safeconduct.core.upstream.schema import InvalidEntry
from safeconduct.core.upstream.slotted import Slotted
from safeconduct.core.upstream.template import Placeholder

SHOWN = ("account_id", "account_name")
"""Texts that others see; no secret may be part of them."""


class Brings(Protocol):
    """A mode with fields. `where`: the page of the provider on which what they hold is made.
    `ends`: it has an end there, or may be given one, that only its owner knows.
    """

    @property
    def fields(self) -> tuple[KeyField, ...]: ...

    @property
    def where(self) -> str | None: ...

    @property
    def ends(self) -> bool: ...

    def texts(self) -> Iterator[tuple[str, Slotted]]:
        """What is made of the fields, with its path in the entry."""
        ...


def form_of(
    fields: Sequence[KeyField], placeholders: Mapping[str, Placeholder], names: Iterable[str]
) -> tuple[KeyField, ...]:
    """What to ask: first where, then who. A field of a placeholder's name is in its place."""
    own = {name for field in fields for name in field.gives}
    asked = tuple(
        _asked(name, placeholders[name]) for name in dict.fromkeys(names) if name not in own
    )
    return (*asked, *fields)


def check_texts(mode: str, how: Brings, form: Sequence[KeyField]) -> None:
    """Every text is made of fields that are asked for, and none that is shown of a secret."""
    asked = {name for field in form for name in field.gives}
    hidden = {name for field in form for name in field.hides}
    for at, text in how.texts():
        for name in text.names:
            if name not in asked:
                raise InvalidEntry(f"auth.{mode}.{at}", f"uses {{{name}}}, which nobody is asked")
            if at in SHOWN and name in hidden:
                raise InvalidEntry(f"auth.{mode}.{at}", f"would show {{{name}}}, a secret")


def _asked(name: str, how: Placeholder) -> KeyField:
    return KeyField(
        name=name,
        label=how.label,
        help=how.help,
        secret=False,
        max_length=253,
        pattern=how.pattern if how.example else None,
        example=how.example,
    )
