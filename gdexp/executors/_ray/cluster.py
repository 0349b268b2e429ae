"""Hands tiles out to the machines of a cluster, and takes what they send back.

A task makes a bundle of tiles, as lanes stay full within one. The first bundles are large and the
last ones single tiles (guided self-scheduling; Polychronopoulos & Kuck, IEEE Trans. Comput. C-36
(1987) 1425), so that all machines end together. What comes of a tile comes when it is finished: a
machine that is lost takes the tiles with it that it was about to make, and they are handed out
again.
"""

from __future__ import annotations

import collections
import contextlib
import os
import signal
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import ray

from gdexp import manifest
from gdexp.base import ExecutorError, Reason
from gdexp.engine import Engine
from gdexp.executors._ray import entry
from gdexp.executors._ray.worker import News, Refusal, Setup
from gdexp.plan import Tile
from gdexp.results import Results
from gdexp.stream import Harvest
from gdexp.verify import NotTheSameError

LOSSES = 8  # bundles that are lost in a row, with no tile between: it is not chance then
AHEAD = 1  # bundles that wait beside those that are being made, so that no machine does
SHARES = 2  # a bundle is this part of what a worker would have of all that is left
LOOK_SECONDS = 1.0  # between two looks at which machines there are
WAIT_SECONDS = 0.5  # for news, before signals are seen to
FETCH_SECONDS = 60.0  # for news that are there, before their machine counts as lost
KEPT = 8  # news of a bundle that nobody has taken yet


def run(
    where: Callable[[], str] | None,
    cpus: int | None,
    results: Results,
    engine: Engine,
    tiles: Iterable[Tile],
    wanted: Callable[[Tile], np.ndarray] | None,
) -> Iterator[Harvest]:
    """Makes tiles on a cluster, as `executor.Executor.run` says.

    Args:
      where: waits for a cluster and returns its address; None: this process is connected to one.
      cpus: cores of a worker; None: as many as the smallest machine has, beside an accelerator one.
    """
    manifest.prepare(results.manifest, engine)  # workers compare themselves with it
    results.manifest.pop("refused", None)
    with _connected(where):
        yield from Cluster(results, engine, cpus, wanted).run(tiles)


class Cluster:
    """The machines that make tiles of a sweep, and what they are about to make."""

    def __init__(
        self,
        results: Results,
        engine: Engine,
        cpus: int | None,
        wanted: Callable[[Tile], np.ndarray] | None,
    ):
        self._results, self._wanted = results, wanted
        self._need = _need(engine.device.platform, cpus)
        told = {key: value for key, value in results.manifest.items() if key != "tiles"}
        threads = int(self._need["CPU"]) if engine.device.platform == "cpu" else None
        setup = Setup(uuid.uuid4().hex, engine.experiment, told, threads)
        self._setup = ray.put(ray.cloudpickle.dumps(setup))
        self._make = _task(self._need, ())
        self._all = sum(1 for _ in engine.plan.tiles())
        self._streams: dict[ray.ObjectRefGenerator, Bundle] = {}
        self._lost: collections.deque[Tile] = collections.deque()  # to be made again
        self._losses = 0
        self._refused: dict[str, Refusal] = {}  # by the machine's number
        self._ended = np.zeros(len(Reason), int)  # runs of finished tiles, by reason
        self._workers, self._looked, self._said = 0, -float("inf"), False

    def run(self, tiles: Iterable[Tile]) -> Iterator[Harvest]:
        """Yields what comes, until every tile has come."""
        waiting = iter(tiles)
        try:
            while self._hand_out(waiting):
                ready, _ = ray.wait(list(self._streams), timeout=WAIT_SECONDS)
                for stream in ready:
                    if (news := self._next(stream)) is not None:
                        yield self._told(stream, news)
        finally:
            for stream in self._streams:
                ray.cancel(stream)

    def _hand_out(self, waiting: Iterator[Tile]) -> bool:
        """Gives every machine something to do; whether anything is being done."""
        while len(self._streams) < self._look() + AHEAD:
            if not (some := self._bundle(waiting)):
                break
            runs = None if self._wanted is None else [self._wanted(tile) for tile in some]
            stream = self._make.remote(self._setup, ray.cloudpickle.dumps((some, runs)))
            self._streams[stream] = Bundle(some)
        return bool(self._streams)

    def _bundle(self, waiting: Iterator[Tile]) -> list[Tile]:
        held = sum(len(bundle.missing) for bundle in self._streams.values())
        left = self._all - len(self._results.manifest["tiles"]) - held
        size = max(1, left // (SHARES * max(1, self._workers)))
        some = []
        while len(some) < size:
            tile = self._lost.popleft() if self._lost else next(waiting, None)
            if tile is None:
                break
            some.append(tile)
        return some

    def _look(self) -> int:
        """How many workers there can be, by what the machines have that are there now."""
        if time.monotonic() - self._looked > LOOK_SECONDS:
            self._looked = time.monotonic()
            self._workers = sum(
                min(int(have.get(name, 0) // much) for name, much in self._need.items())
                for node, have in _machines().items()
                if node not in self._refused
            )
            if self._refused and not self._workers:
                every = self._refused.values()
                raise NotTheSameError([f"{one.by}: {'; '.join(one.reasons)}" for one in every])
            if not self._workers and not self._said:
                needs = " and ".join(f"{much:g} {name}" for name, much in self._need.items())
                print(f"gdexp: waiting for a machine with {needs}", file=sys.stderr)
            self._said = not self._workers
        return self._workers

    def _next(self, stream: ray.ObjectRefGenerator) -> News | None:
        """The next that a bundle tells; None if it has come to its end, by whatever."""
        bundle = self._streams[stream]
        try:
            news = ray.get(next(stream), timeout=FETCH_SECONDS)
        except StopIteration:
            del self._streams[stream]
            self._lost.extend(bundle.missing.values())  # of one that was refused
            return None
        except ray.exceptions.RayTaskError as error:
            raise error.as_instanceof_cause() from None
        except ray.exceptions.RayError as error:  # the process or its machine is no more
            del self._streams[stream]
            ray.cancel(stream)  # of one that is only late
            self._lost.extend(bundle.missing.values())
            self._losses += 1
            if self._losses >= LOSSES:
                told = str(error).strip().splitlines()[0]
                raise ExecutorError(f"{LOSSES} workers were lost in a row: {told}") from error
            return None
        if isinstance(news, News):
            return news
        if not isinstance(news, Refusal):  # it could import nothing
            node, place, why = news
            news = Refusal(node, place, (why,))
        self._refuse(news)
        return None

    def _told(self, stream: ray.ObjectRefGenerator, news: News) -> Harvest:
        """What a bundle's news are for the sweep."""
        bundle = self._streams[stream]
        bundle.reasons = news.reasons
        if news.tile is not None:
            self._losses = 0
            ended = np.bincount(news.ends.reason, minlength=len(Reason))
            self._ended += ended
            bundle.ended += ended
            del bundle.missing[news.tile.part]
        under = sum(bundle.reasons - bundle.ended for bundle in self._streams.values())
        return Harvest(self._ended + under, news.tile, news.ends, news.by)

    def _refuse(self, refusal: Refusal) -> None:
        """Hands nothing more to a machine, and says so."""
        if refusal.node in self._refused:
            return
        self._refused[refusal.node] = refusal
        self._looked = -float("inf")
        self._make = _task(self._need, self._refused)
        self._results.manifest.setdefault("refused", []).append(
            {"by": refusal.by, "reasons": list(refusal.reasons)}
        )
        why = "; ".join(refusal.reasons)
        print(f"gdexp: {refusal.by} makes no tiles: {why}", file=sys.stderr)


class Bundle:
    """Tiles that one task makes."""

    def __init__(self, tiles: Sequence[Tile]):
        self.missing = {tile.part: tile for tile in tiles}
        self.reasons = np.zeros(len(Reason), int)  # runs that have ended, by reason; of these
        self.ended = np.zeros(len(Reason), int)  # those of finished tiles


def _need(platform: str, cpus: int | None) -> dict[str, float]:
    """What a worker has for itself, in the words of Ray's resources.

    Raises:
      ExecutorError: no machine has it.
    """
    machines = _machines()
    if platform == "cpu":
        cores = [int(have["CPU"]) for have in machines.values() if have.get("CPU", 0) >= 1]
        need = {"CPU": cpus or min(cores, default=1)}
    else:
        need = {"CPU": cpus or 1, "TPU" if platform == "tpu" else "GPU": 1}
    for name, much in need.items():
        most = max((have.get(name, 0) for have in machines.values()), default=0)
        if most < much:
            raise ExecutorError(
                f"a worker needs {much:g} {name}, and no machine of the Ray cluster has more than "
                f"{most:g}"
            )
    return need


def _machines() -> dict[str, dict[str, float]]:
    """What each machine that is there has, by its number."""
    return {node["NodeID"]: node["Resources"] for node in ray.nodes() if node["Alive"]}


def _task(need: Mapping[str, float], refused: Iterable[str]) -> Any:
    """What makes a bundle; it is tried once, as what it has sent would come again.

    On CPU a process makes many, and keeps its programs. With an accelerator it ends after one: the
    next may be given another device, and JAX stays on the first that it has seen.
    """
    rest = {name: much for name, much in need.items() if name not in ("CPU", "GPU")}
    ray.cloudpickle.register_pickle_by_value(entry)
    return ray.remote(
        num_cpus=need["CPU"],
        num_gpus=need.get("GPU", 0),
        resources=rest,
        max_calls=0 if set(need) == {"CPU"} else 1,
        max_retries=0,
        num_returns="streaming",
        label_selector={"ray.io/node-id": f"!in({','.join(refused)})"} if refused else None,
        _generator_backpressure_num_objects=KEPT,
    )(entry.make)


@contextlib.contextmanager
def _connected(where: Callable[[], str] | None) -> Iterator[None]:
    """Within, this process is connected to a cluster; None: it is."""
    if where is None:
        yield
        return
    _connect(where())
    try:
        yield
    finally:
        ray.shutdown()


def _connect(address: str) -> None:
    """Connects this process to a cluster.

    Raises:
      ExecutorError: none answers.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent to anybody
    main = threading.current_thread() is threading.main_thread()
    numbers = (signal.SIGINT, signal.SIGTERM) if main else ()
    handlers = {number: signal.getsignal(number) for number in numbers}
    try:
        ray.init(address, log_to_driver=False, logging_level="error")
    except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        told = str(error).strip().splitlines()[0]
        raise ExecutorError(f"no Ray cluster answers at {address} ({told})") from None
    finally:
        for number, handler in handlers.items():  # Ray takes some of them
            signal.signal(number, handler)
