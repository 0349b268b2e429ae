"""Curves of a sweep: a sample of its runs descended again, looked at after log-spaced steps."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from gdexp.analysis import curves
from gdexp.analysis.curves import QUANTILES
from gdexp.analysis.tally import learning_rates
from gdexp.base import Ends
from gdexp.engine import Engine
from gdexp.plan import Group
from gdexp.random import spread, thinned

POINTS = 64  # of a group's axes, at most, whose curves are told
LEAST = 16  # runs of each, where there are as many
RATES = 8  # learning rates of a group, at most, that have curves over all other axes


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

    Its metadata tells how many runs it took, and has curves over several points: see
    `analysis.curves.pooled`.
    """
    runs, parts, wholes = 0, [], []
    for group in engine.plan.groups:
        chosen, _ = sample(group, engine.program(group.index).lanes)
        runs += chosen.size
        steps = curves.log_spaced(engine.experiment.stop.max_steps)
        states = _joined(engine.states(group.index, chosen.ravel(), steps.tolist()))
        steps = steps[: len(states.steps)]
        parts.append(_of_points(engine, group, chosen, steps, states))
        wholes += _of_all(engine, group, chosen, steps, states)
    told = {"further_runs": str(runs), curves.POOLED: json.dumps(wholes)}
    return pa.concat_tables(parts).replace_schema_metadata(told)


def _of_points(
    engine: Engine, group: Group, chosen: np.ndarray, steps: np.ndarray, states: Ends
) -> pa.Table:
    found = curves.bands(states, len(chosen), engine.experiment.sign)
    keys = group.keys(chosen[:, 0], [key for axis in group.axes for key in axis.keys])
    rows = len(chosen) * len(steps)

    def each(values: np.ndarray) -> np.ndarray:  # [K, P] -> rows, point by point
        return np.ascontiguousarray(values.T).ravel()

    columns = {
        "objective": pa.array([group.objective_name] * rows, pa.string()),
        "optimizer": pa.array([group.optimizer.name] * rows, pa.string()),
        **{
            key: np.repeat(keys[key], len(steps)) if key in keys else pa.nulls(rows, pa.float64())
            for key in engine.plan.keys
            if not any(key in other.draws for other in engine.plan.groups)
        },
        "step": np.tile(steps, len(chosen)),
        "sample": np.full(rows, chosen.shape[1]),
        **{name: each(values) for name, values in _named(found).items()},
    }
    return pa.table(columns)


def _of_all(
    engine: Engine, group: Group, chosen: np.ndarray, steps: np.ndarray, states: Ends
) -> list[dict[str, Any]]:
    """See `curves.pooled`."""
    parts: list[tuple[float | None, np.ndarray]] = [(None, np.arange(chosen.size))]
    axis, along = learning_rates(group)
    if axis is not None:
        rates = along[group.coordinates(chosen.ravel())[axis]]
        there = np.unique(rates)
        some = there[thinned(len(there), RATES)]
        parts += [(float(rate), np.flatnonzero(rates == rate)) for rate in some]
    named = {"objective": group.objective_name, "optimizer": group.optimizer.name}
    found = []
    for rate, mine in parts:
        own = Ends(*(column[:, mine] for column in states))
        bands = _named(curves.bands(own, 1, engine.experiment.sign))
        told = {name: list(map(_plain, values[:, 0].tolist())) for name, values in bands.items()}
        more = {"learning_rate": rate, "sample": len(mine), "step": steps.tolist()}
        found.append(named | more | told)
    return found


def _plain(number: float) -> float | None:
    """A number as JSON has it: infinite where so many runs have diverged, which is None."""
    return number if math.isfinite(number) else None


def _named(bands: curves.Bands) -> dict[str, np.ndarray]:
    """The numbers [K, P] of bands by the names that they have in a table."""
    found = {name: getattr(bands, name) for name in ("alive", "converged", "diverged")}
    for name in ("f", "grad_norm"):
        for i, q in enumerate(QUANTILES):
            found[f"{name}_q{100 * q:02.0f}"] = getattr(bands, name)[:, :, i]
    return found


def _joined(parts: Iterator[Ends]) -> Ends:
    """The states of some runs after others, those that ended early kept as they are [K, N]."""
    found = list(parts)
    most = max(len(part.steps) for part in found)

    def filled(column: np.ndarray) -> np.ndarray:
        return np.concatenate([column, column[-1:].repeat(most - len(column), 0)])

    return Ends(*(np.concatenate([filled(c) for c in cs], 1) for cs in zip(*found, strict=True)))
