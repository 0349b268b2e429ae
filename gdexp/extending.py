"""A sweep with more starts, values or replicates: runs that are there are taken, not made again.

What a run comes to depends on its own numbers, its start and, for an optimizer that draws noise,
its place in the sweep; not on the sweep around it. So a stored run of the same numbers and start is
the run that would be made, to the last bit, as long as the lanes are as many and the machine rounds
alike: that is tried with some of them first.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from gdexp import columns, commits, optimizers, program, verify
from gdexp.base import Ends, Reason, UsageError, nearest
from gdexp.config import axes, check, tree
from gdexp.engine import Engine
from gdexp.experiment import Experiment
from gdexp.plan import Group, Plan, Tile
from gdexp.results import Results
from gdexp.stream import Harvest

Make = Callable[[Iterable[Tile], Callable[[Tile], np.ndarray]], Iterator[Harvest]]
PARTS = 8  # of the other sweep, at most, in memory together


def experiment(results: Results, changes: Mapping[str, Any]) -> Experiment:
    """The experiment of a sweep with some of its keys replaced.

    Args:
      results: of the sweep.
      changes: `start.KEY`, `grid.KEY` or `replicates` -> the new value, whole: an axis holds the
        values that it had as well.

    Raises:
      UsageError: the sweep has no such key, or the value is wrong.
    """
    before, config = results.experiment, copy.deepcopy(dict(results.config))
    config["grid"], config["trace"] = axes.flat(config["grid"]), tree.defaults()["trace"]
    known = [f"start.{key}" for key in config["start"] if key != "name"]
    known += [*(f"grid.{key}" for key in config["grid"]), "replicates"]
    for key, value in changes.items():
        if key not in known:
            hint = nearest(key, known) or f" (these can grow: {', '.join(known)})"
            raise UsageError(f"with another {key} it is a sweep of its own: run that{hint}")
        room, _, last = key.partition(".")
        if last:
            config[room][last] = value
        else:
            config[room] = value
    asked = check.experiment(config, tree.defaults(), before.objectives)
    if gone := set(before.grid) - set(asked.grid):
        raise UsageError(
            f"grid.{min(gone)} has no values left: give it those that it had, and more"
        )
    kept = {k: v for k, v in before.grid.items() if f"grid.{k}" not in changes}  # bit by bit
    return dataclasses.replace(asked, grid={**asked.grid, **kept}, executor=before.executor)


class Some(NamedTuple):
    """Which runs of a tile another sweep has."""

    known: np.ndarray  # [N] bool
    theirs: np.ndarray  # [K] their numbers there


class Known:
    """The runs of a new sweep that another one has made.

    Args:
      before: results of the other.
      planned: the plan of the new one.

    Raises:
      UsageError: the other has kept only some columns.
    """

    def __init__(self, before: Results, planned: Plan):
        if before.experiment.store.columns is not None:
            raise UsageError(
                f"{before.directory} kept only some columns, so its runs cannot be taken: run the "
                "larger sweep by itself"
            )
        self.before, self.plan = before, planned
        self._reasons = np.zeros(len(Reason), int)  # of the runs that were taken
        groups = {(g.objective_name, g.optimizer.name): g for g in before.plan.groups}
        self._groups = [groups[g.objective_name, g.optimizer.name] for g in planned.groups]
        self._tiles = list(before.plan.tiles())
        self._firsts = np.array([tile.first for tile in self._tiles])
        self._table = functools.lru_cache(PARTS)(self._read)
        self._some = functools.lru_cache(PARTS)(self._find)

    def run(self, make: Make, tiles: Iterable[Tile]) -> Iterator[Harvest]:
        """What `make`, such as `engine.run`, brings of whole tiles, where only what is missing is
        descended."""
        whole: list[Tile] = []

        def lacking() -> Iterator[Tile]:
            for tile in tiles:
                if self._some(tile).known.all():
                    whole.append(tile)
                else:
                    yield tile

        news = np.zeros(len(Reason), int)
        for harvest in make(lacking(), lambda tile: tile.runs[~self._some(tile).known]):
            ends = None if harvest.ends is None else self._filled(harvest.tile, harvest.ends)
            news = harvest.reasons
            yield harvest._replace(reasons=news + self._reasons, ends=ends)
        for tile in whole:
            ends = self._filled(tile, None)
            yield Harvest(news + self._reasons, tile, ends)

    @property
    def taken(self) -> int:
        """How many runs were taken so far."""
        return int(self._reasons.sum())

    def _filled(self, tile: Tile, made: Ends | None) -> Ends:
        """The ends of all runs of a tile; `made` [M, ...] are those that were missing."""
        some = self._some(tile)
        if not len(some.theirs):
            return made
        taken = self._ends(some.theirs)
        self._reasons = self._reasons + np.bincount(taken.reason, minlength=len(Reason))
        if made is None:
            return taken
        whole = Ends(*(np.empty((tile.count, *a.shape[1:]), a.dtype) for a in made))
        for column, mine, theirs in zip(whole, made, taken, strict=True):
            column[~some.known], column[some.known] = mine, theirs
        return whole

    def check(self, engine: Engine) -> None:
        """Makes some of each group's known runs again.

        Raises:
          NotTheSameError: they come out otherwise here, or would with as many lanes.
        """
        for group, old in zip(self.plan.groups, self._groups, strict=True):
            had = self.before.manifest["groups"][old.index]["lanes"]
            has = program.lane_count(engine.device.platform, group)
            if had != has:
                raise verify.NotTheSameError([f"{had} lanes → {has}"])
            for tile in (t for t in self.plan.tiles() if t.group == group.index):
                some = self._some(tile)
                if len(some.theirs):
                    self._try(engine, tile, some)
                    break

    def _try(self, engine: Engine, tile: Tile, some: Some) -> None:
        count = min(len(some.theirs), verify.CANARIES)
        runs = tile.runs[some.known][:count]
        [made] = [h.ends for h in engine.run([tile], lambda _: runs) if h.ends is not None]
        stored = self._ends(some.theirs[:count])
        pairs = zip(made, stored, strict=True)
        if any(a.tobytes() != b.astype(a.dtype).tobytes() for a, b in pairs):
            raise verify.NotTheSameError([f"{count} runs of {self.before.directory} differ here"])

    def _find(self, tile: Tile) -> Some:
        new, old = self.plan.groups[tile.group], self._groups[tile.group]
        theirs = _counterparts(new, old, tile.runs)
        last = np.searchsorted(self._firsts, theirs, "right") - 1
        for part in np.unique(last[theirs >= 0]):
            if self._table(int(part)) is None:  # it is not there, or damaged
                theirs[last == part] = -1
        return Some(theirs >= 0, theirs[theirs >= 0])

    def _ends(self, runs: np.ndarray) -> Ends:
        """The stored ends of runs of the other sweep [K]."""
        part = np.searchsorted(self._firsts, runs, "right") - 1
        found: list[np.ndarray] | None = None
        for number in np.unique(part):
            mine = np.flatnonzero(part == number)
            rows = self._table(int(number)).take(runs[mine] - self._firsts[number])
            ends = columns.ends_of(rows)
            if found is None:
                found = [np.empty((len(runs), *a.shape[1:]), a.dtype) for a in ends]
            for column, values in zip(found, ends, strict=True):
                column[mine] = values
        return Ends(*found)

    def _read(self, part: int) -> pa.Table | None:
        """The rows of a part of the other sweep, if all of them are as they were stored."""
        before, tile = self.before, self._tiles[part]
        identity = before.manifest["identity"]
        if before.directory:
            commit = commits.read(before.directory, tile, identity)
            if commit is None or commit.environment is not None:  # not the bits of its programs
                return None
        names = before.experiment.columns
        return next((table for _, table in before.parts(*names, wanted=[part])), None)


def _counterparts(new: Group, old: Group, runs: np.ndarray) -> np.ndarray:
    """The numbers that runs of one sweep have in another [N]; −1 where it has no such run."""
    found = []
    index = new.coordinates(runs)
    for axis, other, place in zip(new.axes, old.axes, index, strict=False):
        at = {column.tobytes(): i for i, column in enumerate(other.values.T.copy())}
        there = np.array([at.get(column.tobytes(), -1) for column in axis.values.T.copy()])
        found.append(there[place])
    for place, count in zip(index[-2:], old.shape[-2:], strict=True):
        found.append(np.where(place < count, place, -1))
    known = np.min(found, axis=0) >= 0
    theirs = np.full(len(runs), -1)
    if not known.any():
        return theirs
    theirs[known] = old.first + np.ravel_multi_index([f[known] for f in found], old.shape)
    mine, other = runs[known], theirs[known]
    same = _alike(new.points(mine), old.points(other))
    same &= _alike(new.numbers(mine), old.numbers(other))
    if optimizers.draws(new.optimizer.name) or new.is_noisy:
        same &= mine == other
    theirs[np.flatnonzero(known)[~same]] = -1
    return theirs


def _alike(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Which rows [N] of two arrays [N, K] of float64 have the same bits."""
    a, b = (np.ascontiguousarray(values, np.float64).view(np.int64) for values in (one, other))
    return (a == b).all(axis=1)
