"""At which learning rate runs begin to diverge, beside what theory says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from gdexp.analysis import maps, stability, thresholds
from gdexp.analysis.statistics import wilson
from gdexp.base import Outcome, UsageError
from gdexp.drawing import GREEN, VERMILION, Axis, Band, Drawing, Line, Mark, Rule
from gdexp.figures import minima_of, outcomes_along
from gdexp.figures.outcome_map import spaced
from gdexp.plan import LEARNING_RATE, Group

if TYPE_CHECKING:
    from gdexp.answers import Answers

MOST_MINIMA = 4  # whose theory is drawn


def draw(results: Answers, objective: str | None = None, optimizer: str | None = None) -> Drawing:
    """The share of runs that diverged and of those that converged, by learning rate.

    With 95 % intervals (Wilson), over all other axes. Lines across are the turn, between the
    learning rates where most runs begin to diverge, and where there is a theory of the optimizer
    (gradient descent, with and without momentum) the largest rates that stay at the minima to which
    most runs came.

    Raises:
      UsageError: the learning rate is no axis.
    """
    group = results.group(objective, optimizer)
    if group.rate_axis is None:
        raise UsageError("the learning rate is no axis: sweep it with grid.learning_rate=VALUES")
    rate = group.axes[group.rate_axis]
    along = maps.axis(group, rate.keys[rate.numbers.index(LEARNING_RATE)])
    rates, order = along.values, np.argsort(along.values)
    ran, ended = outcomes_along(results, group, along)
    marks: list[Mark] = []
    columns = {"learning_rate": rates[order], "runs": ran[order]}
    for outcome, colour in ((Outcome.DIVERGED, VERMILION), (Outcome.CONVERGED, GREEN)):
        count = ended[outcome]
        low, high = wilson(count, ran)
        share = count / np.maximum(ran, 1)
        if (ran > 1).any():  # one run has no share to be uncertain about
            marks.append(Band(rates[order], low[order], high[order], "", colour))
        marks.append(
            Line(rates[order], share[order], str(outcome), colour, symbol="circle", size=4)
        )
        names = (str(outcome), f"{outcome}_low", f"{outcome}_high")
        columns |= dict(zip(names, (share[order], low[order], high[order]), strict=True))
    turn = thresholds.turn(rates, ended[Outcome.DIVERGED], ran)
    if turn:
        marks.append(
            Rule(float(np.sqrt(turn[0] * turn[1])) if turn[0] > 0 else turn[1], "the turn")
        )
    marks += _theory(results, group, rates)
    told = f"{int(ran.sum()):,} runs."
    if turn:
        told += f" Most diverge from between {turn[0]:.4g} and {turn[1]:.4g} on."
    return Drawing(
        title=f"Where convergence is lost: {group.objective_name} × {group.optimizer.name}",
        told=told,
        x=Axis("learning rate", log=spaced(rates[order])),
        y=Axis("share of runs", range=(-0.02, 1.05)),
        marks=tuple(marks),
        data=pa.table(columns),
    )


def _theory(results: Answers, group: Group, rates: np.ndarray) -> list[Mark]:
    """The rates up to which runs stay at minima, where theory tells them."""
    card = group.optimizer
    law = stability.law(card.name, card.structure, card.numbers)
    varied = {last for room, last in group.varied if room == "optimizer"} - {"learning_rate"}
    if law is None or varied or group.singles["schedule"].name != "constant":
        return []
    if not results.has_labels:
        return []
    found = [row for row in minima_of(results, group) if row["kind"] == "minimum"]
    found.sort(key=lambda row: -row["runs"])
    beta = card.numbers.get("momentum", 0.0)
    told: dict[float, list[int]] = {}
    for row in found[:MOST_MINIMA]:
        rate = law.threshold(row["sharpness"], beta) if row["sharpness"] > 0 else np.nan
        if rates.min() / 3 <= rate <= rates.max() * 3:
            told.setdefault(float(f"{rate:.3g}"), []).append(row["minimum_id"])
    return [
        Rule(rate, f"{law.formula} at minimum {', '.join(map(str, ids))}", dash="dot")
        for rate, ids in told.items()
    ]
