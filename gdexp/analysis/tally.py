"""Counting a sweep tile by tile: what the summary and the terminal show."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from gdexp.analysis import thresholds
from gdexp.analysis.counts import OUTCOMES
from gdexp.analysis.statistics import cost_of_reaching, wilson
from gdexp.base import Ends, Outcome, Reason
from gdexp.plan import LEARNING_RATE, Group, Plan

OUTCOME_OF = np.array([OUTCOMES.index(r.outcome) if r.outcome else -1 for r in Reason])
CONVERGED = np.array([reason.outcome is Outcome.CONVERGED for reason in Reason])
DIVERGED = np.array([reason.outcome is Outcome.DIVERGED for reason in Reason])

COUNTED = ("reasons", "longest", "best_f", "best_run", "best_x", "steps", "reached", "spent")
COUNTED += ("by_rate",)
MOST_RATES = 4096  # whose outcomes stand in summary.json


@dataclasses.dataclass
class GroupTally:
    """One objective with one optimizer."""

    group: Group
    sign: float
    reasons: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros(len(Reason), int))
    longest: int = 0  # the most steps that a run took
    best_f: float = math.nan
    best_run: int | None = None
    best_x: list[float] | None = None
    steps: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros((2, 0), int))
    # [2, n]: how many steps converged runs took, rising, and how many runs took them
    targets: tuple[float, ...] = ()  # [T]
    reached: np.ndarray | None = None  # [T] runs that reached each target, and
    spent: np.ndarray | None = None  # [T] evaluations of all, up to there where they did
    by_rate: np.ndarray | None = None  # [O, n] runs by outcome along the learning-rate axis

    def add(self, runs: np.ndarray, ends: Ends) -> None:
        """Counts some runs of the group, in the order of their numbers."""
        self.longest = max(self.longest, int(ends.steps.max(initial=0)))
        self.reasons += np.bincount(ends.reason, minlength=len(Reason))
        new = np.unique(ends.steps[CONVERGED[ends.reason]], return_counts=True)
        self.steps = _added(self.steps, np.stack(new))
        self._best(runs, ends)
        if self.targets:
            self._count_targets(ends)
        axis, rates = learning_rates(self.group)
        if axis is not None:
            place = self.group.coordinates(runs)[axis]
            cell = OUTCOME_OF[ends.reason] * len(rates) + place
            found = np.bincount(cell, minlength=len(OUTCOMES) * len(rates))
            found = found.reshape(len(OUTCOMES), len(rates))
            self.by_rate = found if self.by_rate is None else self.by_rate + found

    def merge(self, other: GroupTally) -> None:
        """Counts what another counted of other runs of the group."""
        self.longest = max(self.longest, other.longest)
        self.reasons += other.reasons
        self.steps = _added(self.steps, other.steps)
        if other.best_run is not None:
            f, kept = self.sign * other.best_f, (math.inf, 0)
            if self.best_run is not None:
                kept = (self.sign * self.best_f, self.best_run)
            if (f, other.best_run) < kept:
                self.best_f, self.best_run = other.best_f, other.best_run
                self.best_x = other.best_x
        for name in ("reached", "spent", "by_rate"):
            counts = [c for c in (getattr(self, name), getattr(other, name)) if c is not None]
            setattr(self, name, sum(counts[1:], counts[0]) if counts else None)

    def to_plain(self) -> dict[str, Any]:
        """What was counted, as plain values."""
        found = {name: getattr(self, name) for name in COUNTED}
        found["best_f"] = None if self.best_run is None else self.best_f
        if self.by_rate is not None:  # a tile touches few of many rates
            touched = np.flatnonzero(self.by_rate.any(axis=0))
            first, last = (int(touched[0]), int(touched[-1])) if len(touched) else (0, -1)
            found["by_rate"] = [first, self.by_rate[:, first : last + 1].tolist()]
        return {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in found.items()}

    def from_plain(self, plain: dict[str, Any]) -> GroupTally:
        """A tally of the same group with what `to_plain` gave."""
        rates, own = learning_rates(self.group)[1], dict(plain)
        if own["by_rate"] is not None:
            first, counts = own["by_rate"]
            own["by_rate"] = whole = np.zeros((len(OUTCOMES), len(rates)), int)
            whole[:, first : first + len(counts[0])] = counts
        best_x = own.pop("best_x")  # a point, where all other lists are counts
        own = {k: np.array(v, int) if isinstance(v, list) else v for k, v in own.items()}
        own["best_f"] = math.nan if own["best_f"] is None else own["best_f"]
        own["steps"] = np.reshape(own["steps"], (2, -1))
        return dataclasses.replace(self, best_x=best_x, **own)

    def _count_targets(self, ends: Ends) -> None:
        if self.reached is None:
            self.reached, self.spent = np.zeros((2, len(self.targets)), int)
        spent = cost_of_reaching(
            ends.reached,
            ends.steps[:, None],
            ends.evaluations[:, None].astype(np.int64),
            self.group.is_even,
        )
        self.reached += (ends.reached >= 0).sum(axis=0)
        self.spent += spent.sum(axis=0)

    def _best(self, runs: np.ndarray, ends: Ends) -> None:
        """Keeps the best end among runs that did not diverge; the first run of equals."""
        f = np.where(DIVERGED[ends.reason] | np.isnan(ends.f), np.inf, self.sign * ends.f)
        i = int(np.argmin(f))
        kept = (math.inf, 0) if self.best_run is None else (self.sign * self.best_f, self.best_run)
        if (f[i], runs[i]) < kept:
            self.best_f, self.best_run = float(ends.f[i]), int(runs[i])
            self.best_x = ends.x[i].tolist()

    def _reached(self) -> Iterator[tuple[float, int, int]]:
        """Each target, how many reached it, and evaluations spent."""
        if self.reached is not None:
            yield from zip(self.targets, self.reached.tolist(), self.spent.tolist(), strict=True)

    @property
    def outcomes(self) -> dict[str, int]:
        """How many runs had each outcome."""
        return outcome_counts(self.reasons)

    @property
    def median_steps(self) -> float | None:
        """The median number of steps of converged runs."""
        if not self.steps.size:
            return None
        values, upto = self.steps[0], np.cumsum(self.steps[1])
        low, high = (
            values[np.searchsorted(upto, k, "right")] for k in ((upto[-1] - 1) // 2, upto[-1] // 2)
        )
        return float(low + high) / 2

    @property
    def turn(self) -> tuple[float, float] | None:
        """The learning rates between which most runs begin to diverge."""
        if self.by_rate is None:
            return None
        diverged = self.by_rate[OUTCOMES.index(Outcome.DIVERGED)]
        return thresholds.turn(learning_rates(self.group)[1], diverged, self.by_rate.sum(axis=0))

    def _by_rate(self) -> dict[str, list[float]] | None:
        """Learning rates, rising, and how many runs had each outcome there."""
        _, rates = learning_rates(self.group)
        if self.by_rate is None or len(rates) > MOST_RATES:
            return None
        order = np.argsort(rates, kind="stable")
        counts = zip(OUTCOMES, self.by_rate[:, order].tolist(), strict=True)
        return {"learning_rate": rates[order].tolist()} | {str(o): n for o, n in counts}

    def summary(self) -> dict[str, Any]:
        """Plain values for summary.json."""
        return {
            "objective": self.group.objective_name,
            "optimizer": self.group.optimizer.name,
            "runs": int(self.reasons.sum()),
            "outcomes": self.outcomes,
            "by_learning_rate": self._by_rate(),
            "reasons": {r.label: int(n) for r, n in zip(Reason, self.reasons, strict=True) if n},
            "best": {"run": self.best_run, "f": _finite(self.best_f), "x": self.best_x},
            "median_steps": self.median_steps,
            "success": _share(self.outcomes[Outcome.CONVERGED], int(self.reasons.sum())),
            "targets": [
                {"target": target, **_share(int(came), int(self.reasons.sum()))}
                | {"expected_evaluations": int(spent) / int(came) if came else None}
                for target, came, spent in self._reached()
            ],
        }


class Tally:
    """All groups of a sweep."""

    def __init__(self, plan: Plan, sign: float, targets: tuple[float, ...] = ()):
        self.groups = [GroupTally(group, sign, targets=targets) for group in plan.groups]

    def blank(self, group: int) -> GroupTally:
        """A tally of a group that has counted nothing."""
        made = self.groups[group]
        return GroupTally(made.group, made.sign, targets=made.targets)

    @property
    def reasons(self) -> np.ndarray:  # [R]
        """How many runs ended by each reason."""
        return sum(group.reasons for group in self.groups)

    def summary(self) -> dict[str, Any]:
        """Plain values for summary.json: counts, best run, thresholds."""
        found = [g for g in self.groups if g.best_run is not None]
        best = min(found, key=lambda g: g.sign * g.best_f, default=None)
        return {
            "runs": int(self.reasons.sum()),
            "outcomes": outcome_counts(self.reasons),
            "best": best
            and {
                "run": best.best_run,
                "f": best.best_f,
                "objective": best.group.objective_name,
                "optimizer": best.group.optimizer.name,
            },
            "thresholds": [
                {
                    "objective": g.group.objective_name,
                    "optimizer": g.group.optimizer.name,
                    "learning_rate": list(g.turn),
                }
                for g in self.groups
                if g.turn
            ],
            "groups": [group.summary() for group in self.groups],
        }


def outcome_counts(reasons: np.ndarray) -> dict[str, int]:
    """Counts by reason [R] as counts by outcome, those that can occur first and always there."""
    return {str(outcome): int(reasons[i == OUTCOME_OF].sum()) for i, outcome in enumerate(Outcome)}


def learning_rates(group: Group) -> tuple[int | None, np.ndarray | None]:
    """Which axis of a group is the learning rate, and its values [n]."""
    if group.rate_axis is None:
        return None, None
    axis = group.axes[group.rate_axis]
    return group.rate_axis, axis.values[axis.numbers.index(LEARNING_RATE)]


def _added(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Two counts, each of rising values and how often they came [2, n], as one."""
    values, place = np.unique(np.concatenate([one[0], other[0]]), return_inverse=True)
    counts = np.bincount(place, np.concatenate([one[1], other[1]]), len(values))
    return np.stack([values, counts.astype(int)])


def _share(count: int, runs: int) -> dict[str, float | None]:
    """A share with its interval, as plain values; null without runs."""
    low, high = wilson(np.array(count), runs)
    return {
        "share": count / runs if runs else None,
        "low": _finite(float(low)),
        "high": _finite(float(high)),
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
