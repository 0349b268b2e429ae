"""The same sweep made by one process, by several, and on a Ray cluster of the same cores.

What others than one process cost is what they add on this machine: nothing is gained here, as the
cores are the same.
"""

from __future__ import annotations

import importlib.util
import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bench.figures import ratio, spread
from bench.workers import RefusedError, surroundings

SWEEP = (
    "objective=rosenbrock grid.learning_rate=log:1e-5:1e-3:64 start=uniform start.num={} "
    "stop.max_steps=10000 stop.grad_tol=0 report=false wandb.mode=disabled"
)
STARTS = (65_536, 16)  # about a minute on two cores, and next to nothing
GDEXP = (sys.executable, "-m", "gdexp")
Way = Callable[[Path, list[str]], None]


def seconds(home: Path, rounds: int, starts: Sequence[int] = STARTS) -> dict[str, Any]:
    """Seconds that each way takes for a long sweep and for a short one, interleaved.

    What a way takes longer for the short one is its start-up; beyond it is what is left of the
    difference for the long one, as a share of it.
    """
    ways = {"local": _local, "work": _work, "work_by_core": _work_by_core}
    if importlib.util.find_spec("ray"):
        ways["ray"] = _ray
    spent = {name: {num: [] for num in starts} for name in ways}
    for way in ways.values():  # not counted: it leaves the compiled programs
        _took(home, way, starts[-1])
    for _ in range(rounds):
        for num in starts:
            for name, way in ways.items():
                spent[name][num].append(_took(home, way, num))
    long, short = starts
    local = spent["local"]
    beyond = {
        name: ratio(
            [of[long][i] - (of[short][i] - local[short][i]) for i in range(rounds)], local[long]
        )
        for name, of in spent.items()
        if name != "local"
    }
    return {
        "long": {name: spread(of[long]) for name, of in spent.items()},
        "short": {name: spread(of[short]) for name, of in spent.items()},
        "whole": {n: ratio(of[long], local[long]) for n, of in spent.items() if n != "local"},
        "beyond_start_up": beyond,
    }


def _took(home: Path, way: Way, num: int) -> float:
    with tempfile.TemporaryDirectory(dir=home) as folder:
        began = time.perf_counter()
        way(Path(folder), shlex.split(SWEEP.format(num)))
        return time.perf_counter() - began


def _local(folder: Path, words: list[str]) -> None:
    _all_end_well([_begin(folder, *words, "hydra.run.dir=s")])


def _ray(folder: Path, words: list[str]) -> None:
    _all_end_well([_begin(folder, *words, "hydra.run.dir=s", "executor=ray")])


def _work(folder: Path, words: list[str]) -> None:
    """Prepared, made by one process with all cores, and finished."""
    _all_end_well([_begin(folder, *words, "hydra.run.dir=s", "run.prepare=true")])
    _all_end_well([_begin(folder, "work", "s")])
    _all_end_well([_begin(folder, "resume", "s")])


def _work_by_core(folder: Path, words: list[str]) -> None:
    """The same, with a process for each core, and a share for each process."""
    _all_end_well([_begin(folder, *words, "hydra.run.dir=s", "run.prepare=true")])
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [None]
    shares = [f"{index}/{len(cores)}" for index in range(len(cores))]
    pairs = zip(cores, shares, strict=True)
    _all_end_well(
        [_begin(folder, "work", "s", "--shard", share, core=core) for core, share in pairs]
    )
    _all_end_well([_begin(folder, "resume", "s")])


def _begin(folder: Path, *words: str, core: int | None = None) -> subprocess.Popen:
    process = subprocess.Popen(
        [*GDEXP, *words],
        cwd=folder,
        env=surroundings(folder.parent),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    if core is not None:  # before it has looked how many it has
        os.sched_setaffinity(process.pid, {core})
    return process


def _all_end_well(processes: Sequence[subprocess.Popen]) -> None:
    codes = [process.wait() for process in processes]
    if any(codes):
        told = " ".join(map(str, processes[codes.index(max(codes))].args))
        raise RefusedError(f"{told[:200]} ended with {max(codes)}")
