"""A group's program, compiled, and an experiment's rules as numbers."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from gdexp import problems
from gdexp.base import Reason
from gdexp.descent import Rules
from gdexp.experiment import Experiment
from gdexp.lanes import Pace
from gdexp.plan import Group
from gdexp.refill import Log, Queue, Work

QUEUE = 16  # times as many runs as lanes wait on the device


def rules(experiment: Experiment, group: Group) -> Rules:
    """What the runs of a group share, as numbers."""
    stop, dtype = experiment.stop, np.dtype(experiment.dtype).type
    tolerance = stop.grad_tol if stop.grad_tol > 0 else -1
    return Rules(
        numbers=group.defaults.astype(dtype),
        seed=words(np.int64(experiment.seed)),
        max_steps=np.int32(stop.max_steps),
        grad_tol=dtype(tolerance),
        squares=clear(dtype, tolerance),
        f_tol=None if not stop.f_tol else dtype(stop.f_tol),
        escape_radius=dtype(stop.escape_radius),
        max_value=None if stop.max_value is None else dtype(stop.max_value),
        targets=experiment.sign * np.asarray(stop.targets, dtype),
        table=(),
        rows=group.objective.rows(dtype),
    )


def numbers_of(words: np.ndarray) -> np.ndarray:
    """Whole numbers [...] from their words [..., 2]: the inverse of `words`."""
    high, low = np.moveaxis(words.astype(np.int64), -1, 0)
    return high << 32 | low


def words(number: np.ndarray) -> np.ndarray:
    """Whole numbers [...] as two 32-bit words each [..., 2], the high one first."""
    return np.stack([number >> 32, number & 0xFFFFFFFF], axis=-1).astype(np.uint32)


def clear(dtype: type[np.floating], tolerance: float) -> tuple[np.floating, np.floating]:
    """Above which and up to which a sum of squares tells by itself that its root exceeds
    `tolerance`: with a margin for rounding, and where no term of it overflows or is lost.
    """
    limits = np.finfo(dtype)
    low, high = -1.0, float(limits.max) / 2
    if tolerance >= 0:
        lost = 2.0 ** (limits.minexp + 2 * limits.nmant)
        low = min(max(lost, tolerance**2 * (1 + 64 * float(limits.eps))), high)
    return dtype(low), dtype(high)


@dataclasses.dataclass(frozen=True)
class Program:
    """A group's program, compiled for each device."""

    group: Group
    lanes: int
    rules: Rules
    blank: Work  # idle lanes: the first turns fill them
    digest: str  # sha256 of the lowered program
    compiled: dict[jax.Device, Callable[..., Work]]  # lanes.advance of a queue, work and a pace
    periods: Callable[..., jax.Array]  # lanes.periods
    compile_seconds: float

    @property
    def steps(self) -> np.int32:
        """Updates between two looks at the lanes."""
        return problems.steps(self.group)

    @property
    def looks_at_all(self) -> bool:
        """Whether runs learn from batches: a look then evaluates where they are."""
        return self.group.batch_size is not None

    @property
    def rows(self) -> int:
        """How many runs a queue holds."""
        return QUEUE * self.lanes

    def on(self, device: jax.Device) -> tuple[Callable[[Queue, Work, Pace], Work], Work]:
        """The program as a function of queue, work and pace, and work to begin with.

        The work that it is given is used up.
        """
        # numpy is copied to the device by the first call; a random key has to be copied here
        blank = jax.tree.map(
            lambda a: a if isinstance(a, np.ndarray | np.generic) else jnp.array(a, copy=True),
            self.blank,
        )
        return self.compiled[device], blank

    def queue(self, runs: np.ndarray) -> Queue:
        """The runs with the global numbers `runs` [N], padded, as numpy."""
        return queue_of(self.group, runs, self.rows, self.rules.grad_tol.dtype)

    def settled(self, log: Log) -> Log:
        """A log with periods in the place of when a state was kept.

        A state that came back without having gone anywhere is no cycle: such a run is stalled.
        """
        came_back = np.flatnonzero(log.run.reason == Reason.CYCLE)
        if not len(came_back):
            return log
        run, span = log.run, log.run.steps - log.run.past
        period = span.copy()
        # side by side those that take about as long: all wait for the longest
        far = came_back[span[came_back] > 1]
        far = far[np.argsort(span[far], kind="stable")]
        numbers = self.group.numbers(numbers_of(log.number[far])).astype(run.x.dtype)
        for first in range(0, len(far), self.lanes):
            rows = far[first : first + self.lanes]
            some = run.x[rows], jax.tree.map(lambda a, rows=rows: a[rows], run.state)
            held = numbers[first : first + self.lanes]
            orbits = (*some, held, log.number[rows], span[rows])
            padded = jax.tree.map(lambda a: _padded(a, self.lanes), orbits)
            period[rows] = np.asarray(self.periods(self.rules, *padded))[: len(rows)]
        reason = run.reason.copy()
        reason[came_back[period[came_back] == 1]] = Reason.NO_PROGRESS
        return log._replace(run=run._replace(reason=reason, past=period))


def lane_count(platform: str, group: Group) -> int:
    """The lanes a device advances together: a fixed rule of its kind and the program's size.

    On CPU 1,024 lanes of a small problem stay in one core's cache; a run that holds more numbers
    than that leaves room for gets fewer lanes, so that the batch keeps its size, but never fewer
    than two vectors of 16. M useful steps a second on two cores by lanes, medians of 5 interleaved
    rounds:

                            256   512  1024  2048  4096
        paraboloid, sgd     749   970  1031   910   731
        two_wells, sgd      117   173   221   216   201
        rastrigin, sgd      241   357   332   327   293
        paraboloid, adam    384   427   420   287   349

    and, best of 4 (rosenbrock in D dimensions):

                               16    32    64   128   256   512
        D = 100, sgd                     20.9  22.1  24.1  18.0
        D = 100, adam                     9.6  10.7  10.6   9.5
        D = 1000, sgd         0.8   2.2   2.0   1.8
        D = 1000, adam        0.4   1.0   0.9   0.8

    A model's examples count as well, and fill vectors by themselves, so that few lanes do.
    Thousand steps a second by lanes, of a network 64-32-10 (D = 2,410) on 1,437 digits:

                                 8    16    32    64
        all examples           3.1   2.9   1.9   2.0
        batches of 32           49    49    38    29

    Accelerators need many more to fill: that figure is an estimate, none was at hand.
    """
    examples = sum(rows.size for rows in group.objective.rows(np.float32))
    words = 4 * group.space.dim + len(group.names) + 16 + examples
    room, most = (2**16, 2**10) if platform == "cpu" else (2**23, 2**17)
    least = 8 if group.objective.count else 32
    return 2 ** int(math.log2(min(most, max(least, room // words))))


def queue_of(group: Group, runs: np.ndarray, rows: int, dtype: np.dtype) -> Queue:
    """The runs with the global numbers `runs` [N], padded to `rows`, as numpy."""
    with np.errstate(over="ignore"):  # a start beyond float32 is infinite: an invalid start
        filled = (
            group.points(runs).astype(dtype),
            group.numbers(runs).astype(dtype),
            words(runs),
        )
    return Queue(*(_padded(a, rows) for a in filled), np.int32(0), np.int32(len(runs)))


def _padded(rows: np.ndarray, count: int) -> np.ndarray:
    """`rows` [N, ...] and zeros up to `count`."""
    if len(rows) == count:
        return rows
    return np.concatenate([rows, np.zeros((count - len(rows), *rows.shape[1:]), rows.dtype)])
