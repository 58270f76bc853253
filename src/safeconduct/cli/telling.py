"""How the walk is told at a terminal."""

from rich.console import Console
from rich.text import Text


class Terminal:
    """Steps in bold, what was exchanged below, what held with a tick."""

    def __init__(self) -> None:
        self._console = Console(highlight=False, soft_wrap=True)

    def step(self, number: int, title: str) -> None:
        self._console.print(Text(f"\n{number}. {title}", style="bold"))

    def line(self, text: str) -> None:
        self._console.print(Text(f"   {text}", style="dim"))

    def proved(self, text: str) -> None:
        self._console.print(Text(f" ✓ {text}", style="green"))


class Quiet:
    """Tells nothing; the report is printed at the end."""

    def step(self, number: int, title: str) -> None: ...

    def line(self, text: str) -> None: ...

    def proved(self, text: str) -> None: ...
