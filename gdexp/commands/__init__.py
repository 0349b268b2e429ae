"""What the front door's words do: one file a command, with `main(arguments) -> exit code`."""

from __future__ import annotations

import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gdexp.base import UsageError, nearest

if TYPE_CHECKING:
    from gdexp.results import Results

NOT_THE_SAME = 3  # exit code: other bits than were stored
ROOTS = ("outputs", "multirun")  # where Hydra writes


def refusal(error: BaseException | str) -> int:
    """Says what is wrong with the user's words; the exit code for it."""
    print(f"gdexp: {error}", file=sys.stderr)
    return 2


def asked(
    arguments: Sequence[str], known: Collection[str] | None
) -> tuple[Results, dict[str, str]]:
    """`[DIR] [KEY=VALUE ...] [--allow-code]`: the results, by default the newest, and the words.

    Args:
      arguments: behind a command's name.
      known: the keys there are; None: any.

    Raises:
      UsageError: a word is none of these, or there is no directory.
    """
    allow = "--allow-code" in arguments
    arguments = [word for word in arguments if word != "--allow-code"]
    folders = [word for word in arguments if "=" not in word]
    if flags := [word for word in folders if word.startswith("-")]:
        raise UsageError(f"there is no flag {flags[0]}: type --allow-code, or KEY=VALUE")
    words = dict(word.split("=", 1) for word in arguments if "=" in word)
    if len(folders) > 1:
        raise UsageError(f"one folder is enough, and {folders[1]!r} is another")
    for key in words:
        if known is not None and key not in known:
            hint = nearest(key, known) or f": type one of {', '.join(known)}"
            raise UsageError(f"there is no key {key!r}{hint}")
    from gdexp.results import load  # late: `list` needs none of it

    return load(Path(folders[0]) if folders else newest(), allow_code=allow), words


def option(arguments: Sequence[str], name: str) -> tuple[list[str], str | None]:
    """`arguments` without `NAME VALUE` or `NAME=VALUE`, and the value.

    Raises:
      UsageError: the value is missing.
    """
    left, value, words = [], None, iter(arguments)
    for word in words:
        if word == name:
            value = next(words, None)
            if value is None:
                raise UsageError(f"{name} needs a value: type {name} 1000")
        elif word.startswith(f"{name}="):
            value = word.removeprefix(f"{name}=")
        else:
            left.append(word)
    return left, value


def newest() -> Path:
    """The output directory that was written last below the working directory.

    Raises:
      UsageError: there is none.
    """
    found = [m for root in ROOTS for m in Path(root).glob("**/manifest.json")]
    if not found:
        raise UsageError("there is no output folder below this one: name it, or run a sweep")
    return max(found, key=lambda manifest: manifest.stat().st_mtime_ns).parent


def show(table: Any, words: dict[str, str]) -> None:
    """Prints a table: for a terminal, or as `format=markdown` or `format=latex`."""
    from gdexp import typeset

    if form := words.get("format"):
        print(typeset.write(table, form), end="")
        return
    from rich.console import Console
    from rich.table import Table

    shown = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for name in typeset.columns(table):
        shown.add_column(name, overflow="fold")
    for row in typeset.rows(table):
        shown.add_row(*row)
    # a file or a pipe has no width: a table is not to be cut to a guess of it
    Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else 240).print(shown)
