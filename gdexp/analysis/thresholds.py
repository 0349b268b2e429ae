"""Learning rates at which convergence is lost."""

from __future__ import annotations

import numpy as np


def turn(rates: np.ndarray, diverged: np.ndarray, runs: np.ndarray) -> tuple[float, float] | None:
    """The neighbouring learning rates between which most runs begin to diverge.

    Args:
      rates: learning rates [N], in any order; runs at equal ones count together.
      diverged: how many runs diverged at each [N].
      runs: how many ran at each [N]; a rate at which none ran is passed over.

    Returns:
      (largest rate before the turn, rate after it): the first pair in rising order such that less
      than half of the runs diverge at the one and at least half at the other; None if none is.
    """
    rising, place = np.unique(rates[runs > 0], return_inverse=True)
    ran, lost = (np.bincount(place, counts[runs > 0]) for counts in (runs, diverged))
    most = 2 * lost >= ran
    after = np.flatnonzero(most[1:] & ~most[:-1]) + 1
    return (float(rising[after[0] - 1]), float(rising[after[0]])) if len(after) else None
