"""Run numbers, coordinates and tiles, against sweeps written out by hand."""

import dataclasses
import itertools
import json
import os
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from gdexp import api, plan
from gdexp.base import UsageError
from gdexp.experiment import Card, Draw, Trace
from gdexp.objectives.quadratic import Quadratic
from gdexp.objectives.rosenbrock import Rosenbrock
from gdexp.starts.lhs import Lhs
from gdexp.starts.normal import Normal
from gdexp.starts.sobol import Sobol
from gdexp.starts.uniform import Uniform

BASE = api.experiment("quadratic")
OBJECTIVES = {"rosenbrock": Rosenbrock(), "quadratic": Quadratic()}
OPTIMIZERS = {
    "sgd": Card("sgd", {}, {"learning_rate": 0.1, "momentum": 0.9}),
    "adam": Card("adam", {}, {"learning_rate": 0.001, "b1": 0.9}),
}
OWNERS = {  # KEY -> the objectives and optimizers that have it
    "learning_rate": {"sgd", "adam"},
    "sgd.momentum": {"sgd"},
    "b1": {"adam"},
    "shift": {"quadratic"},
    "quadratic.condition_number": {"quadratic"},
}
DRAWS = {
    "loguniform": Draw("loguniform", 1e-3, 0.5),
    "uniform": Draw("uniform", -2.0, 3.0),
    "normal": Draw("normal", 1.0, 2.0),
}


def experiment(**changes):
    """A sweep of OBJECTIVES and OPTIMIZERS, unchecked: an axis may hold any numbers."""
    grid = {key: np.asarray(v, np.float64) for key, v in changes.pop("grid", {}).items()}
    asked = {"objectives": OBJECTIVES, "optimizers": OPTIMIZERS, "grid": grid, **changes}
    return dataclasses.replace(BASE, **asked)


def only(objective="quadratic", optimizer="sgd", **changes):
    """A sweep of one group."""
    return experiment(
        objectives={objective: OBJECTIVES[objective]},
        optimizers={optimizer: OPTIMIZERS[optimizer]},
        **changes,
    )


@st.composite
def sweeps(draw):
    """Any selection, axes in any order, some of them zipped, some drawn."""
    keys = draw(st.permutations(list(OWNERS)))[: draw(st.integers(0, len(OWNERS)))]
    drawn = draw(st.sets(st.sampled_from(keys), max_size=2)) if keys else set()
    on_grid = [key for key in keys if key not in drawn]
    sizes = {key: draw(st.integers(1, 3)) for key in on_grid}
    zipped = []
    if len(on_grid) >= 2 and draw(st.booleans()):
        zipped = draw(st.permutations(on_grid))[: draw(st.integers(2, len(on_grid)))]
        sizes |= dict.fromkeys(zipped, 2)
    chosen = [
        dict(draw(st.permutations(list(room.items())))[: draw(st.integers(1, 2))])
        for room in (OBJECTIVES, OPTIMIZERS)
    ]
    return experiment(
        objectives=chosen[0],
        optimizers=chosen[1],
        grid={key: np.arange(sizes[key]) + 10.0 * i for i, key in enumerate(on_grid)},
        zip=(tuple(zipped),) if zipped else (),
        draw={key: DRAWS["uniform"] for key in keys if key in drawn},
        start=Uniform(num=draw(st.integers(1, 4))),
        replicates=draw(st.integers(1, 3)),
        seed=draw(st.integers(0, 2**63 - 1)),
    )


def written_out(asked):
    """Every run as (objective, optimizer, {KEY: value}, start, replicate), in the contract's order.

    The axes are nested loops, the last fastest; keys that are zipped share one loop.
    """
    for objective, optimizer in itertools.product(asked.objectives, asked.optimizers):
        axes, done = [], set()
        for key in asked.grid:
            together = next((group for group in asked.zip if key in group), (key,))
            mine = [k for k in together if OWNERS[k] & {objective, optimizer} and k not in done]
            done |= set(mine)
            if mine:
                rows = zip(*(asked.grid[k].tolist() for k in mine), strict=True)
                axes.append([dict(zip(mine, row, strict=True)) for row in rows])
        starts, replicates = range(asked.start.num), range(asked.replicates)
        for *values, start, replicate in itertools.product(*axes, starts, replicates):
            keys = {k: v for value in values for k, v in value.items()}
            yield objective, optimizer, keys, start, replicate


def rows_of(planned):
    """The same from a plan, whose runs are asked for group by group."""
    for group in planned.groups:
        runs = np.arange(group.first, group.first + group.count)
        keys = {key: v for key, v in group.keys(runs).items() if key not in group.draws}
        columns = zip(group.start_index(runs), group.replicate_index(runs), strict=True)
        for i, (start, replicate) in enumerate(columns):
            values = {key: float(v[i]) for key, v in keys.items()}
            yield group.objective_name, group.optimizer.name, values, int(start), int(replicate)


@given(sweeps())
def test_runs_are_numbered_in_c_order_over_objective_optimizer_keys_start_replicate(asked):
    planned = plan.make(asked)
    expected = list(written_out(asked))
    assert list(rows_of(planned)) == expected
    assert planned.count == len(expected)


@given(sweeps())
def test_numbers_and_coordinates_are_a_bijection(asked):
    planned = plan.make(asked)
    seen = []
    for group in planned.groups:
        for coordinates in itertools.product(*map(range, group.shape)):
            run = group.number(coordinates)
            assert tuple(int(i) for i in group.coordinates(run)) == coordinates
            assert planned.group_of(run) is group
            seen.append(run)
    assert seen == list(range(planned.count))


@given(sweeps())
def test_a_run_holds_the_numbers_of_its_keys_and_its_cards_otherwise(asked):
    for group in plan.make(asked).groups:
        runs = np.arange(group.first, group.first + group.count)
        cards = {("objective", k): v for k, v in group.objective.numbers.items()}
        cards |= {("optimizer", k): v for k, v in group.optimizer.numbers.items()}
        keys = {key.rpartition(".")[2]: values for key, values in group.keys(runs).items()}
        for (room, name), column in zip(group.varied, group.numbers(runs).T, strict=True):
            assert (column == keys.get(name, cards[room, name])).all()


@given(sweeps(), st.randoms())
def test_runs_are_the_same_alone_in_any_order_and_repeated(asked, random):
    for group in plan.make(asked).groups:
        runs = np.arange(group.first, group.first + group.count)
        mixed = np.array(random.choices(runs.tolist(), k=2 * len(runs)))
        at = mixed - group.first
        assert (group.points(mixed) == group.points(runs)[at]).all()
        assert (group.numbers(mixed) == group.numbers(runs)[at]).all()
        for i, run in enumerate(runs):
            assert (group.numbers(np.array([run]))[0] == group.numbers(runs)[i]).all()
            assert (group.points(np.array([run]))[0] == group.points(runs)[i]).all()


@given(sweeps())
def test_a_key_is_there_only_where_it_applies(asked):
    for group in plan.make(asked).groups:
        names = {group.objective_name, group.optimizer.name}
        asked_for = [*asked.grid, *asked.draw]
        keys = group.keys(np.array([group.first]))
        assert set(keys) == {key for key in asked_for if OWNERS[key] & names}


def test_the_seed_alone_decides_starts_and_draws():
    def of(seed):
        [group] = plan.make(only(seed=seed, start=Uniform(num=50), draw=draw)).groups
        runs = np.arange(50)
        return group.points(runs), group.numbers(runs)

    draw = {"learning_rate": DRAWS["loguniform"]}
    (points, numbers), again, other = of(3), of(3), of(4)
    assert (points == again[0]).all()
    assert (numbers == again[1]).all()
    assert (points != other[0]).all()
    assert (numbers != other[1]).any(axis=1).all()


def test_every_optimizer_and_every_number_is_tried_from_the_same_starts():
    asked = experiment(
        grid={"learning_rate": [0.1, 0.2], "sgd.momentum": [0.0, 0.5]},
        start=Uniform(num=7),
        replicates=2,
    )
    for group in plan.make(asked).groups:
        runs = np.arange(group.first, group.first + group.count)
        points = group.points(runs).reshape(-1, 7, 2, 2)
        assert (points == points[:1, :, :1]).all()
        assert (points[0, :, 0] == Uniform(num=7).at(np.arange(7), group.space, 0)).all()


def test_keys_that_are_zipped_advance_together():
    asked = only(
        grid={"learning_rate": [0.1, 0.2, 0.3], "shift": [7.0, 8.0], "sgd.momentum": [0, 0.5, 0.9]},
        zip=(("sgd.momentum", "learning_rate"),),
    )
    [group] = plan.make(asked).groups
    assert group.shape == (3, 2, 1, 1)
    keys = group.keys(np.arange(group.count))
    assert keys["learning_rate"].tolist() == [0.1, 0.1, 0.2, 0.2, 0.3, 0.3]
    assert keys["sgd.momentum"].tolist() == [0, 0, 0.5, 0.5, 0.9, 0.9]
    assert keys["shift"].tolist() == [7, 8] * 3


def test_a_zipped_key_that_does_not_apply_leaves_the_other_alone():
    asked = experiment(
        grid={"learning_rate": [0.1, 0.2], "sgd.momentum": [0.0, 0.5]},
        zip=(("learning_rate", "sgd.momentum"),),
    )
    axes = {group.optimizer.name: group.axes for group in plan.make(asked).groups}
    assert [axis.keys for axis in axes["sgd"]] == [("learning_rate", "sgd.momentum")]
    assert [axis.keys for axis in axes["adam"]] == [("learning_rate",)]


# -- draws -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "reference"),
    [
        ("uniform", stats.uniform(-2, 5)),
        ("loguniform", stats.loguniform(1e-3, 0.5)),
        ("normal", stats.norm(1, 2)),
    ],
)
def test_draws_follow_their_distribution(kind, reference):
    asked = only(draw={"learning_rate": DRAWS[kind]}, start=Uniform(num=4000))
    [group] = plan.make(asked).groups
    values = group.keys(np.arange(4000))["learning_rate"]
    assert stats.kstest(values, reference.cdf).pvalue > 0.01
    assert len(np.unique(values)) == 4000


def test_draws_of_two_keys_and_of_neighbouring_runs_are_independent():
    draw = {"learning_rate": DRAWS["uniform"], "sgd.momentum": DRAWS["uniform"]}
    [group] = plan.make(only(draw=draw, start=Uniform(num=4000))).groups
    first, second = group.keys(np.arange(4000)).values()
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.05
    assert abs(np.corrcoef(first[1:], first[:-1])[0, 1]) < 0.05


def test_each_run_draws_for_itself_replicates_and_optimizers_too():
    draw = {"learning_rate": DRAWS["uniform"]}
    planned = plan.make(experiment(draw=draw, start=Uniform(num=5), replicates=4))
    values = [
        group.keys(np.arange(group.first, group.first + group.count))["learning_rate"]
        for group in planned.groups
    ]
    assert len(np.unique(np.concatenate(values))) == planned.count


@given(
    st.sampled_from(["uniform", "loguniform"]),
    st.floats(1e-300, 1e300),
    st.floats(1e-300, 1e300),
)
def test_draws_stay_between_their_ends(kind, a, b):
    draw = Draw(kind, min(a, b), max(a, b))
    values = draw.at(np.array([2.0**-53, 0.25, 0.5, 0.75, 1 - 2.0**-53]))
    assert ((values >= draw.a) & (values <= draw.b)).all()
    assert (np.diff(values) >= 0).all()
    assert values[0] == pytest.approx(draw.a, rel=1e-12, abs=draw.b * 2e-16)
    assert values[-1] == pytest.approx(draw.b, rel=1e-12)


def test_a_distribution_without_width_is_its_value():
    u = np.array([0.1, 0.9])
    for kind in ("uniform", "loguniform"):
        assert Draw(kind, 0.3, 0.3).at(u).tolist() == [0.3, 0.3]
    assert Draw("normal", 0.3, 0.0).at(u).tolist() == [0.3, 0.3]


DRAWN = """
import hashlib, json, numpy as np
from gdexp.experiment import Draw
u = np.random.Generator(np.random.Philox(0)).random(20000)
kinds = {"loguniform": (1e-3, 0.5), "uniform": (-2.0, 3.0), "normal": (0.0, 1.0)}
print(json.dumps({k: hashlib.sha256(Draw(k, *v).at(u)).hexdigest() for k, v in kinds.items()}))
"""


def test_draws_have_the_same_bits_without_the_vector_instructions_of_this_cpu():
    features = np.show_config(mode="dicts")["SIMD Extensions"].get("found", [])
    if not features:
        pytest.skip("numpy uses no optional vector instructions here")

    def told(disabled):
        environment = {**os.environ, "NPY_DISABLE_CPU_FEATURES": " ".join(disabled)}
        done = subprocess.run(
            [sys.executable, "-c", DRAWN], env=environment, capture_output=True, check=True
        )
        return json.loads(done.stdout)

    assert told([]) == told(features)


# -- tiles -------------------------------------------------------------------------------------

PLENTY = {  # grids and starts that need more than one tile
    "one group, just full": only(start=Uniform(num=65_536)),
    "one group, one more": only(start=Uniform(num=65_537)),
    "four groups": experiment(grid={"sgd.momentum": [0.0, 0.9]}, start=Uniform(num=100_000)),
    "a large dimension": dataclasses.replace(
        only(start=Uniform(num=1000)), objectives={"quadratic": Quadratic(dim=10_000)}
    ),
    "a run is more than a tile": dataclasses.replace(
        only(start=Uniform(num=3)), objectives={"quadratic": Quadratic(dim=5_000_000)}
    ),
}


@pytest.mark.parametrize("name", PLENTY)
def test_tiles_hold_every_run_once_in_order_each_within_one_group(name):
    planned = plan.make(PLENTY[name])
    tiles = list(planned.tiles())
    assert [tile.part for tile in tiles] == list(range(len(tiles)))
    reach = 0
    for tile in tiles:
        assert tile.first == reach
        assert tile.count > 0
        for run in (tile.first, tile.first + tile.count - 1):
            assert planned.group_of(run).index == tile.group
        reach = tile.first + tile.count
    assert reach == planned.count
    assert tiles[0].runs.tolist() == list(range(tiles[0].count))


@pytest.mark.parametrize("name", PLENTY)
def test_only_the_last_tile_of_a_group_is_not_full(name):
    planned = plan.make(PLENTY[name])
    for group in planned.groups:
        counts = [tile.count for tile in planned.tiles() if tile.group == group.index]
        assert set(counts[:-1]) <= {plan.tile_runs(group)}
        assert 0 < counts[-1] <= plan.tile_runs(group)


def test_the_size_of_a_tile_follows_from_the_program_and_not_from_the_sweep():
    asked = [
        only(),
        only(grid={"learning_rate": np.arange(1000.0)}, start=Sobol(num=12345), seed=7),
        only(replicates=99, draw={"sgd.momentum": DRAWS["uniform"]}),
    ]
    sizes = {plan.tile_runs(plan.make(a).groups[0]) for a in asked}
    assert sizes == {65_536}
    large = dataclasses.replace(only(), objectives={"quadratic": Quadratic(dim=10_000)})
    assert plan.tile_runs(plan.make(large).groups[0]) == 128  # 2^24 bytes / (8 · 10,004), as 2^n


HUGE = {
    10**8: only(grid={"learning_rate": np.arange(100.0)}, start=Uniform(num=10**6)),
    10**12: only(
        grid={"learning_rate": np.arange(1000.0), "shift": np.arange(100.0)},
        start=Normal(num=10**6),
        draw={"sgd.momentum": DRAWS["uniform"]},
        replicates=10,
    ),
}


@pytest.mark.parametrize("count", HUGE)
def test_planning_a_huge_sweep_takes_next_to_no_memory(count):
    plan.make(HUGE[count])  # what is imported at first use is no part of it
    tracemalloc.start()
    planned = plan.make(HUGE[count])
    first = list(itertools.islice(planned.tiles(), 3))
    [group] = planned.groups
    group.points(np.array([count - 1]))
    group.numbers(np.array([count - 1]))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert planned.count == count
    assert [tile.first for tile in first] == [0, 65_536, 131_072]
    assert peak < 200_000


@pytest.mark.parametrize("count", HUGE)
def test_a_tile_from_the_middle_equals_its_runs_asked_for_alone(count):
    [group] = plan.make(HUGE[count]).groups
    middle = np.arange(count // 2 - 500, count // 2 + 500)
    points, numbers, keys = group.points(middle), group.numbers(middle), group.keys(middle)
    for i in (0, 1, 499, 500, 999):
        alone = middle[i : i + 1]
        assert (group.points(alone) == points[i]).all()
        assert (group.numbers(alone) == numbers[i]).all()
        assert {k: v[0] for k, v in group.keys(alone).items()} == {k: v[i] for k, v in keys.items()}
        assert group.number(tuple(int(c[0]) for c in group.coordinates(alone))) == middle[i]


@given(sweep=sweeps(), start=st.sampled_from([Sobol(num=6), Lhs(num=5), Normal(num=4)]))
@settings(max_examples=20)
def test_samplers_are_crossed_with_the_axes_alike(sweep, start):
    planned = plan.make(dataclasses.replace(sweep, start=start))
    for group in planned.groups:
        runs = np.arange(group.first, group.first + group.count)
        expected = start.at(np.arange(start.num), group.space, sweep.seed)
        assert (group.points(runs) == expected[group.start_index(runs)]).all()


# -- refusals ----------------------------------------------------------------------------------


@pytest.mark.parametrize("run", [-1, 12, 10**30])
def test_a_run_that_does_not_exist_is_refused(run):
    planned = plan.make(only(start=Uniform(num=12)))
    with pytest.raises(UsageError, match=f"no run {run}: this sweep has runs 0 to 11"):
        planned.group_of(run)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (only(sweep="lr_grid"), r"\+sweep=lr_grid varies nothing"),
        (only(start=Uniform(num=2**62), replicates=2), r"more than 2\^62"),
        (only(trace=Trace(every=1, runs=(0, 1))), "no run 1: this sweep has runs 0 to 0"),
    ],
)
def test_a_sweep_that_cannot_be_is_refused(asked, told):
    with pytest.raises(UsageError, match=told):
        plan.make(asked)


def test_a_sweep_of_the_most_runs_there_may_be_has_its_last_run():
    [group] = plan.make(only(start=Uniform(num=2**62))).groups
    last = np.array([2**62 - 1])
    assert group.number(tuple(int(c[0]) for c in group.coordinates(last))) == 2**62 - 1
    assert (group.points(last) != group.points(last - 1)).all()
