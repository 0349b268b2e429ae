"""`gdexp work DIR [--shard I/N] [--own-bits] [--allow-code]`: makes some of a sweep's tiles."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence

from gdexp import store
from gdexp.base import UsageError
from gdexp.commands import asked, option, other_bits, underway

SHARD, OWN = "--shard", "--own-bits"


def main(arguments: Sequence[str]) -> int:
    """Makes what nobody has made of a share; 3 if it would have other bits here, and why.

    With `--own-bits` it makes them all the same, and they say whose bits they have.
    """
    arguments, text = option(arguments, SHARD, "0/4")
    index, shares = (0, 1) if text is None else _shard(text)
    own, arguments = OWN in arguments, [word for word in arguments if word != OWN]
    if not [word for word in arguments if not word.startswith("-")]:
        raise UsageError("whose tiles? type python -m gdexp work DIR")
    found, _ = asked(arguments, (), (SHARD, OWN))
    from gdexp import verify, worker  # late: they bring JAX
    from gdexp.config import saved
    from gdexp.sinks.terminal import Terminal

    saved.refuse_changed(found.config, found.manifest)
    folder = shlex.quote(store.typed(found.directory))
    again = f"work {folder}" + (f" {SHARD} {text}" if text else "") + (f" {OWN}" if own else "")
    terminal = Terminal(found.experiment, found.plan, found.directory)
    try:
        with underway(found.directory, again):
            share = worker.work(found, index, shares, terminal.progress, own)
    except verify.NotTheSameError as error:
        code = other_bits(error)
        if not own:
            print(f"gdexp: {OWN} makes them all the same, and marks them", file=sys.stderr)
        return code
    finally:
        terminal.stop()
    print(f"{share.made:,} runs made, of a share of {share.tiles:,} tiles")
    if share.environment:
        print(f"with bits of their own, marked as those of environment {share.environment}")
    if share.missing:
        more = f"python -m gdexp work {folder}{f' {OWN}' if own else ''}"
        print(f"{share.missing:,} tiles of the sweep are missing: {more}")
    else:  # resume is for who makes the same bits
        finish = "report" if share.environment else "resume"
        print(f"every tile is there: python -m gdexp {finish} {folder} finishes the sweep")
    return 0


def _shard(text: str) -> tuple[int, int]:
    """I and N of `I/N`; UsageError if they are not whole, or I is not below N."""
    first, _, second = text.partition("/")
    if not (first.isdecimal() and second.isdecimal() and int(first) < int(second)):
        raise UsageError(
            f"{SHARD} {text}: I/N is the share I, from 0, of N shares: type {SHARD} 0/4"
        )
    return int(first), int(second)
