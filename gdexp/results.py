"""What a user holds after a sweep: tables, frames, the run that was asked for. A thin facade."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path as FilePath
from typing import Any

import numpy as np
import pyarrow as pa

from gdexp import frames, gallery, plan, store
from gdexp.answers import Answers
from gdexp.base import Path, UsageError, nearest
from gdexp.experiment import Experiment
from gdexp.figures import Plots
from gdexp.plan import Group, Plan, Tile
from gdexp.random import spread
from gdexp.shelf import Shelf

NO_LABELS = "these results have no labels: x and outcome are needed, name them in store.columns"


class Results(Answers):
    """The results of one sweep, in memory or in an output directory.

    Attributes:
      config: the resolved experiment, a plain tree.
      manifest: what made it.
      summary: counts by outcome, best run, thresholds, runs per second.
      path: some states of a single run; None for a sweep, and after `load`.
      directory: where the files are; None in memory.
    """

    plot = property(
        Plots, doc="Figures, as Plotly's, by their kind: `found.plot.outcome_map()`, ..."
    )
    gallery = functools.cached_property(gallery.of)

    def __init__(
        self,
        *,
        directory: FilePath | None,
        manifest: dict[str, Any],
        config: Mapping[str, Any],
        summary: Mapping[str, Any] | None = None,
        experiment: Experiment | None = None,
        allow_code: bool = False,
    ):
        self.directory = directory
        self.manifest = manifest
        self.config = config
        self.summary = summary
        self.path: Path | None = None
        self._experiment = experiment
        self._allow_code = allow_code
        self._derived: dict[str, pa.Table] = {}  # by the names of their files, in memory
        self._runs, self._traces = (Shelf(directory, name) for name in (store.RUNS, store.TRACES))

    def __repr__(self) -> str:
        where = self.directory or "in memory"
        outcomes = (self.summary or {}).get("outcomes", {})
        cut = "cut short" if self.manifest["tiles"] else "not run yet"
        told = ", ".join(f"{n} {name}" for name, n in outcomes.items() if n) or cut
        return f"<gdexp.Results {where}: {self.manifest['runs']} runs: {told}>"

    @property
    def experiment(self) -> Experiment:
        """What was run, checked again where it was saved.

        Raises:
          UsageError: it names a file of Python that has changed, or that `gdexp.load` was not told
            to run.
        """
        if self._experiment is None:
            from gdexp.config import saved  # late: reading results needs none of it

            self._experiment = saved.experiment(
                self.config, self.manifest, allow_code=self._allow_code
            )
        return self._experiment

    @functools.cached_property
    def plan(self) -> Plan:
        """Which run is what; UsageError if config and manifest are not of one sweep."""
        found = plan.make(self.experiment)
        if not found.is_of(self.manifest):
            raise UsageError(
                f"{self.directory}: config.yaml and manifest.json are not of one sweep"
            )
        return found

    def add_runs(self, part: int, table: pa.Table) -> None:
        """Takes the rows of a finished tile; they are on the disk when this returns."""
        self._runs.add(part, table)

    def add_traces(self, part: int, table: pa.Table) -> None:
        """Takes the recorded states of some runs."""
        self._traces.add(part, table)

    def add_labels(self, parts: Iterable[pa.Table], minima: Callable[[], pa.Table]) -> None:
        """Takes the labels of all runs, part by part, and the stationary points they name."""
        if self.directory:
            store.write_tables(self.directory, store.LABELS, parts)
            store.write_tables(self.directory, store.MINIMA, [minima()])
        else:
            self._derived[store.LABELS] = pa.concat_tables(parts).combine_chunks()
            self._derived[store.MINIMA] = minima()

    def add_curves(self, table: pa.Table) -> None:
        """Takes the curves of a sample of the runs."""
        if self.directory:
            store.write_tables(self.directory, store.CURVES, [table])
        else:
            self._derived[store.CURVES] = table

    @property
    def curves(self) -> pa.Table:
        """How f and the gradient norm went down, for each objective, optimizer and grid point, of
        which at most 64 are taken, evenly spread.

        A row for each step, on a logarithmic scale: of a sample of `sample` runs the shares still
        `alive`, `converged` and `diverged`, and quantiles of f and grad_norm over all of them. A
        run that has ended keeps its last value, one that diverged is infinite.

        Where they were not made with the sweep, runs are descended again: as many as
        `schema.metadata` tells.
        """
        if self.directory and (self.directory / store.CURVES).exists():
            return store.read_table(self.directory, store.CURVES)
        if store.CURVES not in self._derived:
            self._derived[store.CURVES] = self.made_curves()
        return self._derived[store.CURVES]

    @property
    def has_labels(self) -> bool:
        """Whether it is told what the ends are."""
        own = self.directory and (self.directory / store.LABELS).exists()
        return bool(own) or store.LABELS in self._derived

    @property
    def labels(self) -> pa.Table:
        """What each run ended at (run, kind, minimum_id), in the order of their numbers."""
        return self._made(store.LABELS)

    def labels_in_parts(self) -> Iterator[pa.Table]:
        """The labels, some rows in memory at a time."""
        held = store.LABELS in self._derived or not self.has_labels
        return iter([self.labels]) if held else store.read_tables(self.directory, store.LABELS)

    @property
    def minima(self) -> pa.Table:
        """The stationary points at which runs ended, best value first."""
        return self._made(store.MINIMA)

    def _made(self, name: str) -> pa.Table:
        if not self.has_labels:
            raise UsageError(NO_LABELS)
        if name in self._derived:
            return self._derived[name]
        return store.read_table(self.directory, name)

    @property
    def runs(self) -> pa.Table:
        """One row a run, in the order of their numbers: `run`, and all columns that were kept."""
        return self.select()

    def select(self, *names: str) -> pa.Table:
        """The runs with the columns `names` alone, in this order; no others are read.

        `run` is there even where `store.columns` leaves it out: it follows from a row's place.

        Raises:
          UsageError: there is no such column, or nothing has been run yet.
        """
        parts = self._runs.numbers()
        kept = self._runs.columns(parts)
        names = names or tuple(dict.fromkeys(["run", *kept]))
        self.need(names, (*kept, "run"))
        table = self._runs.read(parts, [name for name in names if name in kept])
        if "run" in names and "run" not in kept:
            runs = [np.arange(first, first + count) for first, count in self._spans(parts)]
            table = table.add_column(names.index("run"), "run", [np.concatenate(runs)])
        return table

    def need(self, names: Iterable[str], kept: Collection[str] | None = None) -> None:
        """Raises UsageError for a column that is not there."""
        kept = self._runs.columns(self._runs.numbers()) if kept is None else kept
        for name in names:
            if name not in kept:
                told = f"runs have no column {name!r}{nearest(name, kept)}"
                if self.config["store"]["columns"]:
                    told = f"{name!r} was not kept: name it in store.columns and run it all again"
                raise UsageError(f"{told} (there: {', '.join(kept)})")

    def parts(
        self, *names: str, wanted: Collection[int] | None = None
    ) -> Iterator[tuple[int, pa.Table]]:
        """Number and columns `names` of each part that is here, or of those `wanted`, in order."""
        for part in self._runs.numbers():
            if wanted is None or part in wanted:
                yield part, self._runs.part(part, names)

    def tiles(
        self, *names: str, group: Group | None = None
    ) -> Iterator[tuple[Group, Tile, pa.Table]]:
        """The columns `names` of each tile that is here, with its group, one after the other."""
        self.need(names)
        tiles = list(self.plan.tiles())
        mine = {tile.part for tile in tiles if group in (None, self.plan.groups[tile.group])}
        for number, table in self.parts(*names, wanted=mine):
            yield self.plan.groups[tiles[number].group], tiles[number], table

    def sample(self, most: int) -> pa.Table:
        """At most `most` runs: all, or one chosen at random from each of `most` equal stretches.

        The stretches are of run numbers, so every axis is covered evenly; always the same runs.
        """
        parts = self._runs.numbers()
        kept = self._runs.columns(parts)
        chosen = spread(self.manifest["runs"], most)
        taken = []
        for part, (first, size) in zip(parts, self._spans(parts), strict=True):
            mine = chosen[(chosen >= first) & (chosen < first + size)]
            found = self._runs.part(part).take(mine - first)
            taken.append(found if "run" in kept else found.add_column(0, "run", [mine]))
        return pa.concat_tables(taken).combine_chunks()

    def rows(self, runs: Sequence[int]) -> list[dict[str, Any]]:
        """What is stored of some runs, in the order given; UsageError where it is not here."""
        parts, found = self._runs.numbers(), {}
        for part, (first, size) in zip(parts, self._spans(parts), strict=True):
            mine = [run for run in runs if first <= run < first + size]
            if mine:
                taken = self._runs.part(part).take([run - first for run in mine])
                found |= dict(zip(mine, taken.to_pylist(), strict=True))
        if missing := [run for run in runs if run not in found]:
            told = f"run {missing[0]} is not here: python -m gdexp resume {self.directory}"
            raise UsageError(told)
        return [found[run] for run in runs]

    @property
    def traces(self) -> pa.Table:
        """Recorded states (run, step, f, grad_norm, x); UsageError if none were asked for."""
        if not self.config["trace"]["every"]:
            raise UsageError("no traces were recorded: add trace.every=1")
        parts = self._traces.numbers()
        return self._traces.read(parts, self._traces.columns(parts))

    def to_pandas(self) -> Any:
        """The runs as a pandas DataFrame, with their labels where they were made.

        A list column becomes x_0, x_1, … up to 16 dimensions.
        """
        return frames.to_pandas(self._labelled())

    def to_xarray(self) -> Any:
        """The runs as an xarray Dataset whose dimensions are the sweep's axes.

        Dimensions: objective, optimizer, the grid keys (those of a `zip=` as one, `a+b`), start,
        replicate; x and x0 have one more, `dim`, and steps_to_target has `target` (−1: never).
        Where groups have different axes, a DataTree with one Dataset per objective/optimizer.

        Raises:
          UsageError: runs are missing, so that they fill no array.
        """
        return frames.to_xarray(self._labelled(), self.manifest)

    def _labelled(self) -> pa.Table:
        """The runs with kind and minimum_id behind their columns, if there are labels."""
        return frames.beside(self.runs, self.labels) if self.has_labels else self.runs

    def _spans(self, parts: Iterable[int]) -> Iterator[tuple[int, int]]:
        """The first run of each of some parts, and how many it holds."""
        tiles = list(plan.tile_spans(self.manifest["groups"]))
        return (tiles[part] for part in parts)


def load(directory: str | FilePath, *, allow_code: bool = False) -> Results:
    """The results in an output directory; rows are read when they are asked for.

    Args:
      directory: of a sweep.
      allow_code: whether a file of Python that its config names may be run, where more runs are
        asked for.

    Raises:
      UsageError: the folder holds no results.
    """
    directory = FilePath(directory)
    has_summary = (directory / store.SUMMARY).exists()
    config, manifest = store.read_sweep(directory)
    return Results(
        directory=directory,
        config=config,
        manifest=manifest,
        summary=store.read_json(directory, store.SUMMARY) if has_summary else None,
        allow_code=allow_code,
    )
