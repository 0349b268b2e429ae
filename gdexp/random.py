"""Counter-based draws: the i-th value of a stream is a function of (seed, stream, i) alone."""

from __future__ import annotations

import zlib

import numpy as np

WORDS = 4  # 64-bit words that Philox4x64 makes per count
LN2_HIGH, LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10  # sum: log(2); fdlibm


def uniforms(seed: int, stream: str, index: np.ndarray, num: int) -> np.ndarray:
    """`num` numbers in (0, 1), float64 [N, num], for each of `index` [N].

    Philox4x64-10 (Salmon et al., SC 2011) with the key (seed, crc32 of the stream's name); point i
    owns a fixed block of counts, so neighbours and order do not matter. The upper 52 bits of a word
    w give (w + ½)/2⁵², which is never 0 nor 1: a logarithm or a normal quantile stays finite.
    """
    blocks = -(-num // WORDS)
    unique, inverse = np.unique(np.asarray(index, np.int64), return_inverse=True)
    breaks = np.flatnonzero(np.diff(unique) != 1) + 1
    raw = [
        _generator(seed, stream, int(run[0]) * blocks).random_raw(len(run) * blocks * WORDS)
        for run in np.split(unique, breaks)
    ]
    words = np.concatenate(raw).reshape(len(unique), blocks * WORDS)[:, :num]
    return (((words >> np.uint64(12)) + 0.5) * 2.0**-52)[inverse]


def exp(x: np.ndarray) -> np.ndarray:
    """e^x [N] to a relative 1e-15, by operations that round alike on every machine.

    `np.exp` does not: the CPU's vector instructions decide the last bit of 1 value in 20, and a
    value that a run draws must be the same wherever it is drawn again.
    """
    doublings = np.rint(x * 1.4426950408889634)  # 1/log(2)
    rest = (x - doublings * LN2_HIGH) - doublings * LN2_LOW  # at most log(2)/2
    series = np.ones_like(rest)
    for n in range(14, 0, -1):
        series = 1 + series * (rest / n)
    return np.ldexp(series, doublings.astype(np.int32))


def _generator(seed: int, stream: str, count: int) -> np.random.Philox:
    key = np.array([seed, zlib.crc32(stream.encode())], np.uint64)
    high, low = divmod(count, 2**64)
    return np.random.Philox(key=key, counter=np.array([low, high, 0, 0], np.uint64))
