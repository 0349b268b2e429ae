"""Hostile words on the command line: refused in one line, or shown letter by letter."""

import ast
import html
import json
import shlex

import pytest
from cases import sifted

from gdexp import __main__

SCRIPT = "<script>window.hacked=1</script>"
LONG = "x*x" + " + 0*y" * 1_700  # more than 10,000 characters
FORMULAS = {
    "a script": SCRIPT,
    "a quote": "x'\"><svg onload=hacked>",
    "an emoji": "🦊**2",
    "a line break": "x*x\n+ y*y",
    "a name of ten thousand letters": "x" * 10_000,
    "ten thousand letters": LONG,
    "a comparison": "where(x < 1, x*x, y*y)",
}
NAMES = [SCRIPT, "a'b\"c", "🦊 ünï", "x" * 200, "{{7*7}} $HOME `id` %s", "-o", "&lt;b&gt;"]


@pytest.fixture
def inside(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def said(words, capfd):
    """Exit code and what was printed, of the main job."""
    try:
        code = __main__.main([*words, "start.points=[[1.0,1.0]]", "stop.max_steps=5"])
    except SystemExit as refused:  # before Hydra has made a folder
        code = refused.code
    return code, capfd.readouterr()


@pytest.mark.parametrize("name", sifted(FORMULAS, 8))
def test_a_formula_is_refused_in_one_line_or_shown_as_it_is(name, inside, capfd):
    formula = FORMULAS[name]
    words = [f"objective='{formula}'" if "'" not in formula else f"objective={formula}"]
    code, told = said([*words, "wandb.mode=disabled", "hydra.run.dir=out"], capfd)
    if code == 2:
        first, *shown = told.err.splitlines()  # then the place in the formula, and a mark below it
        assert told.out == "" and first.startswith("gdexp: ") and len(shown) <= 2
        assert len(told.err) < 1_000 and "Traceback" not in told.err
        assert list(inside.iterdir()) == []
        return
    assert code == 0
    page = (inside / "out" / "report.html").read_text(encoding="utf-8")
    assert html.escape(formula[:50], quote=True) in page
    assert SCRIPT not in page


@pytest.mark.parametrize("name", sifted(NAMES, 8))
def test_a_folder_is_shown_as_it_is(name, inside, capfd):
    """The page names it in the commands that make its runs again."""
    words = ["objective=x*x+y*y", "wandb.mode=disabled", f"hydra.run.dir={name}"]
    code, told = said(words, capfd)
    if code == 2:
        assert told.out == "" and list(inside.iterdir()) == []
        return
    assert code == 0
    [folder] = inside.iterdir() if "/" not in name else [inside / name]
    [line] = (line for line in told.out.splitlines() if line.startswith("in Python: "))
    assert ast.literal_eval(line.partition("load(")[2].partition(")")[0]) == name
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert SCRIPT not in page
    assert html.escape(shlex.quote(name), quote=True) in page


@pytest.mark.slow
@pytest.mark.parametrize("name", [*NAMES, "two\nlines", "y" * 10_000])
def test_what_wandb_is_told_is_what_was_typed_or_refused(name, inside, capfd):
    words = ["objective=x*x+y*y", f"wandb.name={name}", "hydra.run.dir=out", "report=false"]
    code, told = said(words, capfd)
    if code == 2:
        assert told.out == "" and not (inside / "out").exists()
        return
    assert code == 0
    manifest = json.loads((inside / "out" / "manifest.json").read_text())
    assert manifest["complete"]
    [run] = (inside / "out" / "wandb").glob("offline-run-*/*.wandb")
    assert name.encode() in run.read_bytes()
