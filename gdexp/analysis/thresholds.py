"""Learning rates at which convergence is lost."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

WIDER = 6  # doublings of a bracket in search of one that holds the threshold
SECTIONS = 16  # learning rates tried in a bracket at once


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


Lost = Callable[[np.ndarray, np.ndarray], np.ndarray]  # (case [N], learning rate [N]) -> bool [N]


def narrow(
    lost: Lost, low: np.ndarray, high: np.ndarray, precision: float
) -> tuple[np.ndarray, np.ndarray]:
    """Brackets [N] widened until they hold a threshold, then narrowed to a relative precision; NaN
    where none is found."""
    low, high = widen(lost, low, high)
    held = np.flatnonzero(np.isfinite(low) & np.isfinite(high))
    low[held], high[held] = bisect(
        lambda case, rate: lost(held[case], rate), low[held], high[held], precision
    )
    return low, high


def bisect(
    lost: Lost, low: np.ndarray, high: np.ndarray, precision: float
) -> tuple[np.ndarray, np.ndarray]:
    """Narrows brackets until high / low − 1 is at most `precision`, all of them together.

    Each is cut at SECTIONS learning rates at once, and the first at which convergence is lost is
    its new upper end.

    Args:
      lost: tells whether convergence is lost, for cases and learning rates of any number.
      low: learning rates [N] at which it is not.
      high: learning rates [N] at which it is.
      precision: of a threshold, relative.

    Returns:
      The narrowed (low, high).
    """
    low, high = np.array(low, float), np.array(high, float)
    while len(wide := np.flatnonzero(high > low * (1 + precision))):
        part = np.arange(1, SECTIONS + 1) / (SECTIONS + 1)
        inside = low[wide, None] * (high[wide] / low[wide])[:, None] ** part
        told = lost(np.repeat(wide, SECTIONS), inside.ravel()).reshape(inside.shape)
        edges = np.column_stack([low[wide], inside, high[wide]])
        first = np.column_stack([told, np.ones(len(wide), bool)]).argmax(axis=1)
        rows = np.arange(len(wide))
        low[wide], high[wide] = edges[rows, first], edges[rows, first + 1]
    return low, high


def widen(lost: Lost, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Brackets (low [N], high [N]) made wider until they hold a threshold; NaN where none does."""
    low, high, case = np.array(low, float), np.array(high, float), np.arange(len(low))
    for ends, factor, wanted in ((low, 0.5, False), (high, 2.0, True)):
        wrong = case
        for _ in range(WIDER):
            wrong = wrong[lost(wrong, ends[wrong]) != wanted]
            if not len(wrong):
                break
            ends[wrong] *= factor
        ends[wrong] = np.nan
    return low, high
