"""What W&B is given, as data that it keeps whole: no NaN, no infinity, no deep trees."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow

SPREAD = 16  # lists up to this long become columns, which W&B can plot

NONFINITE = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}  # as W&B writes them


def flat(summary: Mapping[str, Any]) -> dict[str, Any]:
    """Nested names joined by "/"."""
    return dict(_leaves(summary))


def _leaves(mapping: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in mapping.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{key}/")
        else:
            yield f"{prefix}{key}", plain(value)


def plain(value: Any, levels: float = math.inf) -> Any:
    """Returns `value` as JSON data of at most `levels` levels of mappings, deeper ones as text."""
    if isinstance(value, Mapping):
        if levels == 0:
            return json.dumps(plain(value), separators=(",", ":"), ensure_ascii=False)
        found = {str(key): plain(item, levels - 1) for key, item in value.items()}
        return {key: "{}" if item == {} else item for key, item in found.items()}  # W&B drops these
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, Sequence):
        return [plain(item, levels) for item in value]
    if isinstance(value, int):
        return int(value) if -(2**63) <= value < 2**63 else str(value)  # W&B rounds beyond
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else NONFINITE[str(float(value))]
    if hasattr(value, "tolist"):  # of numpy and JAX
        return plain(value.tolist(), levels)
    return str(value)


def columns(sample: pyarrow.Table) -> dict[str, list[Any]]:
    """Returns the table's columns with short lists spread and what is not finite as None.

    Longer lists are left out: 10,000 runs of a network's numbers are a gigabyte of JSON, and the
    Parquet files have them.
    """
    import pyarrow as pa

    lists = pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list
    found: dict[str, list[Any]] = {}
    for name, column in zip(sample.column_names, sample.columns, strict=True):
        cells = column.to_pylist()
        if not any(is_list(column.type) for is_list in lists):
            found[name] = [_finite(cell) for cell in cells]
            continue
        width = max((len(cell) for cell in cells if cell is not None), default=0)
        for i in range(width if width <= SPREAD else 0):
            spread = (cell[i] if cell is not None and i < len(cell) else None for cell in cells)
            own = f"{name}_{i}"
            own = f"{name}[{i}]" if own in sample.column_names else own  # a number may be called so
            found[own] = [_finite(item) for item in spread]
    return found


def _finite(cell: Any) -> Any:
    return None if isinstance(cell, float) and not math.isfinite(cell) else cell
