"""`gdexp boundary [DIR] x=AXIS y=AXIS [value=outcome] [KEY=VALUE]`: is this boundary fractal?"""

from __future__ import annotations

from collections.abc import Sequence

from gdexp.base import UsageError
from gdexp.commands import asked, warn_unfinished
from gdexp.config.values import number

KEYS = ("x", "y", "value", "objective", "optimizer")


def main(arguments: Sequence[str]) -> int:
    """Prints the dimension of the boundary of a map, and what it was fitted to."""
    found, words = asked(arguments, None)
    warn_unfinished(found)
    if missing := [key for key in ("x", "y") if key not in words]:
        raise UsageError(
            f"a map needs {missing[0]}=AXIS: type x=learning_rate y=start, or with start=grid "
            "x=x0_0 y=x0_1"
        )
    named = {key: words[key] for key in KEYS if key in words}
    where = {k.replace(".", "__"): number(k, v) for k, v in words.items() if k not in KEYS}
    shown = found.map(**named, **where)
    boundary = shown.boundary()
    held = "".join(f", at {key}={value:g}" for key, value in shown.held.items())
    print(
        f"the boundary between regions of {shown.value_name} over {shown.x_name} and "
        f"{shown.y_name}{held}"
    )
    print(f"  {boundary.cells:,} places lie on it")
    print(f"  dimension {boundary.dimension:.3f} ({boundary.low:.3f} to {boundary.high:.3f})")
    print(f"  {boundary.verdict}")
    each = zip(boundary.sizes, boundary.counts, strict=True)
    print(f"  boxes that cover it: {', '.join(f'{n:,.0f} of {s}' for s, n in each)}")
    print(f"of {found.directory}")
    return 0
