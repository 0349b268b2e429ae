"""What the descents produced, as Arrow tables: one schema for every part of a sweep."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np
import pyarrow as pa

from gdexp.base import Ends, Outcome, Path, Reason
from gdexp.experiment import Experiment
from gdexp.plan import Plan, Tile

NAME = pa.dictionary(pa.int32(), pa.string())
ENDINGS = list(Reason)[1:]  # without RUNNING: a stored run has ended
REASONS = [reason.label for reason in ENDINGS]
OUTCOMES = list(Outcome)
OUTCOME_OF = np.array([OUTCOMES.index(reason.outcome) for reason in ENDINGS])


def run_schema(experiment: Experiment, plan: Plan) -> pa.Schema:
    """The columns of runs/part-*.parquet. `steps_to_target` is there if targets were asked for."""
    real = pa.from_numpy_dtype(experiment.dtype)
    point = _list_of(real)
    fields = [
        ("run", pa.int64()),
        ("objective", NAME),
        ("optimizer", NAME),
        *((key, pa.float64()) for key in plan.keys),
        ("start", pa.int64()),
        ("replicate", pa.int64()),
        ("x0", point),
        ("x", point),
        ("f0", real),
        ("f", real),
        ("f_best", real),
        ("grad_norm", real),
        ("steps", pa.int32()),
        ("evaluations", pa.int32()),
        ("outcome", NAME),
        ("reason", NAME),
        ("period", pa.int32()),
    ]
    if experiment.stop.targets:
        fields.append(("steps_to_target", _list_of(pa.int32())))
    return pa.schema(fields)


def run_table(experiment: Experiment, plan: Plan, tile: Tile, ends: Ends) -> pa.Table:
    """The rows of a finished tile."""
    group, runs = plan.groups[tile.group], tile.runs
    keys = group.keys(runs)
    count = len(runs)
    ending = ends.reason - 1
    with np.errstate(over="ignore"):  # a start beyond float32 is an infinite one
        starts = group.points(runs).astype(experiment.dtype)
    columns = {
        "run": runs,
        "objective": _names([group.objective_name], np.zeros(count, np.int32)),
        "optimizer": _names([group.optimizer.name], np.zeros(count, np.int32)),
        **{key: keys.get(key, pa.nulls(count, pa.float64())) for key in plan.keys},
        "start": group.start_index(runs),
        "replicate": group.replicate_index(runs),
        "x0": _lists(starts),
        "x": _lists(ends.x),
        "f0": ends.f0,
        "f": ends.f,
        "f_best": ends.f_best,
        "grad_norm": ends.grad_norm,
        "steps": ends.steps,
        "evaluations": ends.evaluations,
        "outcome": _names(OUTCOMES, OUTCOME_OF[ending]),
        "reason": _names(REASONS, ending),
        "period": pa.nulls(count, pa.int32()),
    }
    if experiment.stop.targets:
        columns["steps_to_target"] = _lists(ends.reached, ends.reached < 0)
    return pa.table(columns, run_schema(experiment, plan))


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
        ]
    )


def trace_table(experiment: Experiment, paths: Iterable[Path]) -> pa.Table:
    """The recorded states of some runs, run by run."""
    parts = [
        pa.table(
            {
                "run": np.full(len(path.step), path.run),
                "step": path.step,
                "f": path.f,
                "grad_norm": path.grad_norm,
                "x": _lists(path.x),
            },
            trace_schema(experiment),
        )
        for path in paths
    ]
    return pa.concat_tables(parts) if parts else trace_schema(experiment).empty_table()


def digest(table: pa.Table) -> str:
    """The sha256 of a table's contents: names, types and values, however they are stored."""
    fields = [f"{field.name} {_type(field.type)}" for field in table.schema]
    found = hashlib.sha256("\n".join([str(table.num_rows), *fields]).encode())
    for column in table.columns:
        for values in _flat(column.combine_chunks()):
            found.update(values)
    return found.hexdigest()


def _type(type: pa.DataType) -> str:
    """A type without what is left to storage: dictionaries, and names inside lists."""
    if pa.types.is_dictionary(type):
        return _type(type.value_type)
    return f"list {_type(type.value_type)}" if pa.types.is_list(type) else str(type)


def _flat(values: pa.Array) -> Iterable[bytes]:
    """The bytes of an array's validity and values."""
    if pa.types.is_dictionary(values.type):
        values = values.cast(pa.string())
    if pa.types.is_list(values.type):
        yield _validity(values)
        yield np.diff(np.asarray(values.offsets)).tobytes()
        values = values.flatten()
    yield _validity(values)
    if pa.types.is_string(values.type):
        yield "\0".join(values.fill_null("").to_pylist()).encode()
    else:
        yield np.ascontiguousarray(np.asarray(values.fill_null(0))).tobytes()


def _validity(values: pa.Array) -> bytes:
    return np.packbits(np.asarray(values.is_valid())).tobytes()


def _list_of(type: pa.DataType) -> pa.ListType:
    """A list as Parquet names its parts, so that what is read back has the type written."""
    return pa.list_(pa.field("element", type))


def _names(names: list[str], place: np.ndarray) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(np.asarray(place, np.int32), pa.array(names, pa.string()))


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
