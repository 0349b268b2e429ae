"""A scrambled Sobol sequence: points that fill the box more evenly than chance."""

import dataclasses
import functools

import numpy as np

from gdexp.base import UsageError
from gdexp.starts import BoxStart

BITS = 30  # of a coordinate, and of a point's number
MOST_DIMENSIONS = 21201  # as many direction numbers as Joe & Kuo (2008) give


@dataclasses.dataclass(frozen=True)
class Sobol(BoxStart):
    """The first `num` points of a sequence scrambled by the seed; a power of 2 is best."""

    num: int = 128

    def at(self, index, space, seed):
        index = np.asarray(index, np.int64)
        origin, directions = _sequence(space.dim, seed, (self.num - 1).bit_length())
        gray = (index ^ (index >> 1)).astype(np.uint32)
        point = np.tile(origin, (len(index), 1))
        for bit, direction in enumerate(directions):
            point ^= (gray >> np.uint32(bit) & np.uint32(1))[:, None] * direction
        return self.scaled(point * 2.0**-BITS, space)

    def check(self, space):
        super().check(space)
        if self.num > 2**BITS or space.dim > MOST_DIMENSIONS:
            raise UsageError(
                f"start=sobol reaches {2**BITS} points in {MOST_DIMENSIONS} dimensions: "
                "type start=uniform"
            )


@functools.lru_cache(maxsize=4)
def _sequence(dim: int, seed: int, bits: int) -> tuple[np.ndarray, np.ndarray]:  # [D], [bits, D]
    """Point 0 of scipy's sequence and its direction numbers, in units of 2^−BITS.

    Point n is point 0 xor the directions at the bits of n's Gray code, n xor n/2 (Antonov and
    Saleev 1979). scipy walks there one by one; from the directions any point costs the same. They
    follow from the points 2^bit, whose Gray codes hold just that bit and the one below.
    """
    from scipy.stats import qmc

    sequence = qmc.Sobol(dim, scramble=True, bits=BITS, rng=np.random.default_rng(seed))
    points = [sequence.random()]
    for bit in range(bits):
        sequence.fast_forward(2**bit - sequence.num_generated)
        points.append(sequence.random())
    whole = (np.concatenate(points) * 2**BITS).astype(np.uint32)  # exact
    return whole[0], np.bitwise_xor.accumulate(whole[1:] ^ whole[0])
