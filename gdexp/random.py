"""Counter-based draws: the i-th value of a stream is a function of (seed, stream, i) alone."""

from __future__ import annotations

import zlib

import numpy as np

WORDS = 4  # 64-bit words that Philox4x64 makes per count
BLOCK_WORDS = 2**15  # made at a time: they stay in the cache until they are numbers
STARTING = 2**12  # words that take less time than to set out from another place
MOST_BRIDGED = 2**22  # words between places, at most, that are drawn for nothing
MOST_STRETCHES = 16  # of consecutive points, drawn as they stand
LN2_HIGH, LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10  # sum: log(2); fdlibm


def uniforms(seed: int, stream: str, index: np.ndarray, num: int) -> np.ndarray:
    """`num` numbers in (0, 1), float64 [N, num], for each of `index` [N].

    Philox4x64-10 (Salmon et al., SC 2011) with the key (seed, crc32 of the stream's name); point i
    owns the words from i·num on, so neighbours and order do not matter. The upper 52 bits of a word
    w give (w + ½)/2⁵², which is never 0 nor 1: a logarithm or a normal quantile stays finite.
    """
    index, place = np.asarray(index, np.int64), None
    cuts = _cuts(index)
    reach = int(index.max()) - int(index.min()) + 1 if len(cuts) else 0
    if 0 < reach * num <= max(len(index) * num, min(STARTING * len(cuts), MOST_BRIDGED)):
        # many share a point, or lie near each other: draw each of a range once
        low = index.min()
        index, place, cuts = np.arange(low, index.max() + 1), index - low, ()
    elif len(cuts) >= MOST_STRETCHES:
        index, place = np.unique(index, return_inverse=True)
        cuts = _cuts(index)
    found = np.empty((len(index), num))
    for part, rows in zip(np.split(index, cuts), np.split(found, cuts), strict=True):
        _fill(rows, seed, stream, int(part[0]))
    return found if place is None else found.take(place, axis=0)


def _cuts(index: np.ndarray) -> np.ndarray:
    """Where `index` [N] does not go on with the next number."""
    return np.flatnonzero(np.diff(index) != 1) + 1


def _fill(rows: np.ndarray, seed: int, stream: str, first: int) -> None:
    """Writes the points from number `first` on into `rows` [N, num]."""
    count, num = rows.shape
    generator = _generator(seed, stream, first * num)
    step = max(1, BLOCK_WORDS // num)
    for block in (rows[at : at + step] for at in range(0, count, step)):
        words = generator.random_raw(block.size).reshape(block.shape)
        words >>= np.uint64(12)
        np.add(words, 0.5, out=block)
        block *= 2.0**-52


def spread(count: int, most: int) -> np.ndarray:
    """At most `most` of `count` places, one chosen at random in each of as many equal stretches."""
    edges = np.linspace(0, count, min(most, count) + 1).astype(np.int64)
    return np.random.default_rng(0).integers(edges[:-1], edges[1:])


def thinned(count: int, most: int) -> np.ndarray:
    """At most `most` of `count` places, evenly spread, first and last among them."""
    if count <= most:
        return np.arange(count)
    return np.unique(np.linspace(0, count - 1, most).round().astype(int))


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


def _generator(seed: int, stream: str, word: int) -> np.random.Philox:
    """A stream's generator, about to make the word with this number."""
    key = np.array([seed, zlib.crc32(stream.encode())], np.uint64)
    count, passed = divmod(word, WORDS)
    high, low = divmod(count, 2**64)
    generator = np.random.Philox(key=key, counter=np.array([low, high, 0, 0], np.uint64))
    generator.random_raw(passed)
    return generator
