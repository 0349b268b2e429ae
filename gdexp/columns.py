"""What the descents produced, as Arrow tables: one schema for every part of a sweep."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gdexp.base import Ends, Outcome, Path, Reason
from gdexp.experiment import TARGET_COLUMN, Experiment
from gdexp.plan import Group, Plan, Tile

NAME = pa.dictionary(pa.int32(), pa.string())
ENDINGS = list(Reason)[1:]  # without RUNNING: a stored run has ended
REASONS = [reason.label for reason in ENDINGS]
OUTCOMES = list(Outcome)
ENDS_AS_THEY_ARE = ("f0", "f", "f_best", "grad_norm", "steps", "evaluations")
OUTCOME_OF = np.array([OUTCOMES.index(reason.outcome) for reason in ENDINGS])


def run_schema(experiment: Experiment, plan: Plan) -> pa.Schema:
    """The columns of runs/part-*.parquet: those that `store.columns` keeps."""
    real = pa.from_numpy_dtype(experiment.dtype)
    types = {
        **dict.fromkeys(("objective", "optimizer", "outcome", "reason"), NAME),
        **dict.fromkeys(plan.keys, pa.float64()),
        **dict.fromkeys(("run", "start", "replicate"), pa.int64()),
        **dict.fromkeys(("x0", "x"), _list_of(real)),
        **dict.fromkeys(("f0", "f", "f_best", "grad_norm"), real),
        **dict.fromkeys(("steps", "evaluations", "period"), pa.int32()),
        "steps_to_target": _list_of(pa.int32()),
    }
    return pa.schema([(name, types[name]) for name in experiment.columns])


def run_table(experiment: Experiment, plan: Plan, tile: Tile, ends: Ends) -> pa.Table:
    """The rows of a finished tile. What is not kept is not made."""
    group, runs = plan.groups[tile.group], tile.runs
    schema = run_schema(experiment, plan)
    kept = set(plan.keys) & set(schema.names)
    keys = group.keys(runs, kept) if kept else {}
    made = {
        "run": lambda: runs,
        "objective": lambda: _name(group.objective_name, len(runs)),
        "optimizer": lambda: _name(group.optimizer.name, len(runs)),
        "start": lambda: group.start_index(runs),
        "replicate": lambda: group.replicate_index(runs),
        "x0": lambda: _lists(_starts(group, runs, experiment.dtype)),
        "x": lambda: _lists(ends.x),
        "outcome": lambda: _names(OUTCOMES, OUTCOME_OF[ends.reason - 1]),
        "reason": lambda: _names(REASONS, ends.reason - 1),
        "period": lambda: pa.array(ends.period, mask=ends.period == 0),
        "steps_to_target": lambda: _lists(ends.reached, ends.reached < 0),
    }

    def column(name: str) -> Any:
        if name in plan.keys:
            return keys[name] if name in keys else pa.nulls(len(runs), pa.float64())
        return made[name]() if name in made else getattr(ends, name)

    return pa.table({name: column(name) for name in schema.names}, schema)


def ends_of(table: pa.Table) -> Ends:
    """How runs ended, from their rows with all columns: the inverse of `run_table`."""
    rows = table.combine_chunks()
    reached = np.empty((rows.num_rows, 0), np.int32)
    if TARGET_COLUMN in rows.column_names:
        reached = _array(rows[TARGET_COLUMN], -1)
    places = {name: i + 1 for i, name in enumerate(REASONS)}
    return Ends(
        x=_array(rows["x"]),
        reason=np.array([places[name] for name in rows["reason"].to_pylist()], np.int32),
        reached=reached,
        period=np.asarray(rows["period"].fill_null(0)),
        **{name: np.asarray(rows[name]) for name in ENDS_AS_THEY_ARE},
    )


def trace_schema(experiment: Experiment) -> pa.Schema:
    """The columns of traces/part-*.parquet."""
    real = pa.from_numpy_dtype(experiment.dtype)
    return pa.schema(
        [
            ("run", pa.int64()),
            ("step", pa.int32()),
            ("f", real),
            ("grad_norm", real),
            ("x", _list_of(real)),
            *((name, pa.float64()) for name in experiment.trace.metrics),
        ]
    )


def trace_table(
    experiment: Experiment, paths: Iterable[tuple[Path, Mapping[str, np.ndarray]]]
) -> pa.Table:
    """The recorded states of some runs, run by run, with their metrics."""
    parts = [
        pa.table(
            {
                "run": np.full(len(path.step), path.run),
                "step": path.step,
                "f": path.f,
                "grad_norm": path.grad_norm,
                "x": _lists(path.x),
                **{k: pa.array(v, pa.float64(), from_pandas=True) for k, v in metrics.items()},
            },
            trace_schema(experiment),
        )
        for path, metrics in paths
    ]
    return pa.concat_tables(parts) if parts else trace_schema(experiment).empty_table()


def digest(table: pa.Table) -> str:
    """The sha256 of a table's contents: names, types, values and nulls, however they are stored."""
    fields = [f"{field.name} {_type(field.type)}" for field in table.schema]
    found = hashlib.sha256("\n".join([str(table.num_rows), *fields]).encode())
    for column in table.columns:
        for part in _flat(column.combine_chunks()):
            found.update(part)
    return found.hexdigest()


def _type(type: pa.DataType) -> str:
    """A type without what is left to storage: dictionaries, and names inside lists."""
    if pa.types.is_dictionary(type):
        return _type(type.value_type)
    return f"list {_type(type.value_type)}" if pa.types.is_list(type) else str(type)


def _flat(values: pa.Array) -> Iterator[bytes | np.ndarray]:
    """What an array holds, as bytes that no other array of its type and length gives.

    Which are null, in one byte where none or all are; then the lengths of lists, one where all are
    alike, and their items; or sorted names and the place of each row's among them; or numbers.
    """
    if pa.types.is_string(values.type):
        values = values.dictionary_encode()
    elif pa.types.is_dictionary(values.type) and values.dictionary.null_count:
        values = values.cast(values.type.value_type).dictionary_encode()
    if values.null_count == len(values):
        yield b"0"
        return
    yield b"?" + np.packbits(np.asarray(values.is_valid())).tobytes() if values.null_count else b"1"
    if pa.types.is_list(values.type):
        lengths = np.asarray(pc.list_value_length(values).fill_null(0))
        alike = (lengths == lengths[0]).all()
        yield b"=" if alike else b"/"
        yield lengths[:1] if alike else lengths
        yield from _flat(values.flatten())
    elif pa.types.is_dictionary(values.type):
        yield from _coded(values)
    else:
        yield np.ascontiguousarray(np.asarray(values.fill_null(0)))


def _coded(values: pa.DictionaryArray) -> Iterator[bytes | np.ndarray]:
    """The distinct names, sorted, and each row's place among them; 0 for null."""
    names = values.dictionary.to_pylist()
    used = np.bincount(np.asarray(values.indices.drop_null()), minlength=len(names))
    found = sorted({name for name, count in zip(names, used, strict=True) if count})
    yield json.dumps(found).encode()
    place = {name: i for i, name in enumerate(found)}
    place = np.array([place.get(name, 0) for name in names], np.min_scalar_type(len(found)))
    codes = place.take(np.asarray(values.indices.fill_null(0)))
    yield codes * np.asarray(values.is_valid()) if values.null_count else codes


def _list_of(type: pa.DataType) -> pa.ListType:
    """A list as Parquet names its parts, so that what is read back has the type written."""
    return pa.list_(pa.field("element", type))


def _names(names: list[str], place: np.ndarray) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(np.asarray(place, np.int32), pa.array(names, pa.string()))


def _name(name: str, count: int) -> pa.DictionaryArray:
    return _names([name], np.zeros(count, np.int32))


def _starts(group: Group, runs: np.ndarray, dtype: str) -> np.ndarray:
    """Where runs begin [N, D], in the numbers they descend in."""
    with np.errstate(over="ignore"):  # a start beyond float32 is an infinite one
        return group.points(runs).astype(dtype)


def _array(column: pa.ChunkedArray, missing: int | None = None) -> np.ndarray:
    """A list column whose rows are as long as each other as an array [N, D]."""
    items = column.combine_chunks().flatten()
    items = items if missing is None else items.fill_null(missing)
    return np.asarray(items).reshape(len(column), -1)


def _lists(rows: np.ndarray, missing: np.ndarray | None = None) -> pa.ListArray:
    """An array [N, D] as a list column; `missing` [N, D] marks nulls."""
    count, width = rows.shape
    offsets = (
        np.arange(0, (count + 1) * width, width, dtype=np.int32)[: count + 1]
        if width
        else np.zeros(count + 1, np.int32)
    )
    mask = None if missing is None else np.ascontiguousarray(missing).reshape(-1)
    values = pa.array(np.ascontiguousarray(rows).reshape(-1), mask=mask)
    return pa.ListArray.from_arrays(pa.array(offsets), values)
