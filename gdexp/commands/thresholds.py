"""`gdexp thresholds [DIR] [precision=1e-6] [format=markdown|latex]`: where convergence is lost."""

from __future__ import annotations

from collections.abc import Sequence

from gdexp.commands import asked, show, warn_unfinished
from gdexp.config.values import number


def main(arguments: Sequence[str]) -> int:
    """Prints the learning rates at which convergence is lost, and how many runs that took."""
    found, words = asked(arguments, ("precision", "format"))
    warn_unfinished(found)
    table = found.thresholds(number("precision", words.get("precision", 1e-6)))
    show(table, words)
    if "format" not in words:
        told = table.schema.metadata
        runs, precision = int(told[b"further_runs"]), float(told[b"precision"])
        print(f"\n{runs:,} further runs of 4,096 steps, to a relative {precision:g}")
        for why in filter(None, told[b"left_out"].decode().split("\n")):
            print(f"left out: {why}")
        print(f"of {found.directory}")
    return 0
