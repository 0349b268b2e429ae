"""Logs as numpy: the ends that they tell of, and those that are not yet to be told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jax
import numpy as np

from gdexp.base import Ends, Reason
from gdexp.program import numbers_of
from gdexp.refill import Log, Work

MOST_ORBITS = 2**14  # runs held back until their orbits are followed
MOST_PASSED = 2**15  # and others meanwhile: their tiles wait to be written


class Orbits:
    """Runs that came back to where they had been, until there are enough to see how they go round.

    A call to follow them, and to draw their numbers anew, costs little more for many than for few.
    """

    def __init__(self, program: Any):
        self._program = program
        self._held: list[Log] = []
        self._count = self._passed = 0
        self.added = 0  # by the last log

    def aside(self, work: Work) -> Log:
        """Holds back what the log tells of such runs, and returns what it tells of all others."""
        reason = _reasons(work)
        came_back = np.flatnonzero(reason == Reason.CYCLE)
        others = np.flatnonzero((reason != Reason.RUNNING) & (reason != Reason.CYCLE))
        if len(came_back):
            self._held.append(rows_of(work.log, came_back))
        self.added = len(came_back)
        self._count += self.added
        self._passed += len(others)
        # of these nobody asks where they had been
        return rows_of(work.log._replace(run=work.log.run._replace(past=None, state=None)), others)

    def are_many(self) -> bool:
        """Whether they should be held back no longer."""
        return self._count >= MOST_ORBITS or self._passed >= MOST_PASSED

    def settled(self) -> Iterator[Log]:
        """What is told of the runs held back."""
        if self._held:
            columns = jax.tree.map(
                lambda *parts: np.concatenate(parts), *(h[:2] for h in self._held)
            )
            yield self._program.settled(Log(*columns, self._count))
        self._held, self._count, self._passed = [], 0, 0


def ended(work: Work) -> Log:
    """The log as numpy, without rows that mean nothing."""
    return rows_of(work.log, np.flatnonzero(_reasons(work) != Reason.RUNNING))


def _reasons(work: Work) -> np.ndarray:
    return np.asarray(work.log.run.reason)[: int(work.log.count)]


def rows_of(log: Log, rows: np.ndarray) -> Log:
    """Some rows of a log, as numpy."""
    return Log(*jax.tree.map(lambda a: np.asarray(a)[rows], log[:2]), len(rows))


def ends_of(sign: float, log: Log) -> tuple[np.ndarray, Ends]:
    """Which runs a log tells of [N], and their ends, every NaN the same."""
    run = log.run
    ends = Ends(
        x=run.x,
        f0=sign * run.first,
        f=sign * run.value,
        f_best=sign * run.best,
        grad_norm=run.grad_norm,
        steps=run.steps,
        evaluations=run.steps + 1 + (0 if run.extra is None else run.extra),
        reason=run.reason,
        reached=run.reached,
        period=np.where(run.reason == Reason.CYCLE, 0 if run.past is None else run.past, 0),
    )
    for column in ends:
        if column.dtype.kind == "f":  # payloads differ between operations
            column[np.isnan(column)] = np.nan
    return numbers_of(log.number), ends
