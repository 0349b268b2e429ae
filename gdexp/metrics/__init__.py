"""What is told of each recorded state beside f and the gradient: `trace.metrics=[NAME, ...]`.

A metric is a file here, NAME.py, with a function NAME from a `Walk` to a number for each state.
Curvature is that of what is minimised (of −f under maximisation), in float64 whatever the sweep's
dtype; above 64 dimensions by products of the Hessian with vectors (Lanczos). A metric that a state
does not have is NaN, and null in a table.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from gdexp import measures
from gdexp.base import Path
from gdexp.curvature import Curvature, of_objective
from gdexp.experiment import Experiment
from gdexp.plan import Group


class Walk:
    """The states of a run, and what metrics need to know of it.

    Attributes:
      step: [K] rising.
      x: [K, D] float64.
      numbers: (room, name) -> value: all that the run holds.
      own: those of the objective that vary [K, V], for `curvature`.
    """

    def __init__(self, experiment: Experiment, group: Group, curvature: Curvature, path: Path):
        self.step, self.x = path.step, path.x.astype(np.float64)
        own = group.numbers(np.array([path.run]))
        held = dict(zip(group.names, group.defaults, strict=True))
        self.numbers = held | dict(zip(group.varied, own[0], strict=True))
        places = [i for i, (room, _) in enumerate(group.varied) if room == "objective"]
        self.own = own[:, places].repeat(len(self.x), 0)
        self._varied = [group.varied[i][1] for i in places]
        self.experiment, self.group, self.curvature = experiment, group, curvature

    @functools.cached_property
    def eigenvalues(self) -> np.ndarray:
        """Of the Hessian [K, E], rising: all, or the least and the largest."""
        found = self.curvature.eigenvalues(self.x, self.own)
        return np.sort(self.experiment.sign * found, axis=1)

    @functools.cached_property
    def _measures(self) -> dict[str, np.ndarray]:
        return measures.at(self.group.objective, self._varied, self.x, self.own)

    def measured(self, name: str) -> np.ndarray:
        """What the objective measures [K]; NaN where it has no such measure."""
        return self._measures.get(name, np.full(len(self.x), np.nan))


def metric(name: str) -> Callable[[Walk], np.ndarray]:
    """The function of a metric."""
    return getattr(importlib.import_module(f"{__name__}.{name}"), name)


def steps(every: int, most: int, names: Sequence[str]) -> int | list[int]:
    """The steps to record: each `every`, and the next ones where an update's length is wanted."""
    if every == 1 or "update_norm" not in names:
        return every
    return sorted({s for first in range(0, most + 1, every) for s in (first, first + 1)})


def of(
    experiment: Experiment, group: Group, paths: Iterable[Path]
) -> Iterator[tuple[Path, dict[str, np.ndarray]]]:
    """The metrics [K] of some paths of a group, beside the states that were asked for."""
    asked = experiment.trace
    names = [name for room, name in group.varied if room == "objective"]
    curvature = of_objective(group.objective, names)
    for path in paths:
        walk = Walk(experiment, group, curvature, path)
        found = {name: metric(name)(walk) for name in asked.metrics}
        last = len(path.step) - 1
        kept = (path.step % asked.every == 0) | (np.arange(len(path.step)) == last)
        thin = path._replace(
            **{name: getattr(path, name)[kept] for name in ("step", "x", "f", "grad_norm")}
        )
        yield thin, {name: values[kept] for name, values in found.items()}
