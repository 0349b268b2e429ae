"""This process: all devices that it sees, and on CPU all cores."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from gdexp.executor import Executor

if TYPE_CHECKING:
    from gdexp.plan import Tile
    from gdexp.stream import Harvest


@dataclasses.dataclass(frozen=True)
class Local(Executor):
    """this process, with every device and core that it sees"""

    words = ""  # it is there without a word

    def run(
        self,
        results: Any,
        engine: Any,
        tiles: Iterable[Tile],
        wanted: Callable[[Tile], np.ndarray] | None = None,
    ) -> Iterator[Harvest]:
        return engine.run(tiles, wanted)
