"""Counting tile by tile, against counting all at once."""

import itertools
import json
import math
import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gdexp import api, plan
from gdexp.analysis.tally import GroupTally, Tally, learning_rates, outcome_counts
from gdexp.base import Ends, Outcome, Reason

RATES = [0.3, 0.1, 0.2]
[GROUP] = plan.make(
    api.experiment("paraboloid", grid={"learning_rate": RATES}, start={"uniform": 4})
).groups
ENDED = [reason for reason in Reason if reason]
CONVERGED = (Reason.GRAD_TOL, Reason.F_TOL)


def ends_of(rows):
    """Ends from (reason, f, steps) of each run."""
    reason, f, steps = map(np.array, zip(*rows, strict=True))
    f = f.astype(np.float32)
    x = np.stack([f, np.arange(len(f))], axis=1).astype(np.float32)
    none = np.zeros((len(f), 0), np.int32)
    reason, steps = reason.astype(np.int32), steps.astype(np.int32)
    return Ends(x, f, f, f, f, steps, steps, reason, none, 0 * steps)


values = st.one_of(st.sampled_from([0.0, -1.0, 2.5]), st.floats(width=32))
rows = st.tuples(st.sampled_from(ENDED), values, st.integers(0, 5))
twelve = st.lists(rows, min_size=GROUP.count, max_size=GROUP.count)


def part_of(ends, chosen):
    return Ends(*(column[chosen] for column in ends))


def told(tally):
    return json.dumps([tally.summary(), tally.turn])


@given(twelve, st.lists(st.integers(1, GROUP.count - 1), max_size=4), st.sampled_from([1.0, -1.0]))
def test_a_tally_is_the_same_however_the_tiles_are_split_and_come_in(all_, cuts, sign):
    ends, runs = ends_of(all_), np.arange(GROUP.count)
    whole = GroupTally(GROUP, sign)
    whole.add(runs, ends)
    edges = sorted({0, *cuts, GROUP.count})
    tiles = [runs[a:b] for a, b in itertools.pairwise(edges)]
    for order in (tiles, tiles[::-1]):
        split = GroupTally(GROUP, sign)
        for tile in order:
            split.add(tile, part_of(ends, tile))
        assert told(split) == told(whole)


@given(twelve)
def test_counts_median_and_best_are_those_of_the_rows(all_):
    tally = GroupTally(GROUP, 1.0)
    tally.add(np.arange(GROUP.count), ends_of(all_))
    summary = tally.summary()
    assert summary["runs"] == GROUP.count
    for outcome in Outcome:
        assert summary["outcomes"][outcome] == sum(r.outcome is outcome for r, _, _ in all_)
    for reason in ENDED:
        assert summary["reasons"].get(reason.label, 0) == sum(r is reason for r, _, _ in all_)
    steps = [steps for reason, _, steps in all_ if reason in CONVERGED]
    assert summary["median_steps"] == (statistics.median(steps) if steps else None)
    kept = [
        (f, run)
        for run, (reason, f, _) in enumerate(all_)
        if reason.outcome is not Outcome.DIVERGED and f < math.inf
    ]
    f, run = min(kept, default=(None, None))
    assert (tally.best_run, summary["best"]["run"]) == (run, run)
    assert summary["best"]["f"] == (f if f is None or math.isfinite(f) else None)
    assert summary["best"]["x"] is None or summary["best"]["x"][1] == run


@given(twelve, st.sampled_from([1.0, -1.0]))
def test_plain_values_hold_all_that_was_counted_however_far_away_the_best_is(all_, sign):
    whole = GroupTally(GROUP, sign)
    whole.add(np.arange(GROUP.count), ends_of(all_))
    kept = json.loads(json.dumps(whole.to_plain()))
    assert told(GroupTally(GROUP, sign).from_plain(kept)) == told(whole)


def test_of_runs_that_did_not_diverge_the_best_is_the_first_of_equals():
    worse, best, lost = ((Reason.MAX_STEPS, 1.0, 9), (Reason.GRAD_TOL, -2.0, 5), -9.0)
    all_ = [worse, (Reason.ESCAPED, lost, 1), best, best, *[worse] * 8]
    tally = GroupTally(GROUP, 1.0)
    tally.add(np.arange(12), ends_of(all_))
    assert tally.summary()["best"] == {"run": 2, "f": -2.0, "x": [-2.0, 2.0]}


def test_a_maximisation_looks_for_the_largest_value():
    all_ = [(Reason.GRAD_TOL, float(run % 5), 1) for run in range(12)]
    tally = GroupTally(GROUP, -1.0)
    tally.add(np.arange(12), ends_of(all_))
    assert (tally.best_run, tally.best_f) == (4, 4.0)


def test_where_all_diverged_there_is_no_best_run():
    tally = GroupTally(GROUP, 1.0)
    tally.add(np.arange(12), ends_of([(Reason.ESCAPED, 1.0, 3)] * 12))
    assert tally.summary()["best"] == {"run": None, "f": None, "x": None}
    assert tally.summary()["median_steps"] is None


def test_the_turn_is_counted_along_the_learning_rates():
    reasons = [Reason.ESCAPED] * 4 + [Reason.GRAD_TOL] * 4 + [Reason.INVALID_START] * 2
    reasons += [Reason.MAX_STEPS] * 2
    tally = GroupTally(GROUP, 1.0)
    tally.add(np.arange(12), ends_of([(reason, 0.0, 1) for reason in reasons]))
    assert tally.by_rate.sum(axis=0).tolist() == [4, 4, 4]
    told = tally.summary()["by_learning_rate"]
    assert told.pop("learning_rate") == [0.1, 0.2, 0.3]
    counted = {outcome: counts for outcome, counts in told.items() if any(counts)}
    assert counted == {"converged": [4, 0, 0], "diverged": [0, 2, 4], "unfinished": [0, 2, 0]}
    assert tally.turn == (0.1, 0.2)


@pytest.mark.parametrize(
    ("words", "axis", "values"),
    [
        ({"grid": {"learning_rate": RATES}}, 0, RATES),
        ({"grid": {"momentum": [0, 0.9], "sgd.learning_rate": RATES}}, 1, RATES),
        (
            {
                "grid": {"momentum": [0, 0.5, 0.9], "learning_rate": RATES},
                "zip": ["momentum", "learning_rate"],
            },
            0,
            RATES,
        ),
        ({"grid": {"momentum": [0, 0.9]}}, None, None),
        ({"draw": {"learning_rate": "uniform:0:1"}, "start": {"uniform": 3}}, None, None),
    ],
)
def test_the_learning_rates_are_found_among_the_axes(words, axis, values):
    [group] = plan.make(api.experiment("paraboloid", **words)).groups
    found = learning_rates(group)
    assert found[0] == axis
    assert values is None or found[1].tolist() == values


def test_a_parameter_named_like_the_learning_rate_is_none():
    card = {"expr": {"formula": "learning_rate*x**2", "parameters": {"learning_rate": 1.0}}}
    asked = api.experiment(card, grid={"expr.learning_rate": [1.0, 2.0]})
    assert learning_rates(plan.make(asked).groups[0]) == (None, None)


def test_a_sweep_is_the_sum_of_its_groups():
    planned = plan.make(
        api.experiment(["paraboloid", "two_wells"], grid={"learning_rate": [0.1, 0.2]})
    )
    tally = Tally(planned, 1.0)
    best, lost = (Reason.GRAD_TOL, -1.0, 3), (Reason.ESCAPED, -5.0, 1)
    tally.groups[0].add(np.array([0, 1]), ends_of([(Reason.MAX_STEPS, 2.0, 9), lost]))
    tally.groups[1].add(np.array([2, 3]), ends_of([best, best]))
    summary = tally.summary()
    assert summary["runs"] == 4
    assert summary["outcomes"] == {
        "converged": 2,
        "diverged": 1,
        "stalled": 0,
        "cycling": 0,
        "unfinished": 1,
    }
    expected = {"run": 2, "f": -1.0, "objective": "two_wells", "optimizer": "sgd"}
    assert summary["best"] == expected
    turn = {"objective": "paraboloid", "optimizer": "sgd", "learning_rate": [0.1, 0.2]}
    assert summary["thresholds"] == [turn]
    assert [group["runs"] for group in summary["groups"]] == [2, 2]


def test_runs_that_have_not_ended_have_no_outcome():
    reasons = np.zeros(len(Reason), int)
    reasons[Reason.RUNNING], reasons[Reason.CYCLE] = 7, 2
    assert sum(outcome_counts(reasons).values()) == outcome_counts(reasons)["cycling"] == 2
