"""Whether a device's runs end as the same runs do on CPU, and as they did on the device before.

Devices round differently, so many a run near a basin's edge rightly ends elsewhere. How many do is
measured, not guessed: the same runs on CPU with learning rates a few roundings greater (`NUDGE`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gdexp.base import Ends, Outcome, Reason

NUDGE = 2.0**-22  # relative: a few units in the last place of float32, so that each rate changes
SLACK = 0.02  # a device rounds otherwise in every step, the nudged runs differ once
# Both runs have a gradient of at most grad_tol = 1e-4; the least curvature at a minimum of the
# functions compared is 0.4, so each x lies within 2.5e-4 of it, and its f within 2e-8 and rounding.
X_CLOSE = 1e-3  # of 1 + |x|
F_CLOSE = 1e-5  # of 1 + |f|

_OUTCOME = np.array([list(Outcome).index(r.outcome) if r.outcome else -1 for r in Reason])


def compare(ours: Ends, theirs: Ends) -> dict[str, float]:
    """Shares of runs that agree.

    `close`: f and x within the tolerance, of the `comparable` runs: those that converged on both in
    as many steps (what escapes or is cut short has no limit to agree on).
    """
    same_steps = ours.steps == theirs.steps
    kinds = _OUTCOME[ours.reason], _OUTCOME[theirs.reason]
    same_outcome = kinds[0] == kinds[1]
    looked = same_steps & same_outcome & (kinds[0] == list(Outcome).index(Outcome.CONVERGED))
    with np.errstate(all="ignore"):
        close = _within(ours.f, theirs.f, F_CLOSE) & _within(ours.x, theirs.x, X_CLOSE).all(-1)
    return {
        "outcome": float(same_outcome.mean()),
        "reason": float((ours.reason == theirs.reason).mean()),
        "steps": float(same_steps.mean()),
        "comparable": float(looked.mean()),
        "close": float(close[looked].mean()) if looked.any() else 1.0,
    }


def complaints(found: Mapping[str, float], nudged: Mapping[str, float], chaotic: bool) -> list[str]:
    """What agrees less than CPU agrees with its own nudged runs; of chaotic runs only outcomes."""
    least = {what: share - SLACK for what, share in nudged.items()}
    least["comparable"] = nudged["comparable"] / 2 - SLACK  # a step more or less is no mistake
    return [
        f"{what}: a share of {found[what]:.4f}, not the {least[what]:.4f} that roundings explain"
        for what in (("outcome",) if chaotic else ("outcome", "reason", "comparable", "close"))
        if not found[what] >= least[what]
    ]


def different(ours: Ends, theirs: Ends) -> list[str]:
    """The columns that are not the same bit for bit."""
    return [
        name
        for name, a, b in zip(Ends._fields, ours, theirs, strict=True)
        if a.dtype != b.dtype or a.shape != b.shape or a.tobytes() != b.tobytes()
    ]


def _within(a: Any, b: Any, tolerance: float) -> np.ndarray:
    a, b = a.astype(np.float64), b.astype(np.float64)
    return np.abs(a - b) <= tolerance * (1 + np.abs(a))
