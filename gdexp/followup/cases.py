"""What a threshold is sought for: a point of a sweep's axes, with a minimum or its starts."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from gdexp.plan import LEARNING_RATE, Group, Number


class Minimum(NamedTuple):
    """A point at which runs stay: a minimum, or under maximisation a maximum."""

    number: int  # minimum_id
    x: np.ndarray  # [D]
    eigenvalues: np.ndarray  # [E] of the Hessian of what is minimised


class Case(NamedTuple):
    """A threshold to be found: numbers [V] of its runs, those of an axis by their KEY."""

    numbers: np.ndarray  # [S, V] for each of its starts
    keys: dict[str, float]
    minimum: Minimum | None = None  # near which; None: from the starts of the sweep


class Cases:
    """The cases of a group.

    Args:
      group: of a plan.
      names: the numbers that its further runs are given [V].
    """

    def __init__(self, group: Group, names: tuple[Number, ...]):
        self.group, self.names = group, names
        self.axes = [i for i in range(len(group.axes)) if i != group.rate_axis]

    def points(self) -> Iterator[tuple[int, ...]]:
        """Every point of the axes but the learning rate's, at that one's first value."""
        lengths = [axis.values.shape[1] for axis in self.group.axes]
        for place in itertools.product(*(range(lengths[i]) for i in self.axes)):
            point = [0] * len(lengths)
            for i, at in zip(self.axes, place, strict=True):
                point[i] = at
            yield tuple(point)

    def at(
        self, point: tuple[int, ...], starts: np.ndarray, minimum: Minimum | None = None
    ) -> Case:
        """The case of a point, with a run from each of `starts` [S]."""
        first = self.group.number((*point, 0, 0))
        runs = first + starts * self.group.replicates
        own = self.group.numbers(runs)
        places = [
            self.group.varied.index(name) if name in self.group.varied else None
            for name in self.names
        ]
        default = dict(zip(self.group.names, self.group.defaults, strict=True))
        numbers = np.stack(
            [
                np.full(len(runs), default[name]) if place is None else own[:, place]
                for name, place in zip(self.names, places, strict=True)
            ],
            axis=1,
        )
        keys = {
            key: float(self.group.axes[i].values[j, point[i]])
            for i in self.axes
            for j, key in enumerate(self.group.axes[i].keys)
        }
        return Case(numbers, keys, minimum)

    def numbers(self, cases: Sequence[Case], rates: np.ndarray) -> np.ndarray:
        """The numbers of the runs of some cases, each at a learning rate of its own."""
        each, place = [case.numbers.copy() for case in cases], self.names.index(LEARNING_RATE)
        for numbers, rate in zip(each, rates, strict=True):
            numbers[:, place] = rate
        return np.concatenate(each)
