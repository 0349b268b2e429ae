"""Commands that ask the results of a sweep: what they print, and what they refuse."""

import re
import shutil
from pathlib import Path

import pytest

import gdexp
from gdexp import __main__, api, job


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("asking")
    asked = api.experiment(
        "himmelblau",
        grid={"learning_rate": [0.005, 0.02]},
        start={"grid": 64},
        stop_max_steps=100,
    )
    job.run(asked, root / "outputs" / "sweep")
    return root


@pytest.fixture
def ask(folder, monkeypatch, capsys):
    """Runs a command in the folder; exit code and what was printed."""

    def ask(*words):
        monkeypatch.chdir(folder)
        code = __main__.main(list(words))
        out, err = capsys.readouterr()
        return code, out + err

    return ask


def test_the_newest_sweep_is_asked_unless_one_is_named(ask):
    code, told = ask("race")
    assert code == 0 and "half of the starts" in told
    assert told.endswith(f"of {Path('outputs/sweep')}\n")
    assert ask("race", "outputs/sweep") == (code, told)


def test_a_race_as_latex(ask):
    code, told = ask("race", "format=latex")
    assert code == 0 and told.startswith(r"\begin{tabular}") and told.endswith("\\end{tabular}\n")


@pytest.mark.slow
def test_a_table_wider_than_the_terminal_is_turned_on_its_side(ask, monkeypatch):
    _, piped = ask("thresholds", "outputs/sweep", "precision=0.1")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "70")
    code, turned = ask("thresholds", "outputs/sweep", "precision=0.1")
    lines = re.sub(r"\x1b\[\d*m", "", turned).splitlines()
    assert code == 0 and max(map(len, lines[:12])) <= 70
    rows = [line.split() for line in lines if line.startswith("low ")]
    assert [len(row) for row in rows] == [3, 3]  # two and two of the four minima
    columns = zip(*(line.split() for line in piped.splitlines()[:5]), strict=False)
    [low] = (column[1:] for column in columns if column[0] == "low")
    assert list(low) == [value for row in rows for value in row[1:]]


def test_a_boundary_is_told_with_its_interval(ask):
    code, told = ask("boundary", "x=x0_0", "y=x0_1", "value=minimum_id", "learning_rate=0.006")
    assert code == 0 and "not told from a smooth line" in told and " to 1." in told
    assert "minimum_id over x0_0 and x0_1, at learning_rate=0.005\n" in told


@pytest.mark.slow
def test_thresholds_say_how_many_runs_they_took(ask):
    code, told = ask("thresholds", "precision=0.1")
    assert code == 0 and "further runs of 4,096 steps, to a relative 0.1" in told
    assert told.count("2/L") == 4


def test_a_zoom_is_a_sweep_of_its_own(ask, folder, request):
    code, told = ask("zoom", "outputs/sweep", "x0_0=-1:1", "learning_rate=0.01", "num=8")
    assert code == 0 and told.startswith("64 further runs")
    [made] = [p.parent for p in folder.glob("outputs/*/*/manifest.json")]
    request.addfinalizer(lambda: shutil.rmtree(made))  # or other tests take it for the newest
    assert gdexp.load(made).manifest["runs"] == 64


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("race traget=1", "there is no key 'traget': did you mean target?"),
        ("race target=1", "target=1 is not in stop.targets"),
        ("race target=x", "target=x is not a number"),
        ("race budget=0", "give evaluations, 1 or more"),
        ("race nowhere", "nowhere holds no config.yaml"),
        ("race outputs/sweep other", "one folder is enough"),
        ("race --alow-code", "did you mean --allow-code?"),
        ("race format=html", "type one of markdown, latex"),
        ("boundary x=x0_0", "a map needs y=AXIS"),
        ("boundary x=x0_0 y=x0_2", "there is no axis 'x0_2': did you mean x0_"),
        ("boundary x=x0_0 y=x0_1 value=outcom", "did you mean outcome?"),
        ("boundary x=learning_rate y=start", "too coarse"),
        (
            "boundary outputs/sweep x=x0_0 y=x0_1 learning_rate=5",
            "learning_rate=5 is not on the axis, from 0.005 to 0.02",
        ),
        ("boundary x=x0_0 y=x0_1 value=f", "f has no regions: type value= one of outcome"),
        ("thresholds precision=0", "precision=0: give a number"),
        ("zoom", "a zoom needs a window"),
        ("zoom learning_rate=2:1", "type learning_rate=LOW:HIGH"),
        ("zoom learning_rate=0.1:0.2:0.3", "type learning_rate=LOW:HIGH"),
        ("zoom outputs/sweep momentum=0:1", "no axis 'momentum' to zoom into"),
    ],
)
def test_wrong_words_are_refused_with_what_to_type(ask, words, told):
    code, said = ask(*words.split())
    assert code == 2 and told in said and said.count("\n") == 1


def test_no_sweep_at_all_is_said(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert __main__.main(["race"]) == 2
    assert "there is no output folder below this one" in capsys.readouterr().err


def test_code_of_others_is_run_only_if_one_says_so(tmp_path, monkeypatch, capsys):
    (tmp_path / "mine.py").write_text("def f(x):\n    return (x * x).sum()\n")
    monkeypatch.chdir(tmp_path)
    card = {"file": {"path": "./mine.py:f", "dim": 2}}
    asked = api.experiment(card, grid={"learning_rate": [0.1, 0.2]}, start={"uniform": 4})
    job.run(asked, tmp_path / "sweep")
    assert __main__.main(["race", "sweep"]) == 2
    assert "type --allow-code" in capsys.readouterr().err
    assert __main__.main(["race", "sweep", "--allow-code"]) == 0
