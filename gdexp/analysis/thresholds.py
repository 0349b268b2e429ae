"""Learning rates at which convergence is lost."""

from __future__ import annotations

import numpy as np


def turn(rates: np.ndarray, diverged: np.ndarray, runs: np.ndarray) -> tuple[float, float] | None:
    """The neighbouring learning rates between which most runs begin to diverge.

    Args:
      rates: learning rates [N], in any order.
      diverged: how many runs diverged at each [N].
      runs: how many ran at each [N].

    Returns:
      (largest rate before the turn, rate after it): the first pair in rising order such that less
      than half of the runs diverge at the one and at least half at the other; None if none is.
    """
    order = np.argsort(rates, kind="stable")
    most = 2 * diverged[order] >= runs[order]
    after = np.flatnonzero(most[1:] & ~most[:-1]) + 1
    if not len(after):
        return None
    return float(rates[order][after[0] - 1]), float(rates[order][after[0]])
