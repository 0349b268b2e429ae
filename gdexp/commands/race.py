"""`gdexp race [DIR] [target=F] [budget=N] [format=markdown|latex]`: optimizers in a fair race."""

from __future__ import annotations

from collections.abc import Sequence

from gdexp.commands import asked, show, warn_unfinished
from gdexp.config.values import number


def main(arguments: Sequence[str]) -> int:
    """Prints the optimizers against each other, best first."""
    found, words = asked(arguments, ("target", "budget", "format"))
    warn_unfinished(found)
    given = {key: number(key, words[key]) for key in ("target", "budget") if key in words}
    show(found.race(**given), words)
    if "format" not in words:
        print("\neach chosen on half of the starts, and judged on the other half")
        print(f"of {found.directory}")
    return 0
