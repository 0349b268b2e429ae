"""The origin."""

import dataclasses

import numpy as np

from gdexp.starts import Start


@dataclasses.dataclass(frozen=True)
class Zeros(Start):
    """One start, where every coordinate is zero."""

    def count(self, space):
        return 1

    def at(self, index, space, seed):
        return np.zeros((len(index), space.dim))
