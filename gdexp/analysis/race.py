"""Tables of success: of every point of a sweep, of optimizers against each other, of the cost.

Success is to reach one of `stop.targets`, or without one to converge. Cost is counted in
evaluations of the objective, with or without its gradient. Pure: from stored rows alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from gdexp.analysis import statistics
from gdexp.analysis.counts import OUTCOMES, Tiles, places, sampled
from gdexp.base import Outcome, UsageError
from gdexp.experiment import TARGET_COLUMN
from gdexp.plan import Group

CONVERGED = OUTCOMES.index(Outcome.CONVERGED)
QUANTILES = np.array([0.25, 0.5, 0.75])
NEEDED = ("outcome", "steps", "evaluations", "f")  # columns


class Tried(NamedTuple):
    """The runs of a group, as far as success and cost go."""

    group: Group
    point: np.ndarray  # [N] which point of the axes, in C order
    start: np.ndarray  # [N]
    cost: np.ndarray  # [N] evaluations up to success, or all that were spent
    reached: np.ndarray  # [N] bool
    f: np.ndarray  # [N] in the end; NaN: it diverged

    @property
    def points(self) -> int:
        """How many points the group's axes have."""
        return math.prod(self.group.shape[:-2])

    def keys(self, point: int) -> dict[str, float]:
        """The values of the axes at a point."""
        run = self.group.first + point * self.group.starts * self.group.replicates
        axes = [key for axis in self.group.axes for key in axis.keys]
        found = self.group.keys(np.array([run]), axes)
        return {key: float(found[key][0]) for key in axes}


def tried(
    tiles: Tiles, target: int | None, budget: float = math.inf, most: int | None = None
) -> Iterator[Tried]:
    """The runs of each group, one group in memory at a time.

    Args:
      tiles: with the columns NEEDED, and TARGET_COLUMN for a target.
      target: which of `stop.targets`; None: convergence.
      budget: evaluations; what takes more does not succeed, and spends this.
      most: runs of a group: of more a sample, the same of groups of one shape; None: all.
    """
    group, rows = None, []
    for of, runs, table in sampled(tiles, most):
        if group is not None and of.index != group.index:
            yield _gathered(group, rows, target, budget)
            rows = []
        group = of
        rows.append((runs, table))
    if group is not None:
        yield _gathered(group, rows, target, budget)


def _gathered(group: Group, rows: list[Any], target: int | None, budget: float) -> Tried:
    runs = np.concatenate([runs for runs, _ in rows])
    outcome = np.concatenate([places(table["outcome"], OUTCOMES) for _, table in rows])
    steps, spent, f = (
        np.concatenate([np.asarray(table[name]) for _, table in rows]).astype(float)
        for name in ("steps", "evaluations", "f")
    )
    if target is None:
        reached, cost = outcome == CONVERGED, spent
    else:
        at = np.concatenate([_reached(table[TARGET_COLUMN], target) for _, table in rows])
        reached = at >= 0
        cost = statistics.cost_of_reaching(at, steps, spent, group.is_even)
    reached &= cost <= budget
    lost = outcome == OUTCOMES.index(Outcome.DIVERGED)
    each = group.starts * group.replicates
    return Tried(
        group=group,
        point=(runs - group.first) // each,
        start=(runs - group.first) % each // group.replicates,
        cost=np.minimum(cost, budget),
        reached=reached,
        f=np.where(lost, np.nan, f),
    )


def _reached(column: Any, target: int) -> np.ndarray:
    """The first step [N] at which each run reached a target; −1: never."""
    values = column.combine_chunks()
    flat = np.asarray(values.flatten().fill_null(-1))
    return flat.reshape(len(values), -1)[:, target]


def which(targets: Iterable[float], target: float | None) -> int | None:
    """The place of a target among those of `stop.targets`.

    Raises:
      UsageError: it is none of them.
    """
    if target is None:
        return None
    targets = list(targets)
    if target not in targets:
        known = ", ".join(f"{t:g}" for t in targets) or "none"
        raise UsageError(f"target={target:g} is not in stop.targets (there: {known})")
    return targets.index(target)


def success_rows(some: Tried, target: float | None) -> Iterator[dict[str, Any]]:
    """A row for each point of a group."""
    found = statistics.success(some.point, some.points, some.cost, some.reached)
    spread = statistics.quantiles(some.point, some.points, some.cost, some.reached, QUANTILES)
    for point in np.flatnonzero(found.runs):
        yield _row(some, int(point), found, spread, target)


def _row(
    some: Tried, point: int, found: statistics.Success, spread: np.ndarray, target: float | None
) -> dict[str, Any]:
    names = [f"evaluations_q{100 * q:.0f}" for q in QUANTILES]
    return {
        "objective": some.group.objective_name,
        "optimizer": some.group.optimizer.name,
        **some.keys(point),
        "target": target,
        "runs": int(found.runs[point]),
        "reached": int(found.reached[point]),
        "share": float(found.share[point]),
        "share_low": float(found.share_low[point]),
        "share_high": float(found.share_high[point]),
        "expected_evaluations": float(found.expected[point]),
        "expected_low": float(found.expected_low[point]),
        "expected_high": float(found.expected_high[point]),
        **dict(zip(names, spread[point].tolist(), strict=True)),
    }


def distribution_rows(some: Tried, target: float | None) -> Iterator[dict[str, Any]]:
    """The distribution of the cost of success among some runs of a point, a row where it rises."""
    found = statistics.distribution(some.cost, some.reached)
    told = {
        "objective": some.group.objective_name,
        "optimizer": some.group.optimizer.name,
        **some.keys(int(some.point[0])),
        "target": target,
    }
    for cost, share, low, high in zip(*found, strict=True):
        yield told | {
            "evaluations": float(cost),
            "share": float(share),
            "share_low": float(low),
            "share_high": float(high),
        }


def halves(starts: int, seed: int) -> np.ndarray:
    """Which of the starts [S] choose the learning rates; the others tell the result."""
    order = np.arange(starts, dtype=np.int32)
    np.random.default_rng([seed, starts]).shuffle(order)
    chosen = np.zeros(starts, bool)
    chosen[order[: starts // 2]] = True
    return chosen


def best_point(some: Tried, sign: float) -> int:
    """The point with the least expected running time; where none succeeds, or of equals, that with
    the least median value in the end, a run that diverged above all others; then the first."""
    found = statistics.success(some.point, some.points, some.cost, some.reached)
    value = sign * some.f
    everyone = np.ones(len(value), bool)
    value = np.where(np.isnan(value), np.inf, value)
    middle = statistics.quantiles(some.point, some.points, value, everyone, QUANTILES[1:2])[:, 0]
    # a point at which nobody ran is never the best: NaN sorts last
    return int(np.lexsort((middle, np.where(found.runs > 0, found.expected, np.nan)))[0])


def judged(some: Tried, sign: float, seed: int) -> Tried:
    """The runs by which a group is judged in a race: at the point that does best from half of the
    starts, those from the other half.

    Raises:
      UsageError: there is one start: it cannot choose and be judged; or too few runs are here.
    """
    if some.group.starts < 2:
        raise UsageError("a race needs two starts or more: type start=uniform start.num=100")
    chooses = halves(some.group.starts, seed)[some.start]
    both = np.intersect1d(some.point[chooses], some.point[~chooses])
    if not len(both):
        raise UsageError(
            f"too few runs of {some.group.objective_name} × {some.group.optimizer.name} are here "
            "for a race: finish the sweep"
        )
    entered = np.isin(some.point, both)
    point = best_point(_where(some, chooses & entered), sign)
    return _where(some, ~chooses & (some.point == point))


def race_row(some: Tried, sign: float, target: float | None) -> dict[str, Any]:
    """What is told of a group by the runs by which it is judged."""
    [row] = success_rows(some, target)
    value = np.sort(np.where(np.isnan(some.f), np.inf, sign * some.f))
    return row | {"f_median": float(sign * value[(len(value) - 1) // 2])}


def _where(some: Tried, here: np.ndarray) -> Tried:
    return Tried(some.group, *(column[here] for column in some[1:]))


def ranked(rows: list[dict[str, Any]], sign: float) -> list[dict[str, Any]]:
    """The rows of races, best first within each objective, with their rank.

    Those that tie in everything share a rank.
    """

    def place(row: Mapping[str, Any]) -> tuple[float, float]:
        return row["expected_evaluations"], sign * row["f_median"]

    names = list(dict.fromkeys(row["objective"] for row in rows))
    told = []
    for name in names:
        mine = sorted((row for row in rows if row["objective"] == name), key=place)
        for row in mine:
            told.append(row | {"rank": 1 + sum(place(other) < place(row) for other in mine)})
    return told


def profile_rows(rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Performance profiles of the optimizers over the objectives that they raced on."""
    objectives = list(dict.fromkeys(row["objective"] for row in rows))
    optimizers = list(dict.fromkeys(row["optimizer"] for row in rows))
    cost = np.full((len(optimizers), len(objectives)), np.inf)
    for row in rows:
        place = optimizers.index(row["optimizer"]), objectives.index(row["objective"])
        cost[place] = row["expected_evaluations"]
    times = statistics.ratios(cost)
    ratios = np.unique(np.append(times[np.isfinite(times)], 1.0))
    for name, shares in zip(optimizers, statistics.profile(cost, ratios), strict=True):
        for ratio, share in zip(ratios, shares, strict=True):
            yield {"optimizer": name, "ratio": float(ratio), "share": float(share)}
