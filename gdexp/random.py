"""Counter-based draws: the i-th value of a stream is a function of (seed, stream, i) alone."""

from __future__ import annotations

import zlib

import numpy as np

WORDS = 4  # 64-bit words that Philox4x64 makes per count


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
        if len(run)
    ]
    words = np.concatenate(raw).reshape(len(unique), blocks * WORDS)[:, :num]
    return (((words >> np.uint64(12)) + 0.5) * 2.0**-52)[inverse]


def _generator(seed: int, stream: str, count: int) -> np.random.Philox:
    key = np.array([seed, zlib.crc32(stream.encode())], np.uint64)
    return np.random.Philox(key=key, counter=np.array([count, 0, 0, 0], np.uint64))
