"""What a person sees: a progress bar while it runs, a table when it is done."""

from __future__ import annotations

import itertools
import json
import math
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table

from gdexp import store
from gdexp.base import Outcome, Path
from gdexp.sinks import Sink, Status

COLOURS = {
    Outcome.CONVERGED: "green",
    Outcome.DIVERGED: "red",
    Outcome.STALLED: "magenta",
    Outcome.CYCLING: "blue",
    Outcome.UNFINISHED: "yellow",
}
PLAIN_SECONDS = 10.0  # between two lines where there is no terminal
WIDE = 100  # columns of a terminal with room for a bar
MOST_STATES = 16  # of a path that are printed
MOST_MAPS = 4  # pairs of objective and optimizer with a map
COLUMNS = 64  # of a map, at most; of few learning rates each has some
LEVELS = " ▁▂▃▄▅▆▇█"  # none, …, all


class Terminal(Sink):
    """Progress on standard error, results on standard output."""

    def __init__(self, experiment, plan, directory):
        super().__init__(experiment, plan, directory)
        # a file or a pipe has no width: a table is not to be cut to a guess of it
        self.console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
        self.errors = Console(stderr=True, highlight=False)
        self.bar: Progress | None = None
        self.told = time.monotonic()

    def progress(self, status: Status) -> None:
        """Moves the bar; where there is no terminal, a plain line now and then."""
        if self.errors.is_terminal:
            self._bar().update(
                0, completed=status.done, total=status.total, told=_status(status, rich=True)
            )
        elif time.monotonic() - self.told > PLAIN_SECONDS:
            self.told = time.monotonic()
            print(f"gdexp: {_status(status, rich=False)}", file=sys.stderr, flush=True)

    def finish(self, results: Any) -> None:
        """The table, where the results are, and what to type next."""
        self.stop()
        if results.path is not None:
            self.console.print(path_table(results.path))
        told = summary_lines(results.summary, self.console), outcome_maps(results.summary)
        for line in itertools.chain(*told, closing(results)):
            # never wrapped: a path or command that is cut in two cannot be copied
            self.console.print(line, soft_wrap=isinstance(line, str))

    def abort(self, error: BaseException) -> None:
        """Leaves the terminal as it was."""
        self.stop()

    def _bar(self) -> Progress:
        if self.bar is None:
            told = TextColumn("{task.fields[told]}")
            bars = [BarColumn(12)] if self.errors.width >= WIDE else []
            self.bar = Progress(*bars, told, console=self.errors, transient=True)
            self.bar.add_task("", total=self.plan.count, told="compiling")
            self.bar.start()
        return self.bar

    def stop(self) -> None:
        """Takes the bar away."""
        if self.bar is not None:
            self.bar.stop()
            self.bar = None


def summary_lines(summary: Mapping[str, Any], console: Console) -> Iterator[Table | str]:
    """The table of a sweep; where it is too wide for the terminal, the turns stand below it."""
    table = summary_table(summary, turns=bool(summary["thresholds"]))
    if console.measure(table, options=console.options.update(width=1000)).maximum <= console.width:
        yield table
        return
    yield summary_table(summary, turns=False, gap=1, digits=4)
    for turn in summary["thresholds"]:
        low, high = turn["learning_rate"]
        yield (
            f"{turn['objective']} × {turn['optimizer']}: "
            f"the turn is at a learning rate of {low:.4g} to {high:.4g}"
        )


def summary_table(
    summary: Mapping[str, Any], *, turns: bool, gap: int = 2, digits: int = 7
) -> Table:
    """A row per objective and optimizer."""
    groups = summary["groups"]
    found = {(t["objective"], t["optimizer"]): t["learning_rate"] for t in summary["thresholds"]}
    shown = [o for o in Outcome if any(g["outcomes"][o] for g in groups)]
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, gap, 0, 0))
    table.add_column("objective × optimizer", style="cyan", overflow="fold")
    columns = [("runs", ""), *((o, COLOURS[o]) for o in shown), ("best f", ""), ("steps", "")]
    for name, style in [*columns, *([("learning rate at the turn", "")] if turns else [])]:
        table.add_column(name, justify="right", style=style, overflow="fold")
    for group in groups:
        turn = found.get((group["objective"], group["optimizer"]))
        table.add_row(
            f"{group['objective']} × {group['optimizer']}",
            f"{group['runs']:,}",
            *(_share(group["outcomes"][o], group["runs"]) for o in shown),
            _number(group["best"]["f"], digits),
            _number(group["median_steps"]),
            *([f"{turn[0]:.4g} to {turn[1]:.4g}" if turn else "–"] if turns else []),
        )
    return table


def outcome_maps(summary: Mapping[str, Any]) -> Iterator[str]:
    """Each outcome's share of the runs, learning rates across."""
    swept = (g for g in summary["groups"] if g["by_learning_rate"])
    told = [g for g in swept if len(g["by_learning_rate"]["learning_rate"]) > 1]
    for group in told[:MOST_MAPS]:
        counts = dict(group["by_learning_rate"])
        rates = counts.pop("learning_rate")
        ran = _binned(np.sum(list(counts.values()), axis=0))
        wide = max(1, min(4, COLUMNS // len(ran)))
        yield ""
        yield f"[cyan]{escape(group['objective'])} × {escape(group['optimizer'])}[/]"
        for outcome, count in counts.items():
            if any(count):
                shown = "".join(level * wide for level in map(_level, _binned(count), ran))
                yield f"{outcome:>13} [{COLOURS[Outcome(outcome)]}]{shown}[/]"
        low, high = f"{rates[0]:.4g}", f"{rates[-1]:.4g}"
        gap = max(1, wide * len(ran) - len(low) - len(high))
        yield f"[dim]learning rate {low}{' ' * gap}{high}[/]"
    if len(told) > MOST_MAPS:
        yield (
            f"[dim]so {len(told) - MOST_MAPS} other pairs: "
            "gdexp plot DIR outcome_map objective=NAME optimizer=NAME[/]"
        )


def _binned(counts: Any) -> np.ndarray:
    """Counts of many places as those of COLUMNS stretches."""
    counts = np.asarray(counts)
    edges = np.linspace(0, len(counts), min(COLUMNS, len(counts)) + 1).astype(int)[:-1]
    return np.add.reduceat(counts, edges)


def _level(count: int, total: int) -> str:
    """A share as a block; blank and full are for none and all."""
    if count in (0, total):
        return LEVELS[-1 if count else 0]
    return LEVELS[1 + int(count / total * (len(LEVELS) - 2))]


def path_table(path: Path) -> Table:
    """The states of one run, at most MOST_STATES of them, evenly spaced."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for name in ("step", "x", "f", "|gradient|"):
        table.add_column(name, justify="left" if name == "x" else "right")
    last = len(path.step) - 1
    for i in sorted({round(i * last / (MOST_STATES - 1)) for i in range(MOST_STATES)}):
        f, norm = float(path.f[i]), float(path.grad_norm[i])
        table.add_row(str(path.step[i]), _point(path.x[i]), f"{f:.7g}", f"{norm:.3g}")
    table.add_row("", f"{path.outcome} ({path.reason.label})", style=COLOURS[path.outcome])
    return table


def closing(results: Any) -> Iterator[str]:
    """How to read the table, speed, place, and what to type next."""
    summary = results.summary
    yield ""
    for name, card in results.config["objective"].items():
        if own := (card or {}).get("formula") or (card or {}).get("path"):
            yield f"[dim]{name}: {escape(own)}[/]"
    if any(group["median_steps"] is not None for group in summary["groups"]):
        yield "[dim]steps: the median of converged runs[/]"
    if summary["thresholds"]:
        yield (
            "[dim]the turn: below it most runs, over all other axes, do not diverge; "
            "from there on most do[/]"
        )
    runs, seconds = summary["runs"], f"{summary['seconds']:.1f} s"
    for name, found in summary["stationary"].items():
        if runs > 1 and not found["told"]:
            yield (
                f"[dim]{name}: what its runs ended at would take too long to tell; fewer runs or a "
                "smaller model are told[/]"
            )
        if runs > 1 and found["minima"]:
            minima = f"{found['minima']} minim{'um' if found['minima'] == 1 else 'a'}"
            if found["functions"] > 1:
                minima += f" of {found['functions']:,} functions: numbers of its own vary"
            yield f"[dim]{name}: runs ended at {minima}[/]"
    compiling = f"{summary['compile_seconds']:.1f} s of it compiling"
    if runs == 1:
        yield f"1 run in {seconds} ({compiling})"
    elif not summary["runs_per_second"]:
        yield f"{runs:,} runs, all made before; what is told of them took {seconds}"
    else:
        yield f"{runs:,} runs in {seconds} ({summary['runs_per_second']:,.0f} runs/s, {compiling})"
    if taken := results.manifest.get("taken"):
        yield f"{taken['runs']:,} of them were taken from the other sweep, the others made now"
    if results.directory:
        folder = escape(store.typed(results.directory))
        yield f"results: {folder}"
        text = json.dumps(store.typed(results.directory), ensure_ascii=False)  # as Python has it
        yield f"in Python: gdexp.load({escape(text)}).runs"


def _status(status: Status, *, rich: bool) -> str:
    """Runs done, time left, outcomes so far; the speed last: a narrow terminal cuts it off."""
    rate = status.runs_per_second
    left = (status.total - status.done) / rate if rate else math.inf
    parts = [f"{status.done:,}/{status.total:,}", f"{_time(left)} left"]
    for name, count in status.outcomes.items():
        if count:
            text = f"{name} {_share(count, status.done, digits=0)}"
            parts.append(f"[{COLOURS[Outcome(name)]}]{text}[/]" if rich else text)
    return " · ".join([*parts, f"{rate:,.0f} runs/s"])


def _time(seconds: float) -> str:
    if not math.isfinite(seconds):
        return "?"
    minutes, seconds = divmod(round(seconds), 60)
    return (
        f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"
        if minutes >= 60
        else f"{minutes}:{seconds:02}"
    )


def _share(count: int, total: int, digits: int = 1) -> str:
    """A share in per cent; never 0 % or 100 % for what is not none or all."""
    if count in (0, total):
        return "–" if count == 0 else "100 %"
    least, share = 10.0**-digits, 100 * count / total
    if share < least:
        return f"<{least:.{digits}f} %"
    return f">{100 - least:.{digits}f} %" if share > 100 - least else f"{share:.{digits}f} %"


def _number(value: float | None, digits: int = 7) -> str:
    return "–" if value is None else f"{value:.{digits}g}"


def _point(x: np.ndarray) -> str:
    shown = ", ".join(f"{v:.7g}" for v in x[:4])
    return f"({shown}{', …' if len(x) > 4 else ''})"
