"""Whether a contestant did the work: how many of its runs ended as gdexp's runs did."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

F_CLOSE = 1e-3  # of 1 + |f|: roundings differ, and a run ends within grad_tol of its minimum


def agreement(ours: Mapping[str, np.ndarray], theirs: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Shares of runs that agree, of what `theirs` knows.

    `steps`: the same number of them; `steps_close`: within 1 % and two; `outcome`: the same; `f`:
    the same final value, among the runs that did not diverge in gdexp.
    """
    count = len(theirs["f"])
    mine = {key: value[:count] for key, value in ours.items()}
    found = {}
    if "steps" in theirs:
        apart = np.abs(mine["steps"].astype(np.int64) - theirs["steps"])
        found["steps"] = float((apart == 0).mean())
        found["steps_close"] = float((apart <= 2 + 0.01 * mine["steps"]).mean())
    if "outcome" in theirs:
        found["outcome"] = float((mine["outcome"] == theirs["outcome"]).mean())
    return found | {"f": _same_value(mine, theirs["f"])}


def _same_value(mine: Mapping[str, np.ndarray], f: np.ndarray) -> float:
    from bench.peers import DIVERGED

    stayed = mine["outcome"] != DIVERGED
    if not stayed.any():
        return 1.0
    a, b = mine["f"][stayed].astype(np.float64), f[stayed].astype(np.float64)
    with np.errstate(invalid="ignore"):
        close = np.abs(a - b) <= F_CLOSE * (1 + np.abs(a))
    return float(close.mean())
