"""A drawing as a matplotlib figure: for PNG, SVG and GIF files. matplotlib is an extra."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np

from gdexp.base import UsageError
from gdexp.drawing import Axis, Band, Bars, Cells, Contours, Drawing, Line, Mark, Rule, finite
from gdexp.random import thinned

SYMBOLS = {"circle": "o", "cross": "x", "star": "*", "open": "o"}
LEVELS = 18
NAMES = 16  # along an axis, at most
SIZE = (7.0, 5.0)  # inches
DOTS = 144  # an inch
FRAMES_A_SECOND = 12


def figure(drawing: Drawing) -> Any:
    """The matplotlib figure of a drawing.

    Raises:
      UsageError: matplotlib is not installed.
    """
    made, axes = _empty(drawing)
    for mark in drawing.marks:
        draw(mark, axes)
    _finish(drawing, axes)
    return made


def save(drawing: Drawing, path: Path) -> None:
    """Writes a drawing to a file .png, .svg or, of an animation, .gif."""
    if path.suffix.lower() == ".gif":
        _animate(drawing, path)
        return
    figure(drawing).savefig(path, dpi=DOTS)


def _empty(drawing: Drawing) -> tuple[Any, Any]:
    try:
        from matplotlib.figure import Figure  # without pyplot: nothing global is touched
    except ImportError:
        raise UsageError("pictures need matplotlib: pip install 'gdexp[plot]'") from None
    made = Figure(figsize=SIZE, layout="constrained")
    axes = made.subplots()
    axes.set_title(plain(drawing.title), loc="left", fontsize=11, wrap=True)
    axes.set_xscale("log" if drawing.x.log else "linear")
    axes.set_yscale("log" if drawing.y.log else "linear")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return made, axes


def _finish(drawing: Drawing, axes: Any) -> None:
    """Labels, limits and the legend, once all is drawn."""
    _axis(drawing.x, axes.set_xlabel, axes.set_xlim, axes.set_xticks)
    _axis(drawing.y, axes.set_ylabel, axes.set_ylim, axes.set_yticks)
    if drawing.equal:
        axes.set_aspect("equal", adjustable="box")
    if drawing.x.names is not None:
        axes.tick_params(axis="x", labelrotation=30)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False, fontsize=8)


def plain(text: str) -> str:
    """Text as matplotlib shows it letter by letter: what stands between dollars is LaTeX."""
    return str(text).replace("$", r"\$").replace("\n", " ")


def _axis(axis: Axis, label: Any, limits: Any, ticks: Any) -> None:
    label(plain(axis.label))
    if axis.names is not None:
        at = thinned(len(axis.names), NAMES)
        ticks(at, [plain(axis.names[i]) for i in at])
    if axis.range is not None:
        limits(*axis.range)


@functools.singledispatch
def draw(mark: Mark, axes: Any) -> None:
    """Draws a mark."""
    raise TypeError(f"nothing draws {type(mark).__name__}")


@draw.register
def _(mark: Line, axes):
    x, y = finite(mark.x), finite(mark.y)
    style = {"solid": "-", "dash": "--", "dot": ":"}[mark.dash] if mark.width else "none"
    fill = {"markerfacecolor": "none"} if mark.symbol == "open" else {}
    axes.plot(
        x,
        y,
        color=mark.colour,
        linestyle=style,
        linewidth=mark.width,
        marker=SYMBOLS.get(mark.symbol),
        markersize=mark.size * 0.8,
        label=plain(mark.name) or None,
        **fill,
    )
    if mark.arrow and len(x) > 1:
        axes.quiver(
            x[:-1],
            y[:-1],
            np.diff(x),
            np.diff(y),
            angles="xy",
            scale_units="xy",
            scale=1,
            units="inches",
            width=0.024,
            headwidth=5,
            color=mark.colour,
        )


@draw.register
def _(mark: Band, axes):
    low, high = finite(mark.low), finite(mark.high)
    label = plain(mark.name) or None
    axes.fill_between(mark.x, low, high, color=mark.colour, alpha=0.18, linewidth=0, label=label)


@draw.register
def _(mark: Cells, axes):
    from matplotlib import colors

    value = finite(mark.value)
    scales = axes.get_xscale(), axes.get_yscale()
    edges = [_edges(a, s == "log") for a, s in zip((mark.x, mark.y), scales, strict=True)]
    if mark.names is None:
        if mark.log:
            value = np.log10(np.where(value > 0, value, np.nan))
        image = axes.pcolormesh(*edges, value, cmap="viridis", rasterized=True)
        label = f"log₁₀ {mark.label}" if mark.log else mark.label
        axes.figure.colorbar(image, ax=axes, label=plain(label))
        return
    count = len(mark.names)
    known = colors.ListedColormap(list(mark.colours))
    image = axes.pcolormesh(
        *edges,
        np.where(value >= 0, value, np.nan),
        cmap=known,
        vmin=-0.5,
        vmax=count - 0.5,
        rasterized=True,
    )
    bar = axes.figure.colorbar(image, ax=axes, ticks=range(count))
    bar.ax.set_yticklabels([plain(name) for name in mark.names])


def _edges(centres: np.ndarray, log: bool) -> np.ndarray:
    """The edges [n + 1] of cells about their centres [n], on the scale of their axis."""
    values = np.asarray(centres, float)
    if len(values) == 1:
        return np.array([values[0] - 0.5, values[0] + 0.5])
    at = np.log(values) if log else values
    middle = (at[1:] + at[:-1]) / 2
    edges = np.concatenate([[2 * at[0] - middle[0]], middle, [2 * at[-1] - middle[-1]]])
    return np.exp(edges) if log else edges


@draw.register
def _(mark: Contours, axes):
    axes.contour(
        mark.x, mark.y, finite(mark.value), levels=LEVELS, colors="0.6", linewidths=0.5, zorder=1
    )


@draw.register
def _(mark: Bars, axes):
    value = finite(mark.value)
    places = np.arange(len(value))
    error = None
    if mark.low is not None:
        error = np.maximum([value - finite(mark.low), finite(mark.high) - value], 0)
    label = plain(mark.name) or None
    axes.bar(places, value, bottom=mark.base, yerr=error, color=mark.colour, label=label)


@draw.register
def _(mark: Rule, axes):
    style = {"solid": "-", "dash": "--", "dot": ":"}[mark.dash]
    axes.axvline(mark.at, color=mark.colour, linestyle=style, linewidth=1)
    axes.annotate(
        plain(mark.label),
        (mark.at, 0.98),
        xycoords=("data", "axes fraction"),
        rotation=90,
        va="top",
        ha="right",
        fontsize=8,
    )


def _animate(drawing: Drawing, path: Path) -> None:
    if not drawing.frames:
        raise UsageError(f"{path}: only `animate` moves: type a file .png, .svg or .html")
    from matplotlib.animation import FuncAnimation, PillowWriter

    made, axes = _empty(drawing)
    kept = drawing.marks[: len(drawing.marks) - len(drawing.frames[0])]
    for mark in kept:
        draw(mark, axes)
    _finish(drawing, axes)
    still = set(axes.get_children())

    def show(place: int) -> None:
        for artist in [a for a in axes.get_children() if a not in still]:
            artist.remove()
        axes.set_prop_cycle(None)
        for mark in drawing.frames[place]:
            draw(mark, axes)
        axes.set_title(plain(f"{drawing.title}: step {drawing.steps[place]}"), loc="left")

    moving = FuncAnimation(made, show, frames=len(drawing.frames), init_func=lambda: None)
    moving.save(path, writer=PillowWriter(fps=FRAMES_A_SECOND), dpi=DOTS // 2)
