"""Keeps every worker's lanes full, and puts the runs together again into tiles.

A worker is a thread with a device; on CPU as many share one as there are cores. Each takes blocks
of runs from the tiles that wait, prepares the next block while the device descends the last, and
hands on what ended, in whatever order that is.
"""

from __future__ import annotations

import contextlib
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import jax
import numpy as np

from gdexp.base import Ends, Reason
from gdexp.lanes import Pace
from gdexp.logs import Orbits, ends_of
from gdexp.plan import Tile
from gdexp.refill import Log

CALL_SECONDS = 0.2  # of one device call: signals are only seen between calls
RAMP = 8  # times as long as the last, at most, is a call: nobody knows yet what a step takes
SWITCH_SECONDS = 5e-4  # of Python's threads; 5 ms unless told, longer than many a device call
WAITING = 16  # logs that workers have handed on and nobody has taken yet
FOREVER = np.int32(2**31 - 1)


class Harvest(NamedTuple):
    """What comes out of the engine: news, and now and then a finished tile."""

    reasons: np.ndarray  # [R] how many runs have ended by each reason so far
    tile: Tile | None
    ends: Ends | None  # of the tile's runs that were made: numpy, [M, ...]
    by: str | None = None  # the process that made it; None: this one


class Block(NamedTuple):
    """The runs that a worker takes at a time: a part of a tile."""

    group: int
    runs: np.ndarray  # [N] global numbers


class Feed:
    """The blocks of the tiles that wait, for several threads."""

    def __init__(self, tiles: Iterable[Tile], opened: Callable[[Tile], np.ndarray], most):
        self._lock = threading.Lock()
        self._blocks = self._cut(tiles, opened, most)
        self._next = next(self._blocks, None)

    def take(self, group: int | None = None) -> Block | None:
        """The next block, if there is one, and if it is of `group` where that matters."""
        with self._lock:
            block = self._next
            if block is None or group not in (None, block.group):
                return None
            self._next = next(self._blocks, None)
            return block

    @staticmethod
    def _cut(tiles, opened, most) -> Iterator[Block]:
        for tile in tiles:
            runs = opened(tile)
            size = most(tile)
            for first in range(0, len(runs), size):
                yield Block(tile.group, runs[first : first + size])


class Tiles:
    """The tiles that are open: what has ended of each so far.

    Args:
      wanted: from a tile to its runs that are to be made, rising.
    """

    def __init__(self, wanted: Callable[[Tile], np.ndarray]):
        self._wanted = wanted
        # first run -> tile, its runs, [ends, how many are missing]
        self._open: dict[int, tuple[Tile, np.ndarray, list[Any]]] = {}

    def open(self, tile: Tile) -> np.ndarray:
        """Waits for the runs of a tile [M], which are returned."""
        runs = self._wanted(tile)
        self._open[tile.first] = (tile, runs, [None, len(runs)])
        return runs

    def add(self, runs: np.ndarray, ends: Ends) -> Iterator[tuple[Tile, Ends]]:
        """Takes the ends of `runs` [N], and yields the tiles that this completes."""
        for tile, wanted, kept in list(self._open.values()):
            place = runs - tile.first
            here = np.flatnonzero((place >= 0) & (place < tile.count))
            if not len(here):
                continue
            if kept[0] is None:
                kept[0] = Ends(*(np.empty((len(wanted), *a.shape[1:]), a.dtype) for a in ends))
            mine: Any = here if len(here) < len(runs) else slice(None)  # all: nothing is copied
            at = place[mine]
            if len(wanted) < tile.count:
                at = np.searchsorted(wanted, runs[mine])
            for whole, part in zip(kept[0], ends, strict=True):
                whole[at] = part[mine]
            kept[1] -= len(here)
            if kept[1] == 0:
                del self._open[tile.first]
                yield tile, kept[0]
            if len(here) == len(runs):
                return


def run(
    tiles: Iterable[Tile],
    devices: list[jax.Device],
    program: Callable[[int], Any],
    sign: float,
    settings: Callable[[], contextlib.AbstractContextManager],
    wanted: Callable[[Tile], np.ndarray],
) -> Iterator[Harvest]:
    """Descends all runs of `tiles` on a worker for each of `devices`.

    Args:
      tiles: what to descend; no two have a run in common.
      devices: one device a worker; a device may be named several times.
      program: from a group's index to its compiled program.
      sign: −1 under maximisation.
      settings: JAX's settings for a thread.
      wanted: from a tile to its runs that are to be made [M], rising, at least one.

    Yields:
      What has ended so far after each device call, and each tile once it is finished.
    """
    open_tiles = Tiles(wanted)

    def most(tile: Tile) -> int:  # runs of a block: some for each worker, where there are enough
        made = program(tile.group)
        return min(made.rows, max(made.lanes, -(-tile.count // (2 * len(devices)))))

    feed = Feed(tiles, open_tiles.open, most)
    reasons, interval = np.zeros(len(Reason), int), sys.getswitchinterval()
    sys.setswitchinterval(min(interval, SWITCH_SECONDS))
    crew = Crew(feed, devices, program, settings)
    try:
        for log in crew.logs():
            runs, ends = ends_of(sign, log)
            reasons = reasons + np.bincount(ends.reason, minlength=len(Reason))
            finished = list(open_tiles.add(runs, ends))
            for tile, whole in finished or [(None, None)]:
                yield Harvest(reasons, tile, whole)
    finally:
        crew.dismiss()
        sys.setswitchinterval(interval)


class Crew:
    """The workers of a sweep, and what they hand on."""

    def __init__(self, feed: Feed, devices: list[jax.Device], program, settings):
        self._feed, self._program, self._settings = feed, program, settings
        self._stop, self._news = threading.Event(), queue.Queue(WAITING)
        self._threads = [
            threading.Thread(target=self._work, args=(d,), daemon=True) for d in devices
        ]
        for thread in self._threads:
            thread.start()

    def logs(self) -> Iterator[Log]:
        """What has ended, call by call, until every worker is done; raises what a worker raised."""
        busy = len(self._threads)
        while busy:
            try:
                news = self._news.get(timeout=0.5)  # without a limit Windows sees no Ctrl-C
            except queue.Empty:
                continue
            if isinstance(news, BaseException):
                raise news
            if news is None:
                busy -= 1
            else:
                yield news

    def dismiss(self) -> None:
        """Stops the workers, at the end of the calls that they are in."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _work(self, device: jax.Device) -> None:
        try:
            with self._settings():
                while block := self._feed.take():
                    for log in _descend(self._program(block.group), device, self._feed, block):
                        if not self._tell(log):
                            return
            self._tell(None)
        except BaseException as error:  # raised again in the thread that takes the logs
            self._tell(error)

    def _tell(self, news: Log | BaseException | None) -> bool:
        """Hands something on; False when the workers are to stop."""
        while not self._stop.is_set():
            with contextlib.suppress(queue.Full):
                self._news.put(news, timeout=0.5)
                return True
        return False


def _descend(program: Any, device: jax.Device, feed: Feed, block: Block) -> Iterator[Log]:
    """Descends `block`, and what else the feed has of its group, in calls of about CALL_SECONDS."""
    call, work = program.on(device)
    waiting, after = program.queue(block.runs), feed.take(block.group)
    running, looks, ahead = len(block.runs), 1, None
    orbits = Orbits(program)
    while True:
        began = time.perf_counter()
        work = call(
            waiting,
            work,
            Pace(np.int32(looks), program.steps, FOREVER, np.bool_(after is not None)),
        )
        if after is not None and ahead is None:  # while the device is at work
            ahead = program.queue(after.runs)
        left = int(work.looks)  # waits for the device
        spent = (time.perf_counter() - began) / max(1, looks - left)
        looks = max(1, min(RAMP * looks, int(CALL_SECONDS / spent)))
        log = orbits.aside(work)
        running -= log.count + orbits.added
        yield log
        if orbits.are_many():
            yield from orbits.settled()
        taken = work.taken.item()
        if taken < waiting.count or ahead is None:
            waiting = waiting._replace(first=np.int32(taken))
        else:
            running += len(after.runs)
            waiting, ahead, after = ahead, None, feed.take(block.group)
        if not running:
            yield from orbits.settled()
            return
