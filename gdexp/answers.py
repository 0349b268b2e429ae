"""What results answer: thresholds, success, races, maps. Each is asked for, and made when it is."""

from __future__ import annotations

import abc
import functools
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from gdexp.analysis import boxes, maps
from gdexp.base import Path, UsageError
from gdexp.plan import Group, Tile
from gdexp.races import Races

if TYPE_CHECKING:
    from gdexp.engine import Engine
    from gdexp.followup import replay


class Answers(Races):
    """Questions to the runs of a sweep, wherever they are held."""

    labels: pa.Table
    minima: pa.Table
    has_labels: bool
    curves: pa.Table
    manifest: dict[str, Any]

    @abc.abstractmethod
    def labels_in_parts(self) -> Iterator[pa.Table]:
        """The labels, some rows in memory at a time; UsageError if there are none."""

    @abc.abstractmethod
    def rows(self, runs: Sequence[int]) -> list[dict[str, Any]]:
        """What is stored of some runs, in the order given; UsageError where it is not here."""

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

    def map(
        self,
        x: str,
        y: str,
        value: str = "outcome",
        objective: str | None = None,
        optimizer: str | None = None,
        most: int | None = None,
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
          most: places along an axis, of which every so-manyth is taken then; None: all.
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
        labels = next(self.labels_in_parts()).column_names[1:] if self.has_labels else maps.LABELS
        names = maps.columns(value, labels)
        derived = set(names) & {*maps.LABELS, *labels}
        if not derived:
            self.need(names)
        mine = self.labelled_tiles(group) if derived else self.tiles(*names, group=group)
        places = {key.replace("__", "."): place for key, place in where.items()}
        return maps.make(group, mine, x, y, value, places, most)

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
        parts = self.labels_in_parts()
        held = next(parts)
        for of, tile, _ in self.tiles():
            while held.num_rows < tile.count:
                held = pa.concat_tables([held, next(parts)])
            if of is group:
                yield of, tile, held.slice(0, tile.count)
            held = held.slice(tile.count)

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
