"""The plain tree: its defaults, and what Python callers ask for."""

import pytest

from gdexp.base import UsageError
from gdexp.config import tree


def test_defaults_are_a_copy_each():
    tree.defaults()["stop"]["max_steps"] = 5
    tree.choose("optimizer", "sgd")["sgd"]["learning_rate"] = 5
    assert tree.defaults()["stop"]["max_steps"] == 1000
    assert tree.choose("optimizer", "sgd")["sgd"]["learning_rate"] == 0.1


def test_the_default_is_the_lesson():
    found = tree.defaults()
    assert list(found["objective"]) == ["paraboloid"]
    assert list(found["optimizer"]) == ["sgd"]
    assert (found["schedule"], found["start"]) == (
        {"name": "constant"},
        {"name": "own", "num": 1},
    )


@pytest.mark.parametrize(
    ("keys", "path", "expected"),
    [
        ({"stop_max_steps": 5}, ("stop", "max_steps"), 5),
        ({"dtype": "float64"}, ("dtype",), "float64"),
        ({"run_prepare": True}, ("run", "prepare"), True),
        ({"zip": ["a", "b"]}, ("zip",), ["a", "b"]),
        ({"draw": {"momentum": "uniform:0:1"}}, ("draw", "momentum"), "uniform:0:1"),
        ({"stop": {"max_steps": 5}}, ("stop", "max_steps"), 5),
        ({"stop": {"max_steps": 5}}, ("stop", "grad_tol"), 1e-4),
    ],
)
def test_keywords_change_the_defaults(keys, path, expected):
    found = tree.from_keys(keys)
    for key in path:
        found = found[key]
    assert found == expected


@pytest.mark.parametrize(
    ("key", "meant"),
    [("stop_max_step", "stop_max_steps"), ("dtpye", "dtype"), ("replicate", "replicates")],
)
def test_an_unknown_keyword_is_refused_with_the_nearest(key, meant):
    with pytest.raises(UsageError, match=f"there is no keyword '{key}': did you mean {meant}?"):
        tree.from_keys({key: 1})


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        *((t, "names") for t in ("beale", "beale,booth", "[beale, booth]", " beale ")),
        *((t, "file") for t in ("./mine.py:f", "/a b/c.py:f", "mine.py:f", "./mine.py", "m.py:")),
        *((t, "expr") for t in ("x**2", "x+y", "(x)", "x y", "", "max(x,y)", "x.__class__")),
    ],
)
def test_what_an_objective_is_is_told_by_its_text(text, kind):
    assert tree.objective_kind(text) == kind


@pytest.mark.parametrize("text", ["a,b", "[a,b]", " a , b ", "[ a,b ]", "'a',\"b\""])
def test_names_are_split(text):
    assert tree.split_names(text) == ["a", "b"]
