"""The lanes: any run gives the same bits wherever and beside whatever it runs."""

import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from cases import sifted

import gdexp
from gdexp import columns, engine, optimizers, paths, plan, program, stream
from gdexp.base import Reason
from gdexp.config import catalogue, check, tree
from gdexp.descent import key
from gdexp.objectives.rosenbrock import Rosenbrock
from gdexp.plan import Tile


def experiment(objective="paraboloid", optimizer="sgd", **keys):
    """A checked experiment; `start` and `schedule` are nodes, the rest config keys."""
    start = keys.pop("start", {"name": "own"})
    schedule = keys.pop("schedule", {"name": "constant"})
    asked = tree.from_keys(keys)
    asked["start"] = tree.choose("start", start["name"]) | start
    asked["schedule"] = tree.choose("schedule", schedule["name"]) | schedule
    asked["objective"] = tree.choose("objective", objective)
    asked["optimizer"] = tree.choose("optimizer", optimizer)
    return check.experiment(asked, tree.defaults())


def ends_of(engine_, tiles):
    """The ends of finished tiles."""
    return [h.ends for h in engine_.run(tiles) if h.ends is not None]


@pytest.fixture(scope="module")
def mixed():
    """5,000 runs of every length on two_wells: many times the lanes."""
    asked = experiment(
        "two_wells",
        draw={"learning_rate": "loguniform:1e-3:0.5"},
        start={"name": "uniform", "num": 5000},
        stop_max_steps=700,
    )
    planned = plan.make(asked)
    made = engine.Engine(asked, planned)
    return made, ends_of(made, planned.tiles())[0]


def test_runs_of_every_length_and_ending_are_there(mixed):
    _, ends = mixed
    reasons = set(ends.reason.tolist())
    assert {Reason.ESCAPED, Reason.GRAD_TOL, Reason.MAX_STEPS} <= reasons
    assert Reason.RUNNING not in reasons
    assert ends.steps.min() < 5 < 500 < ends.steps.max() == 700


def test_a_run_keeps_its_bits_in_any_tile_and_beside_any_neighbours(mixed):
    made, ends = mixed
    for first, count in ((0, 1), (4999, 1), (1234, 1500), (17, 3)):
        [part] = ends_of(made, [Tile(0, 0, first, count)])
        for name, whole, own in zip(ends._fields, ends, part, strict=True):
            assert whole[first : first + count].tobytes() == own.tobytes(), name


@pytest.mark.parametrize("seconds", [1e-9, 2e-3])
def test_bits_do_not_depend_on_how_long_a_device_call_is(mixed, monkeypatch, seconds):
    made, ends = mixed
    monkeypatch.setattr(stream, "CALL_SECONDS", seconds)
    [again] = ends_of(made, made.plan.tiles())
    assert all(a.tobytes() == b.tobytes() for a, b in zip(ends, again, strict=True))


@pytest.mark.slow
def test_cycles_are_found_at_the_same_step_whatever_is_looked_at_when(monkeypatch):
    asked = experiment(
        "double_well",
        draw={"learning_rate": "uniform:0.1:1.4"},
        grid={"momentum": [0.0, 0.3]},
        start={"name": "uniform", "num": 10_000},
        stop_max_steps=3000,
    )
    made = engine.Engine(asked, plan.make(asked))
    [ends] = ends_of(made, made.plan.tiles())
    assert (ends.reason == Reason.CYCLE).sum() > 1000
    for seconds in (1e-9, 2e-3, 0.2):
        monkeypatch.setattr(stream, "CALL_SECONDS", seconds)
        for first, count in ((0, 20_000), (6_001, 9_000)):
            [again] = ends_of(made, [Tile(0, 0, first, count)])
            for name, whole, own in zip(ends._fields, ends, again, strict=True):
                assert whole[first : first + count].tobytes() == own.tobytes(), name


def test_a_traced_run_ends_on_the_bits_of_the_sweep(mixed):
    made, ends = mixed
    runs = [0, 3, 77, 4000, 4999, *np.flatnonzero(ends.reason == Reason.ESCAPED)[:3].tolist()]
    for every in (1, 13):
        for path in made.trace(runs, every):
            assert path.x[-1].tobytes() == ends.x[path.run].tobytes()
            assert path.f[-1].tobytes() == ends.f[path.run].tobytes()
            assert path.reason == ends.reason[path.run]
            broke = paths.BROKEN[path.reason]  # its last finite state is a step before its end
            assert path.step[-1] == ends.steps[path.run] - broke
            inner = path.step[:-1]
            assert inner.tolist() == list(range(0, int(path.step[-1]), every))[: len(inner)]


def test_tracing_many_more_runs_than_lanes(mixed):
    made, ends = mixed
    last = {p.run: p.f[-1] for p in made.trace(range(2500), 700)}
    assert np.array([last[i] for i in range(2500)]).tobytes() == ends.f[:2500].tobytes()


def test_what_blew_up_ends_its_path_at_the_last_finite_state():
    path = gdexp.descend(
        "paraboloid", (3, 3), learning_rate=0.5, stop_escape_radius=1e30, stop_max_steps=100
    )
    assert path.reason == Reason.NONFINITE_VALUE
    assert np.isfinite(path.f).all()
    assert path.step.tolist() == list(range(len(path.step)))


def test_no_value_of_any_number_compiles_anything(compilations):
    """A grid of every number, other limits, starts and tiles: one program, compiled once."""
    asked = experiment(
        "rosenbrock",
        "sgd",
        grid={
            "learning_rate": np.geomspace(1e-4, 1e-2, 7),
            "momentum": [0.0, 0.5, 0.9],
            "a": [1, 2],
        },
        stop_max_steps=30,
    )
    planned = plan.make(asked)
    with compilations() as events:
        made = engine.Engine(asked, planned)
        ends_of(made, planned.tiles())
        first = len(events)
        tiles = [Tile(0, 0, i, 5) for i in range(0, 40, 5)]
        ends_of(made, tiles)
        list(made.trace(range(10), 3))
    assert first >= 1
    assert len(events) == first


def test_another_learning_rate_is_the_same_program():
    def digest(rate):
        asked = experiment(stop_max_steps=3)
        asked = check.experiment(
            {**asked.config, "optimizer": {"sgd": {"learning_rate": rate}}}, tree.defaults()
        )
        return engine.Engine(asked, plan.make(asked)).program(0).digest

    assert digest(0.1) == digest(0.2)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_ends_have_the_dtype_asked_for(dtype):
    found = gdexp.sweep("paraboloid", dtype=dtype, stop_max_steps=2)
    assert (
        str(found.runs.schema.field("f").type) == {"float32": "float", "float64": "double"}[dtype]
    )
    assert jnp.zeros(1).dtype == jnp.float32, "JAX's own setting is as it was"


@pytest.mark.slow
def test_maximising_is_descending_the_negative():
    up = gdexp.sweep("-((x-1)**2) - 3*y**2 + 5", direction="maximize", stop_targets=[4.0])
    down = gdexp.sweep("(x-1)**2 + 3*y**2 - 5", stop_targets=[-4.0])
    [a], [b] = up.runs.to_pylist(), down.runs.to_pylist()
    assert a["x"] == b["x"]
    assert (a["f"], a["f0"], a["f_best"]) == (-b["f"], -b["f0"], -b["f_best"])
    assert a["steps_to_target"] == b["steps_to_target"]
    assert a["steps_to_target"][0] > 0


def test_max_value_under_maximisation_applies_to_the_negative():
    found = gdexp.sweep("x**2", direction="maximize", stop_max_value=-1e4, start=[[1.0]])
    assert found.runs["reason"][0].as_py() == "escaped"  # −f is above −10⁴ from the start
    assert found.runs["steps"][0].as_py() == 0


@pytest.mark.slow
def test_line_searches_are_counted_as_evaluations():
    found = gdexp.sweep("rosenbrock", optimizer=["sgd", "lbfgs"], stop_max_steps=20)
    plain, searched = found.runs.to_pylist()
    assert plain["evaluations"] == plain["steps"] + 1
    assert searched["evaluations"] > searched["steps"] + 1
    assert searched["f"] < plain["f"]


@pytest.mark.slow
def test_replicates_of_a_noisy_optimizer_have_keys_of_their_own():
    found = gdexp.sweep("paraboloid", optimizer="noisy_sgd", replicates=4, stop_max_steps=5)
    ends = [tuple(row) for row in found.runs["x"].to_pylist()]
    assert len(set(ends)) == 4
    again = gdexp.sweep("paraboloid", optimizer="noisy_sgd", replicates=4, stop_max_steps=5)
    assert again.runs["x"].to_pylist() == found.runs["x"].to_pylist()
    other = gdexp.sweep("paraboloid", optimizer="noisy_sgd", seed=1, stop_max_steps=5)
    assert tuple(other.runs["x"][0].as_py()) not in ends


def test_a_schedule_scales_the_learning_rate_by_its_count():
    path = gdexp.descend(
        {"quadratic": {"dim": 1}},
        [1.0],
        learning_rate=0.1,
        schedule={"exponential": {"transition_steps": 1, "decay_rate": 0.5}},
        stop_max_steps=4,
        stop_grad_tol=0,
        dtype="float64",
    )
    curvature = 2 * path.f[0]
    rates = 0.1 * 0.5 ** np.arange(4)
    assert path.x[:, 0] == pytest.approx(np.cumprod([1.0, *(1 - rates * curvature)]), abs=1e-14)


def test_a_schedules_number_is_an_axis():
    found = gdexp.sweep(
        "paraboloid", schedule="cosine", grid={"decay_steps": [5.0, 50.0]}, stop_max_steps=60
    )
    short, long = found.runs.to_pylist()
    assert short["f"] > long["f"]
    assert len(found.manifest["programs"]) == 1


@pytest.mark.parametrize(
    ("device", "dim", "numbers"), [("cpu", 2, 1), ("cpu", 100, 5), ("cpu", 10**6, 5), ("gpu", 2, 1)]
)
def test_lane_count_is_a_power_of_two_and_follows_the_size(device, dim, numbers):
    group = type(
        "G",
        (),
        {
            "space": type("S", (), {"dim": dim}),
            "names": range(numbers),
            "objective": Rosenbrock(),
        },
    )
    count = program.lane_count(device, group)
    assert count & (count - 1) == 0
    assert 8 <= count <= (1024 if device == "cpu" else 2**17)
    assert count == 1024 or (device, dim) != ("cpu", 2)


def card_of(name):
    """A card, at a learning rate where rounding is not amplified."""
    card = catalogue.optimizer_card(name)
    return card | ({"learning_rate": RATES[name]} if name in RATES else {})


def reference(name, steps):
    """A plain Python loop over one jitted optax update, on Rosenbrock's function in float64."""
    f = Rosenbrock()
    card = card_of(name)
    structure = {k: v for k, v in card.items() if not isinstance(v, float)}
    # optax computes some terms of two optimizers in float32 where a Python float joins them
    numbers = {k: np.float64(v) for k, v in card.items() if isinstance(v, float)}
    with jax.enable_x64(True):
        words = jnp.zeros(2, jnp.uint32)
        box = (f.space().low, f.space().high)
        made = optimizers.build(name, structure, numbers, key=key(words, words), box=box)
        x = jnp.array([-1.2, 1.0])
        state = made.init(x)

        @jax.jit
        def update(x, state):
            value, gradient = jax.value_and_grad(f)(x)
            updates, state = made.update(gradient, state, x, value=value, grad=gradient, value_fn=f)
            return optax.apply_updates(x, updates), state

        for _ in range(steps):
            x, state = update(x, state)
        return np.asarray(x)


DEFAULT = ["adam", "sgd"]
# Optimizers that at the card's own rate leave, or that amplify the last bit on this valley
RATES = {
    **dict.fromkeys(["dowg", "prodigy"], 0.1),
    **dict.fromkeys(["fromage", "noisy_sgd", "optimistic_gradient_descent"], 1e-3),
    **dict.fromkeys(["schedule_free_sgd", "sgd"], 1e-3),
}


@pytest.mark.parametrize(
    "name",
    sifted(catalogue.choices("optimizer"), DEFAULT),
)
def test_every_optimizer_agrees_with_a_plain_loop(name):
    steps = 40 if name in ("momo", "polyak_sgd") else 200  # these two double an error every few
    found = gdexp.sweep(
        "rosenbrock",
        optimizer={name: card_of(name)},
        dtype="float64",
        stop_max_steps=steps,
        stop_grad_tol=0,
        stop_escape_radius=1e300,
    )
    [row] = found.runs.to_pylist()
    assert row["steps"] == steps or row["reason"] == "no_progress"  # then it would stay there
    assert row["x"] == pytest.approx(reference(name, steps), abs=1e-12, rel=1e-12)


@pytest.mark.parametrize("dim", sifted([1, 3, 16, 17, 40], [17]))
def test_any_number_of_dimensions_descends(dim):
    """Up to 16 points are taken apart, above they stay arrays."""
    found = gdexp.sweep(
        {"rosenbrock": {"dim": max(dim, 2)}} if dim > 1 else "parabola",
        grid={"learning_rate": [1e-4]},
        start={"uniform": {"num": 3, "low": -1.0, "high": 1.0}},
        stop_max_steps=20,
    )
    for row in found.runs.to_pylist():
        assert row["steps"] == 20
        assert row["f"] < row["f0"]
        assert len(row["x"]) == dim


@pytest.mark.parametrize("workers", [1, 3])
def test_bits_do_not_depend_on_how_many_share_the_work(mixed, monkeypatch, workers):
    made, ends = mixed
    monkeypatch.setattr(engine.devices, "workers", lambda found, cores=None: list(found) * workers)
    [again] = ends_of(made, made.plan.tiles())
    assert all(a.tobytes() == b.tobytes() for a, b in zip(ends, again, strict=True))


@pytest.mark.slow
def test_bits_do_not_depend_on_how_many_devices_there_are():
    """On four CPU devices, in a process of their own, as on the one of this process."""
    script = """
import jax
jax.config.update("jax_num_cpu_devices", 4)
import gdexp
from gdexp import columns
found = gdexp.sweep("himmelblau", start={"uniform": 3000}, grid={"learning_rate": [0.01, 0.05]})
print(len(jax.devices()), columns.digest(found.runs))
"""
    words = [sys.executable, "-c", script]
    four = subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()
    grid = {"learning_rate": [0.01, 0.05]}
    one = gdexp.sweep("himmelblau", start={"uniform": 3000}, grid=grid)
    assert len(jax.devices()) == 1 and four == ["4", columns.digest(one.runs)]
