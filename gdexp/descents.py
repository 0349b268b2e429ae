"""Makes the tiles of a sweep that are missing, and stores each as soon as it is finished."""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import itemgetter

import numpy as np

from gdexp import claims, columns, commits, environment, memory
from gdexp.analysis.tally import GroupTally, Tally
from gdexp.commits import Commit
from gdexp.engine import Engine
from gdexp.plan import Tile
from gdexp.results import Results
from gdexp.stream import Harvest


class Descents:
    """What is done of a sweep, by this process and by others.

    Args:
      results: of the sweep; what is stored is told to its manifest.
      engine: of it.
      run: from tiles to what comes of them; None: the engine's.
      number: of the environment whose bits the tiles made here have; None: the sweep's own.

    Attributes:
      tally: what was counted of all runs that are stored.
      makers: part -> who made it, of those found that have the bits of this environment.
      done: the parts that are stored.
      made: how many runs were made here.
    """

    def __init__(
        self,
        results: Results,
        engine: Engine,
        run: Callable[[Iterable[Tile]], Iterator[Harvest]] | None = None,
        number: str | None = None,
    ):
        self.results, self.engine, self._run = results, engine, run or engine.run
        self._number = number
        self.tally = Tally(engine.plan, engine.experiment.sign, engine.experiment.stop.targets)
        self.makers: dict[int, str] = {}
        self.done: set[int] = set()
        self.made = 0

    def find(self, tiles: Iterable[Tile]) -> None:
        """Counts those of `tiles` that are stored already."""
        if self.results.directory is None:
            return
        missing = (tile for tile in tiles if tile.part not in self.done)
        identity = self.results.manifest["identity"]
        for tile, commit in commits.finished(self.results.directory, missing, identity):
            self._count(tile, commit, self.tally.blank(tile.group).from_plain(commit.tally))
            if commit.environment == self._number:
                self.makers[tile.part] = commit.by

    def make(self, tiles: Sequence[Tile], tell: Callable[[np.ndarray], None]) -> None:
        """Comes back when all of `tiles` are stored, by whomever.

        Those that another process is about to make are left to the last. What was stored stays when
        memory gives out, and the others are tried once more.

        Args:
          tiles: which.
          tell: is given how many runs have ended by each reason, several times a second.
        """
        again = failed = False
        while missing := [tile for tile in tiles if tile.part not in self.done]:
            try:
                self._make(missing, again, tell)
            except Exception as error:
                if not memory.exhausted(error):
                    raise
                if failed:
                    raise self.engine.out_of_memory() from error
                failed = True
            self.find(missing)
            again = True

    def _make(self, tiles: Iterable[Tile], every: bool, tell: Callable[[np.ndarray], None]) -> None:
        directory, before = self.results.directory, self.tally.reasons
        mine: set[int] = set()

        def opened() -> Iterator[Tile]:
            for tile in claims.opened(directory, tiles, every=every):
                mine.add(tile.part)
                yield tile

        try:
            for harvest in self._run(opened()):
                if harvest.ends is not None:
                    self._store(harvest)
                tell(before + harvest.reasons)
        finally:
            for part in mine - self.done:
                claims.leave(directory, part)

    def _store(self, harvest: Harvest) -> None:
        """Stores a finished tile and counts its runs."""
        tile, ends = harvest.tile, harvest.ends
        own = self.tally.blank(tile.group)
        own.add(tile.runs, ends)
        table = columns.run_table(self.engine.experiment, self.engine.plan, tile, ends)
        maker = commits.Maker(harvest.by or environment.place(), self._number)
        commit = commits.write(self.results, tile, table, own.to_plain(), maker)
        self._count(tile, commit, own.from_plain(commit.tally))
        claims.leave(self.results.directory, tile.part)
        self.made += tile.count

    def _count(self, tile: Tile, commit: Commit, tally: GroupTally) -> None:
        self.tally.groups[tile.group].merge(tally)
        bisect.insort(self.results.manifest["tiles"], commit.record, key=itemgetter("part"))
        self.done.add(tile.part)
