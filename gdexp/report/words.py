"""The report's sentences: what was asked, what was found, how to have it again."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import numpy as np

from gdexp import store
from gdexp.base import Outcome

if TYPE_CHECKING:
    from gdexp.results import Results

AMONG = 6  # names that are listed


def title(results: Results) -> str:
    """What the report is of, in a line."""
    objectives, optimizers = _names(results)
    return f"{_list(objectives)} × {_list(optimizers)}: {_count(results.plan.count, 'run')}"


def asked(results: Results) -> list[str]:
    """What was asked for, in sentences."""
    objectives, optimizers = _names(results)
    plan, experiment = results.plan, results.experiment
    sign = "maximized" if experiment.sign < 0 else "minimized"
    told = [f"{_list(objectives)} {sign} by {_list(optimizers)}, {_count(plan.count, 'descent')}."]
    for key in plan.keys:
        if key in experiment.grid:
            values = np.asarray(experiment.grid[key])
            told.append(
                f"{key}: {values[0]:.6g}."
                if len(values) == 1
                else f"{key}: {len(values):,} values from {values.min():.6g} to {values.max():.6g}."
            )
        else:
            told.append(f"{key}: drawn for each run, {experiment.draw[key].kind}.")
    starts = sorted({group.starts for group in plan.groups})
    own = (
        f", {_count(experiment.replicates, 'replicate')} each" if experiment.replicates > 1 else ""
    )
    told.append(f"{_count(starts[-1], 'starting point')}{own}; seed {experiment.seed}.")
    stop = experiment.stop
    told.append(
        f"At most {_count(stop.max_steps, 'step')}; converged where the gradient's norm is at most "
        f"{stop.grad_tol:g}; {experiment.dtype}."
    )
    for name, card in results.config["objective"].items():
        if own := (card or {}).get("formula") or (card or {}).get("path"):
            told.append(f"{name} is {own}.")
    return told


def found(results: Results) -> list[str]:
    """What was found, in sentences with numbers."""
    summary = results.summary
    runs, told = summary["runs"], []
    shares = [(o, summary["outcomes"][o]) for o in Outcome if summary["outcomes"][o]]
    shares.sort(key=lambda each: -each[1])
    told.append(", ".join(f"{_share(count, runs)} {name}" for name, count in shares) + ".")
    if best := summary["best"]:
        told.append(
            f"The best value, {best['f']:.9g}, is that of run {best['run']:,} "
            f"({best['objective']} × {best['optimizer']})."
        )
    for turn in summary["thresholds"]:
        low, high = turn["learning_rate"]
        told.append(
            f"{turn['objective']} × {turn['optimizer']}: most runs diverge from a learning rate "
            f"between {low:.4g} and {high:.4g} on."
        )
    for name, one in summary["stationary"].items():
        if not one["told"]:
            told.append(f"{name}: what its runs ended at would have taken too long to tell.")
        elif one["minima"]:
            several = f" of {one['functions']:,} functions" if one["functions"] > 1 else ""
            told.append(
                f"{name}: runs ended at {_count(one['minima'], 'minimum', 'minima')}{several}."
            )
    told.append(
        f"{summary['seconds']:.1f} s, {summary['compile_seconds']:.1f} of them compiling: "
        f"{summary['runs_per_second']:,.0f} runs a second."
    )
    return told


def again(results: Results) -> list[tuple[str, str]]:
    """What to type to have it again: what it does, and the command."""
    plain = store.typed(results.directory)
    folder = shlex.quote(plain)
    return [
        ("run it all again and compare the bits", f"python -m gdexp reproduce {folder}"),
        ("take a run step by step", f"python -m gdexp replay {folder} 0"),
        ("make this page again", f"python -m gdexp report {folder}"),
        ("read it in Python", f"import gdexp; found = gdexp.load({plain!r})"),
    ]


def _names(results: Results) -> tuple[list[str], list[str]]:
    groups = results.plan.groups
    return (
        list(dict.fromkeys(group.objective_name for group in groups)),
        list(dict.fromkeys(group.optimizer.name for group in groups)),
    )


def _list(names: list[str]) -> str:
    if len(names) > AMONG:
        return f"{', '.join(names[:AMONG])} and {len(names) - AMONG} more"
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _count(count: int, name: str, several: str | None = None) -> str:
    return f"{count:,} {name if count == 1 else several or f'{name}s'}"


def _share(count: int, total: int) -> str:
    """A share in per cent, never 0 or 100 for what is not none or all."""
    if count == total:
        return "all" if total > 1 else "1 run"
    share = 100 * count / total
    return "<0.1 %" if share < 0.1 else ">99.9 %" if share > 99.9 else f"{share:.1f} %"
