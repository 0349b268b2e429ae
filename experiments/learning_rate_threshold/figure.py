"""The table and the figure of this experiment, from its output directory.

    python experiments/learning_rate_threshold/figure.py outputs/learning_rate_threshold

Prints the table of README.md and writes figure.svg beside this file.
"""

import io
import itertools
import math
import re
import sys
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

import gdexp

HERE = Path(__file__).parent
CELLS = 72  # of a strip, from the smallest to the largest learning rate
COLOURS = {"converged": "on #4477aa", "unfinished": "on #ccbb44", "diverged": "on #ee6677"}
PARABOLOID = (5 - math.sqrt(37) / 2, 5 + math.sqrt(37) / 2)  # of its Hessian [[2, ½], [½, 8]]
TURN = "on white"  # where the learning rate is 2/L


def cases(frame):
    """(name, curvatures, runs in rising order of the learning rate) of every objective."""
    frame = frame.sort_values("learning_rate")
    yield "paraboloid", PARABOLOID, frame[frame["objective"] == "paraboloid"]
    for number, runs in frame[frame["objective"] == "quadratic"].groupby("condition_number"):
        yield f"quadratic, L = {number:g}", (1.0, number), runs


def row(name, curvatures, runs):
    """A line of the table: what was found beside what theory says."""
    least, most = curvatures
    converged = runs[runs["outcome"] == "converged"]
    diverged = runs[runs["outcome"] == "diverged"]
    last, first = converged["learning_rate"].max(), diverged["learning_rate"].min()
    best = converged.loc[converged["steps"].idxmin(), "learning_rate"]
    return (
        name,
        f"{last:.6f}",
        f"{2 / most:.6f}",
        f"{first:.6f}",
        "yes" if last < 2 / most < first else "no",
        f"{best:.6f}",
        f"{2 / (least + most):.6f}",
        str(converged["steps"].min()),
    )


def strip(curvatures, runs):
    """The outcomes along the learning rate, with a bar where it is 2/L."""
    rates = np.log10(runs["learning_rate"].to_numpy())
    place = np.linspace(rates[0], rates[-1], CELLS)
    nearest = np.abs(rates[:, None] - place).argmin(axis=0)
    cells = [COLOURS[outcome] for outcome in runs["outcome"].to_numpy()[nearest]]
    cells[np.abs(place - math.log10(2 / curvatures[1])).argmin()] = TURN
    return Text.assemble(*((" " * len(list(same)), c) for c, same in itertools.groupby(cells)))


def figure(frame):
    """A strip per objective, as text that rich can write as SVG."""
    table = Table(box=None, padding=(0, 1, 0, 0))
    table.add_column("", justify="right", no_wrap=True)
    table.add_column(Text("0.001" + "learning rate, log scale".center(CELLS - 6) + "1"))
    for name, curvatures, runs in cases(frame):
        table.add_row(name, strip(curvatures, runs))
    legend = [part for o, c in COLOURS.items() for part in ((" ", c), f" {o}    ")]
    table.add_row("", Text.assemble(*legend, (" ", TURN), " 2/L"))
    return table


def main(directory):
    frame = gdexp.load(directory).to_pandas()
    header = ("objective", "last converged", "2/L", "first diverged", "2/L between")
    header += ("fewest steps at", "2/(μ+L)", "steps")
    lines = [header, ("---",) * len(header), *(row(*case) for case in cases(frame))]
    print("\n".join(f"| {' | '.join(line)} |" for line in lines))
    console = Console(record=True, width=CELLS + 24, file=io.StringIO())
    console.print(figure(frame))
    svg = console.export_svg(title="gradient descent: outcome by learning rate", unique_id="lr")
    svg = re.sub(r"@font-face {.*?}\s*|<!--.*?-->", "", svg, flags=re.DOTALL)  # no network fonts
    (HERE / "figure.svg").write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
