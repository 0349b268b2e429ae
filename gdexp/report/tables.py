"""The report's tables: minima, and a sample of the runs with the command that replays each."""

from __future__ import annotations

import math
import shlex
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from gdexp import store
from gdexp.report.page import Table

if TYPE_CHECKING:
    from gdexp.results import Results

MOST_RUNS = 2000
MOST_MINIMA = 200
SHOWN = ("run", "objective", "optimizer")
TOLD = ("start", "replicate", "x0", "f", "grad_norm", "steps", "outcome", "reason", "period")
OF_A_POINT = ("objective", "minimum_id", "kind", "x", "f", "sharpness", "stability_threshold")
OF_RUNS = ("runs", "share", "share_low", "share_high", "radius")


def minima(results: Results) -> Table:
    """The stationary points at which runs ended, with the shares of runs and their intervals."""
    table = results.minima
    known = {*OF_A_POINT, *OF_RUNS, "eigenvalues"}
    own = [name for name in table.column_names if name not in known]
    told = "95 % intervals of the shares (Wilson)."
    if table.num_rows > MOST_MINIMA:
        told += f" The first {MOST_MINIMA} of {table.num_rows:,}, best value first."
    return _table(
        "Stationary points",
        told,
        table.slice(0, MOST_MINIMA),
        [*OF_A_POINT[:2], *own, *OF_A_POINT[2:], *OF_RUNS],
    )


def runs(results: Results) -> Table:
    """The runs, or a sample that covers every axis evenly, each with what replays it."""
    sample = results.sample(MOST_RUNS)
    folder = shlex.quote(store.typed(results.directory))
    commands = [f"python -m gdexp replay {folder} {run}" for run in sample["run"].to_pylist()]
    told = "Type to search."
    if sample.num_rows < results.manifest["runs"]:
        told = (
            f"{sample.num_rows:,} of {results.manifest['runs']:,} runs, one from each of as many "
            "equal stretches of their numbers. " + told
        )
    keys = list(results.plan.keys)
    table = sample.append_column("replay", pa.array(commands))
    return _table("Runs", told, table, [*SHOWN, *keys, *TOLD, "replay"], searched=True)


def _table(title: str, told: str, table: pa.Table, names: list[str], searched: bool = False):
    names = [n for n in names if n in table.column_names]
    names = [n for n in names if table[n].null_count < len(table[n]) or not len(table)]
    columns = [[cell(value) for value in table[name].to_pylist()] for name in names]
    return Table(title, told, names, [list(row) for row in zip(*columns, strict=True)], searched)


def cell(value: Any) -> str:
    """A value as text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, float):
        return f"{value:.7g}" if math.isfinite(value) else str(value)
    if isinstance(value, list):
        more = ", …" if len(value) > 4 else ""
        return f"({', '.join(map(cell, value[:4]))}{more})"
    return str(value)
