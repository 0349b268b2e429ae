"""Where convergence is lost: brackets from a sweep, or from theory, narrowed by further runs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from gdexp.analysis import stability, thresholds
from gdexp.analysis.counts import OUTCOMES, Tiles, outcomes
from gdexp.base import Outcome, Path, UsageError
from gdexp.curvature import Curvature
from gdexp.experiment import Experiment
from gdexp.followup.cases import Case, Cases, Minimum
from gdexp.followup.probes import Probes
from gdexp.followup.verdicts import STEPS, converges, evenly, returns
from gdexp.plan import LEARNING_RATE, Group, Plan
from gdexp.random import spread

STARTS = 64  # of a sweep's, at most, from which it is told where most no longer converge
MINIMA = 16  # of an objective, at most: those at which most runs ended
BESIDE = 1e-5  # of 1 + ‖x‖: how far from a minimum a run comes, so that all is linear to 1e-10
ROUNDING = 1e-11  # of the gradient norm there
SOMEWHAT = 1e-3  # the same, where it is seen how fast it comes back: what counts is the later part
FINEST = 1e-9  # precision of a threshold: rounding is not far below
AROUND = 0.55, 1.7  # of theory's threshold: the first bracket, in whose middle theory is not


def find(
    experiment: Experiment,
    group: Group,
    converged: np.ndarray,
    tried: np.ndarray,
    minima: Sequence[Minimum] | None,
    precision: float,
) -> tuple[list[dict[str, Any]], int, list[str]]:
    """The thresholds of a group, a row each, how many runs it took to find them, and what is left
    out.

    Args:
      experiment: of the sweep.
      group: of its plan.
      converged: how many runs converged at each point of the group's axes.
      tried: how many ran there.
      minima: where runs of the objective ended; None if nothing tells.
      precision: relative, of a threshold.
    """
    axis = group.rate_axis
    if LEARNING_RATE not in group.names:
        return [], 0, ["it has no learning rate"]
    if any(room == "block" for room, _ in group.names):
        return [], 0, ["its blocks have learning rates of their own"]
    if axis is not None and len(group.axes[axis].keys) > 1:
        return [], 0, ["its learning rate advances together with other numbers"]
    found = _Finder(experiment, group, precision)
    rows = [*found.from_starts(converged, tried), *found.at_minima(minima)]
    return rows, found.probes.runs, found.left_out


class _Finder:
    """The thresholds of one group."""

    def __init__(self, experiment: Experiment, group: Group, precision: float):
        self.group, self.precision = group, precision
        self.left_out: list[str] = []
        self.probes = Probes(experiment, group, max_steps=STEPS)
        self.close = Probes(experiment, group, max_steps=STEPS, grad_tol=0, f_tol=None)
        self.cases = Cases(group, self.probes.names)
        self.sign = experiment.sign
        plain = experiment.schedule.name == "constant"
        card = group.optimizer
        self.law = stability.law(card.name, card.structure, card.numbers) if plain else None
        self.noisy = group.is_noisy

    def from_starts(self, converged: np.ndarray, tried: np.ndarray) -> Iterator[dict[str, Any]]:
        """Where most runs from the starts of the sweep no longer converge."""
        if self.noisy:
            self.left_out.append("from the starts: its gradient is noisy")
            return
        if self.group.rate_axis is None:
            self.left_out.append("from the starts: the sweep has no axis of learning rates")
            return
        [rates] = self.group.axes[self.group.rate_axis].values
        cases, brackets = [], []
        for point in self.cases.points():
            along = list(point)
            along[self.group.rate_axis] = slice(None)
            ran, fine = tried[tuple(along)], converged[tuple(along)]
            bracket = thresholds.turn(rates, ran - fine, ran)
            if bracket is None:
                self.left_out.append(f"from the starts: {_no_turn(rates, fine, ran)}")
            else:
                cases.append(self.cases.at(point, spread(self.group.starts, STARTS)))
                brackets.append(bracket)
        if not cases:
            return
        starts = self.group.start.at(
            spread(self.group.starts, STARTS), self.group.space, self.group.seed
        )

        def lost(case, rate):
            x = np.tile(starts, (len(case), 1))
            numbers = self.cases.numbers([cases[i] for i in case], rate)
            kept = [converges(path) for path in self.probes.paths(x, numbers, evenly())]
            return 2 * np.reshape(kept, (len(case), -1)).sum(axis=1) <= len(starts)

        # a sweep of few steps may call lost what only takes longer
        low, high = thresholds.narrow(lost, *np.transpose(brackets), self.precision)
        for case, *bracket in zip(cases, low, high, strict=True):
            yield self._row(case, bracket)

    def at_minima(self, minima: Sequence[Minimum] | None) -> Iterator[dict[str, Any]]:
        """Up to which rate a run that begins beside a minimum comes back to it."""
        drawn = any(number != LEARNING_RATE for number, _ in self.group.draws.values())
        own = any(room == "objective" for room, _ in self.group.varied)
        for holds, why in (
            (self.noisy, "its gradient is noisy"),
            (self.law is None, "there is no linear theory of it, or it follows a schedule"),
            (drawn, "numbers are drawn"),
            (own, "numbers of the objective itself vary"),
            (minima is None, "it is not told where runs ended: the sweep has no labels"),
            (not minima, "no run ended at one"),
        ):
            if holds:
                self.left_out.append(f"at minima: {why}")
                return
        minima = sorted(minima, key=lambda minimum: minimum.number)
        cases = [self.cases.at(p, np.zeros(1, int), m) for m in minima for p in self.cases.points()]
        cases = [case for case in cases if 0 <= self._momentum(case) < 1]  # no theory beyond
        if not cases:
            return
        beside, mixed = self._beside(cases)
        brackets = np.array([self._predicted(case) * np.array(AROUND) for case in cases])

        def lost(case, rate):
            numbers = self.cases.numbers([cases[i] for i in case], rate)
            paths = self.close.paths(beside[case], numbers, evenly())
            each = zip((cases[i] for i in case), paths, strict=True)
            return np.array(
                [not returns(path, of.minimum.x, self._overshoot(of)) for of, path in each], bool
            )

        low, high = thresholds.narrow(lost, *brackets.T, self.precision)
        rates = np.where(np.isfinite(low), low, brackets[:, 0]) / 3
        numbers = self.cases.numbers(cases, rates)
        spaced = np.unique(np.geomspace(1, STEPS, 96).astype(int))
        paths = list(self.close.paths(mixed, numbers, spaced))
        self.probes.runs += self.close.runs
        for case, path, rate, *bracket in zip(cases, paths, rates, low, high, strict=True):
            yield self._row(case, bracket) | self._speed(case, path, rate)

    def _beside(self, cases: Sequence[Case]) -> tuple[np.ndarray, np.ndarray]:
        """Points beside the minima of cases: along the largest curvature, and along all of them."""
        x = np.array([case.minimum.x for case in cases])
        nearer = np.array([self._overshoot(case) for case in cases])[:, None]
        curvature = Curvature(lambda x, _: self.sign * self.group.objective(x))
        size = 1 + np.linalg.norm(x, axis=1)[:, None]
        some = np.random.default_rng(0).normal(size=x.shape)
        some /= np.linalg.norm(some, axis=1)[:, None]
        steepest = curvature.steepest(x, np.empty((len(x), 0)))
        return x + BESIDE / nearer * size * steepest, x + SOMEWHAT * size * some

    def _momentum(self, case: Case) -> float:
        if ("optimizer", "momentum") in self.probes.names:
            return float(case.numbers[0, self.probes.names.index(("optimizer", "momentum"))])
        return self.group.optimizer.numbers.get("momentum", 0.0)

    def _overshoot(self, case: Case) -> float:
        """From rest at the threshold heavy ball comes to (1 + β) / (1 − β) times where it began."""
        beta = self._momentum(case)
        return (1 + beta) / (1 - beta)

    def _predicted(self, case: Case) -> float:
        return self.law.threshold(case.minimum.eigenvalues.max(), self._momentum(case))

    def _row(self, case: Case, bracket: Sequence[float]) -> dict[str, Any]:
        low, high = (float(end) if math.isfinite(end) else None for end in bracket)
        row = {
            "objective": self.group.objective_name,
            "optimizer": self.group.optimizer.name,
            **case.keys,
            "minimum_id": case.minimum and case.minimum.number,
            "learning_rate": math.sqrt(low * high) if low and high else None,
            "low": low,
            "high": high,
        }
        if case.minimum:
            row |= {
                "theory": self._predicted(case),
                "formula": self.law.formula,
                "source": self.law.source,
            }
        return row

    def _speed(self, case: Case, path: Path, rate: float) -> dict[str, Any]:
        """The observed rate of convergence at a learning rate, and that of theory."""
        law, beta = self.law, self._momentum(case)
        size = path.grad_norm / path.grad_norm[0]
        return {
            "rate_at": float(rate),
            "rate": stability.observed_rate(path.step, size, ROUNDING),
            "rate_theory": stability.rate(law, rate, beta, case.minimum.eigenvalues),
        }


def _no_turn(rates: np.ndarray, converged: np.ndarray, tried: np.ndarray) -> str:
    """Why there is no rate [N] at which most of the runs `tried` [N] cease to converge."""
    if (2 * converged[tried > 0] > tried[tried > 0]).any():
        return f"most runs converge still at the largest rate, {rates.max():g}: take larger ones"
    return f"most runs converge at no rate, from {rates.min():g} on: take smaller ones"


def table(
    experiment: Experiment, plan: Plan, tiles: Tiles, minima: pa.Table | None, precision: float
) -> pa.Table:
    """The learning rates at which convergence is lost; see `Results.thresholds`.

    Args:
      experiment: of a sweep.
      plan: its plan.
      tiles: its rows, with the column `outcome`.
      minima: its stationary points; None: thresholds at minima are left out.
      precision: relative.
    """
    if not FINEST <= precision < 1:
        raise UsageError(f"precision={precision:g}: give a number from {FINEST:g} to below 1")
    counts, rows, runs, notes = outcomes(tiles), [], 0, []
    for group in plan.groups:
        if group.index not in counts:
            continue
        tried = counts[group.index].sum(axis=-1)
        converged = counts[group.index][..., OUTCOMES.index(Outcome.CONVERGED)]
        ends = None if minima is None else _minima(experiment, group, minima)
        new, made, left = find(
            experiment, group, converged, tried, ends and ends[:MINIMA], precision
        )
        if len(ends or ()) > MINIMA:
            left.append(f"at minima: only the {MINIMA} of {len(ends)} to which most runs came")
        notes += [f"{group.objective_name} × {group.optimizer.name}, {why}" for why in left]
        rows, runs = rows + new, runs + made
    reals = ("learning_rate", "low", "high", "theory", "rate_at", "rate", "rate_theory")
    types = {
        **dict.fromkeys(("objective", "optimizer"), pa.string()),
        **{key: pa.float64() for row in rows for key in row if key in plan.keys},
        "minimum_id": pa.int32(),
        **dict.fromkeys(reals[:4], pa.float64()),
        **dict.fromkeys(("formula", "source"), pa.string()),
        **dict.fromkeys(reals[4:], pa.float64()),
    }
    told = {"further_runs": str(runs), "precision": repr(precision)}
    told["left_out"] = "\n".join(dict.fromkeys(notes))
    return pa.Table.from_pylist(rows, pa.schema(list(types.items()), told))


def _minima(experiment: Experiment, group: Group, minima: pa.Table) -> list[Minimum]:
    """Where runs of a group's objective ended and stay, most runs first."""
    stays = "minimum" if experiment.sign > 0 else "maximum"
    rows = [
        row
        for row in minima.to_pylist()
        if row["objective"] == group.objective_name and row["kind"] == stays
    ]
    return [
        Minimum(
            row["minimum_id"],
            np.array(row["x"]),
            experiment.sign * np.array(row["eigenvalues"]),
        )
        for row in sorted(rows, key=lambda row: (-row["runs"], row["minimum_id"]))
    ]
