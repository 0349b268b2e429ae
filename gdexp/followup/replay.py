"""Single runs of a sweep again, every step of them, with the bits that were stored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from gdexp.base import Outcome, Path
from gdexp.engine import Engine
from gdexp.paths import BROKEN


class Replay(NamedTuple):
    """One descent, step by step, and whether it ends on the bits that the sweep stored."""

    run: int
    step: np.ndarray  # [K] 0, 1, ...
    x: np.ndarray  # [K, D]
    f: np.ndarray  # [K]
    grad_norm: np.ndarray  # [K]
    update: np.ndarray  # [K, D] added to the point by the step that follows; NaN at the end
    outcome: Outcome
    reason: str
    differs: tuple[str, ...]  # columns of the stored row that have other bits

    @property
    def same_bits(self) -> bool:
        """Whether it ends as it was stored."""
        return not self.differs


def replay(
    engine: Engine, runs: Sequence[int], stored: Sequence[Mapping[str, Any]]
) -> Iterator[Replay]:
    """Descends some runs again.

    Args:
      engine: of the sweep, with its lanes.
      runs: their numbers.
      stored: their rows, of whatever columns were kept, in the same order.
    """
    rows = dict(zip(runs, stored, strict=True))
    for path in engine.trace(runs, 1):
        update = np.full_like(path.x, np.nan)
        update[:-1] = np.diff(path.x, axis=0)
        yield Replay(
            path.run,
            path.step,
            path.x,
            path.f,
            path.grad_norm,
            update,
            path.outcome,
            path.reason.label,
            tuple(_differing(path, rows[path.run])),
        )


def _differing(path: Path, row: Mapping[str, Any]) -> Iterator[str]:
    """The columns whose bits are not those of the end of a path."""
    end = {
        "x0": path.x[0],
        "x": path.x[-1],
        "f0": path.f[0],
        "f": path.f[-1],
        "grad_norm": path.grad_norm[-1],
        "steps": np.int32(path.step[-1] + BROKEN[path.reason]),
        "outcome": str(path.outcome),
        "reason": path.reason.label,
    }
    for name, value in end.items():
        if name not in row:
            continue
        if isinstance(value, str):
            same = row[name] == value
        else:
            same = np.asarray(row[name], value.dtype).tobytes() == value.tobytes()
        if not same:
            yield name
