"""`gdexp zoom [DIR] AXIS=LOW:HIGH ... [num=N]`: a window of a sweep, run again and finer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gdexp import engine, plan, zooming
from gdexp.base import UsageError
from gdexp.commands import asked, new_directory, run
from gdexp.config.values import number, whole


def main(arguments: Sequence[str]) -> int:
    """Runs the window as a sweep of its own, into a new folder."""
    found, words = asked(arguments, None)
    num = whole("num", words.pop("num"), low=1) if "num" in words else None
    if not words:
        raise UsageError("a zoom needs a window: type learning_rate=0.2:0.3, or x0_0=-1:1")
    window = {key: _ends(key, word) for key, word in words.items()}
    experiment = zooming.experiment(found, window, num)
    planned = plan.make(experiment)
    engine.check(experiment, planned)
    print(f"{planned.count:,} further runs, of a window of {found.directory}")
    run.run(experiment, new_directory())
    return 0


def _ends(key: str, word: str) -> Any:
    """`a:b` as two numbers, or one number."""
    ends = [number(key, part) for part in word.split(":")]
    if len(ends) > 2 or (len(ends) == 2 and not ends[0] < ends[1]):
        raise UsageError(f"{key}={word}: type {key}=LOW:HIGH, or one value")
    return ends[0] if len(ends) == 1 else tuple(ends)
