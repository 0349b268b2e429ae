"""Where an objective's source begins: at a point, or at draws of an initialiser."""

import dataclasses

import numpy as np

from gdexp.base import UsageError, discover
from gdexp.starts import Initialiser, Start


@dataclasses.dataclass(frozen=True)
class Own(Start):
    """The objective's customary start; of a model `num` draws of its customary initialiser."""

    num: int = 1

    def count(self, space):
        return self.num

    def at(self, index, space, seed):
        if drawn := self._drawn(space):
            return drawn.at(index, space, seed)
        return np.broadcast_to(np.array(space.own), (len(index), space.dim))

    def check(self, space):
        if self.num > 1 and space.initialiser is None:
            raise UsageError(
                f"start.num={self.num}: this objective has one customary start; type start=uniform "
                f"start.num={self.num}"
            )

    def _drawn(self, space) -> Initialiser | None:
        if space.initialiser is None:
            return None
        return discover("gdexp.starts", Start)[space.initialiser](num=self.num)
