"""The experiments: their commands run, and the numbers of their verdicts hold."""

import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cases import sifted

import gdexp
from gdexp import __main__

ROOT = Path(__file__).parents[1]
FOLDERS = sorted(path.parent for path in ROOT.glob("experiments/*/verdict.py"))
# what rounding decides: their figures are of the machine that drew them, their checks hold anywhere
ROUNDED = {"digits", "stability_edge", "trainability_boundary"}
LONG = {
    "digits",
    "lesson_linear_map",
    "lesson_random_search",
    "lesson_sgd",
    "optimizer_race",
    "stability_edge",
    "trainability_boundary",
}
SMALL = [
    pytest.param(folder, marks=pytest.mark.slow if folder.name in LONG else ())
    for folder in FOLDERS
]


def loaded(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def commands(folder):
    """The words of each line that is to be typed."""
    told = (folder / "README.md").read_text(encoding="utf-8")
    return [shlex.split(line) for line in told.split("```bash\n")[1].split("\n```")[0].splitlines()]


def copied(folder, tmp_path):
    """The experiment and the script, in a checkout that holds nothing else."""
    shutil.copytree(folder, tmp_path / folder.relative_to(ROOT))
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    return tmp_path


@pytest.mark.parametrize("folder", sifted(SMALL, 4), ids=lambda folder: folder.name)
def test_an_experiment_holds_at_a_small_size(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(copied(folder, tmp_path))
    verdict = loaded(folder / "verdict.py")
    *sweeps, last = commands(folder)
    smoke = verdict.SMOKE if isinstance(verdict.SMOKE, tuple) else (verdict.SMOKE,) * len(sweeps)
    for (conf, *words), more in zip(sweeps, smoke, strict=True):
        assert words[:3] == ["python", "-m", "gdexp"]
        monkeypatch.setenv(*conf.split("="))
        monkeypatch.setattr(sys, "argv", ["gdexp"])
        given = {word.split("=")[0] for word in more}  # in the place of what the README has
        kept = [word for word in words[3:] if word.split("=")[0] not in given]
        assert not __main__.main([*kept, *more, "wandb.mode=disabled", "report=false"])
    assert last[:3] == ["python", "scripts/experiment.py", folder.name]
    made = [directory for directory in last[3:] if Path(directory).exists()]  # fewer jobs, maybe
    found = [gdexp.load(directory, allow_code=True) for directory in made]
    verdict.check(*found)
    rows = verdict.table(*found)
    assert rows and all(row.keys() == rows[0].keys() for row in rows)
    assert all(value.strip() and "nan" not in value for row in rows for value in row.values())


@pytest.mark.slow
@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_an_experiment_gives_its_table_and_figure(folder, tmp_path):
    root = copied(folder, tmp_path)
    for words in commands(folder):
        variables = dict(word.split("=") for word in words[:1] if word.startswith("GDEXP_CONF="))
        arguments = [sys.executable, *words[len(variables) + 1 :]]
        done = subprocess.run(
            arguments, cwd=root, env=os.environ | variables, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
    told = (folder / "README.md").read_text(encoding="utf-8").splitlines()
    table = [line for line in told if line.startswith("|")]
    printed = done.stdout.splitlines()
    assert [line.count("|") for line in printed] == [line.count("|") for line in table]
    if folder.name not in ROUNDED:
        assert printed == table
        figure = folder.relative_to(ROOT) / "figure.svg"
        assert (root / figure).read_bytes() == (ROOT / figure).read_bytes()
