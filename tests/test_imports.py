"""The law of the house, read from the source: who may import whom, how large things may grow."""

import ast
import graphlib
import itertools
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cases import sifted

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "gdexp"

# Room -> the rooms it may import. Each may name only rooms above it, so that there is no cycle.
LAW = {
    "base": "",
    "untrusted": "base",
    "cache": "base",
    "interrupts": "",
    "random": "",
    "environment": "",
    "schedules": "",
    "gradients": "base",
    "batches": "",
    "learning": "base batches",
    "data": "base",
    "objectives": "base learning data",
    "optimizers": "base",
    "starts": "base random",
    "executor": "",
    "formula": "base",
    "function": "base formula",
    "experiment": "base random starts executor",
    "plan": "base random starts experiment",
    "progress": "",
    "descent": "base progress batches",
    "stopping": "base progress descent",
    "cycles": "descent stopping",
    "flat": "",
    "trig": "",
    "soa": "flat",
    "tables": "flat progress batches descent",
    "backend": "",
    "refill": "base progress descent",
    "lanes": "cycles stopping descent flat soa backend refill",
    "problems": "base batches schedules gradients optimizers experiment plan descent",
    "program": "base experiment plan descent refill lanes problems",
    "logs": "base refill program",
    "stream": "base plan refill lanes logs",
    "paths": "base refill lanes logs stream",
    "memory": "base plan",
    "devices": "base",
    "engine": "base cache experiment plan descent backend refill lanes problems program stream "
    "paths tables trig memory devices",
    "columns": "base experiment plan",
    "files": "",
    "store": "base files untrusted",
    "frames": "base",
    "analysis": "base random experiment plan frames",
    "lanczos": "",
    "curvature": "base cache lanczos",
    "measures": "base cache",
    "config": "base environment schedules gradients starts executor function experiment frames",
    "followup": "base random experiment plan starts paths engine curvature analysis",
    "shelf": "base store",
    "drawing": "base",
    "surface": "plan measures drawing",
    "rendering": "base random drawing",
    "races": "base experiment plan analysis frames",
    "answers": "base plan engine analysis frames followup races",
    "figures": "base random plan analysis drawing surface rendering followup answers",
    "gallery": "base drawing answers figures",
    "results": "base random function experiment plan store shelf config frames answers figures "
    "gallery",
    "verify": "base environment plan program stream paths engine columns store results",
    "manifest": "environment function experiment plan program engine verify",
    "commits": "environment plan columns store results verify",
    "own_bits": "environment files plan engine results store verify manifest commits",
    "executors": "base environment executor experiment plan stream engine results verify manifest",
    "claims": "environment plan files store",
    "descents": "environment plan memory stream engine columns analysis results commits claims",
    "labels": "base experiment plan columns analysis curvature measures results",
    "report": "base drawing rendering gallery store results",
    "sinks": "base experiment plan store analysis drawing rendering results report",
    "metrics": "base experiment plan problems analysis curvature measures",
    "extending": "base optimizers experiment plan program stream engine columns commits verify "
    "config results",
    "job": "base executor experiment plan engine columns store analysis metrics followup manifest "
    "own_bits commits claims descents verify extending labels results sinks",
    "worker": "own_bits plan engine store analysis commits descents verify results sinks",
    "typeset": "base",
    "zooming": "base experiment config results",
    "api": "base function experiment plan engine store config results job zooming extending",
    "slopes": "base",
    "commands": "base interrupts formula executor experiment plan engine store results sinks "
    "config job typeset zooming extending worker own_bits verify commits slopes drawing rendering "
    "figures report",
    "__main__": "base interrupts config commands",
}

# Package from outside -> the modules that may import it, a room standing for all of its modules.
OUTSIDE = {
    "hydra": "commands.run __main__",
    "omegaconf": "config commands.run __main__",
    "wandb": "sinks._wandb",
    "rich": "sinks.terminal commands",
    "ray": "executors._ray",
    "plotly": "rendering.in_plotly",
    **dict.fromkeys(["matplotlib", "PIL"], "rendering.in_matplotlib"),
    "jax": "batches learning objectives optimizers schedules gradients formula function progress "
    "descent stopping cycles flat soa tables trig backend refill lanes problems program logs "
    "stream paths cache devices engine curvature measures slopes",
    "optax": "optimizers descent tables",
    "pyarrow": "data columns store shelf drawing figures report frames followup races answers "
    "verify extending typeset commits commands.gradients labels results sinks.wandb_run "
    "sinks._wandb",
    **dict.fromkeys(["pandas", "xarray", "pickle", "experiments", "scripts", "tests"], ""),
}

# What batches or compiles -> who may say it: of descents lanes, by means of soa, and engine.
TRANSFORMS = {
    "vmap": "lanes soa.batch curvature",
    "jit": "engine curvature measures slopes",
    "pmap": "",
    "shard_map": "",
}

MOST_LINES = 300
MOST_LINES_OF_A_FUNCTION = 60
LONGER = {  # with the reason
    "formula": "one grammar: tokens, whitelist and limits are checked against each other",
}


def name_of(path):
    """gdexp/sinks/terminal.py as sinks.terminal; a package by its own name, gdexp as ''."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


SOURCES = {name_of(path): path.read_text() for path in sorted(PACKAGE.rglob("*.py"))}
TREES = {name: ast.parse(source) for name, source in SOURCES.items()}
MODULES = [name for name in SOURCES if name]  # all but gdexp itself, which names the public names


def imported(tree):
    """The full names a module imports, at its head or inside a function."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def inside(name):
    """The modules of gdexp that `name` imports."""
    for full in imported(TREES[name]):
        first, _, rest = full.partition(".")
        if first == "gdexp":
            yield rest if rest in SOURCES else rest.rpartition(".")[0]


def room(module):
    return module.split(".")[0]


def allows(places, module):
    """Whether a list of modules and rooms names `module`."""
    return any(module == place or module.startswith(f"{place}.") for place in places.split())


def test_every_room_stands_in_the_law():
    assert {room(module) for module in MODULES} == set(LAW)


def test_the_law_itself_goes_one_way():
    above = set()
    for name, allowed in LAW.items():
        assert set(allowed.split()) <= above, f"{name} may only import what stands above it"
        above.add(name)


@pytest.mark.parametrize("module", MODULES)
def test_imports_go_one_way(module):
    reached = {room(other) for other in inside(module)} - {room(module)}
    assert reached <= set(LAW[room(module)].split())


def test_no_cycle_among_modules():
    uses = {name: set(inside(name)) - {name} for name in MODULES}
    graphlib.TopologicalSorter(uses).prepare()  # raises CycleError, which shows the cycle


@pytest.mark.parametrize("package", OUTSIDE)
def test_outside_packages_stay_in_their_rooms(package):
    users = [m for m in SOURCES if package in {full.split(".")[0] for full in imported(TREES[m])}]
    assert [m for m in users if not allows(OUTSIDE[package], m)] == []


@pytest.mark.parametrize("word", TRANSFORMS)
def test_descents_are_batched_and_compiled_in_one_place(word):
    said = {
        name
        for name, tree in TREES.items()
        for node in ast.walk(tree)
        if (isinstance(node, ast.Attribute) and node.attr == word)
        or (isinstance(node, ast.Name) and node.id == word)
        or (isinstance(node, ast.alias) and node.name == word)
    }
    assert said <= set(TRANSFORMS[word].split())


def test_no_text_is_run_as_code():
    callers = {
        name
        for name, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and node.id in ("eval", "exec", "compile")
    }
    assert callers <= {"function"}  # a file that the user names


@pytest.mark.parametrize("module", SOURCES)
def test_modules_and_functions_stay_small(module):
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    long = [
        f"{node.name}: {node.end_lineno - node.lineno + 1} lines"
        for node in ast.walk(TREES[module])
        if isinstance(node, functions) and node.end_lineno - node.lineno >= MOST_LINES_OF_A_FUNCTION
    ]
    assert long == []
    lines = len(SOURCES[module].splitlines())
    assert (lines > MOST_LINES) == (module in LONGER), f"{module}: {lines} lines"


TYPED = "from gdexp.__main__ import main; main({})"
SLOW = {"jax", "numpy", "hydra", "omegaconf", "optax", "pyarrow", "rich", "wandb"}


@pytest.mark.parametrize(
    ("code", "absent"),
    sifted(
        [
            ("import gdexp", SLOW),
            (TYPED.format(["--help"]), SLOW),
            (TYPED.format(["frobnicate"]), SLOW),
            (TYPED.format(["list"]), {"hydra", "optax", "pyarrow", "wandb"}),
            (TYPED.format(["run.prepare=true", "hydra.run.dir=out"]), {"wandb"}),
            ("import gdexp; gdexp.descend('x**2', 1)", {"hydra", "rich", "wandb"}),
            ("import gdexp.plan, gdexp.store, gdexp.columns, gdexp.results", {"jax", "wandb"}),
        ],
        3,
    ),
    ids=["gdexp", "--help", "no-command", "list", "prepare", "descend", "plan-and-results"],
)
def test_what_is_slow_is_imported_late(code, absent, tmp_path):
    told = f"{code}; import sys; print('loaded:', *{{m.split('.')[0] for m in sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-c", told],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    loaded = done.stdout.rpartition("loaded:")[2].split()
    assert "gdexp" in loaded and not absent & set(loaded)


@pytest.mark.slow
def test_importing_gdexp_changes_no_setting_of_jax():
    code = """if True:
        import jax
        before = dict(jax.config.values)
        import gdexp.api, gdexp.__main__, gdexp.commands.run
        assert dict(jax.config.values) == before
    """
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_experiments_scripts_and_tests_are_imported_by_no_one():
    files = itertools.chain.from_iterable(
        (ROOT / folder).rglob("*.py") for folder in ("experiments", "scripts")
    )
    for path in files:
        firsts = {full.split(".")[0] for full in imported(ast.parse(path.read_text()))}
        assert not firsts & {"experiments", "scripts", "tests"}, path
