"""Whether a run converges, told from some of its states and not from a budget of steps.

Near a threshold a run takes as many steps as one likes. Whether it comes nearer is seen before.
"""

from __future__ import annotations

import numpy as np

from gdexp.base import Outcome, Path

STEPS, LOOKS = 4096, 16  # of a run that tells whether it converges, and how often it is looked at
AWAY = 1e-2  # of 1 + ‖x‖: a run beyond this has left the minimum
FLOOR = 1e-9  # of the first gradient norm: below this is rounding


def evenly() -> range:
    """The steps at which a run is looked at."""
    return range(0, STEPS + 1, STEPS // LOOKS)


def converges(path: Path) -> bool:
    """Whether a run converged, or was still coming nearer when its steps were spent."""
    if path.outcome is Outcome.CONVERGED:
        return True
    return path.outcome is Outcome.UNFINISHED and _shrinks(path)


def returns(path: Path, x: np.ndarray) -> bool:
    """Whether a run that began beside `x` [D] comes back to it."""
    away = np.linalg.norm(path.x - x, axis=1).max()
    if path.outcome is Outcome.DIVERGED or away > AWAY * (1 + np.linalg.norm(x)):
        return False
    return bool(path.grad_norm[-1] <= FLOOR * path.grad_norm[0]) or _shrinks(path)


def _shrinks(path: Path) -> bool:
    """Whether the gradient was less in the last quarter of a run than in the one before."""
    quarter = LOOKS // 4
    if len(path.step) <= LOOKS:  # it ended before
        return False
    return bool(path.grad_norm[-quarter:].max() < path.grad_norm[-2 * quarter : -quarter].max())
