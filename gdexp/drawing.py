"""What a figure shows, whatever draws it: marks over two axes, in words and numbers.

A kind of figure (`figures/`) makes a `Drawing`; `rendering/` has one file for each library that
draws one. So the report, a notebook, a PNG file and Weights & Biases show the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from gdexp.base import Outcome

# Okabe and Ito's colours, which colour-blind people tell apart (jfly.uni-koeln.de/color, 2008)
BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
YELLOW, BLUE, VERMILION, PURPLE = "#F0E442", "#0072B2", "#D55E00", "#CC79A7"
GREY = "#8A8A8A"
SERIES = (BLUE, ORANGE, GREEN, PURPLE, VERMILION, SKY, YELLOW)
OUTCOME_COLOURS = {
    Outcome.CONVERGED: GREEN,
    Outcome.DIVERGED: VERMILION,
    Outcome.STALLED: PURPLE,
    Outcome.CYCLING: BLUE,
    Outcome.UNFINISHED: ORANGE,
}


class Axis(NamedTuple):
    """One of the two axes."""

    label: str
    log: bool = False
    range: tuple[float, float] | None = None  # of what is shown; None: all of it
    names: tuple[str, ...] | None = None  # of the places 0, 1, …: bars stand there


class Line(NamedTuple):
    """Points joined by a line, or left apart."""

    x: np.ndarray  # [n]
    y: np.ndarray  # [n]
    name: str = ""  # in the legend; "": it is not there
    colour: str = BLUE
    dash: str = "solid"
    width: float = 1.5  # 0: points alone
    symbol: str = ""  # circle, cross, star or open; "": no points
    size: float = 6.0
    told: Sequence[str] | None = None  # [n] what is told of a point that is pointed at
    arrow: bool = False  # whether its direction is shown


class Band(NamedTuple):
    """What lies between two lines."""

    x: np.ndarray  # [n]
    low: np.ndarray  # [n]
    high: np.ndarray  # [n]
    name: str = ""
    colour: str = BLUE


class Cells(NamedTuple):
    """A map: a colour for each place of a lattice."""

    x: np.ndarray  # [X] centres
    y: np.ndarray  # [Y]
    value: np.ndarray  # [Y, X]; of names their places, −1 for none; NaN for no number
    label: str
    names: tuple[str, ...] | None = None  # what whole numbers stand for; None: they are amounts
    colours: tuple[str, ...] = ()  # of the names
    log: bool = False  # whether colours follow the logarithm of amounts


class Contours(NamedTuple):
    """The level lines of a surface, in grey, over cells and behind all else."""

    x: np.ndarray  # [X]
    y: np.ndarray  # [Y]
    value: np.ndarray  # [Y, X]; the levels are even in it


class Bars(NamedTuple):
    """Bars at places of an axis of names, each with its interval."""

    value: np.ndarray  # [n]
    low: np.ndarray | None = None  # [n]
    high: np.ndarray | None = None
    name: str = ""
    colour: str = BLUE
    base: np.ndarray | None = None  # [n] where each begins; None: at zero


class Rule(NamedTuple):
    """A straight line across, at a place of the x axis."""

    at: float
    label: str
    colour: str = BLACK
    dash: str = "dash"


Mark = Line | Band | Cells | Contours | Bars | Rule


class Drawing(NamedTuple):
    """A figure."""

    title: str
    told: str  # what it shows and what was left out, in a sentence or two
    x: Axis
    y: Axis
    marks: tuple[Mark, ...]
    data: pa.Table  # its numbers, for those who want these
    equal: bool = False  # whether a step is as long along both axes: what is across stays across
    frames: tuple[tuple[Mark, ...], ...] = ()  # of an animation: what takes the last marks' places
    steps: tuple[str, ...] = ()  # what each frame is called


def colour_of(outcome: Any) -> str:
    """The colour of an outcome, given by its name."""
    return OUTCOME_COLOURS[Outcome(str(outcome))]


def series(place: int) -> str:
    """The colour of one of several things that have none of their own."""
    return SERIES[place % len(SERIES)]


def finite(values: Any) -> np.ndarray:
    """Numbers with NaN for what is not finite: no library draws an infinity."""
    found = np.asarray(values, np.float64)
    return np.where(np.isfinite(found), found, np.nan)
