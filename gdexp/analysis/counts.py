"""How many runs ended how, at each point of a sweep's axes. Pure: from stored rows alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from gdexp.base import Outcome
from gdexp.plan import Group, Tile
from gdexp.random import spread

OUTCOMES = list(Outcome)
Tiles = Iterable[tuple[Group, Tile, Any]]  # a group, a tile of it, and its rows as an Arrow table


def places(column: Any, names: list[str]) -> np.ndarray:
    """A dictionary column [N] as places in `names`; −1 where it holds none of them."""
    column = column.combine_chunks()
    known = {name: i for i, name in enumerate(names)}
    place = np.array([known.get(name, -1) for name in column.dictionary.to_pylist()] + [-1])
    return place[np.asarray(column.indices.fill_null(len(place) - 1))]


def sampled(tiles: Tiles, most: int | None) -> Iterator[tuple[Group, np.ndarray, Any]]:
    """The group, runs [N] and rows of each tile, one after the other.

    Args:
      tiles: whole, those of a group together.
      most: runs of a group: of more a sample, the same of groups of one shape; None: all.
    """
    group, chosen = None, None
    for of, tile, table in tiles:
        if of is not group:
            group = of
            more = most is not None and of.count > most
            chosen = of.first + spread(of.count, most) if more else None
        if chosen is None:
            yield of, tile.runs, table
        else:
            low, high = np.searchsorted(chosen, (tile.first, tile.first + tile.count))
            yield of, chosen[low:high], table.take(chosen[low:high] - tile.first)


def outcomes(tiles: Tiles) -> dict[int, np.ndarray]:
    """Group -> how many runs had each outcome at each point of its axes [..., outcomes].

    Args:
      tiles: with the column `outcome`.
    """
    found: dict[int, np.ndarray] = {}
    for group, tile, table in tiles:
        axes = group.shape[:-2]
        flat = found.setdefault(group.index, np.zeros((*axes, len(OUTCOMES)), int)).reshape(-1)
        point = (tile.runs - group.first) // (group.starts * group.replicates)
        cell = point * len(OUTCOMES) + places(table["outcome"], OUTCOMES)
        flat += np.bincount(cell, minlength=len(flat))
    return found
