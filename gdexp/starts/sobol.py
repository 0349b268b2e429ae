"""A scrambled Sobol sequence: points that fill the box more evenly than chance."""

import dataclasses

import numpy as np

from gdexp.base import UsageError
from gdexp.starts import BoxStart

MOST_POINTS = 2**30  # scipy's sequence has 30 bits
MOST_DIMENSIONS = 21201  # as many direction numbers as Joe & Kuo (2008) give


@dataclasses.dataclass(frozen=True)
class Sobol(BoxStart):
    """The first `num` points of a sequence scrambled by the seed; a power of 2 is best."""

    num: int = 128

    def at(self, index, space, seed):
        from scipy.stats import qmc

        index = np.asarray(index, np.int64)
        first, last = int(index.min()), int(index.max())
        sequence = qmc.Sobol(space.dim, scramble=True, rng=np.random.default_rng(seed))
        if first:
            sequence.fast_forward(first)  # 2 ns a point
        return self.scaled(sequence.random(last - first + 1)[index - first], space)

    def check(self, space):
        super().check(space)
        if self.num > MOST_POINTS or space.dim > MOST_DIMENSIONS:
            raise UsageError(
                f"start=sobol reaches {MOST_POINTS} points in {MOST_DIMENSIONS} dimensions: "
                "type start=uniform"
            )
