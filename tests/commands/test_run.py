"""From the words of a user to an accepted experiment, the whole way through Hydra, in one process.

tests/test_cli.py types some of these to real processes.
"""

import gc
import sys

import pytest
from cases import sifted

from gdexp.__main__ import main
from gdexp.commands import run

MINE = """\
import jax.numpy as jnp
def f(x, y, *, a=4.0): return (x - 1) ** 2 + a * (y + 1) ** 2
def v(x): return jnp.sum(x**2)
def steps(x, y, *, steps=1.0): return steps * x * y
"""


@pytest.fixture
def say(tmp_path, monkeypatch, capsys):
    """Types words in a folder with mine.py: exit code, accepted experiments, what is told."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["gdexp"])
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    (tmp_path / "mine.py").write_text(MINE)
    accepted = []
    monkeypatch.setattr(run, "run", lambda experiment, directory: accepted.append(experiment))

    def say(*words):
        accepted.clear()
        try:
            code = main(words)
        except SystemExit as ended:
            code = ended.code
        return code, list(accepted), capsys.readouterr()

    return say


@pytest.fixture
def taken(say):
    """The one experiment that words ask for."""

    def taken(*words):
        code, accepted, told = say(*words)
        assert code == 0, told.err
        [experiment] = accepted
        return experiment

    return taken


@pytest.fixture
def refused(say, tmp_path):
    """What is said of words that are refused: one short message, and no folder."""

    def refused(*words):
        code, accepted, told = say(*words)
        assert (code, accepted, told.out) == (2, [], "")
        assert told.err.startswith("gdexp: ")
        assert "Traceback" not in told.err
        assert len(told.err) < 600 and told.err.count("\n") <= 3
        assert [path.name for path in tmp_path.iterdir() if path.name != "conf"] == ["mine.py"]
        return told.err

    return refused


def of(experiment, key):
    return experiment.grid[key].tolist()


UNDERSTOOD = [
    ("", lambda e: list(e.objectives) == ["paraboloid"] and not e.grid),
    ("seed=1e3 replicates=1e1", lambda e: (e.seed, e.replicates) == (1000, 10)),
    ("seed=1 seed=2", lambda e: e.seed == 2),
    ("+seed=3", lambda e: e.seed == 3),
    ("grid.learning_rate=0.01,0.1,0.5", lambda e: of(e, "learning_rate") == [0.01, 0.1, 0.5]),
    ("grid.learning_rate=0.1 grid.learning_rate=-1,0", lambda e: of(e, "learning_rate")[0] < 0),
    ("grid.learning_rate={linspace:[0,1,3]}", lambda e: of(e, "learning_rate")[1] == 0.5),
    ("grid={momentum:[0,0.9]}", lambda e: of(e, "momentum") == [0.0, 0.9]),
    ("grid.sgd.momentum=0.1,0.9", lambda e: of(e, "sgd.momentum") == [0.1, 0.9]),
    ("grid.learning_rate=0.1,0.2 ~grid.learning_rate", lambda e: not e.grid),
    ("optimizer.sgd.learning_rate=0.1,0.2", lambda e: of(e, "sgd.learning_rate")[1] == 0.2),
    ("optimizer.sgd.learning_rate=[0.1,0.2]", lambda e: of(e, "sgd.learning_rate")[1] == 0.2),
    ("optimizer.sgd.learning_rate=log:1:4:3", lambda e: of(e, "sgd.learning_rate")[2] == 4),
    ("optimizer=adam,sgd", lambda e: list(e.optimizers) == ["adam", "sgd"]),
    ("+optimizer=adam", lambda e: list(e.optimizers) == ["sgd", "adam"]),
    ("optimizer=adafactor", lambda e: e.optimizers["adafactor"].structure["decay_offset"] == 0),
    ("optimizer.sgd={momentum:0.9}", lambda e: e.optimizers["sgd"].numbers["momentum"] == 0.9),
    ("schedule=cosine schedule.decay_steps=50", lambda e: e.schedule.numbers["decay_steps"]),
    ("schedule=cosine grid.decay_steps=10,100", lambda e: of(e, "decay_steps") == [10, 100]),
    ("schedule=cosine schedule.decay_steps=9,10", lambda e: of(e, "decay_steps") == [9, 10]),
    ("draw={momentum:uniform:0:1}", lambda e: e.draw["momentum"].kind == "uniform"),
    ("start.points=[[3,3],[-2,0]]", lambda e: e.start.points == [[3, 3], [-2, 0]]),
    ("start.points=3,3", lambda e: e.start.points == [[3, 3]]),
    ("start=uniform start.low=-1,-2", lambda e: e.start.low == (-1, -2)),
    ("stop={max_steps:10}", lambda e: (e.stop.max_steps, e.stop.grad_tol) == (10, 1e-4)),
    ("stop.targets=1,2", lambda e: e.stop.targets == (1, 2)),
    ("trace.every=2 trace.runs=0", lambda e: e.trace.runs == (0,)),
    ("store.columns=[outcome,steps]", lambda e: e.columns == ("steps", "outcome")),
    ("store.columns=outcome,steps", lambda e: e.columns == ("steps", "outcome")),
    ("store.columns=outcome store.columns=null", lambda e: len(e.columns) == 16),
    ("wandb.name=it's,a:b=é", lambda e: e.wandb.name == "it's,a:b=é"),
    ("objective=x**2+max(y,0)*(x-1)", lambda e: e.objectives["expr"].dim == 2),
    ("objective=x0+x2**2+x1", lambda e: e.objectives["expr"].dim == 3),
    ("objective=(y-1)**2+x objective.expr.variables=[y,x]", lambda e: True),
    ("objective=a*x+y objective.expr.parameters={a:1} grid.a=1,2", lambda e: of(e, "a")),
    ("objective=a*x+y objective.expr.parameters.a=1 grid.a=1,2", lambda e: of(e, "a")),
    ("objective=./mine.py:f grid.a=1,2", lambda e: of(e, "a") == [1, 2]),
    ("objective=mine.py:v start.points=[[1,2,3]]", lambda e: e.objectives["file"].dim == 3),
    ("objective=mine.py:v objective.file.dim=3", lambda e: e.objectives["file"].dim == 3),
    ("+sweep=lr_grid grid.learning_rate=0.1,0.2", lambda e: len(e.grid["learning_rate"]) == 2),
    ("+sweep=lr_grid start=own", lambda e: e.start.count(2) == 1),
    ("+sweep=lr_grid ~grid", lambda e: not e.grid),
    ("+sweep=lr_grid grid={}", lambda e: not e.grid),
    ("+sweep=basins optimizer=adam start.num=4", lambda e: list(e.optimizers) == ["adam"]),
    ("+sweep=basins objective=beale,booth start.num=4", lambda e: len(e.objectives) == 2),
    ("sweep=smoke objective=himmelblau optimizer=adam", lambda e: e.sweep == "smoke"),
]


@pytest.mark.parametrize(("words", "read"), sifted(UNDERSTOOD, 3))
def test_words_are_understood(taken, words, read):
    assert read(taken(*words.split()))


REFUSED = [
    ("swep=lr_grid", "did you mean +sweep?"),
    ("+swep=lr_grid", "did you mean +sweep?"),
    ("max_steps=10", "did you mean stop.max_steps?"),
    ("learning_rate=0.1", "did you mean optimizer.sgd.learning_rate?"),
    ("optimizer.learning_rate=0.1", "type optimizer.sgd.learning_rate=VALUE"),
    ("optimizer.adam.b1=0.3", "adam is not selected: add optimizer=adam"),
    ("+optimizer.adam.b1=0.3", "adam is not selected: add optimizer=adam"),
    ("optimizer=sgd ++optimizer.adam.b1=0.3", "adam is not selected: add optimizer=adam"),
    ("optimizer=sgd optimizer.adam={b1:0.3}", "adam is not selected: add optimizer=adam"),
    ("optimizer=adam optimizer.adam.beta1=0.3", "adam has no 'beta1'"),
    ("optimizer.sgd.momentum=abc", "optimizer.sgd.momentum=abc is not a number"),
    ("optimizer.sgd.nesterov=true,false", "is no axis: set optimizer.sgd.nesterov=VALUE"),
    ("optimizer.sgd.lerning_rate=1,2", "did you mean learning_rate?"),
    ("+stop.max_step=10", "did you mean max_steps?"),
    ("stop={max_step:10}", "there is no key stop.max_step: did you mean max_steps?"),
    ("start.num=10", "one customary start; type start=uniform start.num=10"),
    ("schedule.decay_steps=50", "goes with schedule=cosine"),
    ("schedule.decay_steps=50,60", "cosine has it: type schedule=cosine"),
    ("grid.learning_rate=range(0,3)", "type one of 0.1 · 0.01,0.1,0.5"),
    ("grid.learning_rate=0.1;0.2", "type one of 0.1 · 0.01,0.1,0.5"),
    ("grid.learning_rate=0.1,,0.2", "type one of 0.1 · 0.01,0.1,0.5"),
    ("grid.learning_rate={logspace:[0,1,3]}", "type grid.learning_rate=VALUES"),
    ("grid.learning_rate={}", "is not an axis"),
    ("grid.learning_rate=1e39", "beyond float32: type dtype=float64"),
    ("grid.momentum=0.1 grid.sgd.momentum=0.2", "both give momentum of sgd: keep one"),
    ("~grid.momentum", "grid.momentum is no axis here: leave out ~grid.momentum"),
    (
        "optimizer.sgd.momentum=0.5 grid.momentum=0.1,0.2",
        "(~grid.momentum takes the axis away)",
    ),
    ("optimizer.sgd.momentum=0.5 draw.momentum=uniform:0:1", "(~draw.momentum takes"),
    ("+sweep=lr_grid optimizer.sgd.learning_rate=0.5", "leave out one (~grid.learning_rate"),
    ("schedule=cosine schedule.alpha=0 grid.cosine.alpha=0,1", "(~grid.cosine.alpha takes"),
    ("trace.runs=[0]", "trace.every=1"),
    ("store.columns=[outcome,step]", "runs have no column 'step': did you mean steps?"),
    ("store.colums=[outcome]", "did you mean store.columns?"),
    ("trace.runs=[99999] trace.every=1", "there is no run 99999: this sweep has runs 0 to 0"),
    ("objective=mine.py", "type ./mine.py:f"),
    ("objective=mine.py:g", "has no function 'g': there are f, v, steps"),
    ("objective=mine.py:v", "give starting points, objective.file.dim=D"),
    ("objective=mine.py:steps", "cannot have a parameter 'steps'"),
    ("objective=mine.py:f objective.file.parameters.b=2", "no keyword argument 'b'"),
    ("objective.file.path=mine.py:f", "file is not selected: add objective=file"),
    ("objective=rastrigin objective.rastrigin.dim=1e9", "out of range: give 1 to 1000000"),
    ("objective=f*x+y objective.expr.parameters.f=1", "cannot have a parameter 'f'"),
    ("optimizer=polyak_sgd optimizer.polyak_sgd.variant=x", "cannot be built: ValueError"),
    ("optimizer=polyak_sgd schedule=cosine", "polyak_sgd has none"),
    ("wandb.tags={a:1}", "cannot read 'wandb.tags={a:1}'"),
    ("seed=1=2", "cannot read 'seed=1=2'"),
    ("+sweep=basins start=own start.num=3", "this objective has one customary start"),
    ("+sweep=basins start=own", "varies nothing here: add an axis"),
    ("+sweep=momentum_map optimizer=adam", "sgd has it: type optimizer=sgd"),
    ("hydra.run.dir=mine.py/out", "is a file, not a folder: type hydra.run.dir=NEW_FOLDER"),
    ("hydra.foo=1", "there is no key 'hydra.foo'"),
    ("+hydra.foo=1", "there is no key 'hydra.foo'"),
]


@pytest.mark.parametrize(("words", "told"), sifted(REFUSED, 3))
def test_words_are_refused_with_what_to_type(refused, words, told):
    assert told in refused(*words.split())


@pytest.mark.parametrize("number", ["9" * 5000, "1e999", "-" * 50])
@pytest.mark.parametrize("key", ["seed", "stop.max_steps", "grid.learning_rate"])
def test_monstrous_numbers_are_refused(refused, key, number):
    refused(f"{key}={number}")


SWEEP = "grid: {learning_rate: [0.1, 0.2]}\n"


@pytest.fixture
def sweep(tmp_path):
    """Writes ./conf/sweep/mine.yaml."""

    def sweep(text, name="mine"):
        (tmp_path / "conf" / "sweep").mkdir(parents=True, exist_ok=True)
        (tmp_path / "conf" / "sweep" / f"{name}.yaml").write_text(text)

    return sweep


def test_a_sweep_builds_upon_another(taken, sweep):
    sweep("defaults: [base, override /optimizer: [adam]]\nstop: {max_steps: 5}\n")
    sweep("stop: {max_steps: 9}\nseed: 4\n" + SWEEP, "base")
    found = taken("+sweep=mine")
    assert (list(found.optimizers), found.seed, found.stop.max_steps) == (["adam"], 4, 5)
    assert of(found, "learning_rate") == [0.1, 0.2]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("optimizer: {adam: {b1: 0.5}}\n", "adam is not selected: add optimizer=adam"),
        ("optimizer: {sgd: {b1: 0.5}}\n", "optimizer sgd has no number 'b1'"),
        ("optimizer: {sgd: {_target_: os.system}}\n", "has no number '_target_'"),
        ("start: {num: 5}\n", "this objective has one customary start"),
        ("stop: {max_step: 1}\n", "did you mean max_steps?"),
        ("wandb: {name: '${oc.env:HOME}'}\n", "interpolations are refused"),
        ("hydra: {run: {dir: elsewhere}}\n", "hydra: is not for sweeps"),
    ],
)
def test_a_wrong_sweep_is_refused(refused, sweep, text, told):
    sweep(SWEEP + text)
    assert told in refused("+sweep=mine")


def test_nothing_but_sweeps_is_read_from_a_users_folder(taken, tmp_path):
    for group, name in (("optimizer", "sgd"), ("start", "own"), ("hydra/callbacks", "evil")):
        path = tmp_path / "conf" / group / f"{name}.yaml"
        path.parent.mkdir(parents=True)
        path.write_text(f"# @package hydra.callbacks\nevil: {{_target_: {__name__}.nothing}}\n")
    (tmp_path / "conf" / "config.yaml").write_text("seed: 77\n")
    assert taken().seed == 0


@pytest.mark.slow
def test_m_makes_a_job_of_each_value(say):
    code, jobs, _ = say("-m", "seed=0,1", "grid.learning_rate=0.1,0.2", "objective=beale,booth")
    assert code == 0
    found = [(j.seed, *of(j, "learning_rate"), *j.objectives) for j in jobs]
    assert len(found) == len(set(found)) == 8


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("seed=0,abc", "seed=abc is not a number"),
        ("stop.max_steps=10,-1", "stop.max_steps=-1 is out of range"),
        ("foo=1,2", "there is no key 'foo'"),
        ("optimizer=sgd,adma", "did you mean adam?"),
        ("objective=rosenbrock,beale objective.rosenbrock.a=2", "rosenbrock is not selected"),
        ("seed=0,1 hydra.sweep.dir=mine.py", "is a file, not a folder"),
    ],
)
def test_every_job_of_m_is_checked_before_the_first_begins(refused, words, told):
    assert told in refused("-m", *words.split())


def test_jobs_of_m_do_not_write_over_each_other(say, tmp_path, monkeypatch):
    (tmp_path / "out" / "1" / "runs").mkdir(parents=True)
    code, jobs, told = say("-m", "seed=0,1", "hydra.sweep.dir=out")
    assert (code, jobs) == (2, [])
    assert "already holds a sweep: type hydra.run.dir=NEW_FOLDER" in told.err


def test_what_is_wrong_with_gdexp_itself_is_no_fault_of_the_user(say, monkeypatch, tmp_path):
    monkeypatch.setattr(run.check, "experiment", lambda *_: 1 / 0)
    code, _, told = say("seed=1")
    assert code == 1
    assert "ZeroDivisionError" in told.err
    assert not (tmp_path / "outputs").exists()


def test_garbage_is_collected_while_it_runs_and_afterwards(say, monkeypatch):
    collecting = []
    monkeypatch.setattr(run, "run", lambda *_: collecting.append(gc.isenabled()))
    assert say("seed=1")[0] == 0
    assert say("list", "starts")[0] == 0
    assert collecting == [True]
    assert gc.isenabled() and gc.get_freeze_count() == 0
