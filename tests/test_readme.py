"""What README says: every command and every Python block is run, section by section."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

import gdexp
from gdexp.base import Reason

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
RUN = "python3 -m venv .venv && .venv/bin/pip install -c constraints.txt -e . && "
RUN += ".venv/bin/python -m gdexp +sweep=lr_grid"
TEST = "python3 -m venv .venv && .venv/bin/pip install -c constraints.txt -e '.[test]' && "
TEST += ".venv/bin/pytest"


class Block(NamedTuple):
    """A fenced block and the paragraph before it."""

    before: str
    language: str
    text: str


def blocks(text):
    fence = r"([^\n]*(?:\n[^\n]+)*)\n\n```(\w+)\n(.*?)\n```"
    return [Block(*found) for found in re.findall(fence, f"\n{text}", re.DOTALL)]


SECTIONS = dict(part.split("\n", 1) for part in re.split(r"^## ", README, flags=re.M)[1:])
SECTIONS = {title: blocks(text) for title, text in SECTIONS.items() if "```" in text}
PAGES = [path.stem for path in sorted((ROOT / "docs").glob("*.md"))]
# some 20 s: run as slow tests
LONG = ["The first five minutes", "A short tour of the keys", "Reading results"]


def execute(arguments, folder, **variables):
    """Runs a program in `folder`; its standard output, or a failure that shows what it said."""
    done = subprocess.run(
        arguments,
        cwd=folder,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, f"{arguments}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def shell(line, folder):
    """Runs a line as a shell would; what installs something is left out."""
    if line.startswith("cd "):
        inside, _, line = line.partition(" && ")
        folder = folder / inside.removeprefix("cd ")
    words = shlex.split(line)
    variables = {}
    while re.match(r"[A-Z_]+=", words[0]):
        name, _, value = words.pop(0).partition("=")
        variables[name] = value
    program, *arguments = words
    if program == "python":
        return execute([sys.executable, *arguments], folder, **variables)
    if program == "wandb":
        beside = shutil.which(program, path=Path(sys.executable).parent)
        arguments += ["--dry-run"] if "sync" in arguments else []  # no account is needed here
        return execute([beside, *arguments], folder)
    assert "pip install" in line
    return ""


@pytest.mark.parametrize(
    "title",
    [pytest.param(title, marks=pytest.mark.slow if title in LONG else ()) for title in SECTIONS],
)
def test_what_a_section_shows_runs(title, tmp_path):
    run_blocks(SECTIONS[title], tmp_path)


@pytest.mark.slow
def test_what_the_page_on_studying_shows_runs(tmp_path):
    """One session from top to bottom: each Python block goes on from those before it."""
    so_far, session = "", []
    for block in blocks((ROOT / "docs" / "study.md").read_text(encoding="utf-8")):
        if block.language == "python":
            so_far += block.text + "\n"
            block = block._replace(text=so_far)
        session.append(block)
    assert len(session) > 10
    run_blocks(session, tmp_path)


@pytest.mark.slow
def test_what_models_do_goes_as_written(tmp_path):
    session = blocks((ROOT / "docs" / "learning.md").read_text(encoding="utf-8"))
    assert len(session) == 3
    run_blocks(session, tmp_path)


def run_blocks(some, tmp_path):
    """Runs the blocks of a page in a folder; a text block is what the last Python one prints."""
    printed = None
    for before, language, text in some:
        if saved := re.search(r"[Ss]ave\s+this\s+as\s+`([^`]+)`", before):
            file = tmp_path / saved[1]
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text + "\n", encoding="utf-8")
        elif language == "bash":
            for line in text.splitlines():
                shell(line, tmp_path)
        elif language == "python":
            printed = execute([sys.executable, "-W", "error", "-c", text], tmp_path)
        else:
            assert (language, text) == ("text", printed.rstrip("\n"))


def test_it_opens_with_the_two_commands_that_set_everything_up():
    opening = README[: README.index("\n## ")]
    assert [block.text for block in blocks(opening)] == [RUN, TEST]


def test_ci_runs_the_test_command_to_the_letter():
    assert f"  {TEST}\n" in (ROOT / ".ci" / "run").read_text()


def test_every_command_in_a_fence_is_seen():
    assert sum(map(len, SECTIONS.values())) + 2 == README.count("\n```") / 2


@pytest.mark.parametrize(
    "document",
    ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", *(f"docs/{name}.md" for name in PAGES)],
)
def test_links_lead_somewhere(document):
    text = (ROOT / document).read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)#]+)\)", text)
    assert [
        t for t in targets if "://" not in t and not (ROOT / document).parent.joinpath(t).exists()
    ] == []


def test_the_table_of_endings_names_every_reason():
    named = set(re.findall(r"`(\w+)`", README[README.index("## How a run ends") :]))
    assert {reason.label for reason in set(Reason) - {Reason.RUNNING}} <= named


def test_the_columns_are_those_of_the_results():
    [row] = [line for line in README.splitlines() if line.startswith("| `runs/part-*.parquet`")]
    named = re.findall(r"`(\w+)`", row)
    columns = gdexp.sweep(
        "parabola", grid={"learning_rate": [0.1]}, stop_targets=[1.0]
    ).runs.column_names
    assert named == [name for name in columns if name != "learning_rate"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "path",
    sorted(path.parent for path in ROOT.glob("experiments/*/figure.py")),
    ids=lambda path: path.name,
)
def test_an_experiment_gives_its_figure_and_the_numbers_of_its_verdict(path, tmp_path):
    copy = tmp_path / path.relative_to(ROOT)
    shutil.copytree(path, copy)
    told = (path / "README.md").read_text(encoding="utf-8")
    [commands] = blocks(told)
    printed = [shell(line, tmp_path) for line in commands.text.splitlines()]
    table = [line for line in told.splitlines() if line.startswith("|")]
    assert printed[-1].splitlines() == table
    assert (copy / "figure.svg").read_bytes() == (path / "figure.svg").read_bytes()
