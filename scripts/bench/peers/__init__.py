"""The contestants, one file each. What a file holds:

    WHAT            one line for the tables
    NEEDS           packages and programs that have to be there
    SAME_WORK       whether its runs end where gdexp's end, so that both can be compared
    PER             "step" or "run": what its speed is compared in
    runs(task)      how many of the task's runs it is given
    refuses(task)   why it cannot do a task; None if it can
    environment(n)  settings of its process, for n cores; only where it needs any
    prepare(task, given, options) -> Ready

Nothing slow is imported before `prepare`: the front process reads these files too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

CONVERGED, DIVERGED, UNFINISHED, OTHER = range(4)
OUTCOMES = ("converged", "diverged", "unfinished", "other")


class Given(NamedTuple):
    """Where the runs begin and how far they step: the same numbers for all contestants."""

    x0: Any  # [N, D] float32
    rate: Any  # [N] float32


class Ends(NamedTuple):
    """How the runs ended, as numpy; None where a contestant does not know."""

    f: Any  # [N]
    steps: Any = None  # [N]
    outcome: Any = None  # [N] one of the four numbers above


class Ready(NamedTuple):
    """A contestant at the line: everything is compiled, nothing has run."""

    run: Callable[[], Ends]
    compile_seconds: float
    told: dict[str, Any] = {}  # noqa: RUF012 - what it says of itself, such as its lanes
