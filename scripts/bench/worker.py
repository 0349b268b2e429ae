"""One contestant's process: reads requests, one JSON line each, and answers each with one line.

python -m bench.worker PEER

Contestants need settings of a process that would slow the others down (threads, JAX devices), so
each has a process of its own, which is idle while another is timed.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import re
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from bench.peers import Ends, Given, Ready
from bench.tasks import Task

LEAST_SECONDS = 0.2  # of one measurement: what is quicker is done several times
MOST_TIMES = 50

_ready: dict[str, Ready] = {}  # slot -> what stands at the line


def main(name: str) -> None:
    with os.fdopen(os.dup(1), "w") as answers:
        os.dup2(2, 1)  # what a library prints must not stand among the answers
        peer = importlib.import_module(f"bench.peers.{name}")
        for line in sys.stdin:
            try:
                answer = _answer(peer, json.loads(line))
            except Exception as error:  # whatever a contestant's library raises
                answer = {"error": _told(error)}
            print(json.dumps(answer), file=answers, flush=True)


def _answer(peer: Any, request: dict[str, Any]) -> dict[str, Any]:
    match request["do"]:
        case "prepare":
            return _prepare(peer, request)
        case "time":
            return {"seconds": _seconds(_ready[request["slot"]])}
        case "drop":
            _ready.clear()
            gc.collect()
            return {}
    raise ValueError(request["do"])


def _prepare(peer: Any, request: dict[str, Any]) -> dict[str, Any]:
    """Compiles, and runs once to warm up; the first result is kept for the comparison."""
    task = Task(**request["task"])
    given = _given(peer, task, Path(request["given"]))
    count = peer.runs(task)
    few = Given(given.x0[:count], given.rate[:count])
    _ready[request["slot"]] = ready = peer.prepare(task, few, request["options"])
    seconds, ends = _timed(ready)
    np.savez(request["ends"], **{k: v for k, v in ends._asdict().items() if v is not None})
    return {
        "runs": count,
        "compile_seconds": ready.compile_seconds,
        "first_seconds": seconds,
        **ready.told,
    }


def _given(peer: Any, task: Task, file: Path) -> Given:
    """The starts and learning rates: from the file, which gdexp's worker writes first."""
    if not file.exists():
        np.savez(file, **peer.given(task)._asdict())
    with np.load(file) as found:
        return Given(**found)


def _seconds(ready: Ready) -> float:
    """The mean of as many runs as make a measurement."""
    gc.collect()
    spent: list[float] = []
    while not spent or (sum(spent) < LEAST_SECONDS and len(spent) < MOST_TIMES):
        spent.append(_timed(ready)[0])
    return sum(spent) / len(spent)


def _timed(ready: Ready) -> tuple[float, Ends]:
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # descents blow up: that is the subject
        began = time.perf_counter()
        ends = ready.run()
        return time.perf_counter() - began, ends


def _told(error: Exception) -> str:
    """The error in one line without any folder of this machine."""
    first = (str(error).strip().splitlines() or [""])[0]
    return re.sub(r"(/[^\s/:]+)+/", "", f"{type(error).__name__}: {first}")[:200]


if __name__ == "__main__":
    main(sys.argv[1])
