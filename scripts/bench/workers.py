"""The front's side of the contestants' processes: started when needed, asked one at a time."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.machine import cores

SCRIPTS = Path(__file__).parents[1]
ROOT = SCRIPTS.parent
PEERS = (
    "gdexp",
    "while_loop",
    "scan",
    "scan_values",
    "scan_blocks",
    "optimistix",
    "torch",
    "torch_loop",
    "scipy",
    "c",
)
# settings of the caller's shell that would reach some contestants and not others
SHED = ("JAX_", "XLA_", "GDEXP_", "OMP_", "MKL_", "TF_", "NPROC")


class RefusedError(Exception):
    """A contestant could not do what it was asked; the message says why."""


def module(peer: str) -> Any:
    """A contestant's file."""
    return importlib.import_module(f"bench.peers.{peer}")


def missing(peer: str) -> str | None:
    """What is not here that a contestant needs."""
    for need in module(peer).NEEDS:
        if not (shutil.which(need) if need == "cc" else importlib.util.find_spec(need)):
            return f"{need} is not here"
    return None


def surroundings(home: Path) -> dict[str, str]:
    """The environment of every process that is measured: this package, an own cache, the CPU."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(SHED)}
    return kept | {
        "PYTHONPATH": os.pathsep.join([str(SCRIPTS), str(ROOT)]),
        "XDG_CACHE_HOME": str(home / "cache"),
        "JAX_PLATFORMS": "cpu",
    }


class Worker:
    """A contestant's process."""

    def __init__(self, peer: str, home: Path, devices: int):
        special = getattr(module(peer), "environment", lambda n: {})(devices)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.worker", peer],
            cwd=home,
            env=surroundings(home) | special,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def ask(self, **request: Any) -> dict[str, Any]:
        """Its answer; RefusedError if it failed or died."""
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise RefusedError(f"its process ended with code {self._process.wait()}")
        answer = json.loads(line)
        if "error" in answer:
            raise RefusedError(answer["error"])
        return answer

    @property
    def lives(self) -> bool:
        return self._process.poll() is None

    def close(self) -> None:
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()


class Workers:
    """Every process of the contest, by contestant and number of devices."""

    def __init__(self, home: Path):
        self.home = home
        self._held: dict[tuple[str, int], Worker] = {}

    def get(self, peer: str, devices: int | None = None) -> Worker:
        """A living process."""
        key = peer, devices or cores()
        if key not in self._held or not self._held[key].lives:
            self._held[key] = Worker(peer, self.home, key[1])
        return self._held[key]

    def drop(self) -> None:
        """Lets all forget what they have prepared."""
        for worker in self._held.values():
            with contextlib.suppress(RefusedError):
                worker.ask(do="drop")

    def close(self) -> None:
        for worker in self._held.values():
            worker.close()


@contextlib.contextmanager
def started(home: Path) -> Iterator[Workers]:
    """Workers that end with the context."""
    workers = Workers(home)
    try:
        yield workers
    finally:
        workers.close()
