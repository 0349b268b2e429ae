"""What results answer: thresholds, success, races, maps. Each is asked for, and made when it is."""

from __future__ import annotations

import abc
import functools
import math
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from gdexp import frames
from gdexp.analysis import boxes, maps, race
from gdexp.base import Path, UsageError
from gdexp.experiment import TARGET_COLUMN, Experiment
from gdexp.plan import Group, Plan, Tile

if TYPE_CHECKING:
    from gdexp.engine import Engine
    from gdexp.followup import replay


class Answers(abc.ABC):
    """Questions to the runs of a sweep, wherever they are held."""

    experiment: Experiment
    plan: Plan
    labels: pa.Table
    minima: pa.Table
    has_labels: bool
    curves: pa.Table
    manifest: dict[str, Any]

    @abc.abstractmethod
    def tiles(
        self, *names: str, group: Group | None = None
    ) -> Iterator[tuple[Group, Tile, pa.Table]]:
        """The columns `names` of each tile that is here, with its group, one after the other."""

    @abc.abstractmethod
    def rows(self, runs: Sequence[int]) -> list[dict[str, Any]]:
        """What is stored of some runs, in the order given; UsageError where it is not here."""

    @abc.abstractmethod
    def need(self, names: Iterable[str], kept: Collection[str] | None = None) -> None:
        """Raises UsageError for a column that is not there."""

    def thresholds(self, precision: float = 1e-6) -> pa.Table:
        """The learning rates at which convergence is lost, beside what theory says.

        One row for each objective, optimizer and point of the axes but the learning rate's; with
        `minimum_id` null it is where, from at most 64 of the sweep's starts, most runs no longer
        converge nor come nearer; otherwise up to which rate a run that begins beside that minimum
        comes back to it. `low` and `high` enclose it; `theory`, `formula` and `source` are there
        for gradient descent with and without momentum, and so are the factors by which a step
        brings a run nearer at the learning rate `rate_at`: `rate` as observed, and `rate_theory`.

        Makes further runs of 4,096 steps in float64; `schema.metadata` tells how many
        (`further_runs`), and what is `left_out`.

        Raises:
          UsageError: the precision is beyond what float64 tells, or runs have no outcomes.

        Example:
          >>> import gdexp
          >>> found = gdexp.sweep("parabola", grid={"learning_rate": [0.1]})
          >>> [row] = found.thresholds(precision=1e-3).to_pylist()
          >>> round(row["learning_rate"], 2), row["theory"], row["formula"]
          (1.0, 1.0, '2/L')
        """
        from gdexp.followup import thresholds  # late: it descends

        self.need(["outcome"])
        minima = self.minima if self.has_labels else None
        return thresholds.table(
            self.experiment, self.plan, self.tiles("outcome"), minima, precision
        )

    def made_curves(self) -> pa.Table:
        """The curves of a sample of the runs, which are descended again; see `Results.curves`."""
        from gdexp.followup import curves  # late: it descends

        return curves.table(self.engine)

    def replay(self, *runs: int) -> list[replay.Replay]:
        """Descends single runs again, every step recorded, by the program that made the sweep.

        Each has its `step`, `x`, `f`, `grad_norm` and `update`, how it ended, and whether that is
        what was stored to the last bit (`same_bits`; else `differs` names the columns). Nothing has
        to be recorded in advance.

        Raises:
          UsageError: there is no such run, or its row is not here.

        Example:
          >>> import gdexp
          >>> found = gdexp.sweep("parabola", grid={"learning_rate": [0.1, 0.5]})
          >>> [again] = found.replay(1)
          >>> again.same_bits, again.f.shape[0] == found.runs["steps"][1].as_py() + 1
          (True, True)
        """
        from gdexp.followup import replay  # late: it descends

        for run in runs:
            self.plan.group_of(run)
        wanted = list(dict.fromkeys(runs))
        rows = self.rows(wanted)
        found = {again.run: again for again in replay.replay(self.engine, wanted, rows)}
        return [found[run] for run in runs]

    def paths(self, runs: Sequence[int], steps: int | Iterable[int] = 1) -> list[Path]:
        """Descends single runs again; their states after `steps`, or each so many, first and last.

        What `replay` does, quicker where not every step is wanted, and without looking at bits.

        Raises:
          UsageError: there is no such run.
        """
        for run in runs:
            self.plan.group_of(run)
        found = {path.run: path for path in self.engine.trace(list(dict.fromkeys(runs)), steps)}
        return [found[run] for run in runs]

    @functools.cached_property
    def engine(self) -> Engine:
        """What descends runs of this sweep again: its programs are compiled once."""
        from gdexp.engine import Engine  # late: it descends

        lanes = {p["group"]: p["lanes"] for p in self.manifest["programs"]}
        return Engine(self.experiment, self.plan, lanes)

    def success(self, target: float | None = None) -> pa.Table:
        """How often runs reach a target, or without one converge, and what that costs.

        A row for each objective, optimizer and point of the axes: `runs`, how many `reached` it,
        their `share` with its 95 % interval (Wilson), `expected_evaluations` until a success where
        one starts again after each failure, with its interval, and the quartiles of evaluations
        over all runs, infinite where too few get there.

        Raises:
          UsageError: the target is not in `stop.targets`, or a column was not kept.

        Example:
          >>> import gdexp
          >>> found = gdexp.sweep("parabola", grid={"learning_rate": [0.1, 1.5]})
          >>> found.success()["share"].to_pylist()
          [1.0, 0.0]
        """
        rows = [row for some in self._tried(target) for row in race.success_rows(some, target)]
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

    def distribution(self, target: float | None = None, budget: float | None = None) -> pa.Table:
        """The share of runs that succeeded by so many evaluations, for each entrant of `race`.

        A row wherever it rises, with its 95 % interval. It ends below 1 where runs never do.
        """
        each = self._judged(target, budget)
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

    def _tried(self, target: float | None, budget: float = math.inf) -> Iterator[race.Tried]:
        place = race.which(self.experiment.stop.targets, target)
        names = race.NEEDED if place is None else (*race.NEEDED, TARGET_COLUMN)
        self.need(names)
        return race.tried(self.tiles(*names), place, budget)

    def _judged(self, target: float | None, budget: float | None) -> Iterator[race.Tried]:
        if budget is not None and not budget >= 1:
            raise UsageError(f"budget={budget:g}: give evaluations, 1 or more")
        most = self.experiment.stop.max_steps + 1 if budget is None else budget
        for some in self._tried(target, most):
            yield race.judged(some, self._sign, self.experiment.seed)

    def map(
        self,
        x: str,
        y: str,
        value: str = "outcome",
        objective: str | None = None,
        optimizer: str | None = None,
        **where: float,
    ) -> maps.Map:
        """A value over two axes of the sweep, as arrays with coordinates.

        Args:
          x: an axis: a KEY of the grid, `start`, `replicate`, or with start=grid or start=plane an
            axis of the starts, such as `x0_0`.
          y: another.
          value: outcome, reason, kind, minimum_id, steps, evaluations, f, f_best, grad_norm,
            period; accuracy, held_out_loss, held_out_accuracy, where models have them; or the
            name of an outcome: the share of runs that ended so.
          objective: which, where there are several.
          optimizer: which, where there are several.
          **where: values of other axes (`.` written `__`): only runs nearest to them are shown,
            and `held` has what these have there.

        Raises:
          UsageError: there is no such axis or value, one is beyond its axis, or a column was not
            kept.

        Example:
          >>> import gdexp
          >>> grid = {"learning_rate": [0.1, 1.5], "momentum": [0.0, 0.5]}
          >>> shown = gdexp.sweep("parabola", grid=grid).map("learning_rate", "momentum")
          >>> [[shown.names[place] for place in row] for row in shown.value]
          [['converged', 'diverged'], ['converged', 'cycling']]
        """
        group = self.group(objective, optimizer)
        own = ("run", *maps.LABELS)
        asks = value not in maps.KNOWN and self.has_labels  # else nothing is read for it
        measures = [name for name in self.labels.column_names if name not in own] if asks else []
        names = maps.columns(value, measures)
        derived = [name for name in names if name in (*maps.LABELS, *measures)]
        if not derived:
            self.need(names)
        mine = self.labelled_tiles(group) if derived else self.tiles(*names, group=group)
        places = {key.replace("__", "."): place for key, place in where.items()}
        return maps.make(group, mine, x, y, value, places)

    def boundary(self, x: str, y: str, value: str = "outcome", **which: Any) -> boxes.Boundary:
        """The boundary between the regions of a map: its length and dimension, by box counting.

        Arguments are those of `map`. What makes a region is equality of the value.

        Raises:
          UsageError: as `map`, or the map has less than 64 places along an axis, or one region, or
            the value is a number without regions: what would be counted are its level lines.
        """
        return self.map(x, y, value, **which).boundary()

    def labelled_tiles(self, group: Group) -> Iterator[tuple[Group, Tile, pa.Table]]:
        """The labels of each tile of a group, as `tiles` gives its rows."""
        labels, first = self.labels, 0
        for of, tile, _ in self.tiles():
            if of is group:
                yield of, tile, labels.slice(first, tile.count)
            first += tile.count

    def group(self, objective: str | None, optimizer: str | None) -> Group:
        """The group with an objective and an optimizer, each needed where there are several."""
        found = [
            group
            for group in self.plan.groups
            if objective in (None, group.objective_name)
            and optimizer in (None, group.optimizer.name)
        ]
        if len(found) == 1:
            return found[0]
        each = [(g.objective_name, g.optimizer.name) for g in found or self.plan.groups]
        told = ", ".join(f"objective={o!r} optimizer={p!r}" for o, p in each[:4])
        raise UsageError(f"choose one objective and optimizer of {told}")
