"""Independent points from a normal distribution."""

import dataclasses

from gdexp.base import UsageError
from gdexp.random import uniforms
from gdexp.starts import Start


@dataclasses.dataclass(frozen=True)
class Normal(Start):
    """`num` independent starts; every coordinate has the mean `mean` and the deviation `std`."""

    num: int = 100
    mean: float = 0.0
    std: float = 1.0

    def count(self, space):
        return self.num

    def at(self, index, space, seed):
        from scipy.special import ndtri  # the normal quantile; imported only where it is used

        return self.mean + self.std * ndtri(uniforms(seed, "start", index, space.dim))

    def check(self, space):
        if self.std < 0:
            raise UsageError(f"start.std={self.std} is negative: type start.std=1")
