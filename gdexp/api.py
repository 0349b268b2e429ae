"""gdexp from Python: sweeps and single descents without files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path as FilePath
from typing import Any

import numpy as np

from gdexp import engine, extending, function, job, plan, store, zooming
from gdexp.base import Path, UsageError
from gdexp.config import catalogue, check, tree
from gdexp.experiment import Experiment
from gdexp.results import Results


def sweep(
    objective: str | Sequence[str] | Mapping[str, Any] | Callable[..., Any],
    *,
    optimizer: str | Sequence[str] | Mapping[str, Any] = "sgd",
    grid: Mapping[str, Any] | None = None,
    start: Any = None,
    **keys: Any,
) -> Results:
    """Runs a sweep in memory.

    Args:
      objective: a card's name, several names, {name: {key: value}}, a formula, or a callable
        `f(x)` of a vector or `f(x, y, ...)` of scalars, written with jax.numpy.
      optimizer: a card's name, several names, or {name: {key: value}}.
      grid: KEY -> values, the axes of the sweep: {"learning_rate": np.geomspace(1e-3, 1, 64)}.
      start: points [N, D], or a sampler: "own", {"uniform": 100}, {"grid": {"num": 16}}.
      **keys: `schedule`, `gradient` and `executor`, each a card's name or {name: {key: value}}; and
        config keys, `_` for `.`: stop_max_steps=2000, dtype="float64", seed=1, replicates=3.

    Returns:
      The results object that `gdexp.load` gives for a sweep that was written to files.

    Raises:
      UsageError: something is not as it should be; the message says what to write instead.

    Example:
      >>> import gdexp
      >>> found = gdexp.sweep("parabola", grid={"learning_rate": [0.1, 1.5]})
      >>> found.runs["outcome"].to_pylist()
      ['converged', 'diverged']
    """
    asked = experiment(objective, optimizer=optimizer, grid=grid, start=start, **keys)
    return job.run(asked, None)


def zoom(
    results: Results,
    window: zooming.Window,
    num: int | None = None,
    directory: str | FilePath | None = None,
) -> Results:
    """Runs a window of a sweep again, at a higher resolution.

    Args:
      results: of the sweep.
      window: axis -> its new ends, or one value: {"learning_rate": (0.2, 0.3)}. An axis is a KEY
        of the grid, or with start=grid or start=plane one of the starts: {"x0_0": (-1, 1)}. All
        others stay as they are.
      num: places along each axis of the grid with new ends, and along all axes of the starts if one
        of these has; None: as many as there were.
      directory: where to write; None keeps everything in memory.

    Returns:
      The results of a sweep of its own.

    Raises:
      UsageError: there is no such axis, or the directory is taken.

    Example:
      >>> import gdexp
      >>> coarse = gdexp.sweep("parabola", grid={"learning_rate": [0.5, 1.0, 1.5]})
      >>> fine = gdexp.zoom(coarse, {"learning_rate": (0.8, 1.2)}, num=3)
      >>> fine.runs["learning_rate"].to_pylist()
      [0.8, 1.0, 1.2]
    """
    return _run(zooming.experiment(results, window, num), directory)


def extend(
    results: Results, changes: Mapping[str, Any], directory: str | FilePath | None = None
) -> Results:
    """Runs a sweep with more starts, values or replicates; runs that are there are taken from it.

    A run is taken if its numbers and its start are the same to the last bit: uniform, normal and
    sobol starts of a larger `start.num` begin with those of a smaller, and points may be appended.

    Args:
      results: of the sweep, finished or not.
      changes: `start.KEY`, `grid.KEY` or `replicates` -> its new value, whole: {"start.num": 200,
        "grid.learning_rate": [0.1, 0.2, 0.4]}.
      directory: where to write; None keeps everything in memory.

    Returns:
      The results of the larger sweep; `manifest["taken"]` tells how many runs were taken.

    Raises:
      UsageError: the sweep has no such key, or the directory is taken.
      NotTheSameError: some of its runs, made again, come out otherwise here.

    Example:
      >>> import gdexp
      >>> few = gdexp.sweep("parabola", grid={"learning_rate": [0.5, 1.5]}, start={"uniform": 10})
      >>> more = gdexp.extend(few, {"start.num": 30, "grid.learning_rate": [0.5, 1.0, 1.5]})
      >>> more.runs.num_rows, more.manifest["taken"]["runs"]
      (90, 20)
    """
    asked = extending.experiment(results, changes)
    return _run(asked, directory, extending.Known(results, plan.make(asked)))


def _run(
    asked: Experiment, directory: str | FilePath | None, known: extending.Known | None = None
) -> Results:
    """Runs what was made of another sweep, into a folder if one is named."""
    engine.check(asked, plan.make(asked))
    if directory is not None:
        directory = FilePath(directory)
        store.claim(directory)
    return job.run(asked, directory, known=known)


def experiment(
    objective: str | Sequence[str] | Mapping[str, Any] | Callable[..., Any],
    *,
    optimizer: str | Sequence[str] | Mapping[str, Any] = "sgd",
    grid: Mapping[str, Any] | None = None,
    start: Any = None,
    **keys: Any,
) -> Experiment:
    """The checked experiment that `sweep` runs, asked for in the same words."""
    named = [group for group in catalogue.SINGLE if group in keys]
    chosen = {group: tree.single(group, keys.pop(group)) for group in named}
    asked = tree.from_keys(keys) | chosen
    asked["grid"] = {} if grid is None else grid
    asked["start"] = _start(start)
    asked["optimizer"] = tree.several("optimizer", optimizer)
    asked["wandb"]["mode"] = "disabled"
    made = None
    if callable(objective):
        name = getattr(objective, "__name__", "function")
        name = name if name.isidentifier() else "function"
        made = {name: function.from_callable(objective, _dimensions(asked["start"]))}
        asked["objective"] = {name: {}}
    else:
        asked["objective"] = tree.objective(objective)
    checked = check.experiment(asked, tree.defaults(), made)
    checked.executor.reach()
    engine.check(checked, plan.make(checked))
    return checked


def descend(
    objective: str | Callable[..., Any],
    x0: Any,
    *,
    learning_rate: float | None = None,
    optimizer: str = "sgd",
    **keys: Any,
) -> Path:
    """One descent from `x0`, every step recorded.

    Args:
      objective: as for `sweep`.
      x0: the starting point, a number or [D].
      learning_rate: the optimizer's; its card's own if None.
      optimizer: a card's name.
      **keys: numbers of the optimizer's card (momentum=0.9), and config keys as for `sweep`.

    Returns:
      A Path: step [K], x [K, D], f [K], grad_norm [K], reason, outcome.

    Example:
      >>> import gdexp
      >>> path = gdexp.descend("(x-1)**2 + 4*(y+1)**2 + x*y/2", (3, 3), learning_rate=0.1)
      >>> int(path.step[-1]), str(path.outcome)
      (47, 'converged')
    """
    if not isinstance(optimizer, str):
        raise UsageError("descend takes the name of an optimizer; its numbers are keywords")
    card = tree.choose("optimizer", optimizer)[optimizer]
    numbers = {key: keys.pop(key) for key in list(keys) if key in card}
    if learning_rate is not None:
        numbers["learning_rate"] = learning_rate
    asked = experiment(objective, optimizer={optimizer: numbers}, start=x0, **keys)
    if plan.make(asked).count > 1:
        raise UsageError("descend takes one run: one objective, one x0 and no axis; or use sweep")
    return job.run(asked, None, path_every=1).path


def _start(value: Any) -> dict[str, Any]:
    if value is None:
        value = "own"
    if not isinstance(value, str | Mapping):
        value = {"points": value}
    if isinstance(value, Mapping):
        first = {name: "points" if name == "points" else "num" for name in value}
        value = {
            name: card if isinstance(card, Mapping | None) else {first[name]: card}
            for name, card in value.items()
        }
    node = tree.single("start", value)
    if node.get("points") is not None:
        node["points"] = _points(node["points"])
    return node


def _points(value: Any) -> np.ndarray:
    """Starting points [N, D]; a single one may be given as it is."""
    try:
        points = np.atleast_2d(np.array(value, np.float64))  # a copy
    except (TypeError, ValueError):
        points = np.empty(())
    if points.ndim != 2:
        raise UsageError(
            f"start={value!r} is neither points nor a sampler: write [[3, 3], [-2, 0]], 'own' or "
            "{'uniform': 100}"
        )
    return points


def _dimensions(start: Mapping[str, Any]) -> int | None:
    """How many dimensions the starting points have, where something given says so."""
    keys = ("point",) if start["name"] == "plane" else ("points", "low", "high")
    given = [np.shape(start[key]) for key in keys if key in start]
    if start["name"] == "plane" and not isinstance(start.get("along"), str | None):
        given += [np.shape(row) for row in start["along"]]
    return next((shape[-1] for shape in given if shape), None)
