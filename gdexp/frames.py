"""Runs as pandas and xarray have them. Both are extras, imported only when they are asked for."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from gdexp.base import UsageError

SPREAD_DIMENSIONS = 16  # x and x0 become columns of a frame up to this many


def from_rows(rows: Sequence[Mapping[str, Any]], keys: Sequence[str] = ()) -> pa.Table:
    """Rows as a table, a column for each name in any of them; null where a row has none.

    Args:
      rows: names and plain values.
      keys: of a grid: those among the names stand behind the optimizer.
    """
    names = list(dict.fromkeys(name for row in rows for name in row))
    if "optimizer" in names:
        behind = names.index("optimizer") + 1
        used = [key for key in keys if key in names]
        names = [name for name in names if name not in used]
        names[behind:behind] = used
    return pa.table({name: pa.array([row.get(name) for row in rows]) for name in names})


def beside(runs: pa.Table, labels: pa.Table) -> pa.Table:
    """The columns of labels but the first, `run`, behind those of the runs."""
    for name in labels.column_names[1:]:
        runs = runs.append_column(labels.schema.field(name), labels[name])
    return runs.combine_chunks()


def to_pandas(table: pa.Table) -> Any:
    """Runs as a DataFrame, a list column as x_0, x_1, … up to 16 dimensions."""
    need("pandas")
    lists = [field.name for field in table.schema if pa.types.is_list(field.type)]
    for name in lists:
        values = table[name].combine_chunks()
        widths = np.unique(np.diff(np.asarray(values.offsets)))
        if len(widths) and widths.max() <= SPREAD_DIMENSIONS:
            at = table.schema.get_field_index(name)
            table = table.remove_column(at)
            for i in range(int(widths.max())):
                table = table.add_column(at + i, f"{name}_{i}", _coordinate(values, i))
    return table.to_pandas()


def to_xarray(runs: pa.Table, manifest: Mapping[str, Any]) -> Any:
    """Runs as a Dataset along the axes of their sweep, or a DataTree where groups differ."""
    xarray = need("xarray")
    groups = manifest["groups"]
    if len(runs) < manifest["runs"]:
        raise UsageError(f"only {len(runs)} of {manifest['runs']} runs are here")
    lists = [field.name for field in runs.schema if pa.types.is_list(field.type)]
    kinds = {
        json.dumps([g["axes"], g["shape"], *(len(runs[name][g["first"]]) for name in lists)])
        for g in groups
    }
    values = grid(manifest)
    if len(kinds) == 1:
        names = ("objective", "optimizer")
        each = {name: list(dict.fromkeys(g[name] for g in groups)) for name in names}
        return _dataset(xarray, runs, groups[0], values, each)
    return xarray.DataTree.from_dict(
        {
            f"{g['objective']}/{g['optimizer']}": _dataset(
                xarray, runs.slice(g["first"], math.prod(g["shape"])), g, values, {}
            )
            for g in groups
        }
    )


def grid(manifest: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """KEY -> the values of each axis, as the manifest has their bits; UsageError if it has none."""
    try:
        return {
            key: np.frombuffer(base64.b64decode(bits), "<f8").astype(np.float64)
            for key, bits in manifest["grid"].items()
        }
    except ValueError:
        raise UsageError(
            "manifest.json was not written by gdexp: grid is not as it should be"
        ) from None


def _coordinate(values: pa.ListArray, i: int) -> pa.Array:
    """Column i of a list column; null where a row is shorter."""
    offsets = np.asarray(values.offsets)
    inside = np.diff(offsets) > i
    return values.values.take(pa.array(offsets[:-1] + i, mask=~inside))


def _dataset(
    xarray: Any,
    rows: pa.Table,
    group: Mapping[str, Any],
    grid: Mapping[str, np.ndarray],
    names: Mapping[str, list[str]],
) -> Any:
    """Runs along the axes of `group`, behind the axes that `names` adds in front.

    Coordinates are those of the plan: a row's place tells them, whatever columns were kept.
    """
    dims = [*names, *("+".join(keys) for keys in group["axes"]), "start", "replicate"]
    shape = [*map(len, names.values()), *group["shape"]]
    data, coords = {}, dict(names)
    coords |= {key: ("+".join(keys), grid[key]) for keys in group["axes"] for key in keys}
    coords |= {name: np.arange(shape[dims.index(name)]) for name in ("start", "replicate")}
    for name in rows.column_names:
        column = rows[name].combine_chunks()
        if name in (*coords, "objective", "optimizer") or column.null_count == len(column):
            continue
        if pa.types.is_list(column.type):
            values = np.asarray(column.flatten().fill_null(-1)).reshape(*shape, -1)
            data[name] = ([*dims, "dim" if name in ("x", "x0") else "target"], values)
            continue
        plain = column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column
        data[name] = (dims, plain.to_numpy(zero_copy_only=False).reshape(shape))
    return xarray.Dataset(data, coords)


def need(package: str) -> Any:
    """The package, which is an extra; UsageError that names it where it is not installed."""
    try:
        return __import__(package)
    except ImportError:
        raise UsageError(f"this needs {package}: pip install 'gdexp[frames]'") from None
