"""The page itself: escaped words, figures as data, one script that draws them, and no network."""

from __future__ import annotations

import base64
import functools
import hashlib
import html
import io
from collections.abc import Iterable, Sequence
from importlib import resources
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.csv

from gdexp.drawing import Drawing
from gdexp.rendering import in_plotly

MOST_CSV = 200_000  # bytes of a figure's numbers that the page holds


class Table(NamedTuple):
    """Rows of text."""

    title: str
    told: str
    names: list[str]
    rows: list[list[str]]
    searched: bool = False  # whether it is long: it is searched, and shown a page at a time


class Part(NamedTuple):
    """A part of the page."""

    title: str
    drawings: Sequence[Drawing]
    tables: Sequence[Table]


def write(
    *,
    title: str,
    asked: Sequence[str],
    found: Sequence[str],
    parts: Iterable[Part],
    again: Sequence[tuple[str, str]],
    left_out: Sequence[str],
) -> str:
    """The page as HTML.

    All text is escaped, figures and rows are data that the page's own script reads, and the policy
    lets nothing run but that script and Plotly's, by their hashes, and nothing be loaded.
    """
    body, data = [_head(title, asked, found)], []
    for part in parts:
        body.append(f"<section><h2>{_(part.title)}</h2>")
        for drawing in part.drawings:
            body.append(_figure(drawing, len(data)))
            data.append(drawing)
        body += [_table(table) for table in part.tables]
        body.append("</section>")
    body.append(_foot(again, left_out))
    figures = _inert(in_plotly.to_json(data))
    scripts = [in_plotly.script(), _asset("page.js")]
    return "\n".join(
        [
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{_policy(scripts)}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>gdexp: {_(title)}</title>",
            f"<style>{_asset('page.css')}</style>\n</head>\n<body>",
            *body,
            f'<script type="application/json" id="figures">{figures}</script>',
            *(f"<script>{script}</script>" for script in scripts),
            "</body>\n</html>\n",
        ]
    )


def _policy(scripts: Sequence[str]) -> str:
    """Nothing is loaded from anywhere, and only these scripts run."""
    hashes = (base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() for s in scripts)
    allowed = " ".join(f"'sha256-{one}'" for one in hashes)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )


@functools.cache
def _asset(name: str) -> str:
    return (resources.files("gdexp.report") / name).read_text(encoding="utf-8").strip()


def _(text: Any) -> str:
    """Text as HTML shows it letter by letter."""
    return html.escape(str(text), quote=True)


def _inert(json: str) -> str:
    """JSON that ends no script, whatever it holds."""
    return json.replace("<", "\\u003c")


def _head(title: str, asked: Sequence[str], found: Sequence[str]) -> str:
    def told(sentences: Sequence[str]) -> str:
        return "".join(f"<li>{_(sentence)}</li>" for sentence in sentences)

    return (
        f"<header><h1>{_(title)}</h1></header>\n<section class=two>"
        f"<div><h2>Asked</h2><ul>{told(asked)}</ul></div>"
        f"<div><h2>Found</h2><ul>{told(found)}</ul></div></section>"
    )


def _figure(drawing: Drawing, number: int) -> str:
    table, rows = drawing.data, f"{drawing.data.num_rows:,} rows"
    if table.nbytes > MOST_CSV:
        table = table.slice(0, max(1, table.num_rows * MOST_CSV // table.nbytes))
        rows = f"the first {table.num_rows:,} of {rows}"
    link = f"data:text/csv;base64,{base64.b64encode(_csv(table)).decode()}"
    name = f"figure-{number}.csv"
    shape = "plot square" if drawing.equal else "plot"
    return (
        f'<figure><div class="{shape}" role=img tabindex=0 data-figure="{number}" '
        f'aria-label="{_(drawing.title)}. {_(drawing.told)}"></div>'
        f"<figcaption>{_(drawing.told)} "
        f'<a download="{name}" href="{link}">Data: {rows} as CSV</a></figcaption></figure>'
    )


def _csv(table: pa.Table) -> bytes:
    """A table as CSV, its lists as text."""
    out = io.BytesIO()
    for i, field in enumerate(table.schema):
        if pa.types.is_list(field.type):
            table = table.set_column(i, field.name, [list(map(str, table[i].to_pylist()))])
    pyarrow.csv.write_csv(table, out)
    return out.getvalue()


def _table(table: Table) -> str:
    head = "".join(f"<th scope=col>{_(name)}</th>" for name in table.names)
    search = ""
    if table.searched:
        search = (
            "<label class=search>Search <input type=search autocomplete=off></label>"
            "<output aria-live=polite></output>"
        )
    rows = "".join(
        "<tr>"
        + "".join(_cell(name, text) for name, text in zip(table.names, row, strict=True))
        + "</tr>"
        for row in table.rows
    )
    kind = " class=searched" if table.searched else ""
    return (
        f"<h3>{_(table.title)}</h3><p>{_(table.told)}</p>{search}"
        f"<div class=wide tabindex=0><table{kind}><thead><tr>{head}</tr></thead>"
        f"<tbody>{rows}</tbody></table></div>"
    )


def _cell(name: str, text: str) -> str:
    if name == "replay":
        return f"<td>{_command(text)}</td>"
    return f"<td>{_(text)}</td>"


def _command(text: str) -> str:
    """What is to be typed, and a button that copies it."""
    return f'<button type=button data-copy="{_(text)}">copy</button> <code>{_(text)}</code>'


def _foot(again: Sequence[tuple[str, str]], left_out: Sequence[str]) -> str:
    commands = "".join(f"<dt>{_(what)}</dt><dd>{_command(text)}</dd>" for what, text in again)
    told = f"<section><h2>Have it again</h2><dl>{commands}</dl></section>"
    if left_out:
        reasons = "".join(f"<li>{_(reason)}</li>" for reason in left_out)
        told += f"<section><h2>Left out</h2><ul>{reasons}</ul></section>"
    return told
