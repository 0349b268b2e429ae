"""How f and the gradient go down, step by step: bands over many runs, and how many still descend.

A run that has ended keeps its last value, and one that diverged is worse than all others: no curve
loses the runs that failed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from gdexp.base import Ends, Outcome, Reason

QUANTILES = np.array([0.05, 0.25, 0.5, 0.75, 0.95])
PER_DECADE = 8  # steps at which curves are told
POOLED = b"pooled"  # in the metadata of curves.parquet


class Bands(NamedTuple):
    """Curves of P samples of runs at K steps."""

    alive: np.ndarray  # [K, P] the share still descending
    converged: np.ndarray  # [K, P]
    diverged: np.ndarray  # [K, P]
    f: np.ndarray  # [K, P, Q] quantiles: so large a share of runs is no worse
    grad_norm: np.ndarray  # [K, P, Q]


def log_spaced(most: int) -> np.ndarray:
    """Steps from 0 to `most`, evenly on a logarithmic scale."""
    count = max(2, int(np.ceil(PER_DECADE * np.log10(max(most, 2)))) + 1)
    return np.unique(np.append(0, np.rint(np.geomspace(1, max(most, 1), count)).astype(int)))


def bands(states: Ends, samples: int, sign: float) -> Bands:
    """The curves of samples of runs.

    Args:
      states: of the runs at K steps [K, N]; the runs of a sample stand together, each has N / P.
      samples: P.
      sign: −1 under maximisation, where the worst value is −∞.
    """
    steps = len(states.steps)
    reason = states.reason.reshape(steps, samples, -1)
    ended = np.array([r.outcome for r in Reason])[reason]
    lost = ended == Outcome.DIVERGED
    alive = (reason == Reason.RUNNING) | (reason == Reason.MAX_STEPS)

    def quantiles(values: np.ndarray, sign: float) -> np.ndarray:
        values = sign * values.reshape(reason.shape).astype(np.float64)
        values = np.sort(np.where(lost | np.isnan(values), np.inf, values), axis=-1)
        count = values.shape[-1]
        place = np.maximum(np.ceil(QUANTILES * count - 1e-9).astype(int) - 1, 0)
        return sign * values[..., place]

    return Bands(
        alive.mean(axis=-1),
        (ended == Outcome.CONVERGED).mean(axis=-1),
        lost.mean(axis=-1),
        quantiles(states.f, sign),
        quantiles(states.grad_norm, 1.0),
    )


def pooled(metadata: Mapping[bytes, bytes] | None) -> list[dict[str, Any]]:
    """The curves of each group as a whole, and of some of its learning rates over all other axes.

    As the metadata of curves.parquet tells them. Each has `objective`, `optimizer`, `learning_rate`
    (None: all that were sampled), `sample`, and lists by step: `step`, `alive`, `f_q05`, ..., in
    which None is infinite.
    """
    return json.loads((metadata or {}).get(POOLED, "[]"))
