"""A run has its bits wherever it stands: in another sweep, at another place, beside others."""

import numpy as np
import pytest
from cases import sifted

import gdexp
from gdexp import api, devices, engine, plan
from gdexp.config import catalogue
from gdexp.lanes import Pace

RATES = [0.003, 0.2]
OTHERS = [
    0.2,
    1e-30,
    0.003,
    37.0,
]  # at places of their own, beside runs that stand still or explode
COLUMNS = ("x0", "x", "f0", "f", "f_best", "grad_norm", "steps", "evaluations", "reason", "period")
CASES = [
    pytest.param("rosenbrock", "sgd", {"dtype": "float32"}, id="rosenbrock"),
    pytest.param("himmelblau", "adam", {"stop_f_tol": 1e-7}, id="himmelblau"),
    pytest.param(
        "two_wells",
        {"sgd": {"momentum": 0.9}},
        {"dtype": "float64"},
        marks=pytest.mark.slow,
        id="two_wells",
    ),
    pytest.param("rastrigin", "rmsprop", {}, marks=pytest.mark.slow, id="rastrigin"),
    pytest.param(
        "ackley",
        "nadam",
        {"dtype": "float64", "direction": "maximize", "stop_max_value": 30.0},
        marks=pytest.mark.slow,
        id="ackley",
    ),
]


@pytest.mark.parametrize("runs", [4_000, pytest.param(200_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize(("objective", "optimizer", "keys"), sifted(CASES, 4))
def test_runs_inside_another_sweep_keep_their_bits(objective, optimizer, keys, runs, monkeypatch):
    keys = keys | {"optimizer": optimizer, "stop_max_steps": 150}
    count = runs // len(RATES)
    one = gdexp.sweep(objective, grid={"learning_rate": RATES}, start={"uniform": count}, **keys)

    chance = np.random.default_rng(0)
    points = np.stack(one.runs["x0"].to_numpy()[:count]).astype(np.float64)
    further = np.concatenate([chance.normal(size=(count // 3, 2)), [[1e30, 0.0], [3e38, 3e38]]])
    order = chance.permutation(count + len(further))
    monkeypatch.setattr(plan, "TILE_RUNS", 1000)  # other blocks, from another number of threads
    monkeypatch.setattr(devices, "workers", lambda found, cores=None: list(found) * 3)
    other = gdexp.sweep(
        objective,
        grid={"learning_rate": OTHERS},
        start=np.concatenate([points, further])[order],
        **keys,
    )

    place = np.argsort(order)[:count]
    for i, rate in enumerate(RATES):
        theirs = OTHERS.index(rate) * len(order) + place
        mine = one.runs.slice(i * count, count).select(COLUMNS)
        again = other.runs.take(theirs).select(COLUMNS)
        different = [
            name
            for name in COLUMNS
            if bits(mine[name].combine_chunks()) != bits(again[name].combine_chunks())
        ]
        assert different == []


LANES = sifted(
    [("booth", name, {}) for name in catalogue.choices("optimizer")]
    + [
        (objective, "lbfgs", keys)
        for objective in (
            "himmelblau",
            "ackley",
            {"rosenbrock": {"dim": 100}},
            "logistic_regression",
        )
        for keys in ({}, {"dtype": "float64"})
    ],
    [("booth", "adam", {})],
)


@pytest.mark.parametrize(("objective", "name", "keys"), LANES)
def test_every_lane_gives_a_run_the_same_bits(objective, name, keys):
    """One run in all lanes at once: nothing but its place is different."""
    keys = keys | {"start": {"uniform": 8}, "stop_grad_tol": 0, "stop_max_steps": 100}
    asked = api.experiment(objective, optimizer=name, **keys)
    made = engine.Engine(asked, plan.make(asked))
    with engine.settings(asked):
        program = made.program(0)
        for run in range(8):
            call, work = program.on(made.device)
            waiting = program.queue(np.full(program.lanes, run))
            for pause in (1, 2, 8, 24):
                for _ in range(8):
                    pace = Pace(np.int32(3), program.steps, np.int32(pause), np.bool_(False))
                    work = call(waiting, work, pace)
                    waiting = waiting._replace(first=np.asarray(work.taken))
                points = np.asarray(work.run.x)
                assert len({point.tobytes() for point in points}) == 1, (run, pause)


def bits(column):
    """A column's values byte by byte: NaN equals NaN, and −0 is not 0."""
    if hasattr(column, "flatten") and "list" in str(column.type):
        column = column.flatten()
    if "dictionary" in str(column.type):
        return column.to_pylist()
    return column.fill_null(-1).to_numpy().tobytes()
