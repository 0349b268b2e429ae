"""A hand-written C loop, all cores: the CPU's own limit.

descent.c keeps gdexp's contract (each step's value and gradient, the tests in their order, the last
finite state, the best value), 16 runs in a vector, blocks that end early. It knows three functions
and two updates, and is compiled for this machine.
"""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from bench.machine import cores
from bench.peers import CONVERGED, DIVERGED, OTHER, UNFINISHED, Ends, Given, Ready
from bench.tasks import Task

WHAT = "hand-written C, vectors of 16, early exit by block, a thread a core"
NEEDS = ("cc",)
SAME_WORK = True
PER = "step"
SOURCE = Path(__file__).with_name("descent.c")
FLAGS = ("-O3", "-march=native", "-fno-math-errno", "-ffp-contract=fast", "-shared", "-fPIC")
FUNCTIONS = {("paraboloid", 2): 0, ("two_wells", 2): 1, ("rastrigin", 2): 2}
UPDATES = {"sgd": 0, "momentum": 1}
# gdexp's Reason as descent.c writes it -> the contest's outcome
OUTCOME = (OTHER, *(DIVERGED,) * 5, CONVERGED, OTHER, OTHER, OTHER, UNFINISHED)


def runs(task: Task) -> int:
    return task.runs


def refuses(task: Task) -> str | None:
    if (task.function, task.dim) not in FUNCTIONS:
        return "it is written for paraboloid, two_wells and rastrigin in two dimensions"
    return None if task.optimizer in UPDATES else f"{task.optimizer} is not written in C"


def prepare(task: Task, given: Given, options: dict) -> Ready:
    import numpy as np

    began = time.perf_counter()
    library = _library()
    seconds = time.perf_counter() - began
    count = len(given.rate)
    x0, y0, rate = (np.ascontiguousarray(a) for a in (*given.x0.T, given.rate))
    out = [np.zeros(count, np.float32) for _ in range(5)]  # x, y, f, f_best, grad_norm
    steps, reason = np.zeros(count, np.int32), np.zeros(count, np.int32)

    def run() -> Ends:
        library.descend(
            FUNCTIONS[task.function, task.dim],
            UPDATES[task.optimizer],
            ctypes.c_long(count),
            task.max_steps,
            ctypes.c_float(task.grad_tol or -1.0),
            ctypes.c_float(task.escape_radius),
            cores(),
            *(ctypes.c_void_p(a.ctypes.data) for a in (x0, y0, rate, *out, steps, reason)),
        )
        return Ends(out[2].copy(), steps.copy(), np.array(OUTCOME)[reason])

    return Ready(run, seconds)


def _library() -> ctypes.CDLL:
    """descent.c, compiled and loaded; the file is not needed afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "descent.so"
        command = [shutil.which("cc"), *FLAGS, "-o", made, SOURCE, "-lpthread", "-lm"]
        subprocess.run(command, check=True, capture_output=True)
        return ctypes.CDLL(str(made))
