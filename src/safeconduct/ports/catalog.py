"""The providers that are known, by id."""

from collections.abc import Sequence
from typing import Protocol

from safeconduct.core.upstream.provider import Provider


class Catalog(Protocol):
    def get(self, provider_id: str) -> Provider | None:
        """One entry by its exact id."""
        ...

    def twin(self, provider_id: str) -> str | None:
        """The id of an entry that is this one but for its case, or this one."""
        ...

    def parse(self, text: bytes) -> object:
        """One document as entries are written, in YAML; `ValueError` says what is wrong."""
        ...

    def all(self) -> Sequence[Provider]:
        """Every entry, by name."""
        ...
