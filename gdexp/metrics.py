"""What is told of each recorded state beside f and the gradient: `trace.metrics=[NAME, ...]`.

Curvature is that of what is minimised (of −f under maximisation), in float64 whatever the sweep's
dtype; above 64 dimensions by products of the Hessian with vectors (Lanczos). A metric that a state
does not have is NaN.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from gdexp import program
from gdexp.analysis import stability
from gdexp.base import Path
from gdexp.curvature import Curvature, of_objective
from gdexp.experiment import Experiment
from gdexp.plan import LEARNING_RATE, Group


class Walk:
    """The states of a run, and what metrics need to know of it.

    Attributes:
      step: [K] rising.
      x: [K, D] float64.
    """

    def __init__(self, experiment: Experiment, group: Group, curvature: Curvature, path: Path):
        self.step, self.x = path.step, path.x.astype(np.float64)
        own = group.numbers(np.array([path.run]))
        held = dict(zip(group.names, group.defaults, strict=True))
        self._numbers = held | dict(zip(group.varied, own[0], strict=True))
        places = [i for i, (room, _) in enumerate(group.varied) if room == "objective"]
        self._own = own[:, places].repeat(len(self.x), 0)
        self._experiment, self._group, self._curvature = experiment, group, curvature

    @functools.cached_property
    def eigenvalues(self) -> np.ndarray:
        """Of the Hessian [K, E], rising: all, or the least and the largest."""
        found = self._curvature.eigenvalues(self.x, self._own)
        return np.sort(self._experiment.sign * found, axis=1)

    def along_gradient(self) -> np.ndarray:
        """The curvature along the gradient [K]."""
        return self._experiment.sign * self._curvature.along_gradient(self.x, self._own)

    def updates(self) -> np.ndarray:
        """The length of the update from each state [K]; NaN where the next is not recorded."""
        found = np.full(len(self.x), np.nan)
        found[:-1] = np.linalg.norm(np.diff(self.x, axis=0), axis=1)
        found[:-1][np.diff(self.step) != 1] = np.nan
        return found

    def limits(self) -> np.ndarray:
        """The curvature up to which gradient descent is stable at each step [K], by its law."""
        card = self._group.optimizer
        law = stability.law(card.name, card.structure, card.numbers)
        if law is None:
            return np.full(len(self.x), np.nan)
        rate = self._numbers[LEARNING_RATE] * program.factors(
            self._group.schedule,
            {name: self._numbers["schedule", name] for name in self._group.schedule.numbers},
            self.step,
        )
        # a threshold goes as 1/L: so that for the curvature is that for the rate at L = 1
        with np.errstate(divide="ignore"):
            return law.threshold(1.0, self._numbers.get(("optimizer", "momentum"), 0.0)) / rate


METRICS: dict[str, Callable[[Walk], np.ndarray]] = {
    "sharpness": lambda walk: walk.eigenvalues[:, -1],
    "least_eigenvalue": lambda walk: walk.eigenvalues[:, 0],
    "gradient_sharpness": Walk.along_gradient,
    "stability_limit": Walk.limits,
    "update_norm": Walk.updates,
    "distance": lambda walk: np.linalg.norm(walk.x - walk.x[0], axis=1),
}


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
        found = {name: METRICS[name](walk) for name in asked.metrics}
        last = len(path.step) - 1
        kept = (path.step % asked.every == 0) | (np.arange(len(path.step)) == last)
        thin = path._replace(
            **{name: getattr(path, name)[kept] for name in ("step", "x", "f", "grad_norm")}
        )
        yield thin, {name: values[kept] for name, values in found.items()}
