"""report.html: one file that shows a sweep in any browser, without a network."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from gdexp import figures
from gdexp.base import UsageError
from gdexp.drawing import Drawing
from gdexp.report import page, tables, words

if TYPE_CHECKING:
    from gdexp.results import Results

MOST_GROUPS = 4  # pairs of objective and optimizer that have figures of their own


class Shown(NamedTuple):
    """A part of the report."""

    title: str
    drawings: list[Drawing]
    tables: list[page.Table]


def html(results: Results) -> str:
    """The report of finished results.

    Every figure and table comes from the functions that `results` has; what one of them refuses is
    told at the end with its reason, so that nothing is missing without a word.
    """
    left_out: list[str] = []
    shown = [part for part in _parts(results, left_out) if part.drawings or part.tables]
    return page.write(
        title=words.title(results),
        asked=words.asked(results),
        found=words.found(results),
        parts=shown,
        again=words.again(results),
        left_out=left_out,
    )


def _parts(results: Results, left_out: list[str]) -> Iterator[Shown]:
    groups = results.plan.groups
    each = [
        {"objective": group.objective_name, "optimizer": group.optimizer.name} for group in groups
    ]
    if len(each) > MOST_GROUPS:
        left_out.append(
            f"Figures of the pairs of objective and optimizer but the first {MOST_GROUPS} of "
            f"{len(each)}: python -m gdexp plot DIR KIND objective=NAME optimizer=NAME draws them."
        )
        each = each[:MOST_GROUPS]
    names = list(dict.fromkeys(group.objective_name for group in groups))[:MOST_GROUPS]
    many = results.plan.count > 1

    def drawn(kind: str, which: list[dict[str, Any]], **options: Any) -> list[Drawing]:
        found = []
        for one in which:
            try:
                found.append(figures.of(kind)(results, **one, **options))
            except UsageError as error:
                left_out.append(f"{kind} of {' × '.join(one.values()) or 'all'}: {error}")
        return found

    own = [{"objective": name} for name in names]
    if many:
        yield Shown("What came of the runs", drawn("outcome_map", each), [])
    yield Shown("The ways they took", drawn("trajectories", each), [])
    if many and results.has_labels:
        yield Shown("Where they ended", drawn("basins", each), [tables.minima(results)])
        yield Shown("Sorted by where they ended", drawn("waterfall", own), [])
    if many:
        curves = [d for value in ("f", "alive") for d in drawn("curves", own, value=value)]
        yield Shown("Step by step", curves, [])
    rated = [one for one, group in zip(each, groups, strict=False) if group.rate_axis is not None]
    yield Shown("Where convergence is lost", drawn("thresholds", rated), [])
    if many:
        yield Shown("Success, and what it costs", _success(results, own, drawn), [])
    yield Shown("The runs", [], [tables.runs(results)])


def _success(results: Results, own: list[dict], drawn: Callable[..., list[Drawing]]):
    targets = [None, *results.experiment.stop.targets]
    found = [d for target in targets for d in drawn("success", own, target=target)]
    if any(group.starts > 1 for group in results.plan.groups):
        found += [d for target in targets for d in drawn("race", own, target=target)]
    return found
