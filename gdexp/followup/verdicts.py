"""Whether a run converges, told from some of its states and not from a budget of steps.

Near a threshold a run takes as many steps as one likes. Whether it comes nearer is seen before: by
the peaks of its gradient in equal stretches of steps, the first of which are left out.

Peaks that go down may still be those of a run that settles on a cycle of two. With A the distance,
ε how far the learning rate is above the threshold and c > 0, A follows dA/dn = 2εA − cA³ there
(Strogatz, Nonlinear Dynamics and Chaos, 1994, ch. 3: the normal form of a flip), so that 1/A² goes
to a limit as e^(−4εn), its growth slowing down; below the threshold its growth quickens.
"""

from __future__ import annotations

import numpy as np

from gdexp.base import Outcome, Path

STEPS, LOOKS = 4096, 16  # of a run that tells whether it converges, and how often it is looked at
STRETCHES, FIRST = 8, 2  # in which there are peaks, and how many of them are left out
AWAY = 1e-2  # of 1 + ‖x‖: a run beyond this has left the minimum
MOST = 3
FLOOR = 1e-7  # of the first gradient norm: what comes below this comes back


def evenly() -> range:
    """The steps at which a run is looked at."""
    return range(0, STEPS + 1, STEPS // LOOKS)


def converges(path: Path) -> bool:
    """Whether a run converged, or was still coming nearer when its steps were spent."""
    if path.outcome is Outcome.CONVERGED:
        return True
    return path.outcome is Outcome.UNFINISHED and _shrinks(path)


def returns(path: Path, x: np.ndarray, overshoot: float) -> bool:
    """Whether a run that began beside `x` [D] comes back to it.

    Args:
      path: of the run.
      x: a minimum.
      overshoot: how many times its first size the gradient comes to on the way, by momentum. What
        comes to MOST times that has a size of its own: it is a cycle.
    """
    away = np.linalg.norm(path.x - x, axis=1).max()
    size = path.grad_norm / path.grad_norm[0]
    if path.outcome is Outcome.DIVERGED or away > AWAY * (1 + np.linalg.norm(x)):
        return False
    return bool(size[-1] <= FLOOR * overshoot) or (
        bool(size.max() <= MOST * overshoot) and _shrinks(path)
    )


def _shrinks(path: Path) -> bool:
    """Whether the gradient goes down, and to zero."""
    if len(path.step) <= LOOKS:  # it ended before
        return False
    peaks = path.grad_norm[1:].reshape(STRETCHES, -1).max(axis=1)[FIRST:]
    if not (np.diff(peaks) < 0).all():
        return False
    growth = np.diff((peaks[-1] / peaks[-5::2]) ** 2)  # of 1/A², over two stretches and two more
    return bool(growth[1] > growth[0])
