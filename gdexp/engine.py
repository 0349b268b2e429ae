"""Compiles a group's program and has the devices run it: tiles in, tiles out, in any order.

The number of lanes decides how XLA rounds, so it follows from the device's kind and the program
alone (`program.lane_count`), never from the sweep; how many devices and threads share the work, and
how long a device call is, do not touch the bits.
"""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import functools
import hashlib
import itertools
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jax.experimental.xla_metadata import set_xla_metadata

from gdexp import cache, devices, lanes, memory, paths, problems, program, stream, tables, trig
from gdexp.backend import PLAIN, Backend, once, plainly
from gdexp.base import Ends, OutOfMemoryError, Path, UsageError
from gdexp.descent import Problem
from gdexp.experiment import Experiment
from gdexp.lanes import Pace
from gdexp.plan import Group, Plan, Tile
from gdexp.program import Program
from gdexp.refill import Work
from gdexp.stream import FOREVER, Harvest

# without the option XLA uses half of a vector register where there are registers of 512 bits
COMPILER_OPTIONS = {"cpu": {"xla_cpu_prefer_vector_width": 512}}


class Engine:
    """The programs of an experiment's groups, compiled when they are first needed.

    Args:
      experiment: of a sweep.
      plan: its plan.
      lanes: group -> how many lanes it had, to have them again; None: by the rule.

    Raises:
      UsageError: there is no device of the kind asked for, or others can write to JAX's cache.
    """

    def __init__(self, experiment: Experiment, plan: Plan, lanes: Mapping[int, int] | None = None):
        self.experiment = experiment
        self.plan = plan
        self._lanes = dict(lanes or {})
        cache.check()
        self.devices = devices.find(experiment.device)
        self.programs: dict[int, Program] = {}
        self.vouch: Callable[[Program], None] = lambda program: None  # raises if it is not to run
        self.threads: int | None = None  # on CPU, in which the lanes run; None: one for each core
        self._compiling = threading.Lock()

    @property
    def device(self) -> jax.Device:
        """The first of the devices: all are of a kind."""
        return self.devices[0]

    @property
    def compile_seconds(self) -> float:
        """What compiling has taken so far."""
        return sum(program.compile_seconds for program in self.programs.values())

    def program(self, group: int) -> Program:
        """The compiled program of a group."""
        with self._compiling:
            if group not in self.programs:
                with settings(self.experiment):
                    made = _compile(
                        self.experiment,
                        self.plan.groups[group],
                        self.devices,
                        self._lanes.get(group),
                    )
                    self.vouch(made)
                self.programs[group] = made
            return self.programs[group]

    def run(
        self, tiles: Iterable[Tile], wanted: Callable[[Tile], np.ndarray] | None = None
    ) -> Iterator[Harvest]:
        """Descends all runs of `tiles`, of which no two have a run in common; or those `wanted`.

        Yields after each device call, so that a caller can show progress and be interrupted; a
        harvest that has `ends` brings a finished tile.
        """
        return stream.run(
            tiles,
            devices.workers(self.devices, self.threads),
            self.program,
            self.experiment.sign,
            lambda: settings(self.experiment),
            wanted or (lambda tile: tile.runs),
        )

    def trace(self, runs: Sequence[int], steps: int | Iterable[int]) -> Iterator[Path]:
        """The states of single runs after `steps`, or each so many, with their first and last.

        The runs are descended again, a lane each, by the program that makes their ends.
        """
        beyond = min(self.experiment.stop.max_steps + 1, int(FOREVER))
        asked = range(0, beyond, steps) if isinstance(steps, int) else sorted({0, *steps})
        wanted = np.asarray(runs, np.int64)
        for group in self.plan.groups:
            mine = wanted[(wanted >= group.first) & (wanted < group.first + group.count)]
            width = self.program(group.index).lanes if len(mine) else 1
            for first in range(0, len(mine), width):
                with settings(self.experiment):
                    yield from paths.follow(
                        self.program(group.index),
                        self.device,
                        self.experiment.sign,
                        mine[first : first + width],
                        itertools.chain(asked, [beyond]),
                    )

    def states(self, group: int, runs: np.ndarray, steps: Sequence[int]) -> Iterator[Ends]:
        """Where runs of a group are after each of rising `steps` [K, N, ...], some at a time.

        Args:
          group: its index.
          runs: their numbers, rising.
          steps: K of them, or fewer where all have ended before.
        """
        program = self.program(group)
        beyond = min(self.experiment.stop.max_steps + 1, int(FOREVER))
        for first in range(0, len(runs), program.lanes):
            with settings(self.experiment):
                found = paths.states_of(
                    program,
                    self.device,
                    self.experiment.sign,
                    runs[first : first + program.lanes],
                    [*steps, beyond],
                )
            yield Ends(*(column[: len(steps)] for column in found))

    def out_of_memory(self) -> OutOfMemoryError:
        """What to raise when memory gave out for the second time: the numbers of the largest."""
        all_needs = [(_needs(self.experiment, g, self.devices), g) for g in self.plan.groups]
        (count, needed), group = max(all_needs, key=lambda found: found[0][1])
        return memory.explained(group, count, needed, self.device)

    def with_plan(self, plan: Plan) -> Engine:
        """The same programs for other values: `plan` has groups of the same numbers that vary."""
        other = copy.copy(self)
        other.plan = plan
        other.programs = {
            i: dataclasses.replace(program, group=plan.groups[i])
            for i, program in self.programs.items()
        }
        return other


def one_kernel(function: Callable[..., Any], *args: Any) -> Any:
    """Calls a traced function as a single kernel of XLA's CPU compiler.

    XLA does so by itself for loops over a few bytes. Otherwise it runs one array operation at a
    time, each handed to a thread pool: half of a step's time, and more where it splits an operation
    over threads that then wait for each other. It can do it for plain arithmetic only.
    """
    with set_xla_metadata(xla_cpu_small_call="true", inlineable="false"):
        return jax.jit(function)(*args)


CPU = Backend(one_kernel, once, {"sin": trig.sin, "cos": trig.cos})


def settings(experiment: Experiment) -> contextlib.ExitStack:
    """A context with a thread's settings of JAX for an experiment; restored afterwards."""
    stack = contextlib.ExitStack()
    stack.enter_context(jax.enable_x64(experiment.dtype == "float64"))
    stack.enter_context(jax.default_matmul_precision("highest"))
    return stack


def check(experiment: Experiment, plan: Plan) -> None:
    """Traces every group's program without compiling it.

    Raises:
      UsageError: an objective or optimizer cannot be built from its card, its lanes do not fit into
        memory, there is no device, or others can write to JAX's cache.
    """
    cache.check()
    here = devices.find(experiment.device)
    for group in plan.groups:
        try:
            count, needed = _needs(experiment, group, here)
        except UsageError:
            raise
        except Exception as error:  # whatever a card's values make optax or a function raise
            told = str(error).strip().splitlines() or [""]
            raise UsageError(
                f"objective {group.objective_name} with optimizer {group.optimizer.name} "
                f"cannot be built: {type(error).__name__}: {told[0]}"
            ) from error
        memory.check(group, count, needed, here[0])


def _needs(experiment: Experiment, group: Group, here: Sequence[jax.Device]) -> tuple[int, int]:
    """How many lanes a group has, and about how many bytes they take of one memory."""
    count = program.lane_count(here[0].platform, group)
    with settings(experiment):
        problem, rules = problems.of_group(group, experiment.sign), program.rules(experiment, group)
        held = lanes.trial(problem, rules, group.space.dim, count, program.QUEUE * count)
    return count, held * devices.sharing(here)


def _compile(
    experiment: Experiment, group: Group, here: Sequence[jax.Device], wanted: int | None
) -> Program:
    began, platform = time.perf_counter(), here[0].platform
    count = wanted or program.lane_count(platform, group)
    rules = program.rules(experiment, group)
    problem, table = tables.tabulated(
        problems.of_group(group, experiment.sign),
        group.space.dim,
        rules.grad_tol.dtype,
        len(group.names),
        experiment.stop.max_steps,
        rules.rows,
    )
    with jax.default_device(here[0]):
        make = cache.compiled(jax.jit(table).lower(rules.numbers))
        rows, factors = jax.tree.map(np.asarray, make(rules.numbers))
    rules = rules._replace(table=rows, factors=factors)
    queue = program.queue_of(
        group, np.array([group.first]), program.QUEUE * count, rules.grad_tol.dtype
    )
    blank = lanes.blank(problem, rules, queue, count)
    pace = Pace(np.int32(1), problems.steps(group), FOREVER, np.bool_(False))
    arguments = (rules, queue, blank, pace)
    backend = CPU if platform == "cpu" else PLAIN
    try:
        compiled, text = _for_each(here, problem, backend, arguments)
    except jax.errors.JaxRuntimeError as error:  # a function may do what no single kernel can
        if "UNIMPLEMENTED" not in str(error) or backend is PLAIN:
            raise
        backend = backend._replace(kernel=plainly)
        compiled, text = _for_each(here, problem, backend, arguments)
    return Program(
        group=group,
        lanes=count,
        rules=rules,
        blank=blank,
        digest=hashlib.sha256(text.encode()).hexdigest(),
        compiled=compiled,
        periods=_when_needed(functools.partial(lanes.periods, problem, backend)),
        compile_seconds=time.perf_counter() - began,
    )


def _when_needed(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function`, compiled when it is first called; its arguments are always of the same shapes."""
    made: list[Callable[..., Any]] = []
    compiling = threading.Lock()  # several workers may be the first

    def call(*args):
        with compiling:
            if not made:
                made.append(cache.compiled(jax.jit(function).lower(*args)))
        return made[0](*args)

    return call


def _for_each(
    here: Sequence[jax.Device], problem: Problem, backend: Backend, arguments: tuple[Any, ...]
) -> tuple[dict[jax.Device, Callable[..., Work]], str]:
    """The loop of the lanes compiled for each device, with the rules bound, and its text."""
    jitted = jax.jit(functools.partial(lanes.advance, problem, backend), donate_argnums=2)
    compiled, text = {}, ""
    for device in here:
        held = jax.device_put(arguments, device)
        lowered = jitted.lower(*held)
        made = cache.compiled(lowered, COMPILER_OPTIONS.get(device.platform))
        compiled[device] = functools.partial(made, held[0])
        text = text or lowered.as_text()
    return compiled, text
