"""Follows single runs step by step, by the program that makes their ends.

Every lane descends up to a pause, is looked at, and goes on: the same program, so the same bits.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import jax
import numpy as np

from gdexp import logs
from gdexp.base import Ends, Path, Reason
from gdexp.lanes import Pace
from gdexp.refill import TURNED, Log, Work, told_of

# Reason -> 1 where the state kept is that before the last update, which gave something not finite
BROKEN = np.array(
    [Reason.NONFINITE_VALUE <= reason <= Reason.NONFINITE_POINT for reason in Reason], np.int32
)


def follow(
    program: Any, device: jax.Device, sign: float, runs: np.ndarray, steps: Iterable[int]
) -> Iterator[Path]:
    """The states of at most as many `runs` as there are lanes, at rising `steps`."""
    asked, place = np.unique(runs, return_inverse=True)
    states = states_of(program, device, sign, asked, steps)
    step = states.steps - BROKEN[states.reason]
    for run, i in zip(runs.tolist(), place.tolist(), strict=True):
        kept = np.flatnonzero(np.diff(step[:, i], prepend=-1))
        x, f, grad_norm = (a[kept, i] for a in (states.x, states.f, states.grad_norm))
        yield Path(run, step[kept, i], x, f, grad_norm, Reason(states.reason[-1, i]))


def states_of(
    program: Any, device: jax.Device, sign: float, runs: np.ndarray, steps: Iterable[int]
) -> Ends:
    """Where `runs`, in the order of their numbers, are after each of `steps` [K, N, ...].

    K is less than asked for where all have ended before; a run that has ended stays where it is.
    """
    records = list(_pauses(program, device, sign, runs, steps))
    return Ends(*(np.stack(parts) for parts in zip(*records, strict=True)))


def _pauses(
    program: Any, device: jax.Device, sign: float, runs: np.ndarray, steps: Iterable[int]
) -> Iterator[Ends]:
    """Where the `runs`, in the order of their numbers, are after each of `steps`, until all have
    ended; `steps` must go beyond the last that a run takes."""
    call, work = program.on(device)
    waiting, before = program.queue(runs), 0
    states: Ends | None = None
    for pause in steps:
        if states is not None and not (states.reason == Reason.RUNNING).any():
            return
        # turns that fill the lanes, and the steps
        looks = (0 if states else int(1 / TURNED)) + (pause - before) // program.steps + 2
        far = Pace(np.int32(looks), program.steps, np.int32(pause), np.bool_(False))
        arrived, before = False, pause
        while not arrived:
            # once there, a call more evaluates at the last point
            arrived = program.looks_at_all or _arrived(work, pause)
            work = call(waiting, work, far)
            waiting = waiting._replace(first=np.asarray(work.taken))
            arrived &= _arrived(work, pause)
            states = _updated(states, runs, *logs.ends_of(sign, program.settled(logs.ended(work))))
        states = _updated(states, runs, *logs.ends_of(sign, _held(work)))
        yield states


def _updated(states: Ends | None, runs: np.ndarray, which: np.ndarray, new: Ends) -> Ends:
    """A copy of `states` with the `new` ones of some runs."""
    if states is None:
        states = Ends(*(np.zeros((len(runs), *a.shape[1:]), a.dtype) for a in new))
    at = np.searchsorted(runs, which)
    changed = Ends(*(column.copy() for column in states))
    for column, part in zip(changed, new, strict=True):
        column[at] = part
    return changed


def _arrived(work: Work, pause: int) -> bool:
    """Whether all lanes with a run wait at the pause."""
    busy, reason, steps = (np.asarray(a) for a in (work.busy, work.run.reason, work.run.steps))
    return bool((~busy | ((reason == Reason.RUNNING) & (steps == pause))).all())


def _held(work: Work) -> Log:
    """The lanes that have a run, as if they had ended."""
    busy = np.flatnonzero(np.asarray(work.busy))
    return logs.rows_of(Log(work.task.number, told_of(work.run), len(busy)), busy)
