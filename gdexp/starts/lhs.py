"""A Latin hypercube: every coordinate visits each of `num` equal slices exactly once."""

import dataclasses
import functools

import numpy as np

from gdexp.base import UsageError
from gdexp.starts import BoxStart

MOST_NUMBERS = 2**26  # num x D: the design is one joint draw, held in memory (8 bytes a number)


@dataclasses.dataclass(frozen=True)
class Lhs(BoxStart):
    """`num` starts of one Latin hypercube drawn from the seed (McKay, Beckman, Conover 1979)."""

    def at(self, index, space, seed):
        return self.scaled(_design(self.num, space.dim, seed)[index], space)

    def check(self, space):
        super().check(space)
        if self.num * space.dim > MOST_NUMBERS:
            raise UsageError(
                f"start=lhs is drawn as a whole and holds at most {MOST_NUMBERS} numbers "
                f"(start.num times dimensions): lower start.num, or type start=sobol"
            )


@functools.lru_cache(maxsize=2)
def _design(num: int, dim: int, seed: int) -> np.ndarray:  # [num, D]
    from scipy.stats import qmc

    return qmc.LatinHypercube(dim, rng=np.random.default_rng(seed)).random(num)
