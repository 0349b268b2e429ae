"""Whole processes: what a user waits for, from the command to the prompt, and what it holds."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bench.figures import ratio, spread
from bench.workers import RefusedError, surroundings

IMPORTS = ["-c", "import jax, optax, hydra, wandb, pyarrow"]
LR_GRID = ["-m", "gdexp", "+sweep=lr_grid"]
COMMANDS = {  # name -> what Python is given; cold: nothing cached of an earlier process
    "lr_grid_cold": LR_GRID,
    "lr_grid_warm": LR_GRID,
    "imports": IMPORTS,
    "help": ["-m", "gdexp", "--help"],
    "hydra_import": ["-c", "import hydra"],
}
MEMORY_RUNS = (10**5, 10**6, 10**7)
MEMORY = (
    "-m gdexp objective=paraboloid start=uniform start.num={} "
    "draw.learning_rate=loguniform:1e-3:0.5 stop.max_steps=20 wandb.mode=disabled"
)
HYDRA_JOBS = (4, 24)  # what lies between is what a job costs; starting Hydra is not counted
HYDRA_APP = """
import hydra

@hydra.main(version_base=None, config_path=None)
def main(config):
    x, y = 3.0, 3.0
    for step in range(2000):
        gx, gy = 2 * (x - 1) + y / 2, 8 * (y + 1) + x / 2
        if gx * gx + gy * gy <= 1e-8:
            break
        x, y = x - config.learning_rate * gx, y - config.learning_rate * gy

main()
"""


def seconds(home: Path, rounds: int) -> dict[str, Any]:
    """Seconds of each command, interleaved, after one round that is not counted."""
    spent: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for i in range(rounds + 1):
        cache = Path(tempfile.mkdtemp(dir=home))  # filled by the cold one, found by the warm one
        for name, arguments in COMMANDS.items():
            took = _run(home, arguments, cache)[0]
            if i:
                spent[name].append(took)
    return {
        "seconds": {name: spread(values) for name, values in spent.items()},
        "ratios": {
            "lr_grid_cold / imports": ratio(spent["lr_grid_cold"], spent["imports"]),
            "lr_grid_warm / imports": ratio(spent["lr_grid_warm"], spent["imports"]),
            "help / hydra_import": ratio(spent["help"], spent["hydra_import"]),
        },
    }


def memory(home: Path, rounds: int, sizes: Sequence[int] = MEMORY_RUNS) -> dict[str, Any]:
    """Peak resident memory in MiB of a sweep written to files, by the number of its runs."""
    peaks: dict[int, list[float]] = {size: [] for size in sizes}
    spent: dict[int, list[float]] = {size: [] for size in sizes}
    for _ in range(rounds):
        for size in sizes:
            took, peak = _run(home, MEMORY.format(size).split(), home / "cache")
            spent[size].append(took)
            peaks[size].append(peak)
    return {
        "mib": {str(size): spread(values) for size, values in peaks.items()},
        "seconds": {str(size): spread(values) for size, values in spent.items()},
        "growth": ratio(peaks[sizes[-1]], peaks[sizes[-2]]),
    }


def hydra(home: Path, rounds: int) -> dict[str, Any]:
    """Runs a second of Hydra's own multirun, with jobs that descend in plain Python."""
    app = home / "app.py"
    app.write_text(HYDRA_APP)
    found = []
    for _ in range(rounds):
        few, many = (_run(home, [str(app), "-m", _rates(jobs)])[0] for jobs in HYDRA_JOBS)
        found.append((HYDRA_JOBS[1] - HYDRA_JOBS[0]) / (many - few))
    return {"runs_per_second": spread(found)}


def _rates(jobs: int) -> str:
    return "+learning_rate=" + ",".join(f"{0.01 + 0.005 * i:.3f}" for i in range(jobs))


def _run(home: Path, arguments: Sequence[str], cache: Path | None = None) -> tuple[float, float]:
    """Seconds and peak MiB of one process, in a folder of its own that is taken away."""
    folder = Path(tempfile.mkdtemp(dir=home))
    extra = {"XDG_CACHE_HOME": str(cache)} if cache else {}
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *arguments],
        cwd=folder,
        env=surroundings(home) | extra,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    peak = _wait(process)
    took = time.perf_counter() - began
    shutil.rmtree(folder, ignore_errors=True)
    if process.returncode:
        raise RefusedError(f"python {' '.join(arguments)[:80]} ended with {process.returncode}")
    return took, peak


def _wait(process: subprocess.Popen) -> float:
    """Waits for a process; its peak resident memory in MiB, with that of its children."""
    if not hasattr(os, "wait4"):
        process.wait()
        return float("nan")
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def attempt(measure: Callable[..., dict[str, Any]], *arguments: Any) -> dict[str, Any]:
    """What it measures, or why it could not."""
    try:
        return measure(*arguments)
    except RefusedError as error:
        return {"skipped": str(error)}
