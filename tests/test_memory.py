"""Too little memory is said before anything is made; what gives out later is tried once more."""

import numpy as np
import pytest

import gdexp
from gdexp import __main__, api, columns, devices, engine, job, memory, plan, store, stream
from gdexp.base import OutOfMemoryError, UsageError
from gdexp.commands import run

GIVEN_OUT = RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 1 bytes")


@pytest.fixture
def asked():
    return api.experiment("paraboloid", grid={"learning_rate": [0.1, 0.2]}, start={"uniform": 50})


def test_lanes_that_do_not_fit_are_refused_with_the_numbers(asked, monkeypatch):
    monkeypatch.setattr(memory, "free", lambda device: 1000)
    with pytest.raises(UsageError, match=r"paraboloid × sgd: 1,024 lanes of 2 dimensions need"):
        engine.check(asked, plan.make(asked))


def test_no_folder_is_left_of_what_does_not_fit(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["gdexp"])
    monkeypatch.setattr(memory, "free", lambda device: 1000)
    run.accepted.clear()
    with pytest.raises(SystemExit) as ended:
        __main__.main(["grid.learning_rate=0.1,0.2"])
    assert ended.value.code == 2
    assert "GiB are free: give it fewer dimensions" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_what_is_needed_grows_as_what_is_held(asked):
    here = devices.find("cpu")
    needs = []
    for dim in (2, 30, 1000):
        big = api.experiment({"rosenbrock": {"dim": dim}})
        [group] = plan.make(big).groups
        count, needed = engine._needs(big, group, here)
        blank = engine.Engine(big, plan.make(big)).program(0).blank
        held = sum(a.nbytes for a in store_of(blank)) * devices.sharing(here)
        assert held < needed < 4 * held, dim
        needs.append(needed / count)
    assert needs[0] < needs[1] < needs[2]


def store_of(tree):
    import jax

    return [a for a in jax.tree.leaves(tree) if hasattr(a, "nbytes")]


def test_this_machine_has_memory():
    [device, *_] = devices.find("cpu")
    assert 2**20 < memory.free(device) < 2**50


def test_an_accelerator_tells_by_itself():
    class Device:
        def memory_stats(self):
            return {"bytes_limit": 1000, "bytes_in_use": 400}

    assert memory.free(Device()) == 600


def test_a_container_and_no_proc_are_understood(tmp_path, monkeypatch):
    for name, text in (("LIMIT", "5000000"), ("USED", "1000000")):
        (tmp_path / name).write_text(text)
        monkeypatch.setattr(memory, name, tmp_path / name)
    assert memory._container() == 4_000_000
    (tmp_path / "LIMIT").write_text("max\n")
    assert memory._container() is None
    monkeypatch.setattr(memory, "MEMINFO", tmp_path / "nothing")
    assert memory._machine() is None or memory._machine() > 2**20


@pytest.fixture
def failing(monkeypatch):
    """An engine whose runs fail as often as is asked, once a tile is finished."""

    def failing(times):
        real, left = stream.run, [times]

        def broken(*arguments):
            for harvest in real(*arguments):
                yield harvest
                if harvest.ends is not None and left[0]:
                    left[0] -= 1
                    raise GIVEN_OUT

        monkeypatch.setattr(stream, "run", broken)

    return failing


@pytest.mark.parametrize("stored", [False, True])
def test_memory_that_gives_out_once_costs_no_bit(failing, asked, tmp_path, monkeypatch, stored):
    monkeypatch.setattr(plan, "TILE_RUNS", 32)
    wanted = job.run(asked, None)
    failing(1)
    found = job.run(asked, tmp_path / "out" if stored else None)
    assert columns.digest(found.runs) == columns.digest(wanted.runs)
    assert found.summary["outcomes"] == wanted.summary["outcomes"]


@pytest.mark.slow
def test_the_second_time_it_stops_with_the_numbers(failing, asked, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(plan, "TILE_RUNS", 32)
    failing(2)
    with pytest.raises(OutOfMemoryError, match=r"gave out twice; paraboloid × sgd: 1,024 lanes"):
        job.run(asked, tmp_path / "out")
    assert __main__.main(["resume", str(tmp_path / "out")]) == 0
    assert columns.digest(gdexp.load(tmp_path / "out").runs) == columns.digest(
        job.run(asked, None).runs
    )
    failing(2)
    with pytest.raises(SystemExit) as ended:
        run.run(asked, tmp_path / "again")
    assert ended.value.code == 1
    told = capsys.readouterr().err
    assert told.startswith("gdexp: memory gave out twice") and told.count("\n") == 1
    assert f"python -m gdexp resume {store.typed(tmp_path / 'again')}" in told


def test_which_errors_say_that_memory_gave_out():
    assert memory.exhausted(GIVEN_OUT) and memory.exhausted(MemoryError())
    assert not memory.exhausted(RuntimeError("INVALID_ARGUMENT"))


def test_what_a_model_makes_of_all_examples_is_counted(tmp_path):
    """Twice the examples, or twice the width, need about twice as much."""

    def needed(count, width):
        rows = np.random.default_rng(0).normal(size=(count, 8))
        np.savez(tmp_path / f"{count}.npz", x=rows, y=np.arange(count) % 3)
        card = {"data": str(tmp_path / f"{count}.npz"), "hidden": [width], "held_out": None}
        asked = api.experiment({"mlp": card}, start={"own": 2})
        [group] = plan.make(asked).groups
        lanes, total = engine._needs(asked, group, devices.find("cpu"))
        return total / lanes

    small, long, wide = needed(2000, 100), needed(4000, 100), needed(2000, 200)
    assert 1.8 < long / small < 2.1 and 1.8 < wide / small < 2.1
    # at least the outputs of the hidden layer and their derivative
    assert small > 2 * 4 * 2000 * 100


def test_what_an_optimizer_makes_is_counted():
    """Newton's method holds a Hessian, [D, D] in float32, in each lane."""
    asked = api.experiment({"rosenbrock": {"dim": 300}}, optimizer="newton")
    [group] = plan.make(asked).groups
    lanes, total = engine._needs(asked, group, devices.find("cpu"))
    assert total / lanes > 4 * 300**2


def test_too_many_examples_are_told(monkeypatch):
    monkeypatch.setattr(memory, "free", lambda device: 1000)
    asked = "8 lanes of 2,410 dimensions for 1,437 examples need .* fewer dimensions or examples"
    with pytest.raises(UsageError, match=asked):
        api.experiment("mlp")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("card", "optimizer"),
    [
        ({"mlp": {}}, "sgd"),
        ({"mlp": {"batch_size": 32}}, "sgd"),
        ({"mlp": {"hidden": []}}, "newton"),
        ({"rosenbrock": {"dim": 1000}}, "newton"),
    ],
)
def test_what_is_counted_is_near_what_the_compiler_takes(card, optimizer):
    asked = api.experiment(card, optimizer=optimizer, grid={"learning_rate": [0.1, 0.2]})
    made, here = engine.Engine(asked, plan.make(asked)), devices.find("cpu")
    [group] = plan.make(asked).groups
    taken = made.program(0).compiled[made.device].func.memory_analysis()
    real = taken.temp_size_in_bytes + taken.argument_size_in_bytes
    needed = engine._needs(asked, group, here)[1] / devices.sharing(here)
    assert real / 2 < needed < 4 * real
