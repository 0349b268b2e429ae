"""The words every room shares. Everything may import this; it imports nothing of gdexp.

Shape letters, used behind `#` everywhere:

    D  dimensions of a point          N  runs (of a tile, a group or a sweep)
    L  lanes of one device            P  numbers a run holds (learning rate, ...)
    T  targets of `stop.targets`      K  recorded steps of a path
"""

from __future__ import annotations

import dataclasses
import difflib
import enum
import importlib
import math
import pkgutil
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, NamedTuple


class UsageError(ValueError):
    """The user's words are wrong. The message is one short text that says what to type instead."""


class OutOfMemoryError(Exception):
    """A device's memory did not suffice, though it was expected to; the numbers, and what helps."""


class ExecutorError(Exception):
    """Nobody makes tiles, or whoever makes them is lost again and again; the message says why."""


def nearest(word: str, choices: Iterable[str]) -> str:
    """Returns `: did you mean X?` for the choice spelled most like `word`, or an empty text.

    Of choices that are about as near, the one of the same letters, then that of like length: adma
    is adam before it is adan or adamax.
    """
    found = difflib.get_close_matches(word, list(choices), n=4, cutoff=0.6)
    if not found:
        return ""
    likeness = {f: difflib.SequenceMatcher(None, word, f).ratio() for f in found}
    near = [f for f in found if likeness[f] > max(likeness.values()) - 0.06]
    best = min(near, key=lambda f: (sorted(f) != sorted(word), abs(len(f) - len(word))))
    return f": did you mean {best}?"


class Outcome(enum.StrEnum):
    """How a run ended."""

    CONVERGED = "converged"
    DIVERGED = "diverged"
    STALLED = "stalled"
    CYCLING = "cycling"
    UNFINISHED = "unfinished"


class Reason(enum.IntEnum):
    """Which test ended a run. The value is what lanes carry on the device; 0 is still running.

    The order is the order of the tests: the first that holds wins.
    """

    RUNNING = 0
    INVALID_START = 1
    NONFINITE_VALUE = 2
    NONFINITE_GRADIENT = 3
    NONFINITE_POINT = 4
    ESCAPED = 5
    GRAD_TOL = 6
    F_TOL = 7
    NO_PROGRESS = 8
    CYCLE = 9
    MAX_STEPS = 10

    @property
    def label(self) -> str:
        """The name that results carry: `grad_tol`, `escaped`, ..."""
        return self.name.lower()

    @property
    def outcome(self) -> Outcome | None:
        """The outcome this reason belongs to; None while running."""
        if self is Reason.RUNNING:
            return None
        if self <= Reason.ESCAPED:
            return Outcome.DIVERGED
        if self <= Reason.F_TOL:
            return Outcome.CONVERGED
        return {
            Reason.NO_PROGRESS: Outcome.STALLED,
            Reason.CYCLE: Outcome.CYCLING,
            Reason.MAX_STEPS: Outcome.UNFINISHED,
        }[self]


class Stationary(NamedTuple):
    """A fact about an objective: a point where its gradient is zero."""

    x: tuple[float, ...]  # [D]
    f: float  # value there, right to 1e-9
    kind: str  # minimum | saddle | maximum | degenerate
    published: str | None = None  # the value as the source prints it, e.g. "-1.0316"


@dataclasses.dataclass(frozen=True)
class Space:
    """Where an objective lives: what a start sampler may ask of it."""

    low: tuple[float, ...]  # [D]
    high: tuple[float, ...]  # [D]
    own: tuple[float, ...]  # [D] the customary starting point
    blocks: Mapping[str, tuple[int, ...]] = dataclasses.field(default_factory=dict)
    initialiser: str | None = None

    @property
    def dim(self) -> int:
        return len(self.own)

    def spans(self) -> dict[str, slice]:
        """Where in a point each block lies."""
        found: dict[str, slice] = {}
        end = 0
        for name, shape in self.blocks.items():
            block, first = name.partition(".")[0], end
            end += math.prod(shape)
            found[block] = slice(found[block].start if block in found else first, end)
        return found


@dataclasses.dataclass(frozen=True)
class Objective:
    """A scalar function to minimise, for one point, and what is known about it.

    A subclass is one file: a frozen dataclass whose fields are its card. A field with a float
    default is a number: it may be an axis of a sweep, and is a traced scalar when the program is
    built. Any other field (`dim`) is structure: it chooses the program.
    """

    formula: ClassVar[str]  # as a reader would write it
    source: ClassVar[str]  # where the formula and its facts come from
    dim: ClassVar[int]  # a field `dim: int = 2` instead where any dimension works
    min_dim: ClassVar[int] = 1
    batch_size: ClassVar[int | None] = None  # a field where there are examples; None: all
    initialiser: ClassVar[str | None] = None  # the start whose draws are customary, if there is one
    low: ClassVar[float | tuple[float, ...]] = -5.0  # the domain, per dimension or for all
    high: ClassVar[float | tuple[float, ...]] = 5.0

    def __call__(self, x: Any) -> Any:  # x [D] -> scalar
        """The value at `x` [D], in JAX operations."""
        raise NotImplementedError

    def rows(self, dtype: Any) -> tuple[Any, ...]:
        """The examples that it learns from: arrays [n, ...], real numbers as `dtype`; () if none.

        Of an objective that has some, `batch_size` tells how many an update learns from.
        """
        return ()

    @property
    def count(self) -> int:
        """How many examples there are."""
        return 0

    def value(self, x: Any, examples: Any) -> Any:
        """The value at `x` [D] for some of them, a `batches.Examples`."""
        return self(x)

    def measures(self, x: Any) -> dict[str, Any]:
        """What is told of a point [D] beside its value: of a model its accuracy, ..."""
        return {}

    def start(self) -> tuple[float, ...]:  # [D]
        """The customary starting point."""
        raise NotImplementedError

    def stationary(self) -> tuple[Stationary, ...]:
        """The stationary points known in closed form or to full precision."""
        return ()

    def blocks(self) -> dict[str, tuple[int, ...]]:
        """The arrays that a point [D] is made of, one after the other: `layer1.W` -> its shape.

        What stands before a dot is a block, whose arrays lie together and which may have a learning
        rate of its own. A matrix takes inputs to outputs: [inputs, outputs].
        """
        return {}

    @property
    def card(self) -> dict[str, Any]:
        """Its fields and their values."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}

    @property
    def numbers(self) -> dict[str, float]:
        """The numbers of this objective and their values: what a sweep may vary."""
        return numbers_of(self.card)

    def with_numbers(self, numbers: Mapping[str, Any]) -> Objective:
        """This objective with other numbers, which may be traced scalars."""
        return dataclasses.replace(self, **numbers)

    def space(self) -> Space:
        """The domain and the customary start, spelled out per dimension."""
        low, high = (
            tuple(float(v) for v in bound)
            if isinstance(bound, tuple)
            else (float(bound),) * self.dim
            for bound in (self.low, self.high)
        )
        own = tuple(float(v) for v in self.start())
        return Space(low, high, own, self.blocks(), self.initialiser)


def numbers_of(card: Mapping[str, Any]) -> dict[str, float]:
    """The entries of a card that are numbers (floats): those may be axes."""
    return {key: value for key, value in card.items() if isinstance(value, float)}


def card_of(cls: type) -> dict[str, Any]:
    """The card of a dataclass: its fields and their defaults."""
    return {
        field.name: field.default
        if field.default is not dataclasses.MISSING
        else field.default_factory()  # type: ignore[misc]
        for field in dataclasses.fields(cls)
    }


def discover(package: str, base: type) -> dict[str, type]:
    """The subclass of `base` in each file of `package`, under the file's name, sorted.

    Files whose name begins with an underscore are helpers and are passed over.
    """
    found = {}
    for module in pkgutil.iter_modules(importlib.import_module(package).__path__):
        if module.name.startswith("_"):
            continue
        loaded = importlib.import_module(f"{package}.{module.name}")
        classes = [
            value
            for value in vars(loaded).values()
            if isinstance(value, type)
            and issubclass(value, base)
            and value.__module__ == loaded.__name__
        ]
        if len(classes) != 1:
            raise TypeError(f"{loaded.__name__} must define one {base.__name__}")
        found[module.name] = classes[0]
    return dict(sorted(found.items()))


class Ends(NamedTuple):
    """How runs ended, in sweep order. Values are those of f itself, whatever the direction."""

    x: Any  # [N, D]
    f0: Any  # [N]
    f: Any  # [N]
    f_best: Any  # [N]
    grad_norm: Any  # [N]
    steps: Any  # [N] updates applied
    evaluations: Any  # [N] of f, with or without its gradient
    reason: Any  # [N] Reason; 0: not ended yet
    reached: Any  # [N, T] first step at each target, or −1
    period: Any  # [N] updates between two equal states; 0: none were found


class Path(NamedTuple):
    """Recorded states of one run, from its start to the last in which all was finite."""

    run: int
    step: Any  # [K]
    x: Any  # [K, D]
    f: Any  # [K]
    grad_norm: Any  # [K]
    reason: Reason

    @property
    def outcome(self) -> Outcome | None:
        """How the run ended."""
        return self.reason.outcome


class Shape(NamedTuple):
    """An objective about N points, float64."""

    x: Any  # [N, D] where Newton's method comes to from each
    f: Any  # [N] value there
    eigenvalues: Any  # [N, E] of the Hessian there, rising: all D, or the least and the largest
    scale: Any  # [N] the largest in size of those, there and where it began
    first: Any  # [N] length of the first step
    grad_norm: Any  # [N, 2] where it began, and there
