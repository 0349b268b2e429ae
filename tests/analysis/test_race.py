"""Success and races, from the rows of real sweeps, counted again by hand."""

import numpy as np
import pytest

import gdexp
from gdexp.analysis import race
from gdexp.base import UsageError

RATES = [0.01, 0.1, 0.3]


@pytest.fixture(scope="module")
def found():
    return gdexp.sweep(
        ["paraboloid", "two_wells"],
        optimizer=["sgd", "adam"],
        grid={"learning_rate": RATES},
        start={"uniform": 20},
        replicates=2,
        stop_max_steps=200,
        stop_targets=[1.0, -1e9],
    )


def test_success_is_what_counting_rows_gives(found):
    frame, table = found.to_pandas(), found.success().to_pandas()
    assert len(table) == 2 * 2 * 3
    for row in table.itertuples():
        mine = frame[
            (frame.objective == row.objective)
            & (frame.optimizer == row.optimizer)
            & (frame.learning_rate == row.learning_rate)
        ]
        won = mine.outcome == "converged"
        assert (row.runs, row.reached) == (len(mine), won.sum()) and row.runs == 40
        expected = mine.evaluations.sum() / won.sum() if won.any() else np.inf
        assert row.expected_evaluations == pytest.approx(expected)
        assert row.expected_low <= row.expected_evaluations <= row.expected_high


def test_a_sample_is_of_so_many_runs_and_tells_about_the_same(found):
    whole, some = found.success(), found.success(most=90)
    assert (
        sum(some["runs"].to_pylist())
        <= 90 * len(found.plan.groups)
        < sum(whole["runs"].to_pylist())
    )
    assert found.success(most=10**6).equals(whole)
    for row in some.to_pylist():
        [of_all] = [
            r
            for r in whole.to_pylist()
            if all(r[k] == row[k] for k in ("objective", "optimizer", "learning_rate"))
        ]
        assert row["share_low"] - 0.05 <= of_all["share"] <= row["share_high"] + 0.05


def test_the_cost_of_a_target_ends_where_it_is_reached(found):
    frame = found.to_pandas()
    [row] = [
        r
        for r in found.success(1.0).to_pylist()
        if (r["objective"], r["optimizer"], r["learning_rate"]) == ("paraboloid", "sgd", 0.1)
    ]
    mine = frame.query("objective == 'paraboloid' and optimizer == 'sgd' and learning_rate == 0.1")
    steps = mine.steps_to_target_0.to_numpy()
    assert row["reached"] == (steps >= 0).sum() == 40
    assert row["expected_evaluations"] == pytest.approx((steps + 1).mean())
    assert all(r["reached"] == 0 for r in found.success(-1e9).to_pylist())


@pytest.mark.slow
def test_a_line_search_is_charged_with_all_its_evaluations():
    found = gdexp.sweep(
        "paraboloid", optimizer="lbfgs", start={"uniform": 20}, stop_targets=[1.0, 1e-3]
    )
    [row] = found.success(1.0).to_pylist()
    assert row["reached"] == row["runs"] == 20
    assert row["expected_evaluations"] == pytest.approx(found.to_pandas().evaluations.mean())


@pytest.mark.slow
def test_differences_are_charged_at_each_point_up_to_the_target():
    found = gdexp.sweep(
        "paraboloid", gradient="finite_difference", start={"uniform": 20}, stop_targets=[1.0]
    )
    [row] = found.success(1.0).to_pylist()
    steps = found.to_pandas().steps_to_target_0
    assert row["reached"] == 20 and steps.nunique() > 1
    assert row["expected_evaluations"] == pytest.approx((5 * (steps + 1)).mean())
    [told] = found.summary["groups"][0]["targets"]
    assert told["expected_evaluations"] == pytest.approx(row["expected_evaluations"])


def test_a_race_chooses_on_one_half_of_the_starts_and_judges_on_the_other(found):
    table = found.race().to_pandas()
    assert table.groupby("objective")["rank"].apply(sorted).tolist() == [[1, 2]] * 2
    assert (table.runs == 20).all()  # half of 20 starts, twice
    chosen = race.halves(20, 0)
    assert chosen.sum() == 10
    frame = found.to_pandas().query("objective == 'paraboloid' and optimizer == 'sgd'")
    half = frame[chosen[frame.start]]
    cost = half.groupby("learning_rate").apply(
        lambda rows: rows.evaluations.sum() / max((rows.outcome == "converged").sum(), 1e-300),
        include_groups=False,
    )
    row = table.query("objective == 'paraboloid' and optimizer == 'sgd'").iloc[0]
    assert row.learning_rate == cost.idxmin()
    other = frame[~chosen[frame.start] & (frame.learning_rate == row.learning_rate)]
    assert row.expected_evaluations == pytest.approx(
        other.evaluations.sum() / (other.outcome == "converged").sum()
    )


def test_a_budget_makes_what_takes_longer_a_failure(found):
    none = found.race(budget=1).to_pandas()
    assert (none.query("objective == 'paraboloid'").reached == 0).all()
    some = found.race(1.0, budget=10).to_pandas()
    assert (some.evaluations_q25[np.isfinite(some.evaluations_q25)] <= 10).all()


def test_distributions_rise_to_the_share_of_the_race(found):
    table = found.distribution(1.0).to_pandas()
    for key, rows in table.groupby(["objective", "optimizer"]):
        assert (
            rows.share.iloc[0] == 0
            and rows.share.is_monotonic_increasing
            and rows.evaluations.is_monotonic_increasing
        )
        [row] = [r for r in found.race(1.0).to_pylist() if (r["objective"], r["optimizer"]) == key]
        assert rows.share.iloc[-1] == row["share"]


def test_profiles_begin_with_who_is_best_and_end_with_who_ever_succeeds(found):
    table = found.profiles().to_pandas()
    first = table[table.ratio == 1].set_index("optimizer").share
    assert first.sum() >= 1
    assert set(table.optimizer) == {"sgd", "adam"}


@pytest.mark.slow
def test_everyone_diverging_is_a_race_without_winners():
    found = gdexp.sweep(
        "paraboloid", grid={"learning_rate": [5.0, 9.0]}, start={"uniform": 8}, stop_max_steps=400
    )
    [row] = found.race().to_pylist()
    assert (row["reached"], row["expected_evaluations"], row["rank"]) == (0, np.inf, 1)
    assert row["f_median"] == np.inf


def test_one_start_cannot_choose_and_be_judged():
    found = gdexp.sweep("paraboloid", grid={"learning_rate": [0.1, 0.2]})
    with pytest.raises(UsageError, match="two starts"):
        found.race()


def test_what_is_missing_is_named(found):
    with pytest.raises(UsageError, match=r"target=2 is not in stop.targets \(there: 1, -1e\+09\)"):
        found.success(2.0)
    few = gdexp.sweep("paraboloid", grid={"learning_rate": [0.1]}, store_columns=["outcome"])
    with pytest.raises(UsageError, match="'steps' was not kept"):
        few.success()


def test_a_budget_of_nothing_and_too_few_runs_are_refused(found):
    with pytest.raises(UsageError, match="budget=-5: give evaluations"):
        found.race(budget=-5)
    [some] = list(
        race.tried(gdexp.sweep("parabola", start={"uniform": 4}).tiles(*race.NEEDED), None)
    )
    first = race.Tried(some.group, *(column[:1] for column in some[1:]))
    with pytest.raises(UsageError, match="finish the sweep"):
        race.judged(first, 1.0, 0)


def test_ties_share_a_rank():
    rows = [
        {"objective": "a", "optimizer": name, "expected_evaluations": cost, "f_median": 1.0}
        for name, cost in (("x", 3.0), ("y", 2.0), ("z", 2.0), ("w", 9.0))
    ]
    assert [(r["optimizer"], r["rank"]) for r in race.ranked(rows, 1.0)] == [
        ("y", 1),
        ("z", 1),
        ("x", 3),
        ("w", 4),
    ]
