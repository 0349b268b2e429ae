"""The history of a W&B run by step: how runs went down."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from gdexp.base import Path
from gdexp.sinks._wandb.plain import SPREAD

MOST_KEYS = 1000  # of a sweep: W&B asks for less than 10,000 in a project, over all its runs
# (docs.wandb.ai/models/track/limits)
OTHER = ("objective", "optimizer", "learning_rate", "sample", "step")


def curves(each: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """A row for each step, with the curves of all groups, then of their learning rates.

    Args:
      each: as `analysis.curves.pooled` has them. There may be more than MOST_KEYS allow: then the
        last are left out.
    """
    names = [name for name in (each[0] if each else ()) if name not in OTHER]
    kept = sorted(each, key=lambda one: one["learning_rate"] is not None)
    kept = kept[: MOST_KEYS // max(len(names), 1)]
    rows: dict[int, dict[str, Any]] = {}
    for one in kept:
        own = f"curves/{one['objective']}/{one['optimizer']}/"
        if one["learning_rate"] is not None:
            own += f"learning_rate_{named(one['learning_rate'])}/"
        for place, step in enumerate(one["step"]):
            row = rows.setdefault(step, {"step": step})
            row |= {own + name: one[name][place] for name in names}
    return (rows[step] for step in sorted(rows))


def named(number: float) -> str:
    """A number as a part of a name, which for W&B may have letters, digits and _ alone.

    All of its digits, since others may be near: 0p001, 1e_05.
    """
    return repr(float(number)).replace("+", "").replace("-", "_").replace(".", "p")


def path(states: Path) -> Iterator[dict[str, Any]]:
    """A row for each recorded state of one run."""
    spread = range(states.x.shape[1] if states.x.shape[1] <= SPREAD else 0)
    for place, step in enumerate(np.asarray(states.step).tolist()):
        row = {"step": step, "path/f": float(states.f[place])}
        row |= {"path/grad_norm": float(states.grad_norm[place])}
        row |= {f"path/x_{i}": float(states.x[place, i]) for i in spread}
        yield {name: value for name, value in row.items() if math.isfinite(value)}
