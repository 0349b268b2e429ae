"""What a user holds after a sweep: tables, frames, the run that was asked for. A thin facade."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path as FilePath
from typing import Any

import numpy as np
import pyarrow as pa

from gdexp import store
from gdexp.base import Path, UsageError, nearest

NOTHING = "nothing has been run yet"
SPREAD_DIMENSIONS = 16  # x and x0 become columns of a frame up to this many


class Results:
    """The results of one sweep, in memory or in an output directory.

    Attributes:
      config: the resolved experiment, a plain tree.
      manifest: what made it.
      summary: counts by outcome, best run, thresholds, runs per second.
      path: some states of a single run; None for a sweep, and after `load`.
      directory: where the files are; None in memory.
    """

    def __init__(
        self,
        *,
        directory: FilePath | None,
        manifest: dict[str, Any],
        config: Mapping[str, Any],
        summary: Mapping[str, Any] | None = None,
    ):
        self.directory = directory
        self.manifest = manifest
        self.config = config
        self.summary = summary
        self.path: Path | None = None
        self._tables: dict[str, dict[int, pa.Table]] = {store.RUNS: {}, store.TRACES: {}}

    def __repr__(self) -> str:
        where = self.directory or "in memory"
        outcomes = (self.summary or {}).get("outcomes", {})
        told = ", ".join(f"{n} {name}" for name, n in outcomes.items() if n)
        told = told or ("cut short" if self.manifest["tiles"] else "not run yet")
        return f"<gdexp.Results {where}: {self.manifest['runs']} runs: {told}>"

    def add_runs(self, part: int, table: pa.Table) -> None:
        """Takes the rows of a finished tile; they are on the disk when this returns."""
        self._add(store.RUNS, part, table)

    def add_traces(self, part: int, table: pa.Table) -> None:
        """Takes the recorded states of some runs."""
        self._add(store.TRACES, part, table)

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
        parts = self._numbers(store.RUNS)
        kept = self._columns(store.RUNS, parts)
        names = names or tuple(dict.fromkeys(["run", *kept]))
        if missing := [name for name in names if name not in (*kept, "run")]:
            told = f"runs have no column {missing[0]!r}{nearest(missing[0], kept)}"
            if self.config["store"]["columns"]:
                told = f"{missing[0]!r} was not kept: name it in store.columns and run it all again"
            raise UsageError(f"{told} (there: {', '.join(kept)})")
        table = self._read(store.RUNS, parts, [name for name in names if name in kept])
        if "run" in names and "run" not in kept:
            runs = [np.arange(first, first + count) for first, count in self._spans(parts)]
            table = table.add_column(names.index("run"), "run", [np.concatenate(runs)])
        return table

    def sample(self, most: int) -> pa.Table:
        """At most `most` runs: all, or one chosen at random from each of `most` equal stretches.

        The stretches are of run numbers, so the sample covers every axis evenly; the choice is
        always the same. Reads part by part.
        """
        parts = self._numbers(store.RUNS)
        kept = self._columns(store.RUNS, parts)
        count = self.manifest["runs"]
        edges = np.linspace(0, count, min(most, count) + 1).astype(np.int64)
        chosen = np.random.default_rng(0).integers(edges[:-1], edges[1:])
        taken = []
        for part, (first, size) in zip(parts, self._spans(parts), strict=True):
            mine = chosen[(chosen >= first) & (chosen < first + size)]
            found = self._part(store.RUNS, part).take(mine - first)
            taken.append(found if "run" in kept else found.add_column(0, "run", [mine]))
        return pa.concat_tables(taken).combine_chunks()

    @property
    def traces(self) -> pa.Table:
        """Recorded states (run, step, f, grad_norm, x); UsageError if none were asked for."""
        if not self.config["trace"]["every"]:
            raise UsageError("no traces were recorded: add trace.every=1")
        parts = self._numbers(store.TRACES)
        return self._read(store.TRACES, parts, self._columns(store.TRACES, parts))

    def to_pandas(self) -> Any:
        """The runs as a pandas DataFrame, a list column as x_0, x_1, … up to 16 dimensions."""
        _need("pandas")
        table = self.runs
        lists = [field.name for field in table.schema if pa.types.is_list(field.type)]
        for name in lists:
            values = table[name].combine_chunks()
            widths = np.unique(np.diff(np.asarray(values.offsets)))
            if len(widths) and widths.max() <= SPREAD_DIMENSIONS:
                at = table.schema.get_field_index(name)
                table = table.remove_column(at)
                for i in range(int(widths.max())):
                    table = table.add_column(at + i, f"{name}_{i}", _coordinate(values, i))
        return table.to_pandas()

    def to_xarray(self) -> Any:
        """The runs as an xarray Dataset whose dimensions are the sweep's axes.

        Dimensions: objective, optimizer, the grid keys (those of a `zip=` as one, `a+b`), start,
        replicate; x and x0 have one more, `dim`, and steps_to_target has `target` (−1: never).
        Where groups have different axes, a DataTree with one Dataset per objective/optimizer.

        Raises:
          UsageError: runs are missing, so that they fill no array.
        """
        xarray = _need("xarray")
        runs, groups = self.runs, self.manifest["groups"]
        if len(runs) < self.manifest["runs"]:
            raise UsageError(f"only {len(runs)} of {self.manifest['runs']} runs are here")
        lists = [field.name for field in runs.schema if pa.types.is_list(field.type)]
        kinds = {
            json.dumps([g["axes"], g["shape"], *(len(runs[name][g["first"]]) for name in lists)])
            for g in groups
        }
        grid = {
            key: np.frombuffer(base64.b64decode(bits), "<f8").astype(np.float64)
            for key, bits in self.manifest["grid"].items()
        }
        if len(kinds) == 1:
            names = ("objective", "optimizer")
            each = {name: list(dict.fromkeys(g[name] for g in groups)) for name in names}
            return _dataset(xarray, runs, groups[0], grid, each)
        return xarray.DataTree.from_dict(
            {
                f"{g['objective']}/{g['optimizer']}": _dataset(
                    xarray, runs.slice(g["first"], math.prod(g["shape"])), g, grid, {}
                )
                for g in groups
            }
        )

    def _add(self, folder: str, part: int, table: pa.Table) -> None:
        if self.directory:
            store.write_part(self.directory, folder, part, table)
        else:
            self._tables[folder][part] = table

    def _numbers(self, folder: str) -> list[int]:
        """Which parts are here, in order. Asked for once a view: others may be adding some."""
        if self.directory:
            return store.part_numbers(self.directory, folder)
        return sorted(self._tables[folder])

    def _columns(self, folder: str, parts: Sequence[int]) -> list[str]:
        """The columns that parts have; UsageError if there is no part."""
        if not parts:
            raise UsageError(NOTHING)
        if self.directory:
            return store.parts(self.directory, folder, parts[:1]).schema.names
        return self._tables[folder][parts[0]].column_names

    def _read(self, folder: str, parts: Sequence[int], names: Sequence[str]) -> pa.Table:
        """Some columns of some parts as one table."""
        if self.directory:
            table = store.parts(self.directory, folder, parts).to_table(names)
        else:
            table = pa.concat_tables(self._part(folder, part) for part in parts).select(names)
        return table.combine_chunks()

    def _part(self, folder: str, part: int) -> pa.Table:
        if self.directory:
            return store.read_part(self.directory, folder, part)
        return self._tables[folder][part]

    def _spans(self, parts: Iterable[int]) -> Iterator[tuple[int, int]]:
        """The first run of each of some parts, and how many it holds."""
        tiles = list(_tiles(self.manifest["groups"]))
        return (tiles[part] for part in parts)


def load(directory: str | FilePath) -> Results:
    """The results in an output directory; rows are read when they are asked for.

    Raises:
      UsageError: the folder holds no results.
    """
    directory = FilePath(directory)
    has_summary = (directory / store.SUMMARY).exists()
    return Results(
        directory=directory,
        config=store.read_config(directory),
        manifest=store.read_json(directory, store.MANIFEST),
        summary=store.read_json(directory, store.SUMMARY) if has_summary else None,
    )


def _tiles(groups: Iterable[Mapping[str, Any]]) -> Iterator[tuple[int, int]]:
    """The first run of every tile of a sweep, and how many it holds."""
    for group in groups:
        count, step = math.prod(group["shape"]), group["tile_runs"]
        for first in range(0, count, step):
            yield group["first"] + first, min(step, count - first)


def _coordinate(values: pa.ListArray, i: int) -> pa.Array:
    """Column i of a list column; null where a row is shorter."""
    offsets = np.asarray(values.offsets)
    inside = np.diff(offsets) > i
    return values.values.take(pa.array(offsets[:-1] + i, mask=~inside))


def _dataset(
    xarray: Any,
    rows: pa.Table,
    group: Mapping[str, Any],
    grid: Mapping[str, np.ndarray],
    names: Mapping[str, list[str]],
) -> Any:
    """Runs along the axes of `group`, behind the axes that `names` adds in front.

    Coordinates are those of the plan: a row's place tells them, whatever columns were kept.
    """
    dims = [*names, *("+".join(keys) for keys in group["axes"]), "start", "replicate"]
    shape = [*map(len, names.values()), *group["shape"]]
    data, coords = {}, dict(names)
    coords |= {key: ("+".join(keys), grid[key]) for keys in group["axes"] for key in keys}
    coords |= {name: np.arange(shape[dims.index(name)]) for name in ("start", "replicate")}
    for name in rows.column_names:
        column = rows[name].combine_chunks()
        if name in (*coords, "objective", "optimizer") or column.null_count == len(column):
            continue
        if pa.types.is_list(column.type):
            values = np.asarray(column.flatten().fill_null(-1)).reshape(*shape, -1)
            data[name] = ([*dims, "dim" if name in ("x", "x0") else "target"], values)
            continue
        plain = column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column
        data[name] = (dims, plain.to_numpy(zero_copy_only=False).reshape(shape))
    return xarray.Dataset(data, coords)


def _need(package: str) -> Any:
    try:
        return __import__(package)
    except ImportError:
        raise UsageError(f"this needs {package}: pip install 'gdexp[frames]'") from None
