"""What a machine of a cluster does: it makes tiles, and sends back what comes of them.

A process makes many bundles of tiles, and compiles a program once. It compares itself with the
manifest as any process does that adds to a sweep: one that would come to other bits makes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import ray

from gdexp import environment, verify
from gdexp.base import Ends, UsageError
from gdexp.engine import Engine
from gdexp.experiment import Experiment
from gdexp.plan import Tile
from gdexp.results import Results

SAY_SECONDS = 0.5  # between two news, unless a tile is finished


class Setup(NamedTuple):
    """What a worker needs to know of a sweep, once."""

    key: str  # of this call of the sweep
    experiment: Experiment
    manifest: Mapping[str, Any]  # its programs, with what some runs come to; without tiles
    threads: int | None  # on CPU, how many share the work


class News(NamedTuple):
    """What comes of a bundle of tiles."""

    by: str  # the process
    reasons: np.ndarray  # [R] how many runs of the bundle have ended by each reason so far
    tile: Tile | None  # that is finished
    ends: Ends | None  # of its runs that were made


class Refusal(NamedTuple):
    """Why a worker makes nothing."""

    node: str  # the number that its machine has in the cluster
    by: str
    reasons: tuple[str, ...]


_engines: dict[str, Engine] = {}  # of the last sweep, by its key


def make(
    setup: Setup, tiles: Sequence[Tile], runs: Sequence[np.ndarray] | None
) -> Iterator[News | Refusal]:
    """Makes a bundle of tiles.

    Args:
      setup: of the sweep.
      tiles: the bundle.
      runs: for each tile which of its runs are wanted [M]; None: all.
    """
    place, said = environment.place(), time.monotonic()
    wanted = None if runs is None else dict(zip(tiles, runs, strict=True)).__getitem__
    try:
        for harvest in _engine(setup).run(tiles, wanted):
            if harvest.ends is not None or time.monotonic() - said > SAY_SECONDS:
                said = time.monotonic()
                yield News(place, harvest.reasons, harvest.tile, harvest.ends)
    except verify.NotTheSameError as error:
        yield Refusal(_node(), place, error.reasons)
    except UsageError as error:  # it has no such device
        yield Refusal(_node(), place, (str(error),))


def _node() -> str:
    return ray.get_runtime_context().get_node_id()


def _engine(setup: Setup) -> Engine:
    if setup.key not in _engines:
        _engines.clear()
        known = Results(
            directory=None,
            manifest=dict(setup.manifest),
            config=setup.experiment.config,
            experiment=setup.experiment,
        )
        engine = verify.trusted_engine(known)
        engine.threads = setup.threads
        _engines[setup.key] = engine
    return _engines[setup.key]
