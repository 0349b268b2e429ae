"""jit(vmap(scan)) in blocks of 1,024 runs, one JAX device a core: what XLA gives at best on a CPU.

No user writes this. It does the bare update with no test, in blocks that stay in a core's cache and
are not split over threads: what gdexp takes longer than it, the tests and the harvest take.
"""

from __future__ import annotations

from bench.peers import Ends, Given, Ready, scan
from bench.tasks import HOMOGENEOUS, Task

WHAT = "the bare update in blocks of 1,024, a device a core: XLA's own limit"
NEEDS = ("jax", "optax")
SAME_WORK = False
PER = "step"
BLOCK = 1024


def runs(task: Task) -> int:
    return task.runs


def refuses(task: Task) -> str | None:
    if task.kind != HOMOGENEOUS:
        return "it has no test, so it says something only where all runs are of one length"
    return None


def environment(cores: int) -> dict[str, str]:
    """One thread a device."""
    return {"NPROC": "1", "BENCH_DEVICES": str(cores)}


def prepare(task: Task, given: Given, options: dict) -> Ready:
    import itertools
    import os

    import jax
    import numpy as np

    from bench.peers import _optax

    jax.config.update("jax_num_cpu_devices", int(os.environ["BENCH_DEVICES"]))
    devices = jax.local_devices()
    block = min(BLOCK, max(1, task.runs // len(devices)))
    parts = [
        jax.device_put((given.x0[i : i + block], given.rate[i : i + block]), device)
        for i, device in zip(range(0, task.runs, block), itertools.cycle(devices), strict=False)
    ]
    batched = jax.vmap(scan.descent(task))
    programs, seconds = {}, 0.0
    for x0, rate in parts:
        what = next(iter(x0.devices())), x0.shape
        if what not in programs:
            programs[what], spent = _optax.compiled(batched, x0, rate)
            seconds += spent

    def run() -> Ends:
        found = [programs[next(iter(x0.devices())), x0.shape](x0, rate) for x0, rate in parts]
        return scan.ends(task, np.concatenate([np.asarray(value) for _, value in found]))

    return Ready(run, seconds, {"block": block})
