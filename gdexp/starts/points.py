"""Points the user names."""

import dataclasses
import reprlib
from typing import Any

import numpy as np

from gdexp.base import UsageError
from gdexp.starts import Start

EXAMPLE = "start=points 'start.points=[[3,3],[-2,0]]'"


@dataclasses.dataclass(frozen=True)
class Points(Start):
    """`points`: a list of starts, each with as many numbers as the objective has dimensions."""

    points: Any = None  # [N, D]

    def count(self, space):
        return len(self.points)

    def at(self, index, space, seed):
        return np.asarray(self.points, np.float64)[index]

    def check(self, space):
        if self.points is None or not len(self.points):
            raise UsageError(f"start=points needs points: type {EXAMPLE}")
        for point in self.points:
            if np.shape(point) != (space.dim,):
                own = ",".join(f"{v:g}" for v in space.own)
                raise UsageError(
                    f"start.points: {reprlib.repr(np.asarray(point).tolist())} is not a point of "
                    f"{space.dim} numbers, which the objective takes: type start=points "
                    f"'start.points=[[{own}]]'"
                )
        if not np.isfinite(np.asarray(self.points, np.float64)).all():
            raise UsageError("start.points holds a number that is not finite")
