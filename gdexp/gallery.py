"""Which figures a sweep has: made once, for all that show them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from gdexp import figures
from gdexp.base import UsageError
from gdexp.drawing import Drawing

if TYPE_CHECKING:
    from gdexp.answers import Answers

MOST_GROUPS = 4  # pairs of objective and optimizer that have figures of their own

ENDS = "Where they ended"  # a title by which more is put beside its figures


class Shown(NamedTuple):
    """Some figures with what they are about."""

    title: str
    kind: str  # the file of `figures` that made them
    drawings: list[Drawing]  # may be none


class Gallery(NamedTuple):
    """The figures of a sweep."""

    shown: list[Shown]
    left_out: list[str]  # what there is no figure of, and why


def of(results: Answers) -> Gallery:
    """The figures of finished results; what one of them refuses is told with its reason."""
    left_out: list[str] = []
    return Gallery(list(_each(results, left_out)), left_out)


def _each(results: Answers, left_out: list[str]) -> Iterator[Shown]:
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
    own = [{"objective": name} for name in names]
    many = results.plan.count > 1

    def drawn(title: str, kind: str, which: list[dict[str, Any]]) -> Shown:
        found = []
        for one in which:
            try:
                found.append(figures.of(kind)(results, **one))
            except UsageError as error:
                named = (str(one[key]) for key in ("objective", "optimizer") if key in one)
                left_out.append(f"{kind} of {' × '.join(named)}: {error}")
        return Shown(title, kind, found)

    if many:
        yield drawn("What came of the runs", "outcome_map", each)
    yield drawn("The ways they took", "trajectories", each)
    if many and results.has_labels:
        yield drawn(ENDS, "basins", each)
        yield drawn("Sorted by where they ended", "waterfall", own)
    if many:
        values = [one | {"value": value} for value in ("f", "alive") for one in own]
        yield drawn("Step by step", "curves", values)
    rated = [one for one, group in zip(each, groups, strict=False) if group.rate_axis is not None]
    yield drawn("Where convergence is lost", "thresholds", rated)
    if many:
        targets = [None, *results.experiment.stop.targets]
        judged = [one | {"target": target} for target in targets for one in own]
        yield drawn("Success, and what it costs", "success", judged)
        if any(group.starts > 1 for group in groups):
            yield drawn("A race for the fewest evaluations", "race", judged)
