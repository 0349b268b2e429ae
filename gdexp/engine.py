"""Compiles a group's program and drives it: tiles in, tiles out, in device calls of bounded time.

The number of lanes decides how XLA rounds, so it follows from the device's kind and the program
alone (`lane_count`), never from the sweep; the length of a chunk and of a device call do not touch
the bits.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import jax
import numpy as np

from gdexp import lanes, program
from gdexp.base import Ends, Path, Reason, UsageError
from gdexp.descent import Rules
from gdexp.experiment import Experiment
from gdexp.lanes import Queue, Work
from gdexp.plan import Group, Plan, Tile, tile_runs

CHUNK = 16  # steps between two harvests: a harvest costs about as much as one to three steps
CALL_SECONDS = 0.2  # of one device call: signals are only seen between calls


@dataclasses.dataclass(frozen=True)
class Program:
    """A group's compiled program on one device."""

    group: Group
    device: jax.Device
    lanes: int
    rules: Rules
    blank: Work  # idle lanes and empty results: the first harvest fills them
    compiled: Callable[..., Work]  # lanes.advance with the problem bound
    digest: str  # sha256 of the lowered program
    compile_seconds: float

    def queue(self, runs: np.ndarray) -> Queue:
        """The runs with the global numbers `runs` [N], on the device."""
        return jax.device_put(_queue(self.group, runs, self.rules.grad_tol.dtype), self.device)

    def __call__(self, queue: Queue, work: Work, steps: int, chunks: int) -> Work:
        """Advances every lane by `chunks` times `steps` steps, or until the queue is done."""
        return self.compiled(self.rules, queue, work, np.int32(steps), np.int32(chunks))


class Harvest(NamedTuple):
    """What the engine yields after a device call."""

    tile: Tile
    reasons: np.ndarray  # [R] how many runs of this tile ended by each reason so far
    ends: Ends | None  # numpy, [count, ...], once the tile is finished


class Engine:
    """The programs of an experiment's groups on one device, compiled when they are first needed.

    Raises:
      UsageError: there is no device of the kind asked for.
    """

    def __init__(self, experiment: Experiment, plan: Plan):
        self.experiment = experiment
        self.plan = plan
        self.device = find_device(experiment.device)
        self.programs: dict[int, Program] = {}

    def program(self, group: int) -> Program:
        """The compiled program of a group."""
        if group not in self.programs:
            with settings(self.experiment):
                self.programs[group] = _compile(
                    self.experiment, self.plan.groups[group], self.device
                )
        return self.programs[group]

    @property
    def compile_seconds(self) -> float:
        """What compiling has taken so far."""
        return sum(program.compile_seconds for program in self.programs.values())

    def run(self, tiles: Iterable[Tile]) -> Iterator[Harvest]:
        """Descends all runs of `tiles`, tile by tile.

        Yields after each device call, so that a caller can show progress and be interrupted; a
        harvest that has `ends` is a finished tile.
        """
        for tile in tiles:
            yield from self._run_tile(self.program(tile.group), tile)

    def trace(self, runs: Sequence[int], every: int) -> Iterator[Path]:
        """The states of single runs each `every` steps, with their first and last.

        The runs are descended again, a lane each, by the program that makes their ends.
        """
        wanted = np.asarray(runs, np.int64)
        for group in self.plan.groups:
            mine = wanted[(wanted >= group.first) & (wanted < group.first + group.count)]
            width = min(self.program(group.index).lanes, tile_runs(group)) if len(mine) else 1
            for first in range(0, len(mine), width):
                yield from self._trace_lanes(
                    self.program(group.index), mine[first : first + width], every
                )

    def _run_tile(self, compiled: Program, tile: Tile) -> Iterator[Harvest]:
        """Descends the runs of one tile in device calls of about CALL_SECONDS."""
        with settings(self.experiment):
            queue, work = compiled.queue(tile.runs), compiled.blank
        chunks, done = 1, 0
        while done < tile.count:
            began = time.perf_counter()
            with settings(self.experiment):
                work = compiled(queue, work, CHUNK, chunks)
                done = int(work.done)
            spent = time.perf_counter() - began
            chunks = max(1, min(2 * chunks, int(chunks * CALL_SECONDS / max(spent, 1e-6))))
            ended = np.asarray(work.ends.reason)[: tile.count]
            yield Harvest(
                tile,
                np.bincount(ended, minlength=len(Reason)),
                _finished(work.ends, tile.count) if done == tile.count else None,
            )

    def _trace_lanes(self, compiled: Program, runs: np.ndarray, every: int) -> Iterator[Path]:
        """The paths of at most as many runs as there are lanes."""
        sign, records, length = self.experiment.sign, [], 0
        with settings(self.experiment):
            queue, work = compiled.queue(runs), compiled.blank
            while not records or (records[-1].reason == Reason.RUNNING).any():
                work = compiled(queue, work, length, 1)  # the first call only fills the lanes
                records.append(_states(sign, work, len(runs)))
                length = every
        states = jax.tree.map(lambda *parts: np.stack(parts), *records)  # [K, N, ...]
        step = states.steps - BROKEN[states.reason]
        for i, run in enumerate(runs):
            kept = np.flatnonzero(np.diff(step[:, i], prepend=-1))
            x, f, grad_norm = (a[kept, i] for a in (states.x, states.f, states.grad_norm))
            yield Path(int(run), step[kept, i], x, f, grad_norm, Reason(states.reason[-1, i]))


# Reason -> 1 where the state kept is that before the last update, which gave something not finite
BROKEN = np.array(
    [Reason.NONFINITE_VALUE <= reason <= Reason.NONFINITE_POINT for reason in Reason], np.int32
)


def lane_count(platform: str, group: Group) -> int:
    """The lanes a device advances together: a fixed rule of its kind and the program's size.

    On CPU 1,024 lanes of a small problem stay in one core's cache (more lost speed when measured);
    a run that holds more numbers than that leaves room for gets fewer lanes, so that the batch
    keeps its size. Accelerators need many more to fill.
    """
    words = 4 * group.space.dim + len(group.names) + 16
    room, most = (2**16, 2**10) if platform == "cpu" else (2**23, 2**17)
    return 2 ** int(math.log2(min(most, max(8, room // words))))


def find_device(kind: str) -> jax.Device:
    """The device to run on.

    Raises:
      UsageError: there is no device of that kind here.
    """
    if kind == "auto":
        return jax.devices()[0]
    try:
        return jax.devices(kind)[0]
    except RuntimeError:
        here = ", ".join(sorted({d.platform for d in jax.devices()}))
        raise UsageError(
            f"device={kind}: JAX finds none here (it finds {here}): type device=auto, or install "
            "gdexp[cuda12], gdexp[cuda13] or gdexp[tpu]"
        ) from None


def settings(experiment: Experiment) -> contextlib.ExitStack:
    """A context with the settings of JAX under which an experiment runs; restored afterwards."""
    stack = contextlib.ExitStack()
    stack.enter_context(jax.enable_x64(experiment.dtype == "float64"))
    stack.enter_context(jax.default_matmul_precision("highest"))
    return stack


def check(experiment: Experiment, plan: Plan) -> None:
    """Traces every group's program without compiling it.

    Raises:
      UsageError: an objective or optimizer cannot be built from its card, or there is no device.
    """
    find_device(experiment.device)
    for group in plan.groups:
        with settings(experiment):
            rules = program.rules(experiment)
            problem = program.problem(group, experiment.sign)
            try:
                lanes.trial(problem, rules, group.space.dim, len(group.names))
            except UsageError:
                raise
            except Exception as error:  # whatever a card's values make optax or a function raise
                told = str(error).strip().splitlines() or [""]
                raise UsageError(
                    f"objective {group.objective_name} with optimizer {group.optimizer.name} "
                    f"cannot be built: {type(error).__name__}: {told[0]}"
                ) from error


def _compile(experiment: Experiment, group: Group, device: jax.Device) -> Program:
    began = time.perf_counter()
    count = lane_count(device.platform, group)
    problem = program.problem(group, experiment.sign)
    rules = program.rules(experiment)
    queue = _queue(group, np.array([group.first]), rules.grad_tol.dtype)
    arguments = (rules, queue, lanes.blank(problem, rules, queue, count))
    arguments = jax.device_put((*arguments, np.int32(1), np.int32(1)), device)
    lowered = jax.jit(functools.partial(lanes.advance, problem, experiment.sign)).lower(*arguments)
    return Program(
        group=group,
        device=device,
        lanes=count,
        rules=arguments[0],
        blank=arguments[2],
        compiled=lowered.compile(),
        digest=hashlib.sha256(lowered.as_text().encode()).hexdigest(),
        compile_seconds=time.perf_counter() - began,
    )


def _queue(group: Group, runs: np.ndarray, dtype: np.dtype) -> Queue:
    """The runs with the global numbers `runs` [N], padded to the rows of a tile, as numpy."""
    padded = np.concatenate([runs, np.full(tile_runs(group) - len(runs), runs[0])])
    with np.errstate(over="ignore"):  # a start beyond float32 is infinite: an invalid start
        x0, numbers = group.points(padded).astype(dtype), group.numbers(padded).astype(dtype)
    return Queue(x0, numbers, program.words(padded), np.int32(len(runs)))


def _states(sign: float, work: Work, count: int) -> Ends:
    """Where the first `count` rows are now: those still descending as their lanes hold them."""
    row = np.asarray(work.row)
    busy = row < count
    found = jax.tree.map(lambda a: np.asarray(a)[:count].copy(), work.ends)
    now = jax.tree.map(lambda a: np.asarray(a)[busy], lanes.ends_of(sign, work.lanes))
    for all_, current in zip(found, now, strict=True):
        all_[row[busy]] = current
    return found


def _finished(ends: Ends, count: int) -> Ends:
    """The first `count` rows as numpy, every NaN the same: payloads differ between operations."""
    rows = jax.tree.map(lambda a: np.asarray(a)[:count].copy(), ends)
    for column in rows:
        if column.dtype.kind == "f":
            column[np.isnan(column)] = np.nan
    return rows
