"""Where tiles are made: the base of `executors`, frozen dataclasses whose fields are their cards.

Where a sweep runs is no part of what it is: neither its identity nor its bits know of it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np


@dataclasses.dataclass(frozen=True)
class Executor:
    """Something that makes tiles."""

    @property
    def words(self) -> str:
        """What selects it on a command line."""
        name = type(self).__module__.rpartition(".")[2]
        values = [(f.name, getattr(self, f.name), f.default) for f in dataclasses.fields(self)]
        given = [f"executor.{key}={value}" for key, value, usual in values if value != usual]
        return " ".join([f"executor={name}", *given])

    def check(self) -> None:
        """Raises UsageError if what it needs is not installed, or it cannot be used so."""

    def reach(self) -> None:
        """Raises UsageError if it does not answer; asked before anything is written, and JAX begun
        if that is possible."""

    def run(
        self,
        results: Any,
        engine: Any,
        tiles: Iterable[Any],
        wanted: Callable[[Any], np.ndarray] | None = None,
    ) -> Iterator[Any]:
        """Makes tiles, which come back in any order, with news between, as `stream.Harvest`s.

        Args:
          results: the results.Results that they are for, of which the manifest is begun.
          engine: its engine.Engine, on this machine.
          tiles: plan.Tiles to make; each is taken when its turn comes.
          wanted: from a tile to its runs that are to be made [M], rising; None: all.

        Raises:
          ExecutorError: nobody makes them.
          NotTheSameError: the runs would have other bits there than the manifest asks for.
        """
        raise NotImplementedError
