"""A regular grid: every cell of the box gives its centre."""

import dataclasses

import numpy as np

from gdexp.starts import BoxStart


@dataclasses.dataclass(frozen=True)
class Grid(BoxStart):
    """`num` cells per dimension, numᴰ starts, the last coordinate fastest.

    Centres, not corners: a corner of a domain is often special (a symmetry axis, a pole), and
    cells of equal size make shares of runs shares of area.
    """

    num: int = 16

    def count(self, space):
        return self.num**space.dim

    def axes(self, space):
        centres = (np.arange(self.num) + 0.5) / self.num
        along = self.scaled(np.repeat(centres[:, None], space.dim, axis=1), space)
        return {f"x0_{i}": along[:, i] for i in range(space.dim)}

    def at(self, index, space, seed):
        places = self.num ** np.arange(space.dim - 1, -1, -1, dtype=np.int64)
        cell = (np.asarray(index, np.int64)[:, None] // places) % self.num  # [N, D]
        return self.scaled((cell + 0.5) / self.num, space)
