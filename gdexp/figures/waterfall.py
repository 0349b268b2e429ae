"""Where runs ended, sorted: plateaus are minima."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from gdexp.analysis import counts
from gdexp.base import UsageError
from gdexp.drawing import Axis, Drawing, Line, Mark, finite, series
from gdexp.figures import MOST_RUNS, one_objective, sampled
from gdexp.random import thinned

if TYPE_CHECKING:
    from gdexp.answers import Answers

MOST = 2000  # runs of an optimizer that are drawn


def draw(results: Answers, objective: str | None = None) -> Drawing:
    """The values at which runs ended, sorted, for each optimizer.

    Plateaus are minima at which many runs ended (as in Raue et al., PLoS ONE 8 (2013) e74335). Runs
    that diverged are left out of the line and counted in its name.

    Raises:
      UsageError: there are several objectives and none is named, or every run diverged.
    """
    name = one_objective(results, objective)
    sign = results.experiment.sign
    ends: dict[str, tuple[np.ndarray, int]] = {}
    for group in results.plan.groups:
        if group.objective_name == name:
            ends[group.optimizer.name] = _sorted(results, group, sign)
    there = np.concatenate([values for values, _ in ends.values()])
    if not len(there):
        raise UsageError(f"every run of {name} diverged: there are no ends to sort")
    least = sign * (sign * there).min()
    positive, log = sign > 0 and least > 0, bool(np.ptp(there) > 0)
    marks: list[Mark] = []
    columns: dict[str, list] = {"optimizer": [], "place": [], "f": []}
    for i, (optimizer, (values, runs)) in enumerate(ends.items()):
        at = thinned(len(values), MOST)
        height = values[at] if positive else sign * (values[at] - least)
        lost = f" ({runs - len(values):,} of {runs:,} diverged)" if runs > len(values) else ""
        place = (at + 1) / max(runs, 1)
        height = np.where(height > 0, height, np.nan) if log else height
        marks.append(
            Line(place, height, f"{optimizer}{lost}", series(i), symbol="circle", size=3, width=1)
        )
        columns["optimizer"] += [optimizer] * len(at)
        columns["place"] += at.tolist()
        columns["f"] += values[at].tolist()
    lowest = "" if positive or not log else f" The best, {least:.7g}, is at zero and not shown."
    what = "f" if positive else f"f {'above the lowest' if sign > 0 else 'below the highest'}"
    return Drawing(
        title=f"Where runs ended, sorted: {name}",
        told=f"Plateaus are minima at which many runs ended.{lowest}{sampled(results, name)}",
        x=Axis("share of runs", range=(0.0, 1.0)),
        y=Axis(what, log=log),
        marks=tuple(marks),
        data=pa.table(columns),
    )


def _sorted(results: Answers, group, sign: float) -> tuple[np.ndarray, int]:
    """The values at which runs of a group that did not diverge ended, best first, and how many
    runs these are of: all, or a sample."""
    found, runs = [], 0
    for _, _, table in counts.sampled(results.tiles("f", "outcome", group=group), MOST_RUNS):
        kept = np.asarray(table["outcome"].combine_chunks().cast("string")) != "diverged"
        values = finite(table["f"])
        runs += len(values)
        found.append(values[kept & np.isfinite(values)])
    values = np.concatenate([np.empty(0), *found])
    return values[np.argsort(sign * values, kind="stable")], runs
