"""`gdexp boundary [DIR] x=AXIS y=AXIS [value=outcome] [KEY=VALUE]`: is this boundary fractal?"""

from __future__ import annotations

from collections.abc import Sequence

from gdexp.base import UsageError
from gdexp.commands import directory_and_words
from gdexp.config.values import number
from gdexp.results import load

KEYS = ("x", "y", "value", "objective", "optimizer")


def main(arguments: Sequence[str]) -> int:
    """Prints the dimension of the boundary of a map, and what it was fitted to."""
    directory, words = directory_and_words(arguments, None)
    if missing := [key for key in ("x", "y") if key not in words]:
        raise UsageError(
            f"a map needs {missing[0]}=AXIS: type x=learning_rate y=start, or with start=grid "
            "x=x0_0 y=x0_1"
        )
    named = {key: words[key] for key in KEYS if key in words}
    where = {k.replace(".", "__"): number(k, v) for k, v in words.items() if k not in KEYS}
    found = load(directory).boundary(**named, **where)
    value = named.get("value", "outcome")
    print(f"the boundary between regions of {value} over {words['x']} and {words['y']}")
    print(f"  {found.cells:,} places lie on it")
    print(f"  dimension {found.dimension:.3f} ({found.low:.3f} to {found.high:.3f})")
    print(f"  {found.verdict}")
    counts = ", ".join(f"{n:,.0f} of {s}" for s, n in zip(found.sizes, found.counts, strict=True))
    print(f"  boxes that cover it: {counts}")
    return 0
