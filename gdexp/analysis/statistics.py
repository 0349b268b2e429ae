"""Success, and what it costs: shares with intervals, expected running time, distributions.

A run that diverged, stalled or ran out is a run that did not succeed: it is counted with all it
spent, never dropped. Pure: from stored rows alone.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

Z = 1.959963984540054  # the normal quantile of 97.5 %: intervals are of 95 %


def wilson(count: np.ndarray, total: np.ndarray | int) -> tuple[np.ndarray, np.ndarray]:
    """The 95 % interval of a share, for `count` of `total` (Wilson, JASA 22 (1927) 209).

    NaN where `total` is 0.
    """
    count, total = np.asarray(count, float), np.asarray(total, float)
    with np.errstate(divide="ignore", invalid="ignore"):
        share, spread = count / total, Z**2 / total
        middle = (share + spread / 2) / (1 + spread)
        half = Z * np.sqrt((share * (1 - share) + spread / 4) / total) / (1 + spread)
    # exactly at the ends, which rounding may miss
    low, high = np.where(count == 0, 0, middle - half), np.where(count == total, 1, middle + half)
    return np.where(total > 0, low, np.nan), np.where(total > 0, high, np.nan)


class Success(NamedTuple):
    """How often runs reached something, and at what cost, at each of P points."""

    runs: np.ndarray  # [P]
    reached: np.ndarray  # [P]
    share: np.ndarray  # [P]; NaN without runs
    share_low: np.ndarray  # [P] Wilson's interval
    share_high: np.ndarray  # [P]
    expected: np.ndarray  # [P] evaluations spent in all, for each success; inf where there is none
    expected_low: np.ndarray  # [P]
    expected_high: np.ndarray  # [P]


def success(point: np.ndarray, points: int, spent: np.ndarray, reached: np.ndarray) -> Success:
    """Success and expected running time at each of some points.

    The expected running time is what restarting until a success costs: evaluations of all runs over
    the number of successes (Hansen et al., COCO, Optimization Methods and Software 36 (2021) 114).
    Its interval is that of a ratio of sums, on a logarithmic scale (Cochran, Sampling Techniques,
    1977, ch. 6); where nothing succeeds it begins at what the largest share that is likely would
    cost, and one run has none: 0 to infinity.

    Args:
      point: of each run [N].
      points: how many there are, P.
      spent: evaluations of each run [N], up to its success where it has one.
      reached: which runs succeeded [N].
    """
    spent = np.asarray(spent, float)
    runs = np.bincount(point, minlength=points)
    won = np.bincount(point[reached], minlength=points)
    total = np.bincount(point, spent, points)
    low, high = wilson(won, runs)
    with np.errstate(divide="ignore", invalid="ignore"):
        expected = np.where(runs > 0, total / won, np.nan)
        rest = np.square(spent - np.where(won > 0, total / won, 0)[point] * reached)
        wide = Z * np.sqrt(np.bincount(point, rest, points) * runs / (runs - 1)) / total
        # one run says nothing of how much they differ, nor do failures alone of the largest
        factor = np.where((won > 0) & (runs > 1), np.exp(wide), np.inf)
        least = np.where(won > 0, expected / factor, total / (runs * high))
        return Success(runs, won, won / runs, low, high, expected, least, expected * factor)


class Distribution(NamedTuple):
    """The share of all runs that had succeeded by some cost: it ends at the share that ever did."""

    cost: np.ndarray  # [K] rising
    share: np.ndarray  # [K]
    low: np.ndarray  # [K] Wilson's interval
    high: np.ndarray  # [K]


def distribution(cost: np.ndarray, reached: np.ndarray) -> Distribution:
    """The empirical distribution of the cost of success.

    What did not succeed is censored: it is among the runs of which the share is taken, at no cost.

    Args:
      cost: of each run [N].
      reached: which runs succeeded [N].
    """
    values, times = np.unique(cost[reached], return_counts=True)
    values, upto = np.append(0, values), np.append(0, np.cumsum(times))  # it begins at none
    return Distribution(values, upto / max(len(cost), 1), *wilson(upto, len(cost)))


def quantiles(
    point: np.ndarray, points: int, cost: np.ndarray, reached: np.ndarray, wanted: np.ndarray
) -> np.ndarray:
    """Quantiles of the cost of success at each of some points [P, Q]; inf where too few succeed.

    What did not succeed costs more than all that did, so that a quantile is of all runs. The least
    value that at least that share of runs does not exceed; NaN without runs.
    """
    cost = np.where(reached, cost, np.inf)
    order = np.lexsort((cost, point))
    runs = np.bincount(point, minlength=points)
    first = np.cumsum(runs) - runs
    place = np.maximum(np.ceil(np.multiply.outer(runs, wanted) - 1e-9).astype(int) - 1, 0)
    ordered = np.append(cost[order], np.nan)  # so that there is something to take
    return np.where(runs[:, None] > 0, ordered[first[:, None] + place], np.nan)


def cost_of_reaching(
    step: np.ndarray, steps: np.ndarray, spent: np.ndarray, even: bool
) -> np.ndarray:
    """Evaluations up to a target, or all of a run that never reached it.

    Of a line search it is not known how many came before: then all are counted, which is never too
    few.

    Args:
      step: at which each run reached it; negative: never.
      steps: that each run took.
      spent: evaluations that each run made.
      even: whether every point took as many; else one, where no line was searched.
    """
    each = spent // (steps + 1) if even else 1
    return np.where((step >= 0) & (spent == each * (steps + 1)), each * (step + 1), spent)


def ratios(cost: np.ndarray) -> np.ndarray:
    """How many times the least cost of any solver each takes [S, P]; inf where it does not solve a
    problem, or nobody does."""
    with np.errstate(invalid="ignore"):
        times = cost / cost.min(axis=0)
    return np.where(np.isfinite(times), times, np.inf)


def profile(cost: np.ndarray, ratio: np.ndarray) -> np.ndarray:
    """Performance profiles: the share of problems [S, K] that each of S solvers solves at no more
    than `ratio` [K] times the least cost of any (Dolan and Moré, Math. Prog. 91 (2002) 201).

    Args:
      cost: of each solver on each problem [S, P]; inf where it does not solve it.
      ratio: at which to tell [K]. A problem that nobody solves counts, as one nobody solves.
    """
    return (ratios(cost)[:, :, None] <= ratio).mean(axis=1)
