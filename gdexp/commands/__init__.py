"""What the front door's words do: one file a command, with `main(arguments) -> exit code`."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import secrets
import shlex
import sys
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gdexp import interrupts
from gdexp.base import ExecutorError, OutOfMemoryError, UsageError, nearest

if TYPE_CHECKING:
    from gdexp.results import Results

NOT_THE_SAME = 3  # exit code: other bits than were stored
ROOTS = ("outputs", "multirun")  # where Hydra writes
ALLOW = "--allow-code"
CURES = {
    **dict.fromkeys((errno.ENOSPC, getattr(errno, "EDQUOT", -1)), "free some space"),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), "make it writable"),
    errno.EIO: "copy the folder to another disk",
}


def refusal(error: BaseException | str) -> int:
    """Says what is wrong with the user's words; the exit code for it."""
    print(f"gdexp: {error}", file=sys.stderr)
    return 2


def other_bits(error: BaseException) -> int:
    """Says why runs would have other bits here than a sweep has; the exit code for it."""
    print(f"gdexp: NOT THE SAME BITS here: {error}", file=sys.stderr)
    return NOT_THE_SAME


@contextlib.contextmanager
def underway(directory: Path, command: str | None = None, where: str = "") -> Iterator[None]:
    """What runs here fills `directory`: whatever cuts it short, it is told how to finish it, by
    `command` or else by `resume`, with the words `where`.

    A disk that is full or not to be written, and memory that does not suffice, end the process with
    exit code 1 and one message.
    """
    from gdexp import store  # late: `list` needs none of it

    command = command or f"resume {shlex.quote(store.typed(directory))} {where}".rstrip()
    resume = f"python -m gdexp {command}"
    with interrupts.resumable(resume):
        try:
            yield
            return
        except OutOfMemoryError as error:
            told, cure = str(error), "close other programs"
        except ExecutorError as error:
            told, cure = str(error), "see to the cluster"
        except OSError as error:
            if error.errno not in CURES:
                raise
            told = f"{error.filename or directory}: {os.strerror(error.errno)}"
            cure = CURES[error.errno]
        begun = (directory / store.MANIFEST).exists()
        how = f"what was finished is kept: {cure}, then {resume}" if begun else cure
        print(f"gdexp: {told}; {how}", file=sys.stderr)
        raise SystemExit(1)


def asked(
    arguments: Sequence[str], known: Collection[str] | None, flags: Sequence[str] = ()
) -> tuple[Results, dict[str, str]]:
    """`[DIR] [KEY=VALUE ...] [--allow-code]`: the results, by default the newest, and the words.

    Args:
      arguments: behind a command's name.
      known: the keys there are; None: any.
      flags: that the command has taken out already.

    Raises:
      UsageError: a word is none of these, or there is no directory.
    """
    allow = ALLOW in arguments
    arguments = [word for word in arguments if word != ALLOW]
    folders = [word for word in arguments if "=" not in word]
    if wrong := [word.split("=")[0] for word in arguments if word.startswith("-")]:
        there = (*flags, ALLOW)
        hint = nearest(wrong[0], there) or f": type {', '.join(there)}, or KEY=VALUE"
        raise UsageError(f"there is no flag {wrong[0]}{hint}")
    words = dict(word.split("=", 1) for word in arguments if "=" in word)
    if len(folders) > 1:
        raise UsageError(f"one folder is enough, and {folders[1]!r} is another")
    for key in words:
        if known is not None and key not in known:
            few = f": type one of {', '.join(known)}" if known else ": leave it out"
            raise UsageError(f"there is no key {key!r}{nearest(key, known) or few}")
    from gdexp.results import load  # late: `list` needs none of it

    return load(Path(folders[0]) if folders else newest(), allow_code=allow), words


def warn_unfinished(found: Results) -> None:
    """Says so where not all runs of a sweep are there: an answer is then one about some of them."""
    from gdexp import store

    if not found.manifest["complete"]:
        there = sum(tile["count"] for tile in found.manifest["tiles"])
        print(
            f"gdexp: about {there:,} of {found.manifest['runs']:,} runs; the others come by "
            f"python -m gdexp resume {shlex.quote(store.typed(found.directory))}",
            file=sys.stderr,
        )


def option(
    arguments: Sequence[str], name: str, example: str = "1000"
) -> tuple[list[str], str | None]:
    """`arguments` without `NAME VALUE` or `NAME=VALUE`, and the value, such as `example`.

    Raises:
      UsageError: the value is missing.
    """
    left, value, words = [], None, iter(arguments)
    for word in words:
        if word == name:
            value = next(words, None)
            if value is None:
                raise UsageError(f"{name} needs a value: type {name} {example}")
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


def new_directory() -> Path:
    """A folder named as Hydra names those of runs."""
    seconds, nanoseconds = divmod(time.time_ns(), 10**9)
    day = time.strftime("%Y-%m-%d/%H-%M-%S", time.localtime(seconds))
    return Path("outputs") / f"{day}.{nanoseconds // 1000:06}-{secrets.token_hex(3)}"


def show(table: Any, words: dict[str, str]) -> None:
    """Prints a table: for a terminal, or as `format=markdown` or `format=latex`.

    One that is wider than the terminal is turned on its side, with as many rows beside each other
    as fit.
    """
    from gdexp import typeset

    if form := words.get("format"):
        print(typeset.write(table, form), end="")
        return
    from rich.console import Console

    lines = [typeset.columns(table), *typeset.rows(table)]
    wide = sum(_widths(zip(*lines, strict=True)))
    # a file or a pipe has no width: a table is not to be cut to a guess of it
    console = Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else wide)
    if wide <= console.width:
        console.print(_grid(lines))
        return
    head, *records = lines
    [left], each = _widths([head]), _widths(records)
    while records:
        room = (
            total for total in itertools.accumulate(each, initial=left) if total <= console.width
        )
        count = max(1, sum(1 for _ in room) - 1)
        lines = [*zip(head, *records[:count], strict=True)]  # `list` is a command of this package
        console.print(_grid(lines, bold=False))
        records, each = records[count:], each[count:]
        if records:
            console.print()


def _widths(columns: Iterable[Sequence[str]]) -> list[int]:
    """How wide columns of text are, with the gap to the next."""
    return [max(map(len, column)) + 2 for column in columns]


def _grid(lines: Sequence[Sequence[str]], bold: bool = True) -> Any:
    """Lines of cells as rich's table; the first line is `bold`, or else the first column."""
    from rich.table import Table

    shown = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    shown.show_header = bold
    for i, name in enumerate(lines[0]):
        shown.add_column(name, overflow="fold", style="bold" if not (bold or i) else None)
    for line in lines[bold:]:
        shown.add_row(*line)
    return shown
