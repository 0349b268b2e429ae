"""`gdexp zoom [DIR] AXIS=LOW:HIGH ... [num=N]`: a window of a sweep, run again and finer."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gdexp import engine, plan, zooming
from gdexp.base import UsageError
from gdexp.commands import asked, run
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
    print(f"{planned.count:,} further runs")
    run.run(experiment, _new_directory())
    return 0


def _ends(key: str, word: str) -> Any:
    """`a:b` as two numbers, or one number."""
    ends = [number(key, part) for part in word.split(":")]
    if len(ends) > 2 or (len(ends) == 2 and not ends[0] < ends[1]):
        raise UsageError(f"{key}={word}: type {key}=LOW:HIGH, or one value")
    return ends[0] if len(ends) == 1 else tuple(ends)


def _new_directory() -> Path:
    """A folder named as Hydra names those of runs."""
    seconds, nanoseconds = divmod(time.time_ns(), 10**9)
    day = time.strftime("%Y-%m-%d/%H-%M-%S", time.localtime(seconds))
    return Path("outputs") / f"{day}.{nanoseconds // 1000:06}-{secrets.token_hex(3)}"
