"""Objectives that installed packages add: real packages' metadata, in a folder of their own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GOOD = """
import dataclasses
from gdexp.base import Objective

@dataclasses.dataclass(frozen=True)
class Bowl(Objective):
    \"\"\"A bowl of any width.\"\"\"
    formula = "a x²"
    source = "a test"
    dim = 1
    a: float = 3.0
    def __call__(self, x):
        return self.a * x[0] ** 2
    def start(self):
        return (2.0,)

not_an_objective = 1
"""


@pytest.fixture
def packages(tmp_path):
    """Installs packages: name -> (module's text, entry points)."""

    def install(**packages):
        for name, (text, points) in packages.items():
            (tmp_path / f"{name}.py").write_text(text)
            told = tmp_path / f"{name}-1.2.dist-info"
            told.mkdir(exist_ok=True)
            (told / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
            lines = "\n".join(f"{key} = {value}" for key, value in points.items())
            (told / "entry_points.txt").write_text(f"[gdexp.objectives]\n{lines}\n")

        def call(*words):
            paths = os.pathsep.join([str(ROOT), str(tmp_path)])
            done = subprocess.run(
                [sys.executable, "-m", "gdexp", *words],
                cwd=tmp_path,
                env=os.environ | {"PYTHONPATH": paths},
                capture_output=True,
                text=True,
                encoding="utf-8",
            )
            return done.returncode, done.stdout, done.stderr

        return call

    return install


@pytest.mark.slow
def test_an_objective_of_a_package_is_one_like_any_other(packages, tmp_path):
    call = packages(theirs=(GOOD, {"bowl": "theirs:Bowl"}))
    words = ["objective=bowl", "grid.a=1,2", "wandb.mode=disabled", "hydra.run.dir=out"]
    code, out, err = call(*words)
    assert (code, err) == (0, "") and "bowl × sgd" in out
    assert '"bowl": "theirs 1.2"' in (tmp_path / "out" / "manifest.json").read_text()
    told = tmp_path / "theirs-1.2.dist-info" / "METADATA"
    told.write_text(told.read_text().replace("1.2", "1.3"))
    code, out, _ = call("reproduce", "out")
    assert code == 0 and out.startswith("SAME BITS (2 runs checked)\n")
    assert "in spite of: objective bowl: theirs 1.2 → theirs 1.3" in out


@pytest.mark.slow
def test_a_package_that_is_broken_is_named_and_keeps_nobody_from_working(packages):
    call = packages(
        broken=("raise RuntimeError('not today')", {"dish": "broken:Dish"}),
        wrong=(
            GOOD,
            {"one": "wrong:not_an_objective", "a-b": "wrong:Bowl"},
        ),
        again=(GOOD, {"paraboloid": "again:Bowl"}),
    )
    code, out, err = call("list", "objectives")
    assert (code, err) == (0, "") and "paraboloid" in out and "dish" not in out
    for name, told in (
        ("dish", "dish of broken 1.2 cannot be used: RuntimeError: not today"),
        ("one", "wrong:not_an_objective is no gdexp.base.Objective"),
    ):
        code, out, err = call(f"objective={name}")
        assert (code, out) == (2, "") and told in err and err.count("\n") == 1
    code, out, err = call("run.prepare=true", "hydra.run.dir=out")  # the paraboloid is our own
    assert (code, err) == (0, "")
