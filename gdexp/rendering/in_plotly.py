"""A drawing as a Plotly figure: for notebooks, the report and Weights & Biases."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from gdexp.drawing import Axis, Band, Bars, Cells, Contours, Drawing, Line, Mark, Rule, finite
from gdexp.random import thinned

SYMBOLS = {"circle": "circle", "cross": "x", "star": "star", "open": "circle-open", "": None}
SCALE = "Viridis"  # even in lightness, and told apart by colour-blind people
GREYS = [[0, "rgba(128,128,128,0.8)"], [1, "rgba(128,128,128,0.25)"]]
LEVELS = 18
NAMES = 24  # along an axis, at most
SHORT = 0.01  # of what is shown: a shorter step has no head, whose direction would be chance


def figure(drawing: Drawing) -> Any:
    """The Plotly figure of a drawing; its words are shown as they are and never as HTML."""
    import plotly.graph_objects as go  # late: it takes half a second

    return go.Figure(spec(drawing))


def to_json(drawings: Sequence[Drawing]) -> str:
    """The figures of drawings as a list in JSON, for Plotly's script."""
    from plotly.io.json import to_json_plotly

    return to_json_plotly([spec(drawing) for drawing in drawings], engine="json")


def spec(drawing: Drawing) -> dict[str, Any]:
    """A drawing as Plotly's data, layout and frames."""
    rules = [mark for mark in drawing.marks if isinstance(mark, Rule)]
    layout = {
        "template": "none",
        "title": {"text": plain(drawing.title), "x": 0, "xanchor": "left"},
        "xaxis": _axis(drawing.x),
        "yaxis": _axis(drawing.y),
        "legend": {"orientation": "h", "y": -0.2, "yanchor": "top"},
        "margin": {"l": 60, "r": 20, "t": 50, "b": 50},
        "hovermode": "closest",
        "barmode": "overlay",
        "shapes": [_line(rule) for rule in rules],
        "annotations": [_beside(rule, drawing.x.log) for rule in rules],
    }
    if drawing.equal:
        layout["yaxis"] |= {"scaleanchor": "x", "constrain": "domain"}
        layout["xaxis"] |= {"constrain": "domain"}
    data = [trace for mark in drawing.marks for trace in traces(mark)]
    if not drawing.frames:
        return {"data": data, "layout": layout}
    layout |= _controls(drawing.steps)
    return {"data": data, "layout": layout, "frames": _frames(drawing, len(data))}


@functools.cache
def script() -> str:
    """Plotly's own script, from its package, as it may stand in a page."""
    from plotly import offline

    return offline.get_plotlyjs().replace("</script", "<\\/script")


def plain(text: str) -> str:
    """Text as Plotly shows it letter by letter: it reads a little HTML and LaTeX in all others."""
    found = str(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return found.replace("$", "&#36;").replace("\n", " ")


@functools.singledispatch
def traces(mark: Mark) -> list[Any]:
    """A mark as Plotly's traces."""
    raise TypeError(f"nothing draws {type(mark).__name__}")


@traces.register
def _(mark: Rule):
    return []  # part of the layout


@traces.register
def _(mark: Line):
    modes = [*(["lines"] if mark.width else []), *(["markers"] if mark.symbol else [])]
    marker: dict[str, Any] = {"symbol": SYMBOLS[mark.symbol], "size": mark.size}
    if mark.arrow:  # each point at the end of a step is a head that looks along it
        modes = [*modes[:1], "markers"]
        marker |= {"symbol": "arrow", "angleref": "previous", "size": _heads(mark)}
    told = None if mark.told is None else [plain(text) for text in mark.told]
    return [
        {
            "type": "scatter",
            "x": finite(mark.x),
            "y": finite(mark.y),
            "mode": "+".join(modes) or "none",
            "name": plain(mark.name),
            "showlegend": bool(mark.name),
            "line": {"color": mark.colour, "dash": mark.dash, "width": mark.width},
            "marker": marker | {"color": mark.colour},
            "text": told,
            "hovertemplate": "%{text}<extra></extra>" if told else None,
        }
    ]


def _heads(mark: Line) -> list[int]:
    """How large the head at each point is."""
    points = np.stack([finite(mark.x), finite(mark.y)])
    if not np.isfinite(points).any(axis=1).all():
        return [0] * points.shape[1]
    wide = (np.nanmax(points, axis=1) - np.nanmin(points, axis=1)).max()
    moved = np.hypot(*np.diff(points, axis=1, prepend=points[:, :1]))
    return np.where(moved > SHORT * wide, 9, 0).tolist()


@traces.register
def _(mark: Band):
    there = np.isfinite(finite(mark.low)) & np.isfinite(finite(mark.high))
    x, low, high = (np.asarray(a, float)[there] for a in (mark.x, mark.low, mark.high))
    return [
        {
            "type": "scatter",
            "x": np.concatenate([x, x[::-1]]),
            "y": np.concatenate([high, low[::-1]]),
            "mode": "lines",
            "fill": "toself",
            "fillcolor": _faint(mark.colour),
            "line": {"width": 0},
            "name": plain(mark.name),
            "showlegend": bool(mark.name),
            "hoverinfo": "skip",
        }
    ]


@traces.register
def _(mark: Cells):
    value = finite(mark.value)
    shown = {"x": mark.x, "y": mark.y, "showscale": True}
    if mark.names is None:
        if mark.log:
            value = np.log10(np.where(value > 0, value, np.nan))
        title = plain(f"log₁₀ {mark.label}" if mark.log else mark.label)
        bar = {"title": {"text": title, "side": "right"}, "thickness": 12}
        return [dict(type="heatmap", z=value, colorscale=SCALE, colorbar=bar, name=title, **shown)]
    count = len(mark.names)
    edges = [(i + d) / count for i in range(count) for d in (0, 1)]
    scale = [[edge, mark.colours[i // 2]] for i, edge in enumerate(edges)]
    known = [plain(name) for name in mark.names]
    text = np.array([*known, "none"], object)[np.where(value >= 0, value, -1).astype(int)]
    return [
        dict(
            type="heatmap",
            z=np.where(value >= 0, value, np.nan),
            zmin=-0.5,
            zmax=count - 0.5,
            colorscale=scale,
            colorbar={"tickvals": list(range(count)), "ticktext": known, "thickness": 12},
            text=text,
            hovertemplate="%{x}, %{y}: %{text}<extra></extra>",
            name=plain(mark.label),
            **shown,
        )
    ]


@traces.register
def _(mark: Contours):
    return [
        {
            "type": "contour",
            "x": mark.x,
            "y": mark.y,
            "z": finite(mark.value),
            "ncontours": LEVELS,
            "contours": {"coloring": "lines"},
            "colorscale": GREYS,
            "line": {"width": 0.8},
            "showscale": False,
            "showlegend": False,
            "hoverinfo": "skip",
        }
    ]


@traces.register
def _(mark: Bars):
    error = None
    if mark.low is not None:
        error = {
            "type": "data",
            "symmetric": False,
            "array": np.maximum(finite(mark.high) - finite(mark.value), 0),
            "arrayminus": np.maximum(finite(mark.value) - finite(mark.low), 0),
            "thickness": 1,
        }
    return [
        {
            "type": "bar",
            "x": np.arange(len(mark.value)),
            "y": finite(mark.value),
            "base": mark.base,
            "error_y": error,
            "name": plain(mark.name),
            "showlegend": bool(mark.name),
            "marker": {"color": mark.colour},
        }
    ]


def _line(rule: Rule) -> dict[str, Any]:
    """A line across."""
    line = {"color": rule.colour, "dash": rule.dash, "width": 1}
    ends = {"x0": rule.at, "x1": rule.at, "y0": 0, "y1": 1, "yref": "y domain"}
    return {"type": "line", **ends, "line": line}


def _beside(rule: Rule, log: bool) -> dict[str, Any]:
    """What a line across is, beside its upper end."""
    return {
        "x": np.log10(rule.at) if log else rule.at,  # where a shape takes the place itself
        "y": 1,
        "yref": "y domain",
        "text": plain(rule.label),
        "textangle": -90,
        "xanchor": "right",
        "yanchor": "top",
        "showarrow": False,
        "font": {"size": 11},
    }


def _axis(axis: Axis) -> dict[str, Any]:
    found: dict[str, Any] = {"title": {"text": plain(axis.label)}, "automargin": True}
    found |= {"showline": True, "ticks": "outside", "showgrid": False, "zeroline": False}
    if axis.log:
        found |= {"type": "log", "exponentformat": "power", "dtick": None}
    if axis.range is not None:
        found["range"] = list(np.log10(axis.range)) if axis.log else list(axis.range)
    if axis.names is not None:
        shown = [plain(name) for name in axis.names]
        at = thinned(len(shown), NAMES).tolist()
        found |= {"tickvals": at, "ticktext": [shown[i] for i in at], "tickangle": -30}
    return found


def _frames(drawing: Drawing, traced: int) -> list[dict[str, Any]]:
    """Frames that take the places of the last traces."""
    each = [[t for mark in marks for t in traces(mark)] for marks in drawing.frames]
    places = list(range(traced - len(each[0]), traced))
    named = zip(each, drawing.steps, strict=True)
    return [{"data": data, "name": name, "traces": places} for data, name in named]


def _controls(steps: Sequence[str]) -> dict[str, Any]:
    """The buttons and the slider of an animation."""
    quick = {"frame": {"duration": 80, "redraw": False}, "transition": {"duration": 0}}
    at_once = quick | {"mode": "immediate"}
    play = {"label": "▶", "method": "animate", "args": [None, quick | {"fromcurrent": True}]}
    stop = {"label": "❚❚", "method": "animate", "args": [[None], at_once]}
    each = [{"label": name, "method": "animate", "args": [[name], at_once]} for name in steps]
    return {
        "updatemenus": [{"type": "buttons", "buttons": [play, stop], "x": 0, "y": -0.15}],
        "sliders": [{"steps": each, "currentvalue": {"prefix": "step "}, "x": 0.15, "len": 0.85}],
    }


def _faint(colour: str) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.18)"
