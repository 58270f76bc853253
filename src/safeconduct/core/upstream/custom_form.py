"""Fields of the provider's own, and where in a request each of them goes (`auth.custom_form`)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from safeconduct.core.upstream.keys import KeyField, distinct
from safeconduct.core.upstream.schema import InvalidEntry
from safeconduct.core.upstream.slotted import Slotted

_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}")  # RFC 9110 §5.6.2
_PARAMETER = re.compile(r"[A-Za-z0-9_.\[\]-]{1,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One thing that every request carries. A field that fills a placeholder of the URLs needs
    no place: it goes where its name stands.
    """

    place: Literal["header", "query", "body"]
    name: str
    value: Slotted

    def __post_init__(self) -> None:
        shape = _TOKEN if self.place == "header" else _PARAMETER
        if not shape.fullmatch(self.name):
            raise InvalidEntry("name", f"is not the name of a {self.place} field")


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomForm:
    """`body` is how bodies are written into which a field goes: as a form, or as a JSON object."""

    fields: tuple[KeyField, ...]
    places: tuple[Place, ...] = ()
    body: Literal["json", "form"] = "json"
    where: str | None = None
    ends: bool = False  # what they hold has an end there, or may be given one

    def __post_init__(self) -> None:
        distinct(self.fields)

    def texts(self) -> Iterator[tuple[str, Slotted]]:
        for index, place in enumerate(self.places):
            yield f"places[{index}].value", place.value

    @property
    def in_body(self) -> bool:
        return any(place.place == "body" for place in self.places)
