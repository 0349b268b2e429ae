"""How often runs succeed along an axis, for each optimizer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gdexp.base import UsageError
from gdexp.drawing import Axis, Band, Bars, Drawing, Line, Mark, series
from gdexp.figures import MOST_RUNS, one_objective, sampled
from gdexp.figures.outcome_map import spaced

if TYPE_CHECKING:
    from gdexp.answers import Answers


def draw(
    results: Answers,
    target: float | None = None,
    x: str | None = None,
    objective: str | None = None,
) -> Drawing:
    """The share of runs that converged, or reached a target, with 95 % intervals (Wilson).

    Along `x` (the learning rate, or the first axis there is), at each of its values the best point
    of the other axes; without an axis a bar for each optimizer.

    Raises:
      UsageError: as `results.success`; there is no such axis, or several objectives and none named.
    """
    table = results.success(target, most=MOST_RUNS)
    name = one_objective(results, objective)
    table = table.filter(pc.equal(table["objective"], name))
    keys = [key for key in results.plan.keys if key in table.column_names]
    if x is not None and x not in keys:
        raise UsageError(f"there is no axis {x!r} (there: {', '.join(keys) or 'none'})")
    x = x or next((k for k in ("learning_rate", *keys) if k in keys), None)
    goal = "converged" if target is None else f"reached {target:g}"
    rows = table.to_pylist()
    optimizers = list(dict.fromkeys(row["optimizer"] for row in rows))
    if x is None:
        marks, axis = _bars(rows), Axis("optimizer", names=tuple(optimizers))
    else:
        marks = [m for i, o in enumerate(optimizers) for m in _line(rows, o, x, series(i))]
        values = np.array(sorted({row[x] for row in rows if row[x] is not None}))
        axis = Axis(x, log=spaced(values))
    best = ", at the best of the other axes" if len(keys) > 1 else ""
    return Drawing(
        title=f"Share of runs that {goal}: {name}",
        told=f"With 95 % intervals{best}.{sampled(results, name)}",
        x=axis,
        y=Axis(f"share that {goal}", range=(-0.02, 1.05)),
        marks=tuple(marks),
        data=pa.Table.from_pylist(rows, table.schema),
    )


def _bars(rows: list[dict]) -> list[Mark]:
    share, low, high = (np.array([r[c] for r in rows], float) for c in _COLUMNS)
    return [Bars(share, low, high)]


_COLUMNS = ("share", "share_low", "share_high")


def _line(rows: list[dict], optimizer: str, x: str, colour: str) -> list[Mark]:
    best: dict[float, dict] = {}
    for row in rows:
        if row["optimizer"] == optimizer and row[x] is not None:
            at = row[x]
            if at not in best or row["share"] > best[at]["share"]:
                best[at] = row
    at = np.array(sorted(best))
    share, low, high = (np.array([best[v][c] for v in at], float) for c in _COLUMNS)
    if not len(at):
        return []
    return [
        Band(at, low, high, "", colour),
        Line(at, share, optimizer, colour, symbol="circle", size=4),
    ]
