"""The ways that some runs took."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from gdexp import surface
from gdexp.analysis.counts import OUTCOMES, places
from gdexp.base import Outcome, Path, UsageError
from gdexp.drawing import BLACK, Axis, Drawing, Line, Mark, colour_of
from gdexp.plan import Group
from gdexp.random import spread, thinned

if TYPE_CHECKING:
    from gdexp.answers import Answers

MOST = 200  # runs
FEW = 6  # runs whose steps get arrows
STATES = 400  # of a run that are drawn
EACH, LATER = 64, 64  # steps of many runs that are recorded one by one, and after these


def draw(
    results: Answers,
    *runs: int,
    num: int = 24,
    objective: str | None = None,
    optimizer: str | None = None,
) -> Drawing:
    """The paths of runs, over the level lines of an objective of two dimensions.

    Of one dimension they run along its curve, and of more they are shown in the plane in which
    they spread most (their first two principal components). A circle is where a run begins, a cross
    where one that diverged leaves the picture. The runs are descended again: those that are named
    with every step, of a sample the first 64, and 64 later ones farther and farther apart.

    Args:
      results: of a sweep.
      *runs: which; without any `num` of them, each outcome with its share and at least one.
      num: at most 200.
      objective: which, where there are several.
      optimizer: which, where there are several.

    Raises:
      UsageError: there is no such run, they are of several objectives, or too many.
    """
    if len(runs) > MOST or not 1 <= num <= MOST:
        raise UsageError(f"paths of {MOST} runs at most are drawn: give num=1 to {MOST}")
    group = results.group(objective, optimizer) if not runs else results.plan.group_of(runs[0])
    if any(results.plan.group_of(run) is not group for run in runs):
        raise UsageError("runs of one objective and optimizer are drawn together: give such")
    steps = 1 if runs else recorded(results.experiment.stop.max_steps)
    found = results.paths(runs or chosen(results, group, num), steps)
    shown, dim = window(found, group), group.space.dim
    below, flat, labels = scene(found, group, shown)
    marks = [*below, *_marks(found, shown, flat)]
    return Drawing(
        title=f"Paths of {len(found)} of {group.count:,} runs: {_name(group)}",
        told=_told(found, group),
        x=Axis(labels[0], range=shown.range(0) if dim <= 2 else None),
        y=Axis(labels[1], range=shown.range(1) if dim == 2 else None),
        marks=tuple(marks),
        data=_table(found, dim),
        equal=shown.is_square,
    )


def chosen(results: Answers, group: Group, num: int) -> list[int]:
    """About `num` runs of a group, spread over it: each outcome has its share, and at least one."""
    counts: list[np.ndarray] = []  # of the outcomes, in each tile
    for _, _, table in results.tiles("outcome", group=group):
        counts.append(np.bincount(places(table["outcome"], OUTCOMES), minlength=len(OUTCOMES)))
    before = np.cumsum([np.zeros(len(OUTCOMES), int), *counts], axis=0)
    total = before[-1]
    wanted = [
        spread(n, max(1, round(num * n / total.sum()))) if n else np.empty(0, int) for n in total
    ]
    taken: list[int] = []
    for i, (_, tile, table) in enumerate(results.tiles("outcome", group=group)):
        codes = places(table["outcome"], OUTCOMES)
        for code, chosen_of in enumerate(wanted):
            mine = chosen_of - before[i, code]
            mine = mine[(mine >= 0) & (mine < counts[i][code])]
            taken += tile.runs[np.flatnonzero(codes == code)[mine]].tolist()
    return sorted(taken)


def recorded(most: int) -> list[int]:
    """Steps at which many runs are looked at: the first one by one, later ones farther apart."""
    later = np.geomspace(EACH, max(most, EACH), LATER).round().astype(int)
    return [step for step in sorted({*range(EACH), *later.tolist()}) if step <= most]


def components(found: Sequence[Path]):
    """The plane in which paths spread most, as a function of points, and its shares of all.

    Paths count alike, however long they are, and what is far out with no more than the square root
    of its distance from where all are, so that one that leaves does not decide.
    """
    points = np.concatenate([p.x[thinned(len(p.x), 64)] for p in found]).astype(float)
    points = points[np.isfinite(points).all(axis=1)]
    centre = np.median(points, axis=0)
    away = points - centre
    length = np.linalg.norm(away, axis=1, keepdims=True)
    typical = np.median(length) or 1.0
    away = away * np.minimum(1, typical / np.maximum(length, 1e-300)) ** 0.5
    _, scale, axes = np.linalg.svd(away, full_matrices=False)
    axes = np.concatenate([axes, np.zeros((2, points.shape[1]))])[:2]
    share = np.concatenate([scale**2, [0, 0]])[:2] / max((scale**2).sum(), 1e-300)

    def flat(x: np.ndarray, f: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        moved = (x - centre) @ axes.T
        return moved[:, 0], moved[:, 1]

    return flat, share


def plane(x, f):
    """Points of two dimensions as they are."""
    return x[:, 0], x[:, 1]


def along(x, f):
    """Points of one dimension on the curve of the objective."""
    return x[:, 0], f


def scene(found: Sequence[Path], group: Group, shown: surface.Window):
    """What lies below paths, where their points are drawn, and what the axes are called."""
    if group.space.dim == 1:
        return [surface.curve(group, found[0].run, shown)], along, ("x", "f")
    if group.space.dim == 2:
        return [surface.contours(group, found[0].run, shown)], plane, ("x₀", "x₁")
    flat, explained = components(found)
    return [], flat, [f"component {i} ({s:.0%})" for i, s in enumerate(explained, 1)]


def window(found: Sequence[Path], group: Group) -> surface.Window:
    """Where runs that stay go, and all begin; without any that stay, the domain as well."""
    stay = [path.x for path in found if path.outcome is not Outcome.DIVERGED]
    ends = stay or [np.array([group.space.low, group.space.high])]
    return surface.window([*ends, *(path.x[:1] for path in found)])


def _marks(found: Sequence[Path], shown: surface.Window, flat) -> list[Mark]:
    marks: list[Mark] = []
    named: set[str] = set()
    for path in found:
        outcome, colour = str(path.outcome), colour_of(path.outcome)
        x = shown.within(np.asarray(path.x, float))
        at = thinned(len(x), STATES)
        across, up = flat(x[at], path.f[: len(x)][at])
        marks.append(
            Line(
                across,
                up,
                "" if outcome in named else outcome,
                colour,
                width=1.2,
                symbol="circle" if len(found) <= FEW else "",
                size=3,
                told=[f"run {path.run}, step {path.step[i]}: f = {path.f[i]:.6g}" for i in at],
                arrow=len(found) <= FEW,
            )
        )
        named.add(outcome)
        if path.outcome is Outcome.DIVERGED:
            marks.append(Line(across[-1:], up[-1:], "", colour, width=0, symbol="cross", size=8))
    firsts = [flat(np.asarray(path.x[:1], float), path.f[:1]) for path in found]
    x0, y0 = (np.concatenate([first[i] for first in firsts]) for i in (0, 1))
    marks.append(Line(x0, y0, "start", BLACK, width=0, symbol="open", size=6))
    return marks


def _name(group: Group) -> str:
    return f"{group.objective_name} × {group.optimizer.name}"


def _told(found: Sequence[Path], group: Group) -> str:
    counts: dict[str, int] = {}
    for path in found:
        counts[str(path.outcome)] = counts.get(str(path.outcome), 0) + 1
    told = ", ".join(f"{count} {name}" for name, count in counts.items())
    return f"{told}. Open circles are starts, crosses where runs leave the picture" + (
        "." if group.space.dim <= 2 else "; axes are the two directions of widest spread."
    )


def _table(found: Sequence[Path], dim: int) -> pa.Table:
    """The states that are drawn."""
    kept = [(path, i) for path in found for i in thinned(len(path.x), STATES)]
    columns = {
        "run": [path.run for path, _ in kept],
        "step": [int(path.step[i]) for path, i in kept],
        "f": [float(path.f[i]) for path, i in kept],
        "outcome": [str(path.outcome) for path, _ in kept],
    }
    for axis in range(min(dim, 16)):
        columns[f"x_{axis}"] = [float(path.x[i, axis]) for path, i in kept]
    return pa.table(columns)
