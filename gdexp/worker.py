"""A share of a sweep's tiles, made by one of any number of processes that see its folder."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from typing import NamedTuple

from gdexp import own_bits, store, verify
from gdexp.analysis.tally import outcome_counts
from gdexp.descents import Descents
from gdexp.results import Results
from gdexp.sinks import Status


class Share(NamedTuple):
    """What came of a share of a sweep's tiles."""

    tiles: int  # of the share
    made: int  # runs of them that were made here
    missing: int  # tiles of the whole sweep that nobody has made
    environment: str | None  # whose bits those made here have; None: the sweep's own


def work(
    results: Results,
    index: int,
    shares: int,
    tell: Callable[[Status], None],
    own: bool = False,
) -> Share:
    """Makes those tiles of a share that nobody has made.

    Every `shares`-th tile is of one share, as neighbours take about as long. A pair of objective
    and optimizer is begun once its program is found to be the manifest's, and to come to the bits
    that are recorded there or stored.

    Args:
      results: of a sweep, in its folder.
      index: which share, from 0.
      shares: how many there are.
      tell: is told how far the share is, several times a second.
      own: whether tiles may have bits of their own, marked so, where they would come to others.

    Raises:
      UsageError: the config is not the one that the sweep began with.
      NotTheSameError: runs would have other bits here, or have.
    """
    store.refuse_links(results.directory)
    engine, environment = (
        own_bits.engine(results) if own else (verify.trusted_engine(results), None)
    )
    number = environment and environment.number
    if environment:
        own_bits.keep(results.directory, environment)
    tiles = list(results.plan.tiles())
    mine = [tile for tile in tiles if tile.part % shares == index]
    descents = Descents(results, engine, number=number)
    descents.find(mine)
    began, total = time.perf_counter(), sum(tile.count for tile in mine)

    def told(reasons):
        seconds, counts = time.perf_counter() - began, outcome_counts(reasons)
        tell(Status(int(reasons.sum()), total, seconds, counts))

    for group, some in itertools.groupby(mine, lambda tile: tile.group):
        if missing := [tile for tile in some if tile.part not in descents.done]:
            same = [tile for tile in tiles if tile.group == group]
            own_bits.try_one(results, engine, same, number)
            descents.make(missing, told)
    missing = [t for t in tiles if not store.has_record(results.directory, t.part)]
    return Share(len(mine), descents.made, len(missing), number)
