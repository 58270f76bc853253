"""The Calico Platform API v2 surface: its routes, from the parts that make them."""

from collections.abc import Iterable
from typing import Protocol

from starlette.routing import Route

NAME = "calico"


class Part(Protocol):
    def routes(self) -> list[Route]: ...


def routes(parts: Iterable[Part]) -> list[Route]:
    """`CalicoAssets`, `CalicoTransactions` and the parts for providers and the callback."""
    return [route for part in parts for route in part.routes()]


SURFACE = routes
