"""How far down runs came, step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gdexp.base import UsageError
from gdexp.drawing import Axis, Band, Drawing, Line, Mark, finite, series
from gdexp.figures import one_objective

if TYPE_CHECKING:
    from gdexp.answers import Answers

MEASURES = {"f": "f", "grad_norm": "gradient norm"}
SHARES = ("alive", "converged", "diverged")


def draw(
    results: Answers, value: str = "f", objective: str | None = None, best: bool = True
) -> Drawing:
    """The median of f, or of the gradient norm, by step, with the quarter of runs on each side.

    A line for each optimizer, at the point of the other axes where its median ends lowest, or for
    each point that was sampled (`best=False`). A run that has ended keeps its last value, one that
    diverged is infinite: a line ends where half of the runs have left. Of a value that falls below
    zero the height above the lowest is shown.

    Args:
      results: of a sweep.
      value: f, grad_norm; or alive, converged, diverged: the share of runs that are that.
      objective: which, where there are several.
      best: whether each optimizer shows its best point only.

    Raises:
      UsageError: there is no such value or objective.
    """
    if value not in (*MEASURES, *SHARES):
        raise UsageError(f"there are no curves of {value}: type one of f, grad_norm, {SHARES}")
    table = results.curves
    name = one_objective(results, objective)
    table = table.filter(pc.equal(table["objective"], name))
    sign = results.experiment.sign
    each = _points(table, results.plan.keys, sign, best)
    lines = MEASURES if value in MEASURES else SHARES
    marks, log, label = _lines(each, value, sign) if lines is MEASURES else _shares(each, value)
    sample = sorted(set(table["sample"].to_pylist()))
    return Drawing(
        title=f"{label} by step: {name}",
        told=f"Medians and the middle half of {'/'.join(map(str, sample))} runs at each point"
        + (", for each optimizer the point that ends lowest." if best else "."),
        x=Axis("step + 1", log=True),
        y=Axis(label, log=log, range=None if log or lines is MEASURES else (0.0, 1.02)),
        marks=tuple(marks),
        data=pa.concat_tables([rows for _, rows in each]),
    )


def _points(table: pa.Table, keys: Any, sign: float, best: bool) -> list[tuple[str, pa.Table]]:
    """What each line is called, and its rows."""
    keys = [key for key in keys if key in table.column_names]
    ends: dict[tuple, list[int]] = {}
    marks = list(zip(*(table[k].to_pylist() for k in ("optimizer", *keys)), strict=True))
    for place, mark in enumerate(marks):
        ends.setdefault(mark, []).append(place)
    found = {}
    for mark, rows in ends.items():
        told = ", ".join(
            f"{key} {v:.4g}" for key, v in zip(keys, mark[1:], strict=True) if v is not None
        )
        found[mark] = (f"{mark[0]}{': ' if told else ''}{told}", table.take(rows))
    if not best:
        return list(found.values())

    def height(mark: tuple) -> float:
        end = sign * found[mark][1]["f_q50"][-1].as_py()
        return end if np.isfinite(end) else np.inf

    optimizers = dict.fromkeys(mark[0] for mark in found)
    return [
        found[min((m for m in found if m[0] == optimizer), key=height)] for optimizer in optimizers
    ]


def _lines(each: list[tuple[str, pa.Table]], value: str, sign: float):
    columns = [f"{value}_q{q}" for q in (25, 50, 75)]
    there = np.concatenate([finite(rows[name]) for _, rows in each for name in columns])
    there = there[np.isfinite(there)]
    shift, log, label = 0.0, bool(len(there) and there.min() > 0 and sign > 0), MEASURES[value]
    if value == "f" and not log and len(there) and np.ptp(there) > 0:
        shift, log = (there.min(), True) if sign > 0 else (there.max(), True)
        label = "f above the lowest" if sign > 0 else "f below the highest"
    marks: list[Mark] = []
    for i, (name, rows) in enumerate(each):
        x = np.asarray(rows["step"], float) + 1
        low, middle, high = (
            _height(finite(rows[f"{value}_q{q}"]), shift, sign, log) for q in (25, 50, 75)
        )
        marks.append(Band(x, np.fmin(low, high), np.fmax(low, high), "", series(i)))
        marks.append(Line(x, middle, name, series(i)))
    return marks, log, label


def _height(values: np.ndarray, shift: float, sign: float, log: bool) -> np.ndarray:
    found = sign * (values - shift) if log and (shift or sign < 0) else values
    return np.where(found > 0, found, np.nan) if log else found


def _shares(each: list[tuple[str, pa.Table]], value: str):
    marks = [
        Line(np.asarray(rows["step"], float) + 1, np.asarray(rows[value], float), name, series(i))
        for i, (name, rows) in enumerate(each)
    ]
    return marks, False, f"share of runs {value}"
