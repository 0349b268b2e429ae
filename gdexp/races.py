"""What results answer of success and its cost, and of optimizers against each other."""

from __future__ import annotations

import abc
import math
from collections.abc import Collection, Iterable, Iterator

import pyarrow as pa

from gdexp import frames
from gdexp.analysis import race
from gdexp.base import UsageError
from gdexp.experiment import TARGET_COLUMN, Experiment
from gdexp.plan import Group, Plan, Tile


class Races(abc.ABC):
    """Questions to the runs of a sweep that `analysis.race` answers."""

    experiment: Experiment
    plan: Plan

    @abc.abstractmethod
    def tiles(
        self, *names: str, group: Group | None = None
    ) -> Iterator[tuple[Group, Tile, pa.Table]]:
        """The columns `names` of each tile that is here, with its group, one after the other."""

    @abc.abstractmethod
    def need(self, names: Iterable[str], kept: Collection[str] | None = None) -> None:
        """Raises UsageError for a column that is not there."""

    def success(self, target: float | None = None, *, most: int | None = None) -> pa.Table:
        """How often runs reach a target, or without one converge, and what that costs.

        A row for each objective, optimizer and point of the axes: `runs`, how many `reached` it,
        their `share` with its 95 % interval (Wilson), `expected_evaluations` until a success where
        one starts again after each failure, with its interval, and the quartiles of evaluations
        over all runs, infinite where too few get there. `most`: of a sample of so many runs of
        each objective and optimizer.

        Raises:
          UsageError: the target is not in `stop.targets`, or a column was not kept.

        Example:
          >>> import gdexp
          >>> found = gdexp.sweep("parabola", grid={"learning_rate": [0.1, 1.5]})
          >>> found.success()["share"].to_pylist()
          [1.0, 0.0]
        """
        rows = [
            row for some in self._tried(target, most) for row in race.success_rows(some, target)
        ]
        return frames.from_rows(rows, self.plan.keys)

    def race(self, target: float | None = None, budget: float | None = None) -> pa.Table:
        """The optimizers against each other, from the same starts, with the same budget.

        A row for each objective and optimizer, best first: the learning rate (and whatever else is
        an axis) is the one that does best from a random half of the starts, and all that is told
        of it comes from the other half. Columns are those of `success`; `rank`, by
        `expected_evaluations` and then by `f_median`; and `f_median`, the median of f where runs
        ended, whatever the budget.

        Args:
          target: one of `stop.targets`; None: to converge.
          budget: evaluations that a run may make; None: those of `stop.max_steps` steps.

        Raises:
          UsageError: as `success`, or there is one start.

        Example:
          >>> import gdexp
          >>> rates = {"learning_rate": [0.01, 0.1]}
          >>> both = gdexp.sweep("paraboloid", optimizer=["sgd", "adam"], grid=rates, start="grid")
          >>> both.race().select(["optimizer", "learning_rate", "rank"]).to_pylist()[0]
          {'optimizer': 'sgd', 'learning_rate': 0.1, 'rank': 1}
        """
        rows = [race.race_row(some, self._sign, target) for some in self._judged(target, budget)]
        return frames.from_rows(race.ranked(rows, self._sign), self.plan.keys)

    def distribution(
        self,
        target: float | None = None,
        budget: float | None = None,
        *,
        most: int | None = None,
    ) -> pa.Table:
        """The share of runs that succeeded by so many evaluations, for each entrant of `race`.

        A row wherever it rises, with its 95 % interval. It ends below 1 where runs never do. `most`
        as in `success`.
        """
        each = self._judged(target, budget, most)
        rows = [row for some in each for row in race.distribution_rows(some, target)]
        return frames.from_rows(rows, self.plan.keys)

    def profiles(self, target: float | None = None, budget: float | None = None) -> pa.Table:
        """Performance profiles of the optimizers over the objectives, by expected evaluations.

        A row for each optimizer and `ratio` to the best: on which `share` of the objectives it
        needs no more than that (Dolan and Moré 2002).
        """
        return frames.from_rows(list(race.profile_rows(self.race(target, budget).to_pylist())))

    @property
    def _sign(self) -> float:
        return self.experiment.sign

    def _tried(
        self, target: float | None, most: int | None, budget: float = math.inf
    ) -> Iterator[race.Tried]:
        place = race.which(self.experiment.stop.targets, target)
        names = race.NEEDED if place is None else (*race.NEEDED, TARGET_COLUMN)
        self.need(names)
        return race.tried(self.tiles(*names), place, budget, most)

    def _judged(
        self, target: float | None, budget: float | None, most: int | None = None
    ) -> Iterator[race.Tried]:
        if budget is not None and not budget >= 1:
            raise UsageError(f"budget={budget:g}: give evaluations, 1 or more")
        spent = self.experiment.stop.max_steps + 1 if budget is None else budget
        for some in self._tried(target, most, spent):
            yield race.judged(some, self._sign, self.experiment.seed)
