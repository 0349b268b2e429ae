"""A command line becomes Hydra's words, and what Hydra says of them becomes one line."""

import re

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import assume, given
from hypothesis import strategies as st

from gdexp.base import UsageError
from gdexp.config import words
from gdexp.config.words import rewrite


@pytest.mark.parametrize(
    ("word", "rewritten"),
    [
        ("seed=1", ["seed=1"]),
        (" seed = 1 ", ["seed=1"]),
        ("+seed=1", ["++seed=1"]),
        ("+sweep=lr_grid", ["+sweep=lr_grid"]),
        ("sweep=lr_grid", ["+sweep=lr_grid"]),
        ("++sweep=lr_grid", ["+sweep=lr_grid"]),
        ("optimizer=adam", ["optimizer=[adam]"]),
        ("optimizer=sgd,adam", ["optimizer=[sgd,adam]"]),
        ("optimizer=[sgd, adam]", ["optimizer=[sgd,adam]"]),
        ("+optimizer=adam", ["+optimizer=[adam]"]),
        ("objective=beale,booth", ["objective=[beale,booth]"]),
        ("start='uniform'", ["start=uniform"]),
        ("start.low=-1,-2", ["start.low=[-1,-2]"]),
        ("stop.targets=1,2", ["stop.targets=[1,2]"]),
        ("zip=a,b", ["zip=[a,b]"]),
        ("zip=[a,b],[c,d]", ["zip=[[a,b],[c,d]]"]),
        ("wandb.name=it's a:b=c, é", [r"wandb.name='it\'s a:b=c, é'"]),
        ("wandb.name=null", ["wandb.name=null"]),
        ("hydra.run.dir=my out, 2", ["hydra.run.dir='my out, 2'"]),
        ("objective.expr.parameters={a: 1}", ["++objective.expr.parameters={a: 1}"]),
        ("objective.expr.parameters.a=1", ["++objective.expr.parameters.a=1"]),
        ("objective.expr.variables=y,x", ["objective.expr.variables=[y,x]"]),
        ("objective.mlp.hidden=[32,16]", ["objective.mlp.hidden=[32,16]"]),
        ("objective.mlp.hidden=32,16", ["objective.mlp.hidden=[32,16]"]),
        ("objective.mlp.hidden=[]", ["objective.mlp.hidden=[]"]),
        ("objective.mlp.data=./my data, new.csv", ["objective.mlp.data='./my data, new.csv'"]),
        ("objective.mlp.target=null", ["objective.mlp.target=null"]),
        ("optimizer.sgd.learning_rate=0.1", ["optimizer.sgd.learning_rate=0.1"]),
        ("stop={max_steps: 5}", ["++stop={max_steps: 5}"]),
        ("~grid.momentum", ["~grid.momentum"]),
    ],
)
def test_a_word_is_rewritten(word, rewritten):
    assert rewrite([word]) == rewritten


@pytest.mark.parametrize(
    ("word", "key", "value"),
    [
        ("grid.momentum=0.9", "grid.momentum", "0.9"),
        ("+grid.momentum=0.9", "grid.momentum", "0.9"),
        ("grid.momentum=0,0.9", "grid.momentum", "[0,0.9]"),
        ("grid.momentum=log:1e-3:1:4", "grid.momentum", "log:1e-3:1:4"),
        ("draw.momentum=uniform:0:1", "draw.momentum", "uniform:0:1"),
        ("optimizer.sgd.momentum=0,0.9", "grid.sgd.momentum", "[0,0.9]"),
        ("optimizer.sgd.momentum=[0,0.9]", "grid.sgd.momentum", "[0,0.9]"),
        ("optimizer.sgd.momentum=lin:0:1:3", "grid.sgd.momentum", "lin:0:1:3"),
        ("objective.rosenbrock.b=1,9", "grid.rosenbrock.b", "[1,9]"),
        ("schedule.decay_steps=1,9", "grid.decay_steps", "[1,9]"),
        ("grid={momentum: [0,0.9]}", "grid", "{momentum: [0,0.9]}"),
        ("grid=null", "grid", "null"),
    ],
)
def test_a_value_replaces_an_axis(word, key, value):
    assert rewrite([word]) == [f"++{key}=null", f"++{key}={value}"]


def test_several_values_are_an_axis_only_without_m():
    assert rewrite(["-m", "grid.momentum=0,0.9"]) == ["-m", "++grid.momentum=0,0.9"]
    assert rewrite(["seed=0,1", "--multirun"]) == ["--multirun", "seed=0,1"]
    assert rewrite(["-m", "optimizer.sgd.momentum=0,0.9"])[1:] == ["optimizer.sgd.momentum=0,0.9"]
    assert rewrite(["-m", "objective=beale,booth"]) == ["-m", "objective=beale,booth"]
    assert rewrite(["-m", "wandb.name=a,b"]) == ["-m", "wandb.name=a,b"]


@pytest.mark.parametrize(
    "formula",
    [
        "(x-1)**2 + 4*(y+1)**2 + x*y/2",
        "max(x, y)**2 - min(x,y)",
        "x**2\n + y**2\t",
        "x = 3",
        "x['a'] + {y}",
        'x + "y"',
        "it's",
        "a\\b",
        "x.__class__",
        "x: y ~ é",
    ],
)
def test_a_formula_needs_only_the_shells_quotes(formula):
    chosen, text = rewrite([f"objective={formula}"])
    assert chosen == "objective=[expr]"
    parsed = OverridesParser.create().parse_override(text)
    assert (parsed.key_or_group, str(parsed.value())) == ("objective.expr.formula", formula.strip())


def test_a_file_is_named_by_its_path():
    path = "/a b/it's/mine.py:f"
    chosen, text = rewrite([f"objective={path}"])
    assert chosen == "objective=[file]"
    assert str(OverridesParser.create().parse_override(text).value()) == path


@given(st.text(min_size=1).filter(lambda text: "${" not in text and text.strip()))
def test_any_text_reaches_hydra_as_it_is(text):
    quoted = text.strip()[:1] in "'\"" and text.strip()[:1] == text.strip()[-1:]
    assume(not quoted and text.strip() != "null")
    [word] = rewrite([f"wandb.name={text}"])
    assert str(OverridesParser.create().parse_override(word).value()) == text.strip()


PIECES = ["grid", "objective", "optimizer", "start", "stop", "hydra", "sweep", "sgd", "points"]
PIECES += [*".=,:~+-[]{}()'", '"', "log", "0.1", "-m", "null", "x**2", " ", "\n", "é", "\\", "$"]


@given(st.lists(st.lists(st.sampled_from(PIECES), max_size=7).map("".join), max_size=3))
def test_any_words_are_rewritten_or_a_usage_error(typed):
    try:
        rewritten = rewrite(typed)
    except UsageError as error:
        assert str(error)
    else:
        assert all(isinstance(word, str) for word in rewritten)


def test_points_imply_their_sampler():
    assert rewrite(["start.points=[[3,3]]"]) == ["start.points=[[3,3]]", "start=points"]
    assert "start=points" not in rewrite(["start.points=[[3,3]]", "start=uniform"])


@pytest.mark.parametrize(
    ("word", "told"),
    [
        *((flag, f"there is no flag {flag}") for flag in ("--flag", "-x", "--", "--config-name")),
        ("--experimental-rerun=x", "there is no flag --experimental-rerun"),
        *((flag, "there is no flag") for flag in ("--exp=x", "--multi", "--version", "-cn")),
        ("--cfg", "--cfg takes job or hydra or all"),
        ("--cfg=foo", "--cfg takes job or hydra or all"),
        ("-m=3", "-m takes no value"),
        ("word", "'word' is not KEY=VALUE"),
        ("", "'' is not KEY=VALUE"),
        *((w, "is no key: type KEY=VALUE") for w in ("=3", "grid.=1", "a b=1", "+=1", "grid.é=1")),
        ("seed=${oc.env:HOME}", "interpolations .* are refused"),
        ("wandb.name=a${b}c", "interpolations .* are refused"),
        ("seed=1,2", "seed takes one value, not 1,2; -m makes a run of each"),
        ("draw.momentum=uniform:0:1,normal:0:1", "takes one distribution: type one of"),
        ("objective.expr.parameters.a=1,2", "takes one value: type .*=1.0 and grid.NAME=1,2"),
        ("objective.expr.parameters=3", r"type objective.expr.parameters.a=VALUE"),
        ("stop=null", "stop holds keys of its own: type stop.max_steps=VALUE"),
        ("stop=5", "type stop.max_steps=VALUE"),
        ("grid=0.1", "type grid.learning_rate=VALUE"),
        ("optimizer.sgd=adam", "type optimizer.sgd.learning_rate=VALUE"),
        ("wandb.name=", "wandb.name= is empty"),
        ("hydra.run.dir=", "hydra.run.dir= is empty"),
        ("optimizer=", "there is no optimizer ''"),
        ("optimizer=adma", "did you mean adam?"),
        ("optimizer=adam,", "there is no optimizer ''"),
        ("objective=beale,beale", "names one twice"),
        ("start=uniform,grid", "start takes one name"),
        ("start=[[3,3]]", r"type start.points=\[\[3,3\]\]"),
        ("+sweep=", "there is no sweep '': there are"),
        ("+sweep=lr_gird", "did you mean lr_grid?"),
        ("+sweep=../config", "there is no sweep"),
        *((w, "only axes can be taken away") for w in ("~stop", "~start", "~optimizer.sgd", "~")),
        ("hydra.callbacks.refuse=null", "is not to be set"),
        ("hydra.callbacks={}", "is not to be set"),
        ("hydra.mode=MULTIRUN", "type -m"),
        ("hydra.job.chdir=true", "hydra.run.dir=DIR says where results go"),
        ("start.name=uniform", "type start=NAME"),
    ],
)
def test_a_wrong_word_is_refused(word, told):
    with pytest.raises(UsageError, match=told):
        rewrite([word])


def test_a_sweep_is_given_once():
    with pytest.raises(UsageError, match="given more than once: keep one"):
        rewrite(["+sweep=lr_grid", "+sweep=basins"])


def test_the_names_of_sweeps_are_found():
    assert words.sweeps(rewrite(["+sweep=smoke", "seed=1"])) == ["smoke"]
    assert words.sweeps(rewrite(["-m", "+sweep=smoke,basins"])) == ["smoke", "basins"]
    assert words.sweeps(rewrite(["seed=1"])) == []


NO_KEY = "Could not override '{0}'.\nTo append to your config use +{0}=1"


@pytest.mark.parametrize(
    ("key", "told"),
    [
        ("swep", "there is no key 'swep': did you mean +sweep?"),
        ("stop.max_step", "there is no key 'stop.max_step': did you mean stop.max_steps?"),
        ("max_steps", "there is no key 'max_steps': did you mean stop.max_steps?"),
        ("learning_rate", "did you mean optimizer.sgd.learning_rate?"),
        ("SEED", "did you mean seed?"),
        ("blub", "there is no key 'blub'; python -m gdexp --help names the keys"),
        ("optimizer.adam.b1", "adam is not selected: add optimizer=adam"),
        ("optimizer.adma.b1", "there is no optimizer 'adma': did you mean adam?"),
        ("optimizer.adam.beta1", "adam has no 'beta1' (it has learning_rate, b1"),
        ("optimizer.learning_rate", "type optimizer.sgd.learning_rate=VALUE"),
        ("objective.paraboloid.a", "paraboloid has no 'a' (it has no numbers)"),
        (
            "start.num",
            "start.num goes with start=glorot|grid|he|lhs|normal|own|plane|sobol|uniform",
        ),
        ("start.nun", "did you mean start.num?"),
        ("schedule.decay_steps", "schedule.decay_steps goes with schedule=cosine"),
    ],
)
def test_an_unknown_key_is_explained(key, told):
    assert told in words.explain(ValueError(NO_KEY.format(key)), [f"{key}=1"])


@pytest.mark.parametrize(
    ("error", "typed", "told"),
    [
        ("Sweep parameters '++grid.a=range(0,3)' requires", "grid.a=range(0,3)", "type one of 0.1"),
        ("Error merging override ++draw.a=[1]", "draw.a=[1]", "type one of loguniform"),
        ("mismatched input\nsee 'seed=1=2'", "seed=1=2", "cannot read 'seed=1=2': type one value"),
        ("Could not delete from config. 'grid.a' does not exist.", "~grid.a", "leave out ~grid.a"),
        ("", "seed=1", "cannot read the command line: ValueError"),
        ("first\nsecond", "seed=1", "cannot read the command line: first (python -m gdexp --help)"),
    ],
)
def test_what_hydra_says_becomes_one_line_with_the_users_own_word(error, typed, told):
    found = words.explain(ValueError(error), [typed])
    assert told in found
    assert not re.search(r"\n|\+\+", found)
