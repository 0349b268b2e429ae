"""Tables as text: Markdown, LaTeX, and what a terminal shows."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa

from gdexp.base import UsageError

NOTHING = "–"  # for null
LATEX = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "&": r"\&",
        "%": r"\%",
        "$": r"\$",
        "#": r"\#",
        "_": r"\_",
        "{": r"\{",
        "}": r"\}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "β": r"$\beta$",
        "∞": r"$\infty$",
        "–": "--",
    }
)
MARKDOWN = str.maketrans({"|": r"\|", "\n": " ", "\r": " ", "<": "&lt;", ">": "&gt;"})
POWER = re.compile(r"^(-?[\d.]+)e([+-]\d+)$")


def write(table: pa.Table, form: str, digits: int = 6) -> str:
    """A table as text that ends with a line break.

    Args:
      table: of plain values and lists of them. Columns without any value are left out.
      form: markdown or latex (with the package booktabs).
      digits: of a number that is not whole.

    Raises:
      UsageError: there is no such form.

    Example:
      >>> import pyarrow
      >>> print(write(pyarrow.table({"optimizer": ["sgd"], "share": [0.5]}), "markdown"), end="")
      | optimizer | share |
      | --- | --: |
      | sgd | 0.5 |
    """
    forms = {"markdown": _markdown, "latex": _latex}
    if form not in forms:
        raise UsageError(f"there is no form {form!r}: type one of {', '.join(forms)}")
    names = columns(table)
    right = [_is_number(table.schema.field(name).type) for name in names]
    return forms[form](names, right, list(rows(table, digits)))


def columns(table: pa.Table) -> list[str]:
    """The columns that hold anything."""
    return [n for n in table.column_names if table[n].null_count < max(len(table), 1)]


def rows(table: pa.Table, digits: int = 6) -> Iterator[list[str]]:
    """The cells of each row, of `columns`, as text."""
    for row in table.select(columns(table)).to_pylist():
        yield [cell(value, digits) for value in row.values()]


def cell(value: Any, digits: int = 6) -> str:
    """A value as text: numbers to so many digits, lists in brackets, – for null."""
    if value is None:
        return NOTHING
    if isinstance(value, float):
        if math.isinf(value):
            return "∞" if value > 0 else "-∞"
        return NOTHING if math.isnan(value) else f"{value:.{digits}g}"
    if isinstance(value, list):
        return f"({', '.join(cell(v, digits) for v in value)})"
    return str(value)


def _is_number(type: pa.DataType) -> bool:
    return pa.types.is_integer(type) or pa.types.is_floating(type)


def _markdown(names: list[str], right: list[bool], cells: list[list[str]]) -> str:
    rules = ["--:" if one else "---" for one in right]
    lines = [_joined(names, str), f"| {' | '.join(rules)} |", *(_joined(r, str) for r in cells)]
    return "\n".join(lines) + "\n"


def _joined(cells: list[str], change: Callable[[str], str]) -> str:
    return f"| {' | '.join(change(text).translate(MARKDOWN) for text in cells)} |"


def _latex(names: list[str], right: list[bool], cells: list[list[str]]) -> str:
    lines = [
        rf"\begin{{tabular}}{{{''.join('r' if one else 'l' for one in right)}}}",
        r"\toprule",
        _latex_row(names),
        r"\midrule",
        *(_latex_row(row) for row in cells),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return "\n".join(lines) + "\n"


def _latex_row(cells: list[str]) -> str:
    return " & ".join(_latex_cell(text) for text in cells) + r" \\"


def _latex_cell(text: str) -> str:
    if found := POWER.match(text):
        return rf"${found[1]} \times 10^{{{int(found[2])}}}$"
    if re.fullmatch(r"-[\d.]+", text):
        return f"${text}$"  # a minus, not a hyphen
    return " ".join(text.split()).translate(LATEX)
