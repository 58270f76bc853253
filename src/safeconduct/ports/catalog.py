"""The providers that are known, by id."""

from collections.abc import Sequence
from typing import Protocol

from safeconduct.core.upstream.provider import Provider


class Catalog(Protocol):
    def get(self, provider_id: str) -> Provider | None:
        """One entry by its exact id."""
        ...

    def all(self) -> Sequence[Provider]:
        """Every entry, by name."""
        ...
