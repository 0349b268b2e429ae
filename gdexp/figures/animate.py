"""Many runs descending together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from gdexp import surface
from gdexp.base import Outcome, UsageError
from gdexp.drawing import Axis, Drawing, Line, colour_of
from gdexp.figures.trajectories import chosen, recorded, scene, window

if TYPE_CHECKING:
    from gdexp.answers import Answers

MOST = 500  # runs
FRAMES = 48
COLUMNS = ("step", "outcome", "across", "up")


def draw(
    results: Answers,
    num: int = 200,
    objective: str | None = None,
    optimizer: str | None = None,
) -> Drawing:
    """Hundreds of runs descending together, coloured by how they will end.

    A frame for each of up to 48 numbers of steps, 0, 1, 2, … and then farther apart. Runs that have
    ended stay where they are; those that have left the picture are gone from it. Over the level
    lines in two dimensions, along the curve in one, in the plane of widest spread in more.

    Args:
      results: of a sweep.
      num: runs, at most 500, each outcome with its share.
      objective: which, where there are several.
      optimizer: which, where there are several.

    Raises:
      UsageError: there are several objectives or optimizers and none is named, or too many runs.
    """
    if not 1 <= num <= MOST:
        raise UsageError(f"at most {MOST} runs move: give num=1 to {MOST}")
    group = results.group(objective, optimizer)
    most = results.experiment.stop.max_steps
    found = results.paths(chosen(results, group, num), recorded(most))
    shown, dim = window(found, group), group.space.dim
    below, flat, labels = scene(found, group, shown)
    looks = np.unique(np.concatenate([path.step for path in found]))
    at = np.unique(np.geomspace(1, len(looks), FRAMES).round().astype(int)) - 1
    steps = looks[at].tolist()
    frames, rows = [], []
    for step in steps:
        here = _together(found, step, flat, shown)
        frames.append(tuple(_points(outcome, at) for outcome, at in here.items()))
        rows += [(step, str(o), *map(float, place)) for o, at in here.items() for place in at]
    columns = list(map(list, zip(*rows, strict=True))) or [[]] * 4
    return Drawing(
        title=f"{len(found)} runs descend: {group.objective_name} × {group.optimizer.name}",
        told="Coloured by how each ends.",
        x=Axis(labels[0], range=shown.range(0) if dim <= 2 else None),
        y=Axis(labels[1], range=shown.range(1) if dim == 2 else None),
        marks=(*below, *frames[0]),
        data=pa.table(dict(zip(COLUMNS, columns, strict=True))),
        equal=shown.is_square,
        frames=tuple(frames),
        steps=tuple(map(str, steps)),
    )


def _together(found, step: int, flat, shown: surface.Window) -> dict[Outcome, np.ndarray]:
    """Where runs are drawn after so many steps [n, 2], by how they will end."""
    each = {}
    for outcome in dict.fromkeys(path.outcome for path in found):
        mine = [path for path in found if path.outcome is outcome]
        at = [int(np.searchsorted(path.step, step, "right")) - 1 for path in mine]
        x = np.array([path.x[i] for path, i in zip(mine, at, strict=True)], float)
        f = np.array([path.f[i] for path, i in zip(mine, at, strict=True)], float)
        here = shown.holds(x)
        each[outcome] = np.stack(flat(x[here], f[here]), axis=1)
    return each


def _points(outcome: Outcome, at: np.ndarray) -> Line:
    colour = colour_of(outcome)
    return Line(at[:, 0], at[:, 1], str(outcome), colour, width=0, symbol="circle", size=5)
