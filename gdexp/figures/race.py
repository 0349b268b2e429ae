"""The optimizers against each other: who succeeds how often, for how much."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow.compute as pc

from gdexp.drawing import Axis, Band, Drawing, Line, Mark, series
from gdexp.figures import MOST_RUNS, one_objective, sampled

if TYPE_CHECKING:
    from gdexp.answers import Answers


def draw(
    results: Answers,
    target: float | None = None,
    budget: float | None = None,
    objective: str | None = None,
) -> Drawing:
    """The share of runs that succeeded by so many evaluations, with 95 % intervals.

    Each optimizer at the learning rate (and whatever else is an axis) that does best from a random
    half of the starts, shown from the other half; see `results.race`.

    Args:
      results: of a sweep.
      target: one of `stop.targets`; None: to converge.
      budget: evaluations that a run may make; None: those of `stop.max_steps` steps.
      objective: which, where there are several.

    Raises:
      UsageError: as `results.distribution`, or there are several objectives and none is named.
    """
    table = results.distribution(target, budget, most=MOST_RUNS)
    name = one_objective(results, objective)
    if table.num_rows:
        table = table.filter(pc.equal(table["objective"], name))
    keys = [key for key in results.plan.keys if key in table.column_names]
    marks: list[Mark] = []
    optimizers = [g.optimizer.name for g in results.plan.groups if g.objective_name == name]
    most = results.experiment.stop.max_steps + 1.0
    for i, optimizer in enumerate(optimizers):
        rows = table.filter(pc.equal(table["optimizer"], optimizer)) if table.num_rows else table
        if not max(rows["share"].to_pylist(), default=0):
            marks.append(Line(np.array([1.0, most]), np.zeros(2), f"{optimizer}: never", series(i)))
            continue
        told = ", ".join(f"{k} {rows[k][0].as_py():.4g}" for k in keys if rows[k][0].is_valid)
        x, share, low, high = (
            np.asarray(rows[c], float)[np.asarray(rows["evaluations"]) > 0]
            for c in ("evaluations", "share", "share_low", "share_high")
        )
        x, share, low, high = (_steps(a, i == 0) for i, a in enumerate((x, share, low, high)))
        marks.append(Band(x, low, high, "", series(i)))
        marks.append(Line(x, share, f"{optimizer}{': ' if told else ''}{told}", series(i)))
    goal = "converged" if target is None else f"reached {target:g}"
    return Drawing(
        title=f"Share of runs that {goal}, by evaluations: {name}",
        told="Each optimizer at its best axes, chosen on one half of the starts and shown on the "
        f"other. Bands are 95 % intervals.{sampled(results, name)}",
        x=Axis("evaluations", log=True),
        y=Axis(f"share that {goal}", range=(-0.02, 1.05)),
        marks=tuple(marks),
        data=table,
    )


def _steps(values: np.ndarray, across: bool) -> np.ndarray:
    """A stair from its corners: `across` its places, or else its heights."""
    twice = values.repeat(2)
    return twice[1:] if across else twice[:-1]
