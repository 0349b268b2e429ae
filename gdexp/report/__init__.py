"""report.html: one file that shows a sweep in any browser, without a network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdexp import gallery
from gdexp.report import page, tables, words

if TYPE_CHECKING:
    from gdexp.results import Results


def html(results: Results) -> str:
    """The report of finished results.

    Every figure and table comes from the functions that `results` has; what one of them refuses is
    told at the end with its reason, so that nothing is missing without a word.
    """
    shown, left_out = results.gallery
    ends = [tables.minima(results)] if results.has_labels and results.plan.count > 1 else []
    parts = [
        page.Part(part.title, part.drawings, ends if part.title == gallery.ENDS else [])
        for part in shown
    ]
    parts.append(page.Part("The runs", [], [tables.runs(results)]))
    return page.write(
        title=words.title(results),
        asked=words.asked(results),
        found=words.found(results),
        parts=[part for part in parts if part.drawings or part.tables],
        again=words.again(results),
        left_out=left_out,
    )
