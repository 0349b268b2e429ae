"""`gdexp race [DIR] [target=F] [budget=N] [format=markdown|latex]`: optimizers in a fair race."""

from __future__ import annotations

from collections.abc import Sequence

from gdexp.commands import directory_and_words, show
from gdexp.config.values import number
from gdexp.results import load


def main(arguments: Sequence[str]) -> int:
    """Prints the optimizers against each other, best first."""
    directory, words = directory_and_words(arguments, ("target", "budget", "format"))
    asked = {key: number(key, words[key]) for key in ("target", "budget") if key in words}
    show(load(directory).race(**asked), words)
    if "format" not in words:
        print("\neach chosen on half of the starts, and judged on the other half")
    return 0
