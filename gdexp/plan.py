"""An Experiment as groups, axes and run numbers. Pure numpy, no device, nothing of the sweep built.

Runs are numbered in C order over objective, optimizer, grid keys as given, start, replicate, the
last fastest. A run's number alone gives its coordinates, its start and its own draws, so planning
10⁸ runs costs what planning ten does.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from gdexp.base import Objective, Space, UsageError
from gdexp.experiment import Card, Draw, Experiment
from gdexp.random import uniforms
from gdexp.starts import Start

MOST_RUNS = 2**62
TILE_BYTES = 2**24  # of starting points and numbers of one tile, in float64
TILE_RUNS = 65_536

Number = tuple[str, str]  # (room, name)
RATE = "learning_rate"
LEARNING_RATE: Number = ("optimizer", RATE)
NOISE: Number = ("gradient", "noise")


class Axis(NamedTuple):
    """Numbers that advance together: one key, or the keys of a `zip=`."""

    keys: tuple[str, ...]  # as the user wrote them
    numbers: tuple[Number, ...]  # what each key varies
    values: np.ndarray  # [keys, n] float64


class Tile(NamedTuple):
    """A contiguous block of runs of one group: what is stored, verified and recomputed."""

    part: int  # its place among the sweep's tiles
    group: int
    first: int  # global number of its first run
    count: int

    @property
    def runs(self) -> np.ndarray:  # [N] int64
        return np.arange(self.first, self.first + self.count)


@dataclasses.dataclass(frozen=True)
class Group:
    """The runs that share one program: one objective and one optimizer."""

    index: int
    first: int  # global number of its first run
    objective_name: str
    objective: Objective
    optimizer: Card
    singles: Mapping[str, Card]  # the cards of which there is one, by room
    names: tuple[Number, ...]  # [P] the numbers a run holds
    defaults: np.ndarray  # [P] float64: values where no axis varies them
    axes: tuple[Axis, ...]
    draws: Mapping[str, tuple[Number, Draw]]  # KEY -> what it varies, and how
    start: Start
    space: Space
    starts: int
    replicates: int
    seed: int

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes, then starts, then replicates."""
        return (*(axis.values.shape[1] for axis in self.axes), self.starts, self.replicates)

    @property
    def count(self) -> int:
        """How many runs there are."""
        return math.prod(self.shape)

    def coordinates(self, run: np.ndarray) -> tuple[np.ndarray, ...]:
        """Indices along `shape` of the runs with the global numbers `run` [N]."""
        return np.unravel_index(np.asarray(run, np.int64) - self.first, self.shape)

    def number(self, coordinates: tuple[int, ...]) -> int:
        """The global number of the run at `coordinates`: the inverse of `coordinates`."""
        return self.first + int(np.ravel_multi_index(coordinates, self.shape))

    def keys(self, run: np.ndarray, wanted: Collection[str] | None = None) -> dict[str, np.ndarray]:
        """The value of every grid and draw key, or those `wanted`, float64 [N], for `run` [N]."""
        index = self.coordinates(run)
        found = {
            key: row[i]
            for axis, i in zip(self.axes, index, strict=False)
            for key, row in zip(axis.keys, axis.values, strict=True)
            if wanted is None or key in wanted
        }
        for key, (_, draw) in self.draws.items():
            if wanted is None or key in wanted:
                found[key] = draw.at(uniforms(self.seed, f"draw.{key}", run, 1)[:, 0])
        return found

    @functools.cached_property
    def varied(self) -> tuple[Number, ...]:  # [V]
        """The numbers that an axis or a draw varies."""
        return tuple(self.varies.values())

    def numbers(self, run: np.ndarray) -> np.ndarray:
        """Those of the numbers each run holds that differ from run to run, float64 [N, V]."""
        keys = self.keys(run)
        if not keys:
            return np.empty((len(run), 0))
        return np.stack([keys[key] for key in self.varies], axis=1)

    @functools.cached_property
    def varies(self) -> dict[str, Number]:
        """KEY -> what it varies."""
        found = {k: n for axis in self.axes for k, n in zip(axis.keys, axis.numbers, strict=True)}
        return found | {key: number for key, (number, _) in self.draws.items()}

    @property
    def rate_axis(self) -> int | None:
        """Which axis is the learning rate, alone or with other numbers."""
        return next((i for i, a in enumerate(self.axes) if LEARNING_RATE in a.numbers), None)

    @property
    def is_even(self) -> bool:
        """Whether every point takes as many evaluations: no line is searched by differences."""
        return self.singles["gradient"].name != "autodiff"

    @property
    def is_noisy(self) -> bool:
        """Whether updates follow from chance, whatever the optimizer."""
        return self.adds_noise or self.batch_size is not None

    @property
    def batch_size(self) -> int | None:
        """How many examples an update learns from; None: all, or there are none."""
        size = self.objective.batch_size
        return None if size == self.objective.count else size

    @property
    def adds_noise(self) -> bool:
        """Whether an error is added to the gradient."""
        return self.singles["gradient"].numbers["noise"] != 0 or NOISE in self.varied

    def told(self) -> dict[str, Any]:
        """What a manifest tells of the group, as plain values."""
        return {
            "objective": self.objective_name,
            "optimizer": self.optimizer.name,
            "first": self.first,
            "shape": list(self.shape),
            "axes": [list(axis.keys) for axis in self.axes],
            "tile_runs": tile_runs(self),  # what part-*.parquet holds, but for the last
        }

    def start_index(self, run: np.ndarray) -> np.ndarray:
        """Which start each run has [N]."""
        return self.coordinates(run)[-2]

    def replicate_index(self, run: np.ndarray) -> np.ndarray:
        """Which replicate each run is [N]."""
        return self.coordinates(run)[-1]

    def points(self, run: np.ndarray) -> np.ndarray:
        """Where each run begins, float64 [N, D]."""
        return self.start.at(self.start_index(run), self.space, self.seed)


@dataclasses.dataclass(frozen=True)
class Plan:
    """The groups of a sweep, and its tiles."""

    groups: tuple[Group, ...]
    keys: tuple[str, ...]  # grid and draw keys, in the order given: columns of the results

    @property
    def count(self) -> int:
        """How many runs the sweep has."""
        return sum(group.count for group in self.groups)

    def tiles(self) -> Iterator[Tile]:
        """The tiles in the order of their runs."""
        part = 0
        for group in self.groups:
            step = tile_runs(group)
            for first in range(0, group.count, step):
                yield Tile(part, group.index, group.first + first, min(step, group.count - first))
                part += 1

    def is_of(self, manifest: Mapping[str, Any]) -> bool:
        """Whether a manifest tells of these groups."""
        mine, theirs = [group.told() for group in self.groups], manifest["groups"]
        alike = len(mine) == len(theirs) and manifest["runs"] == self.count
        return alike and all(g == {k: t[k] for k in g} for g, t in zip(mine, theirs, strict=True))

    def group_of(self, run: int) -> Group:
        """The group that holds a run number; UsageError if there is no such run."""
        for group in self.groups:
            if group.first <= run < group.first + group.count:
                return group
        raise UsageError(f"there is no run {run}: this sweep has runs 0 to {self.count - 1}")


def make(experiment: Experiment) -> Plan:
    """The plan of an experiment.

    Raises:
      UsageError: more than 2⁶² runs; a `+sweep=` that varies nothing; a trace of no run.
    """
    groups: list[Group] = []
    for name, objective in experiment.objectives.items():
        for optimizer in experiment.optimizers.values():
            first = groups[-1].first + groups[-1].count if groups else 0
            groups.append(_group(experiment, len(groups), first, name, objective, optimizer))
    plan = Plan(tuple(groups), (*experiment.grid, *experiment.draw))
    if plan.count > MOST_RUNS:
        raise UsageError(f"{plan.count:.3g} runs are more than 2^62: shorten an axis")
    if experiment.sweep and plan.count == 1:
        raise UsageError(
            f"+sweep={experiment.sweep} varies nothing here: "
            "add an axis, such as grid.learning_rate=log:1e-3:1:64"
        )
    for run in experiment.trace.runs or ():
        plan.group_of(run)
    return plan


def tile_runs(group: Group) -> int:
    """How many runs a tile of this group holds: a power of 2 that follows from the group alone."""
    most = TILE_BYTES // (8 * (group.space.dim + len(group.names))) or 1
    return min(TILE_RUNS, 2 ** int(math.log2(most)))


def tile_spans(groups: Iterable[Mapping[str, Any]]) -> Iterator[tuple[int, int]]:
    """The first run of every tile of a sweep, and how many it holds, from its manifest's groups."""
    for group in groups:
        count, step = math.prod(group["shape"]), group["tile_runs"]
        for first in range(0, count, step):
            yield group["first"] + first, min(step, count - first)


def _group(
    experiment: Experiment,
    index: int,
    first: int,
    name: str,
    objective: Objective,
    optimizer: Card,
) -> Group:
    rooms: dict[str, Any] = {"optimizer": optimizer, **experiment.singles}
    owners = {"objective": name} | {room: card.name for room, card in rooms.items()}
    rooms = {"objective": objective, **rooms}
    held = {(room, k): v for room, owner in rooms.items() for k, v in owner.numbers.items()}
    space = objective.space()

    def varies(key: str) -> Number | None:
        owner, _, last = key.rpartition(".")
        for room, what in held:
            if what == last and owner in ("", owners.get(room)):
                return (room, what)
        has = last == RATE and RATE in {**optimizer.structure, **optimizer.numbers}
        return ("block", owner) if has and owner in space.spans() else None

    blocks = {varies(key) for key in (*experiment.grid, *experiment.draw)} - {None, *held}
    held |= dict.fromkeys(sorted(blocks), optimizer.numbers.get(RATE, math.nan))
    return Group(
        index=index,
        first=first,
        objective_name=name,
        objective=objective,
        optimizer=optimizer,
        singles=experiment.singles,
        names=tuple(held),
        defaults=np.array(list(held.values()), np.float64),
        axes=tuple(_axes(experiment, varies)),
        draws={k: (varies(k), d) for k, d in experiment.draw.items() if varies(k)},
        start=experiment.start,
        space=space,
        starts=experiment.start.count(space),
        replicates=experiment.replicates,
        seed=experiment.seed,
    )


def _axes(experiment: Experiment, varies) -> Iterator[Axis]:
    """The axes that apply to a group, zipped keys as one at the place of their first."""
    together = {key: keys for keys in experiment.zip for key in keys}
    done: set[str] = set()
    for key in experiment.grid:
        keys = tuple(k for k in together.get(key, (key,)) if varies(k) and k not in done)
        done.update(keys)
        if keys:
            values = np.stack([experiment.grid[k] for k in keys])
            yield Axis(keys, tuple(varies(k) for k in keys), values)
