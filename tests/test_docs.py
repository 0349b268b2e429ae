"""The pages: built without a warning, their commands and the notebook run, their pictures made."""

import importlib.util
import re
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from test_readme import blocks, run_blocks

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"


@pytest.mark.slow
def test_the_pages_are_built_without_a_warning_and_the_notebook_runs(tmp_path):
    """Sphinx runs the notebook from top to bottom, and stops at an error in it."""
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", DOCS, tmp_path / "built"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    tour = (tmp_path / "built" / "tour.html").read_text(encoding="utf-8")
    assert tour.count("plotly-graph-div") >= 3
    catalogue = (tmp_path / "built" / "catalogue.html").read_text(encoding="utf-8")
    for name in ("rosenbrock", "adam", "cosine", "sobol", "lr_grid"):
        assert name in catalogue
    reference = (tmp_path / "built" / "reference.html").read_text(encoding="utf-8")
    for name in ("sweep", "descend", "Results.thresholds", "Results.to_xarray"):
        assert f'id="gdexp.{name}"' in reference


def test_the_notebook_is_committed_without_outputs():
    import nbformat

    notebook = nbformat.read(DOCS / "tour.ipynb", as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert len(code) > 8
    assert all(cell.outputs == [] and cell.execution_count is None for cell in code)


@pytest.mark.slow
@pytest.mark.parametrize(("page", "least"), [("tutorial", 8), ("howto", 8), ("machines", 3)])
def test_what_a_page_shows_runs_and_makes_its_pictures(page, least, tmp_path):
    text = (DOCS / f"{page}.md").read_text(encoding="utf-8")
    session = blocks(text)
    assert len(session) >= least
    run_blocks(session, tmp_path)
    for name in re.findall(r"!\[[^\]]*\]\(images/([^)]+)\)", text):
        assert (tmp_path / name).stat().st_size > 5_000, "a command of the page makes it"
        assert (DOCS / "images" / name).exists()


def test_pictures_of_the_readme_are_made_by_commands_in_it():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for name in re.findall(r"\(docs/images/([^)]+)\)", text):
        assert f"-o {name}" in text or "readme_picture.py" in text.split(name)[1][:300]


def test_the_workspace_shows_what_runs_log():
    """Every kind of metric of a W&B run has a panel, and every panel's pattern finds one."""
    from gdexp.sinks._wandb import rows

    spec = importlib.util.spec_from_file_location("w", ROOT / "scripts" / "wandb_workspace.py")
    script = importlib.util.module_from_spec(spec)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of wandb-workspaces' own
        spec.loader.exec_module(script)
    made = script.workspace("someone", "gdexp")
    own = {"objective": "booth", "optimizer": "sgd", "sample": 1, "step": [0]}
    names = ("alive", "converged", "diverged", "f_q50", "grad_norm_q50")
    curves = [
        own | {name: [1.0] for name in names} | {"learning_rate": rate}
        for rate in (None, 0.5, 1e-3)
    ]
    logged = {key for row in rows.curves(curves) for key in row} - {"step"}
    logged |= {"outcomes/converged", "runs_per_second", "path/f", "path/grad_norm", "path/x_0"}
    patterns = list(script.patterns(made))
    shown = {key for key in logged for pattern in patterns if pattern.search(key)}
    assert {key for key in logged - shown if "learning_rate" not in key} == set()
    assert all(any(pattern.search(key) for key in logged) for pattern in patterns)
    told = made._to_model().model_dump_json()
    assert "runs_done" in told and all(table in told for table in script.TABLES)
