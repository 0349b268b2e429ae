"""What the ends of a sweep are: kinds of points, and which of the stationary points each is."""

from __future__ import annotations

import collections
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from gdexp import measures
from gdexp.analysis import minima
from gdexp.analysis.counts import OUTCOMES, places
from gdexp.analysis.minima import KINDS, Catalogue, Ends, Kind
from gdexp.analysis.statistics import wilson
from gdexp.base import Outcome, Shape
from gdexp.columns import NAME
from gdexp.curvature import of_objective
from gdexp.experiment import Experiment
from gdexp.plan import Group, Plan
from gdexp.results import Results

TOLERANCE = 1e-4  # of the domain's width: stationary points nearer to each other are one
SMALL = 2**12  # dimensions × examples of a model whose ends are told however many they are
MOST_WORK = 2**27  # runs × dimensions × examples of a larger one: a quarter of a minute
NEEDED = ("x", "outcome")  # columns without which nothing can be told
CONVERGED, LOST = (OUTCOMES.index(o) for o in (Outcome.CONVERGED, Outcome.DIVERGED))
UNRESOLVED = KINDS.index(Kind.UNRESOLVED)

LABELS = {"run": pa.int64(), "kind": NAME, "minimum_id": pa.int32()}
REALS = pa.list_(pa.field("element", pa.float64()))
POINT = {  # columns of minima.parquet that tell of a point
    "x": REALS,
    "f": pa.float64(),
    "kind": pa.string(),
    "eigenvalues": REALS,
    "sharpness": pa.float64(),
    "runs": pa.int64(),
    **dict.fromkeys(("share", "share_low", "share_high", "radius"), pa.float64()),
    "stability_threshold": pa.float64(),
}


class Part(NamedTuple):
    """The ends of a tile."""

    group: Group
    runs: np.ndarray  # [N]
    x: np.ndarray  # [N, D]
    grad_norm: np.ndarray  # [N]
    ended: np.ndarray  # [N] bool: it did not diverge
    converged: np.ndarray  # [N] bool
    own: np.ndarray  # [N, V] the objective's own numbers that differ from run to run


class Setting:
    """An objective with its own numbers as some runs have them, and where those ended."""

    def __init__(self, label: _Objective, own: tuple[float, ...]):
        self.own, self._objective = np.array(own), label
        self.ends = Ends(minima.FINER * label.tolerance, label.dim)
        self.runs = 0
        self.first = 0  # minimum_id of the first in the catalogue
        self.catalogue: Catalogue | None = None

    def add(self, x: np.ndarray, grad_norm: np.ndarray, sure: np.ndarray) -> None:
        """Takes points [N, D] at which runs ended, with their gradient norms [N].

        Runs that ran out of steps end anywhere, each at a point of its own. So of those that are
        not `sure` [N] to have converged only the ones near a stationary point are kept: what is
        held in memory does not grow with the sweep.
        """
        near = sure.copy()
        length = 1 + np.linalg.norm(x[~sure], axis=1)
        near[~sure] = self._settle(x[~sure], 0.0).first <= minima.NEAR * length
        self.ends.add(x[near], grad_norm[near])

    def close(self, first: int) -> int:
        """Makes the catalogue, numbered from `first`; returns the next number."""
        self.first = first
        self.catalogue = minima.catalogue(self.ends, self._settle, self._objective.tolerance)
        self.came = np.zeros(len(self.catalogue.x), int)
        self.radius = np.zeros(len(self.catalogue.x))
        return first + len(self.came)

    def place(self, x: np.ndarray) -> np.ndarray:
        """Which of the catalogue [N] each of `x` [N, D] ended at, or −1; they are counted."""
        found = self.catalogue.place(x)
        here = found >= 0
        self.came += np.bincount(found[here], minlength=len(self.came))
        away = np.linalg.norm(x[here] - self.catalogue.x[found[here]], axis=1)
        np.maximum.at(self.radius, found[here], away)
        return found

    def _settle(self, x: np.ndarray, reach: float) -> Shape:
        return self._objective.curvature.settle(x, np.tile(self.own, (len(x), 1)), reach)


class _Objective:
    """All groups of one objective."""

    def __init__(self, group: Group, runs: int):
        self.name = group.objective_name
        self.keys = [key for key, (room, _) in group.varies.items() if room == "objective"]
        self.numbers = [group.varies[key] for key in self.keys]
        self.drawn = any(number in self.numbers for number, _ in group.draws.values())
        self.dim, names = group.space.dim, [name for _, name in self.numbers]
        width = np.mean(np.subtract(group.space.high, group.space.low))
        self.tolerance = TOLERANCE * float(width)
        self.curvature = of_objective(group.objective, names)
        size = self.dim * group.objective.count
        self.is_told = size <= SMALL or runs * size <= MOST_WORK
        self.settings: dict[tuple[float, ...], Setting] = {}
        self.objective, self.varied = group.objective, names
        self.measures = measures.names(group.objective)

    @property
    def columns(self) -> list[str]:
        """What its own numbers are called in minima.parquet: as the axes, if nothing else is."""
        return [f"{self.name}.{key}" if key in POINT else key for key in self.keys]

    def split(self, part: Part) -> Iterator[tuple[Setting, np.ndarray]]:
        """The settings in a part, and which rows [M] have each."""
        settings, which = np.unique(part.own, axis=0, return_inverse=True)
        for i, own in enumerate(map(tuple, settings)):
            if own not in self.settings:
                self.settings[own] = Setting(self, own)
            yield self.settings[own], np.flatnonzero(which.reshape(-1) == i)


def prepare(experiment: Experiment, plan: Plan) -> dict[str, _Objective]:
    """The objectives whose ends will be labelled; begins to compile what that needs.

    There are none where `store.columns` leaves out what is needed.
    """
    objectives: dict[str, _Objective] = {}
    runs = collections.Counter()
    for group in plan.groups:
        runs[group.objective_name] += group.count
    if not set(NEEDED) - set(experiment.columns):
        for group in plan.groups:
            if (name := group.objective_name) not in objectives:
                objectives[name] = made = _Objective(group, runs[name])
                if made.is_told:
                    made.curvature.prepare(made.dim, len(made.numbers))
    return objectives


def label(results: Results, objectives: Mapping[str, _Objective]) -> dict[str, Any]:
    """Adds labels and minima to results, from the runs they hold and what `prepare` gave.

    Returns how many minima each objective has, for a summary.
    """
    if not objectives:
        return {}
    for part in _parts(results):
        mine = objectives[part.group.objective_name]
        if mine.drawn or not mine.is_told:
            continue
        for setting, rows in mine.split(part):
            setting.runs += len(rows)
            rows = rows[part.ended[rows]]
            setting.add(part.x[rows], part.grad_norm[rows], part.converged[rows])
    for mine in objectives.values():
        first = 0
        for setting in mine.settings.values():
            first = setting.close(first)
    parts = _labelled(results, objectives)
    results.add_labels(parts, lambda: _minima(objectives))
    return {name: _counts(mine) for name, mine in objectives.items()}


def _parts(results: Results) -> Iterator[Part]:
    """The ends of each tile that is there."""
    kept = [n for n in ("x", "grad_norm", "outcome") if n in results.experiment.columns]
    for group, tile, table in results.tiles(*kept):
        count = table.num_rows
        flat = np.asarray(table["x"].combine_chunks().flatten(), np.float64)
        norm = np.asarray(table["grad_norm"]) if "grad_norm" in kept else np.zeros(count)
        numbers = [i for i, (room, _) in enumerate(group.varied) if room == "objective"]
        outcome = places(table["outcome"], OUTCOMES)
        yield Part(
            group=group,
            runs=tile.runs,
            x=flat.reshape(count, -1),
            grad_norm=norm,
            ended=outcome != LOST,
            converged=outcome == CONVERGED,
            own=group.numbers(tile.runs)[:, numbers],
        )


def _labelled(results: Results, objectives: Mapping[str, _Objective]) -> Iterator[pa.Table]:
    """The labels of each part."""
    names = list(dict.fromkeys(name for mine in objectives.values() for name in mine.measures))
    schema = pa.schema(list((LABELS | dict.fromkeys(names, pa.float64())).items()))
    for part in _parts(results):
        mine = objectives[part.group.objective_name]
        kind, number = np.full(len(part.runs), UNRESOLVED), np.full(len(part.runs), -1)
        if not mine.is_told:
            pass
        elif mine.drawn:
            rows = np.flatnonzero(part.ended & np.isfinite(part.x).all(axis=1))
            shape = mine.curvature.settle(part.x[rows], part.own[rows], minima.NEAR)
            kind[rows] = minima.kinds(part.x[rows], shape)
        else:
            for setting, rows in mine.split(part):
                rows = rows[part.ended[rows]]
                found = setting.place(part.x[rows])
                here = found >= 0
                kind[rows[here]] = setting.catalogue.kind[found[here]]
                number[rows[here]] = setting.first + found[here]
        kinds = pa.array(list(map(str, KINDS)), pa.string())
        measured = measures.at(mine.objective, mine.varied, part.x, part.own)
        yield pa.table(
            {
                "run": part.runs,
                "kind": pa.DictionaryArray.from_arrays(kind.astype(np.int32), kinds),
                "minimum_id": pa.array(number.astype(np.int32), mask=number < 0),
            }
            | {n: measured.get(n, pa.nulls(len(part.runs), pa.float64())) for n in names},
            schema,
        )


def _minima(objectives: Mapping[str, _Objective]) -> pa.Table:
    """minima.parquet: a row for each stationary point at which runs ended."""
    rows: list[dict[str, Any]] = []
    for name, mine in objectives.items():
        for setting in mine.settings.values():
            found = setting.catalogue
            own = dict(zip(mine.columns, setting.own.tolist(), strict=True))
            low, high = wilson(setting.came, max(setting.runs, 1))
            for i in range(len(found.x)):
                sharpness = float(found.eigenvalues[i].max())
                rows.append(
                    {
                        "objective": name,
                        "minimum_id": setting.first + i,
                        **own,
                        "x": found.x[i].tolist(),
                        "f": float(found.f[i]),
                        "kind": str(KINDS[found.kind[i]]),
                        "eigenvalues": found.eigenvalues[i].tolist(),
                        "sharpness": sharpness,
                        "runs": int(setting.came[i]),
                        "share": setting.came[i] / setting.runs,
                        "share_low": float(low[i]),
                        "share_high": float(high[i]),
                        "radius": float(setting.radius[i]),
                        "stability_threshold": 2 / sharpness if sharpness > 0 else None,
                    }
                )
    named = (name for mine in objectives.values() for name in mine.columns)
    return pa.Table.from_pylist(rows, minima_schema(named))


def minima_schema(own: Iterable[str] = ()) -> pa.Schema:
    """The columns of minima.parquet, with the `own` numbers of objectives that axes vary."""
    types = {"objective": pa.string(), "minimum_id": pa.int32()}
    types |= dict.fromkeys(own, pa.float64())
    return pa.schema(list((types | POINT).items()))


def _counts(mine: _Objective) -> dict[str, Any]:
    """How many minima there are, and would be with another tolerance."""
    names = ("tenfold", "tolerance", "tenth")
    found = [setting.catalogue.minima for setting in mine.settings.values()]
    total = {name: sum(one[name] for one in found) for name in names}
    return {
        "minima": total.pop("tolerance"),
        "tolerance": mine.tolerance,
        "minima_at": total,
        "functions": len(mine.settings),
        "told": mine.is_told,
    }
