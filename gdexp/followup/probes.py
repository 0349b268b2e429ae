"""Runs beside a sweep: from any points, each with numbers of its own, by the same engine."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from gdexp import plan
from gdexp.base import Path
from gdexp.engine import Engine
from gdexp.experiment import Experiment, Trace
from gdexp.plan import LEARNING_RATE, Group
from gdexp.starts.points import Points


class Probes:
    """Descents with the objective and the optimizer of a group, in float64.

    Args:
      experiment: of the sweep.
      group: of its plan.
      **stop: rules of `experiment.Stop` that differ from the sweep's.

    Attributes:
      names: the numbers that a run is given [V]: those that vary in the sweep, and the learning
        rate.
      runs: how many were made.
    """

    def __init__(self, experiment: Experiment, group: Group, **stop: Any):
        self.names = tuple(dict.fromkeys([*group.varied, LEARNING_RATE]))
        self.runs = 0
        owners = {"objective": group.objective_name, "optimizer": group.optimizer.name}
        owners |= {room: card.name for room, card in group.singles.items()}
        self._keys = [f"{owners[room]}.{name}" for room, name in self.names]
        self._experiment = dataclasses.replace(
            experiment,
            objectives={group.objective_name: group.objective},
            optimizers={group.optimizer.name: group.optimizer},
            zip=(tuple(self._keys),),
            draw={},
            replicates=1,
            stop=dataclasses.replace(experiment.stop, targets=(), **stop),
            dtype="float64",
            trace=Trace(0),
            sweep=None,
        )
        self._engine: Engine | None = None

    def paths(self, x: np.ndarray, numbers: np.ndarray, steps: Iterable[int]) -> Iterator[Path]:
        """The states after `steps` of a run from each of `x` [N, D] with its `numbers` [N, V]."""
        count = len(x)
        self.runs += count
        grid = dict(zip(self._keys, np.asarray(numbers, np.float64).T, strict=True))
        asked = dataclasses.replace(self._experiment, start=Points(points=x), grid=grid)
        planned = plan.make(asked)
        if self._engine is None:
            self._engine = Engine(asked, planned)
        else:
            self._engine = self._engine.with_plan(planned)
        # every point with every number, of which only those are run that belong together
        return self._engine.trace(np.arange(count) * (count + 1), steps)
