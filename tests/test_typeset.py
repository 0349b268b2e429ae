"""Tables as Markdown and LaTeX: nothing breaks out of its cell."""

import math
import re

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gdexp import typeset
from gdexp.base import UsageError

TABLE = pa.table(
    {
        "objective": ["a_b", "x|y"],
        "runs": [3, 4],
        "share": [0.123456789, None],
        "x": [[1.0, -2.5], [math.inf, 1e-9]],
        "none": pa.nulls(2),
    }
)


def test_markdown():
    assert typeset.write(TABLE, "markdown") == (
        "| objective | runs | share | x |\n"
        "| --- | --: | --: | --- |\n"
        "| a_b | 3 | 0.123457 | (1, -2.5) |\n"
        r"| x\|y | 4 | – | (∞, 1e-09) |" + "\n"
    )


def test_latex():
    table = pa.table({"a_b": ["50 % of #1 & more"], "y": [-1.5e-9], "z": [-2.0]})
    assert typeset.write(table, "latex").splitlines() == [
        r"\begin{tabular}{lrr}",
        r"\toprule",
        r"a\_b & y & z \\",
        r"\midrule",
        r"50 \% of \#1 \& more & $-1.5 \times 10^{-9}$ & $-2$ \\",
        r"\bottomrule",
        r"\end{tabular}",
    ]


def test_an_empty_table_has_its_head():
    assert typeset.write(TABLE.slice(0, 0), "markdown").startswith("| objective | runs |")


def test_another_form_is_refused():
    with pytest.raises(UsageError, match="type one of markdown, latex"):
        typeset.write(TABLE, "html")


@given(st.text())
def test_any_text_stays_in_its_cell(text):
    table = pa.table({"a": [text], "b": [1]})
    lines = typeset.write(table, "markdown").split("\n")
    assert len(lines) == 4 and lines[3] == ""
    assert len(re.findall(r"(?<!\\)\|", lines[2].replace(r"\\", ""))) == 3
    row = typeset.write(table, "latex").split("\n")[4]
    assert row.endswith(r" & 1 \\")
    assert re.search(r"(?<!\\)[&%#]", row[: -len(r" & 1 \\")]) is None
