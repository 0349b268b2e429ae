"""The table, the figure and the check of an experiment, from the folders of its sweeps.

    python scripts/experiment.py lesson_parabola outputs/lesson_parabola

Prints the table of experiments/NAME/README.md, writes figure.svg beside it, and fails if the
numbers of the verdict do not hold. What they are stands in experiments/NAME/verdict.py:

    table(*found)   the rows of the table, dicts of texts
    draw(*found)    a matplotlib figure
    check(*found)   asserts the facts of the verdict, at the full size or a smaller one
    SMOKE           overrides for each sweep that make it small, for the tests
"""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import gdexp

EXPERIMENTS = Path(__file__).parents[1] / "experiments"
COLOURS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377")  # Paul Tol's bright
STYLE = {
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "gdexp",  # the same names in the file each time
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.constrained_layout.use": True,
    "image.cmap": "viridis",
}


def verdict(folder: Path) -> ModuleType:
    """verdict.py of an experiment's folder."""
    spec = importlib.util.spec_from_file_location(f"verdict_{folder.name}", folder / "verdict.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def markdown(rows: list[dict[str, str]]) -> str:
    """Rows as a table, their keys above."""
    lines = [list(rows[0]), ["---"] * len(rows[0]), *([*row.values()] for row in rows)]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def draw(module: ModuleType, found: list[gdexp.Results], path: Path) -> None:
    """Writes the figure, the same bytes from the same results."""
    import matplotlib
    from cycler import cycler

    matplotlib.use("svg")
    with matplotlib.rc_context(STYLE | {"axes.prop_cycle": cycler(color=COLOURS)}):
        module.draw(*found).savefig(path, metadata={"Date": None, "Creator": None})


def main(name: str, *directories: str) -> None:
    folder = EXPERIMENTS / name
    module, found = (
        verdict(folder),
        [gdexp.load(directory, allow_code=True) for directory in directories],
    )
    print(markdown(module.table(*found)))
    draw(module, found, folder / "figure.svg")
    module.check(*found)


if __name__ == "__main__":
    main(*sys.argv[1:])
