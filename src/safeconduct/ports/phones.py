"""What is known of phone numbers."""

from typing import Protocol


class Phones(Protocol):
    def country(self, number: str) -> str | None:
        """The country (ISO 3166, two letters) of a number in E.164 form that can take a text
        message; None for any other."""
        ...
