"""gdexp itself, as its front door runs it: on CPU a worker for each core.

All that the benchmark asks of gdexp's inside is in this file.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.peers import CONVERGED, DIVERGED, OTHER, UNFINISHED, Ends, Given, Ready
from bench.tasks import MOMENTUM, Task

WHAT = "gdexp"
NEEDS = ("jax", "optax")
SAME_WORK = True
PER = "step"
KNOWN = {"converged": CONVERGED, "diverged": DIVERGED, "unfinished": UNFINISHED}


def runs(task: Task) -> int:
    return task.runs


def refuses(task: Task) -> str | None:
    return None


def environment(cores: int) -> dict[str, str]:
    return {"BENCH_WORKERS": str(cores)}


def experiment(task: Task) -> Any:
    """The task in gdexp's own words."""
    import jax.numpy as jnp

    from bench.functions import FUNCTIONS
    from gdexp import api

    def network(x):
        return FUNCTIONS["network"](jnp, x)

    objective: Any = task.function
    if objective == "network":
        objective = network
    elif task.case != task.function:
        objective = {task.function: {"dim": task.dim}}
    optimizer: Any = task.optimizer
    if optimizer == "momentum":
        optimizer = {"sgd": {"momentum": MOMENTUM}}
    low = [-task.box] * task.dim
    return api.experiment(
        objective,
        optimizer=optimizer,
        start={"uniform": {"num": task.runs, "low": low, "high": [task.box] * task.dim}},
        draw={"learning_rate": "{}:{}:{}".format(*task.rate)},
        stop_max_steps=task.max_steps,
        stop_grad_tol=task.grad_tol,
        stop_escape_radius=task.escape_radius,
        device="cpu",
    )


def given(task: Task) -> Given:
    """The starts and learning rates that gdexp's plan gives its runs."""
    import numpy as np

    from gdexp import plan

    [group] = plan.make(experiment(task)).groups
    numbers = np.arange(group.count)
    return Given(
        group.points(numbers).astype(np.float32),
        group.keys(numbers)["learning_rate"].astype(np.float32),
    )


def prepare(task: Task, given: Given, options: dict) -> Ready:
    """`options["lanes"]` takes another number of lanes than gdexp's rule, `options["unchecked"]`
    looks for no cycles and stalls, and `options["whole"]` times all that a sweep is: compiling from
    the cache, descending, writing, labels and curves.
    """
    if options.get("whole"):
        return Ready(lambda: _swept(task, not options.get("unchecked")), 0.0)
    from gdexp import plan
    from gdexp.engine import Engine

    asked = experiment(task)
    planned = plan.make(asked)
    with _lanes(options.get("lanes")), _checks(not options.get("unchecked")):
        engine = Engine(asked, planned)
        lanes = engine.program(0).lanes

    def run() -> Ends:
        with _workers(int(os.environ["BENCH_WORKERS"])):
            done = [h for h in engine.run(planned.tiles()) if h.ends is not None]
        return _ends([h.ends for h in sorted(done, key=lambda h: h.tile.first)])

    return Ready(run, engine.compile_seconds, {"lanes": lanes})


def _swept(task: Task, checked: bool) -> Ends:
    """A sweep into a folder that is thrown away."""
    import numpy as np

    from gdexp import job
    from gdexp.analysis.counts import OUTCOMES, places

    with tempfile.TemporaryDirectory() as folder, _checks(checked):
        found = job.run(experiment(task), Path(folder) / "sweep")
        table = found.select("f", "steps", "outcome")
    known = np.array([KNOWN.get(str(outcome), OTHER) for outcome in OUTCOMES])
    f, steps = (table[name].to_numpy() for name in ("f", "steps"))
    return Ends(f, steps, known[places(table["outcome"], [str(o) for o in OUTCOMES])])


@contextlib.contextmanager
def _lanes(count: int | None) -> Iterator[None]:
    """Another lane rule while a program is compiled."""
    from gdexp import program

    rule = program.lane_count
    if count is not None:
        program.lane_count = lambda *_: count
    try:
        yield
    finally:
        program.lane_count = rule


@contextlib.contextmanager
def _checks(wanted: bool) -> Iterator[None]:
    """Whether cycles and stalls are looked for: not where updates follow from noise."""
    from gdexp import progress

    rule = progress.kind_of
    if not wanted:
        progress.kind_of = lambda *_, **__: progress.Kind.NOISY
    try:
        yield
    finally:
        progress.kind_of = rule


@contextlib.contextmanager
def _workers(count: int) -> Iterator[None]:
    """As many threads on the CPU as are asked for."""
    from gdexp import devices

    rule = devices.workers
    devices.workers = lambda found, cores=None: list(found) * count
    try:
        yield
    finally:
        devices.workers = rule


def _ends(tiles: list[Any]) -> Ends:
    import numpy as np

    from gdexp.base import Reason

    table = np.array([KNOWN.get(str(reason.outcome), OTHER) for reason in Reason])
    f, steps, reason = (
        np.concatenate([getattr(tile, name) for tile in tiles]) for name in ("f", "steps", "reason")
    )
    return Ends(f, steps, table[reason])
