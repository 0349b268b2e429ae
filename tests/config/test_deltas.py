"""A user's sweep is data: read, checked, and nothing in it runs."""

import pytest

from gdexp.base import UsageError
from gdexp.config import deltas

GRID = "grid: {learning_rate: [0.1, 0.2]}\n"


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Writes ./conf/sweep/NAME.yaml."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "conf" / "sweep").mkdir(parents=True)

    def write(text, name="mine"):
        (tmp_path / "conf" / "sweep" / f"{name}.yaml").write_text(text, encoding="utf-8")

    return write


def test_a_sweep_is_read_and_its_own_words_come_last(write):
    write("# @package _global_\n# What is é?\ndefaults: [other, override /start: uniform]\n" + GRID)
    write(GRID, "other")
    found = deltas.nodes(["mine"])
    assert list(found) == ["mine", "other"]
    assert found["mine"]["grid"] == {"learning_rate": [0.1, 0.2]}
    assert found["mine"]["defaults"] == ["other", "_self_", {"override /start": "uniform"}]


def test_the_packages_own_sweeps_are_left_to_hydra(write):
    write("defaults: [lr_grid, _self_]\nseed: 3\n")
    assert list(deltas.nodes(["mine", "smoke"])) == ["mine"]


def test_sweeps_that_build_upon_each_other_end(write):
    write("defaults: [other]\n" + GRID)
    write("defaults: [mine]\n" + GRID, "other")
    assert set(deltas.nodes(["mine"])) == {"mine", "other"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("grid: {learning_rate: [0.1, 0.2}\n", "mine.yaml, line 1, column 32: expected"),
        ("grid: [a\n: b", "mine.yaml, line 2, column 1: expected"),
        ("grid:\n  a: 1\n  a: 2\n", "found duplicate key a"),
        ("seed: !!python/object/apply:os.system [echo]\n", "could not determine a constructor"),
        ("- a\n", "a sweep is lines of KEY: VALUE"),
        ("hello\n", "there is no key 'hello'"),
        ("sed: 1\n", "there is no key 'sed': did you mean seed?"),
        ("1: 1\n", "there is no key '1'"),
        ("sweep: other\n", "there is no key 'sweep'"),
        ("_target_: os.system\n", "there is no key '_target_'"),
        ("hydra: {callbacks: {x: {_target_: os.system}}}\n", "hydra: is not for sweeps"),
        ("# @package hydra\ncallbacks: {x: {_target_: os.system}}\n", "begins with the line"),
        ("# about\n# @package stop\nmax_steps: 5\n", "begins with the line # @package _global_"),
        ("objective: {file: {path: ./mine.py:f}}\n", "type objective=./mine.py:f"),
        ("grid: 3\n", "grid takes lines of KEY: VALUE"),
        ("stop: null\n", "stop takes lines of KEY: VALUE"),
        ("start: uniform\n", "start takes lines of KEY: VALUE"),
        ("defaults: 3\n", "defaults holds lines such as"),
        ("defaults: [nope]\n", "names of sweeps, not 'nope'"),
        ("defaults: [/hydra/callbacks: evil]\n", "defaults holds lines such as"),
        ("defaults: [other@hydra.callbacks: evil]\n", "defaults holds lines such as"),
        ("defaults: [override /hydra/launcher: evil]\n", "defaults holds lines such as"),
        ("defaults: [override /start: unifrm]\n", "did you mean uniform?"),
        ("defaults: [override /objective: [beale, bale]]\n", "there is no objective 'bale'"),
        ("defaults: [override /start: '${oc.env:HOME}']\n", "there is no start"),
    ],
)
def test_what_is_no_sweep_is_refused(write, text, told):
    write(text)
    with pytest.raises(UsageError) as refused:
        deltas.nodes(["mine"])
    assert told in str(refused.value)


def test_bytes_that_are_no_text_are_refused(write, tmp_path):
    (tmp_path / "conf" / "sweep" / "mine.yaml").write_bytes(b"\xff\xfe\x00seed: 1")
    with pytest.raises(UsageError, match=r"mine\.yaml"):
        deltas.nodes(["mine"])
