"""`gdexp list`: the names there are, each with a line on what it is."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.table import Table

from gdexp.base import UsageError, nearest
from gdexp.config import catalogue

KINDS = ("objectives", "optimizers", *(f"{group}s" for group in catalogue.SINGLE), "sweeps")


def main(arguments: Sequence[str]) -> int:
    """Lists one kind, or all."""
    for word in arguments:
        if word not in KINDS:
            hint = nearest(word, KINDS) or f": type one of {', '.join(KINDS)}"
            raise UsageError(f"there is no list of {word!r}{hint}")
    console = Console(width=None if sys.stdout.isatty() else 120)  # a pipe has no width
    for kind in arguments or KINDS:
        table = Table(
            title=kind, title_justify="left", title_style="bold", box=None, pad_edge=False
        )
        table.add_column("name", style="cyan", no_wrap=True)
        table.add_column("what it is")
        table.add_column("its numbers", style="dim")
        for row in rows(kind):
            table.add_row(*row)
        console.print(table)
        console.print()
    return 0


def rows(kind: str) -> Iterator[tuple[str, str, str]]:
    """(name, what it is, its numbers) of every entry of a kind."""
    if kind == "optimizers":
        for name in catalogue.choices("optimizer"):
            card = catalogue.optimizer_card(name)
            yield name, catalogue.header(catalogue.optimizer_path(name)), _numbers(card)
    elif kind == "sweeps":
        for name, path in catalogue.sweeps().items():
            yield name, catalogue.header(path), ""
    else:
        group = kind.removesuffix("s")
        found = catalogue.objectives() if group == "objective" else catalogue.kinds(group)
        cards = catalogue.cards()
        for name, cls in found.items():
            card = cards[group, name]
            card = card[name] if group == "objective" else card
            about = getattr(cls, "formula", None) or (cls.__doc__ or "").splitlines()[0]
            yield name, about, _numbers(card)


def _numbers(card: dict) -> str:
    return ", ".join(f"{k}={'null' if v is None else v}" for k, v in card.items() if k != "name")
