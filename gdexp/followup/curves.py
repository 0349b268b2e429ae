"""Curves of a sweep: a sample of its runs descended again, looked at after log-spaced steps."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from gdexp.analysis import curves
from gdexp.analysis.curves import QUANTILES
from gdexp.base import Ends
from gdexp.engine import Engine
from gdexp.plan import Group
from gdexp.random import spread

POINTS = 64  # of a group's axes, at most, whose curves are told
LEAST = 16  # runs of each, where there are as many


def sample(group: Group, lanes: int) -> tuple[np.ndarray, np.ndarray]:
    """The runs that stand for a group [P, S], and the points of its axes [P] that they are at.

    As many as fill the lanes: up to POINTS points, evenly spread, each with the same starts and
    replicates, one chosen at random from each of S equal stretches.
    """
    points = math.prod(group.shape[:-2])
    each = group.starts * group.replicates
    chosen = spread(points, max(1, min(POINTS, lanes // min(LEAST, each))))
    own = spread(each, max(1, lanes // len(chosen)))
    return group.first + chosen[:, None] * each + own, chosen


def table(engine: Engine) -> pa.Table:
    """curves.parquet: a row for each sampled point of the axes and each step.

    Its metadata tells how many runs it took.
    """
    runs, parts = 0, []
    for group in engine.plan.groups:
        chosen, _ = sample(group, engine.program(group.index).lanes)
        runs += chosen.size
        parts.append(_of_group(engine, group, chosen))
    whole = pa.concat_tables(parts)
    return whole.replace_schema_metadata({"further_runs": str(runs)})


def _of_group(engine: Engine, group: Group, chosen: np.ndarray) -> pa.Table:
    steps = curves.log_spaced(engine.experiment.stop.max_steps)
    states = _joined(engine.states(group.index, chosen.ravel(), steps.tolist()))
    found = curves.bands(states, len(chosen), engine.experiment.sign)
    steps, points = steps[: len(found.alive)], len(chosen)
    keys = group.keys(chosen[:, 0], [key for axis in group.axes for key in axis.keys])

    def each(values: np.ndarray) -> np.ndarray:  # [K, P] -> rows, point by point
        return np.ascontiguousarray(values.T).ravel()

    rows = points * len(steps)
    columns = {
        "objective": pa.array([group.objective_name] * rows, pa.string()),
        "optimizer": pa.array([group.optimizer.name] * rows, pa.string()),
        **{
            key: np.repeat(keys[key], len(steps)) if key in keys else pa.nulls(rows, pa.float64())
            for key in engine.plan.keys
            if not any(key in other.draws for other in engine.plan.groups)
        },
        "step": np.tile(steps, points),
        "sample": np.full(rows, chosen.shape[1]),
        **{name: each(getattr(found, name)) for name in ("alive", "converged", "diverged")},
    }
    for name in ("f", "grad_norm"):
        for i, q in enumerate(QUANTILES):
            columns[f"{name}_q{100 * q:02.0f}"] = each(getattr(found, name)[:, :, i])
    return pa.table(columns)


def _joined(parts: Iterator[Ends]) -> Ends:
    """The states of some runs after others, those that ended early kept as they are [K, N]."""
    found = list(parts)
    most = max(len(part.steps) for part in found)

    def filled(column: np.ndarray) -> np.ndarray:
        return np.concatenate([column, column[-1:].repeat(most - len(column), 0)])

    return Ends(*(np.concatenate([filled(c) for c in cs], 1) for cs in zip(*found, strict=True)))
