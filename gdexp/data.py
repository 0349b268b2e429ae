"""Examples to learn from: scikit-learn's digits, or a user's CSV, Parquet or NPZ file, checked."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gdexp.base import UsageError, nearest

DIGITS = "digits"
MOST_CLASSES = 1000


class Table(NamedTuple):
    """What is known of n examples."""

    features: np.ndarray  # [n, F] float64, finite
    target: np.ndarray  # [n] float64, finite
    source: str  # for messages


class Split(NamedTuple):
    """What a model learns from, and what is held out: features [n, F] and targets [n, O]."""

    learned: tuple[np.ndarray, np.ndarray]
    held_out: tuple[np.ndarray, np.ndarray]


def examples(
    name: str, target: str | None, classes: bool, standardize: bool, held_out: int | None
) -> Split:
    """The examples of `digits`, or of a file.

    Args:
      name: `digits`, or the path of a file .csv, .parquet or .npz. A table has a column for each
        feature and one for the target; an NPZ file has arrays `x` [n, ...] and `y` [n].
      target: the column to be told from the others; None: the last.
      classes: whether the target is one of several whole numbers: O of them, 1 for the right one
        and 0 for the others; else it is a number, and O is 1.
      standardize: whether features have the mean 0 and the deviation 1, where they have one, over
        the examples learned from.
      held_out: every so-manyth example is, the first of all first; None: none.

    Raises:
      UsageError: there is no such file or column, something is missing in it or no number, or
        scikit-learn is not installed.
    """
    if name == DIGITS:
        if target is not None:
            raise UsageError(
                f"objective.mlp.target={target} goes with a file, and the data are digits"
            )
        return _prepared(name, None, classes, standardize, held_out)
    path = Path(name)
    if path.suffix.lower() not in READERS:
        raise UsageError(
            f"objective.mlp.data={name}: type digits, or a file that ends in {', '.join(READERS)}"
        )
    if not path.is_file():
        absent = f"there is no such file (seen from {Path.cwd()})"
        what = "that is a folder" if path.is_dir() else absent
        raise UsageError(f"objective.mlp.data={name}: {what}")
    told = path.stat()
    stamp = told.st_mtime_ns, told.st_size  # a file that has changed is read again
    return _prepared(name, target, classes, standardize, held_out, *stamp)


@functools.lru_cache(8)
def _prepared(
    name: str, target: str | None, classes: bool, standardize: bool, held_out: int | None, *_: int
) -> Split:
    table = _digits() if name == DIGITS else _read(name, target)
    targets = _one_hot(table) if classes else table.target[:, None]
    out = np.arange(len(targets)) % held_out == 0 if held_out else np.zeros(len(targets), bool)
    if out.all():
        raise UsageError(
            f"objective.mlp.held_out={held_out} leaves no example of {name} to learn from: type 2 "
            "or more, or null to hold none out"
        )
    features = table.features
    if standardize:
        mean, deviation = features[~out].mean(axis=0), features[~out].std(axis=0)
        features = (features - mean) / np.where(deviation > 0, deviation, 1)
    return Split((features[~out], targets[~out]), (features[out], targets[out]))


def _one_hot(table: Table) -> np.ndarray:
    """The target of each example as [O] numbers: 1 for its class, 0 for others."""
    known, which = np.unique(table.target, return_inverse=True)
    if (known != np.floor(known)).any() or len(known) > MOST_CLASSES:
        raise UsageError(
            f"{table.source}: the target has {len(known)} values, {known[0]:g}, {known[1]:g}, ...: "
            f"classes are whole numbers, at most {MOST_CLASSES}; of a number to be told type "
            "objective.mlp.task=numbers objective.mlp.cost=squared_error"
        )
    if len(known) < 2:
        raise UsageError(f"{table.source}: all examples are of the class {known[0]:g}")
    return np.eye(len(known))[which]


def _digits() -> Table:
    try:
        from sklearn import datasets  # an extra, imported only where it is used
    except ImportError as error:
        raise UsageError(
            "objective.mlp.data=digits needs scikit-learn: pip install 'gdexp[data]'"
        ) from error
    found = datasets.load_digits()
    return Table(found.data.astype(np.float64), found.target.astype(np.float64), DIGITS)


def _read(name: str, target: str | None) -> Table:
    """What is in a file."""
    path = Path(name)
    try:
        columns = READERS[path.suffix.lower()](path)
    except UsageError:
        raise
    except Exception as error:  # whatever a reader makes of a file that is none of its kind
        told = (str(error).splitlines() or [""])[0]
        raise UsageError(f"{name} cannot be read as {path.suffix}: {told:.200}") from error
    if not columns or not len(next(iter(columns.values()))):
        raise UsageError(f"{name} holds no examples")
    if target is None:
        target = list(columns)[-1]
    if target not in columns:
        hint = nearest(target, columns) or f" (there: {', '.join(list(columns)[:12])})"
        raise UsageError(f"{name} has no column {target!r}{hint}")
    numbers = {key: _numbers(name, key, values) for key, values in columns.items()}
    known = numbers.pop(target)
    if not numbers:
        raise UsageError(f"{name} has no column beside its target {target!r} to learn from")
    return Table(np.column_stack(list(numbers.values())), known, name)


def _numbers(name: str, key: str, values: np.ndarray) -> np.ndarray:
    """A column as real numbers; UsageError where a value is missing or none."""
    if values.dtype.kind not in "biuf":  # texts, dates, or what misses a value and has no NaN
        given = values.tolist()
        wrong = [i for i, v in enumerate(given) if v is not None and not _is_number(v)]
        texts = wrong or [i for i, v in enumerate(given) if isinstance(v, str)]
        if texts:
            raise UsageError(
                f"{name}: column {key!r} holds {given[texts[0]]!r:.40} in example {texts[0] + 1}, "
                "which is no number: leave the column out, or write numbers for its values"
            )
        values = np.array([np.nan if v is None else v for v in given])
    found = values.astype(np.float64)
    lost = np.flatnonzero(~np.isfinite(found))
    if len(lost):
        raise UsageError(
            f"{name}: column {key!r} has {len(lost)} values that are missing or infinite, the "
            f"first in example {lost[0] + 1}: leave these examples out, or fill them"
        )
    return found


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True


def _csv(path: Path) -> Mapping[str, np.ndarray]:
    from pyarrow import csv

    found = csv.read_csv(path)
    if all(map(_is_number, found.column_names)):
        told = ",".join(found.column_names)
        raise UsageError(f"{path} has no line of names: its first is {told:.40}; put one above it")
    return _columns(found)


def _parquet(path: Path) -> Mapping[str, np.ndarray]:
    from pyarrow import parquet

    return _columns(parquet.ParquetFile(path).read())


def _columns(table) -> Mapping[str, np.ndarray]:
    """The columns of an Arrow table; a value that is missing is NaN in one of numbers."""
    if len(set(table.column_names)) < table.num_columns:
        raise UsageError("two of its columns have one name")
    return {
        name: column.to_numpy()
        for name, column in zip(table.column_names, table.columns, strict=True)
    }


def _npz(path: Path) -> Mapping[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as found:
        if {"x", "y"} - set(found.files):
            there = ", ".join(found.files) or "none"
            raise UsageError(f"{path} needs arrays x [n, ...] and y [n] (there: {there})")
        x, y = found["x"], found["y"]
    if y.ndim != 1 or not x.ndim or len(x) != len(y):
        raise UsageError(
            f"{path}: x has the shape {x.shape} and y {y.shape}: they need as many rows, "
            "x [n, ...] and y [n]"
        )
    flat = x.reshape(len(x), int(np.prod(x.shape[1:])))
    return {**{f"x{i}": column for i, column in enumerate(flat.T)}, "y": y}


READERS: Mapping[str, Callable[[Path], Mapping[str, np.ndarray]]] = {
    ".csv": _csv,
    ".parquet": _parquet,
    ".npz": _npz,
}
